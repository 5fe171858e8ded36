"""Drawings of shapes with the truth about them, to train and to judge a detector; and a scene that moves."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from envstream.detection.boxes import Box
from envstream.frame import Pixels

NAMES = ("circle", "square", "triangle", "star", "cross")
SMALLEST, LARGEST = 0.05, 0.5  # Sides of shapes as shares of a picture's width.

_Array = npt.NDArray[Any]

_HIDDEN = 0.3  # Share of a shape that another may cover in a drawing.
_SEEN = 0.4  # Share of a shape that has to be seen in a scene, for a truth.
_TALLEST = 0.8  # Share of a picture's height that a shape takes at most.
_CONTRAST = 50.0  # Levels that some colour of a shape is away from what lies behind it.
_SHADOW = 0.09  # How far a shadow falls, in radii.
_RIM = 0.07  # Width of the darker rim, in radii.


class Shape(NamedTuple):
    """One shape on a picture, in pixels and radians; the radius is that of the circle around it."""

    kind: int
    x: float
    y: float
    radius: float
    angle: float
    colour: tuple[float, float, float]


class _Edges(NamedTuple):
    """An outline's corners, the direction of each, and the normal of the edge that begins there."""

    turns: _Array
    corners: _Array
    normals: _Array


def _edges(radii: Sequence[float], turns: Sequence[float]) -> _Edges:
    """An outline by its corners: how far from the middle, and in which direction, from -pi upwards."""
    corners = np.stack([radii * np.cos(turns), radii * np.sin(turns)], axis=1)
    along = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
    return _Edges(np.array(turns, np.float32), corners.astype(np.float32), normals.astype(np.float32))


def _regular(corners: int, inner: float | None = None) -> _Edges:
    """A regular polygon, or a star with so many inner corners between its outer ones."""
    radii = [1.0] * corners if inner is None else [1.0, inner] * corners
    return _edges(radii, np.linspace(-math.pi, math.pi, len(radii), endpoint=False).tolist())


def _cross(arm: float) -> _Edges:
    """A cross with arms so wide, as a share of their span."""
    half, quarter = math.asin(arm), math.pi / 2
    turns = [way * quarter + turn for way in range(-2, 2) for turn in (half, quarter / 2, quarter - half)]
    return _edges([1.0, arm * math.sqrt(2), 1.0] * 4, turns)


# Every outline is seen whole from its middle, so which edge counts follows from the direction alone.
_OUTLINES = {1: _regular(4), 2: _regular(3), 3: _regular(5, 0.45), 4: _cross(0.3)}


def _distance(kind: int, x: _Array, y: _Array) -> _Array:
    """How far points lie outside of the outline of radius 1; less than 0 inside."""
    if kind not in _OUTLINES:  # The circle.
        return np.asarray(np.hypot(x, y) - 1, np.float32)
    turns, corners, normals = _OUTLINES[kind]
    edge = np.searchsorted(turns, np.arctan2(y, x), side="right") - 1
    across: _Array = (x - corners[edge, 0]) * normals[edge, 0] + (y - corners[edge, 1]) * normals[edge, 1]
    return across


def _reach(kind: int, angle: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a shape of radius 1 that is turned."""
    if kind not in _OUTLINES:
        return -1.0, -1.0, 1.0, 1.0
    cos, sin = math.cos(angle), math.sin(angle)
    corners = _OUTLINES[kind].corners @ np.array([[cos, sin], [-sin, cos]])
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return left, top, right, bottom


def _outline(shape: Shape) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a shape in pixels."""
    left, top, right, bottom = (share * shape.radius for share in _reach(shape.kind, shape.angle))
    return shape.x + left, shape.y + top, shape.x + right, shape.y + bottom


def truth(shape: Shape, width: int, height: int) -> Box:
    """What a detector is to say of a shape that lies whole on a picture of such a size."""
    left, top, right, bottom = _outline(shape)
    label = NAMES[shape.kind]
    place = left / width, top / height, (right - left) / width, (bottom - top) / height
    return Box(*place, score=1.0, label=label, index=shape.kind)


# --- painting ------------------------------------------------------------------------------------------


def paint(canvas: _Array, shape: Shape) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """Paint a shape and its shadow on float32 RGB from 0 to 255.

    Returns:
        Where, and which pixels there the shape covers.
    """
    height, width = canvas.shape[:2]
    fall = max(1, round(_SHADOW * shape.radius))
    reach = shape.radius + 2 * fall + 2
    top, bottom = (min(max(0, int(shape.y + way)), height) for way in (-reach, reach + 1))
    left, right = (min(max(0, int(shape.x + way)), width) for way in (-reach, reach + 1))
    where = slice(top, bottom), slice(left, right)
    down = (np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5 - shape.y) / shape.radius
    across = (np.arange(left, right, dtype=np.float32)[None] + 0.5 - shape.x) / shape.radius
    cos, sin = math.cos(shape.angle), math.sin(shape.angle)
    outside = _distance(shape.kind, cos * across + sin * down, cos * down - sin * across)
    part = canvas[where]

    shadow = np.zeros_like(outside)
    shadow[fall:, fall:] = np.clip(0.5 - outside[:-fall, :-fall] / (2 * _SHADOW), 0, 1)
    part *= 1 - 0.35 * shadow[..., None]

    inside = np.clip(0.5 - outside * shape.radius, 0, 1)
    rim = np.clip((outside + _RIM) * shape.radius + 0.5, 0, 1)
    light = (1.06 - 0.1 * down) * (1 - 0.3 * rim)
    part += inside[..., None] * (light[..., None] * np.asarray(shape.colour, np.float32) - part)
    return where, inside > 0.5


def _spread(cells: int, pixels: int) -> _Array:
    """Weights that spread values at `cells` places smoothly over so many pixels."""
    place = (np.arange(pixels) + 0.5) / pixels * (cells - 1)
    first = np.minimum(place.astype(int), cells - 2)
    share = place - first
    share = share * share * (3 - 2 * share)
    weights = np.zeros((pixels, cells), np.float32)
    weights[np.arange(pixels), first] = 1 - share
    weights[np.arange(pixels), first + 1] = share
    return weights


def _background(rng: np.random.Generator, width: int, height: int, dark: bool = False) -> _Array:
    """Soft clouds of little colour with a fine grain."""
    light = rng.uniform(40, 80) if dark else rng.uniform(50, 225)
    base = light * (1 + rng.uniform(-0.25, 0.25, 3))
    canvas: _Array = np.zeros((height, width, 3), np.float32) + base.astype(np.float32)
    for cells, strength in ((int(rng.integers(2, 5)), 30.0), (int(rng.integers(6, 16)), 10.0)):
        wide = max(2, round(cells * width / height))
        clouds = rng.normal(0, strength * rng.uniform(0.3, 1), (cells, wide, 1))
        tints = clouds + rng.normal(0, 0.4 * strength, (cells, wide, 3))
        rows = np.tensordot(_spread(cells, height), tints.astype(np.float32), axes=(1, 0))
        canvas += np.einsum("wc,hck->hwk", _spread(wide, width), rows, optimize=True)
    grain = rng.standard_normal((height, width, 1), dtype=np.float32)
    canvas += np.float32(rng.uniform(0, 5)) * grain
    return np.clip(canvas, 0, 255)


def _pixels(canvas: _Array) -> Pixels:
    pixels: Pixels = np.clip(canvas + 0.5, 0, 255).astype(np.uint8)
    return pixels


# --- drawings ------------------------------------------------------------------------------------------


def _colour(rng: np.random.Generator, behind: _Array) -> tuple[float, float, float]:
    """A strong colour, at times a grey, that stands out from what lies behind it."""
    for _ in range(20):
        strength = 0.0 if rng.random() < 0.12 else rng.uniform(0.45, 1)
        share = colorsys.hsv_to_rgb(rng.random(), strength, rng.uniform(0.35, 1))
        colour = 255 * share[0], 255 * share[1], 255 * share[2]
        if np.abs(behind - colour).max() >= _CONTRAST:
            break
    return colour


def _covered(below: Shape, above: Shape) -> float:
    """Share of a shape's box that another's covers."""
    a, b = _outline(below), _outline(above)
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, high) / ((a[2] - a[0]) * (a[3] - a[1]))


def _shape(rng: np.random.Generator, width: int, height: int, sizes: tuple[float, float]) -> Shape:
    """A shape somewhere on a picture, whole; its colour is still open."""
    kind, angle = int(rng.integers(len(NAMES))), rng.uniform(0, 2 * math.pi)
    side = min(width * math.exp(rng.uniform(*np.log(sizes))), _TALLEST * height)
    left, top, right, bottom = _reach(kind, angle)
    radius = side / max(right - left, bottom - top)
    x = rng.uniform(-left * radius, width - right * radius)
    y = rng.uniform(-top * radius, height - bottom * radius)
    return Shape(kind, x, y, radius, angle, (0.0, 0.0, 0.0))


def drawing(
    rng: np.random.Generator,
    width: int,
    height: int,
    sizes: tuple[float, float] = (SMALLEST, LARGEST),
    most: int = 8,
) -> tuple[Pixels, list[Box]]:
    """Draw up to `most` shapes, each whole within the picture; they overlap, but hide little of each other.

    Args:
        sizes: the longer side of the smallest and of the largest, as shares of the width.
    """
    canvas = _background(rng, width, height)
    shapes: list[Shape] = []
    for _ in range(int(rng.integers(1, most + 1))):
        for _ in range(10):
            shape = _shape(rng, width, height, sizes)
            if all(_covered(other, shape) <= _HIDDEN for other in shapes):
                left, top, right, bottom = (int(edge) for edge in _outline(shape))
                behind = canvas[top : bottom + 1, left : right + 1].mean(axis=(0, 1))
                shapes.append(shape._replace(colour=_colour(rng, behind)))
                paint(canvas, shapes[-1])
                break
    return _pixels(canvas), [truth(shape, width, height) for shape in shapes]


# --- a scene -------------------------------------------------------------------------------------------


class _Mover(NamedTuple):
    """A shape at the start, what it moves a second, in pixels, and turns, in radians."""

    shape: Shape
    across: float
    down: float
    spin: float


def _bounced(place: float, low: float, high: float) -> float:
    """Where something is that turns round at both ends, if it would be at `place` without them."""
    if high <= low:
        return (low + high) / 2
    way = (place - low) % (2 * (high - low))
    return low + min(way, 2 * (high - low) - way)


class Scene:
    """Shapes that move over a background, turn, bounce off the edges and pass over each other.

    Args:
        count: how many shapes; each kind comes in turn.
    """

    def __init__(self, width: int = 640, height: int = 360, count: int = 7, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.width, self.height = width, height
        self._background = _background(rng, width, height, dark=True)
        self._movers = [self._mover(rng, number, count) for number in range(count)]

    def _mover(self, rng: np.random.Generator, number: int, count: int) -> _Mover:
        least = min(self.width, self.height)
        radius = least * rng.uniform(0.09, 0.2)
        share = colorsys.hsv_to_rgb(number / count, 0.65, 0.95)
        colour = 255 * share[0], 255 * share[1], 255 * share[2]
        x, y = self.width * (number + 0.5) / count, rng.uniform(0, self.height)
        shape = Shape(number % len(NAMES), x, y, radius, rng.uniform(0, 2 * math.pi), colour)
        speed, way = least * rng.uniform(0.12, 0.35), rng.uniform(0, 2 * math.pi)
        return _Mover(shape, speed * math.cos(way), speed * math.sin(way), rng.uniform(-1, 1))

    def _moved(self, mover: _Mover, seconds: float) -> Shape:
        shape = mover.shape
        x = _bounced(shape.x + mover.across * seconds, shape.radius, self.width - shape.radius)
        y = _bounced(shape.y + mover.down * seconds, shape.radius, self.height - shape.radius)
        return shape._replace(x=x, y=y, angle=shape.angle + mover.spin * seconds)

    def at(self, seconds: float) -> tuple[Pixels, list[Box]]:
        """The picture at a time, and the shapes that are seen in it well enough to be found."""
        canvas = self._background.copy()
        owner = np.full((self.height, self.width), len(self._movers))
        shapes = [self._moved(mover, seconds) for mover in self._movers]
        areas = []
        for number, shape in enumerate(shapes):
            where, covered = paint(canvas, shape)
            owner[where][covered] = number
            areas.append(np.count_nonzero(covered))
        seen = np.bincount(owner.ravel(), minlength=len(shapes))
        clear = [
            shape for shape, area, left in zip(shapes, areas, seen, strict=False) if left >= _SEEN * area
        ]
        return _pixels(canvas), [truth(shape, self.width, self.height) for shape in clear]

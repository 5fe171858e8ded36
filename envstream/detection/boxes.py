"""Boxes: where in a picture something is, what overlaps what, and how a picture lies in a model's square."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

OVERLAP = 0.45  # Of two boxes of one class from which on they are taken for the same thing.
MOST = 300  # Boxes that are found in one picture.
_LOOKED_AT = 2000  # Of more candidates, the best; the time that comparing takes grows with their square.
_BLOCK = 256  # Of them are compared at a time.

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Box(NamedTuple):
    """Something that was found.

    Attributes:
        x, y: its upper left corner, as shares of the picture's width and height, from 0 to 1.
        width, height: as such shares.
        score: how sure the model is, from 0 to 1.
        label: what it is.
        index: the number of its class.
    """

    x: float
    y: float
    width: float
    height: float
    score: float
    label: str
    index: int  # type: ignore[assignment]  # Nobody looks for a value in a box.

    def said(self) -> dict[str, Any]:
        """For JSON."""
        rounded = {name: round(getattr(self, name), 4) for name in ("x", "y", "width", "height", "score")}
        return {"label": self.label, "index": self.index, **rounded}


class Fit(NamedTuple):
    """How a picture lies in a model's square: scaled in proportion, in the middle.

    Attributes:
        size: pixels that the square is wide and high.
        width, height: of the picture within it, in pixels.
        left, top: pixels beside and above it.
    """

    size: int
    width: int
    height: int
    left: int
    top: int

    def back(self, boxes: Floats) -> Floats:
        """Boxes, as (left, top, right, bottom) in pixels of the square, as such in shares of the picture.

        What lies beside the picture is cut off.
        """
        offset = np.array([self.left, self.top] * 2, np.float32)
        scale = np.array([self.width, self.height] * 2, np.float32)
        shares: Floats = np.clip((boxes.reshape(-1, 4) - offset) / scale, 0, 1).astype(np.float32)
        return shares


def fit(width: int, height: int, size: int) -> Fit:
    """How a picture of `width` and `height` pixels is fitted into a square."""
    scale = size / max(width, height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    return Fit(size, wide, high, (size - wide) // 2, (size - high) // 2)


def iou(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """What each two boxes share, as a part of what they cover together.

    Args:
        first, second: N and M boxes as (left, top, right, bottom), in any unit.

    Returns:
        Of shape (N, M), from 0 to 1.
    """
    a = np.asarray(first, np.float32).reshape(-1, 1, 4)
    b = np.asarray(second, np.float32).reshape(1, -1, 4)
    wide = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    high = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    common = np.maximum(wide, 0) * np.maximum(high, 0)
    together = _area(a) + _area(b) - common
    shared: Floats = np.divide(common, together, out=np.zeros_like(common), where=together > 0)
    return shared


def suppress(
    boxes: Floats, scores: Floats, classes: Ints, threshold: float = OVERLAP, most: int = MOST
) -> Ints:
    """Which boxes are kept where several of one class lie upon each other, the best first.

    Args:
        boxes: (N, 4), as (left, top, right, bottom).
        scores, classes: of each.
        threshold: a box that shares more than this with a better one of its class is left out.
        most: boxes that are kept.
    """
    order = np.argsort(-scores, kind="stable")[:_LOOKED_AT]
    kept: list[int] = []
    for begin in range(0, len(order), _BLOCK):
        block = order[begin : begin + _BLOCK]
        if kept:
            block = block[~_upon(kept, block, boxes, classes, threshold).any(0)]
        upon = _upon(block, block, boxes, classes, threshold)
        left = np.ones(len(block), bool)
        for row, index in enumerate(block.tolist()):
            if left[row]:
                kept.append(index)
                left &= ~upon[row]
        if len(kept) >= most:
            break
    return np.array(kept[:most], np.int64)


def _upon(
    first: Ints | list[int], second: Ints, boxes: Floats, classes: Ints, threshold: float
) -> npt.NDArray[np.bool_]:
    """Which of the second lie upon which of the first, of the same class."""
    near = iou(boxes[first], boxes[second]) > threshold
    upon: npt.NDArray[np.bool_] = near & (classes[first][:, None] == classes[second])
    return upon


def _area(boxes: Floats) -> Floats:
    wide, high = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    area: Floats = np.maximum(wide, 0) * np.maximum(high, 0)
    return area

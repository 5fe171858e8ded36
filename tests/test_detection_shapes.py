"""Drawings say truly what they show, and so does a scene that moves."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.detection import shapes
from envstream.detection.boxes import Box, iou
from envstream.detection.shapes import NAMES, Scene, Shape, drawing

FLAT = (180, 240, 3)  # Height, width and colours of a canvas with nothing on it.
# What geometry says of each shape in a circle of radius 1.
AREAS = {
    "circle": math.pi,
    "square": 2.0,
    "triangle": 3 * math.sqrt(3) / 4,
    "star": 5 * 0.45 * math.sin(math.pi / 5),
    "cross": 8 * 0.3 * (math.cos(math.asin(0.3)) - 0.3) + 4 * 0.3**2,
}

every_kind = pytest.mark.parametrize("kind", range(len(NAMES)), ids=NAMES)
seeds = st.integers(0, 2**32 - 1)
SCENE = Scene(160, 90)


def corners(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.x + box.width, box.y + box.height


def painted(kind: int, angle: float) -> tuple[np.ndarray, Shape, np.ndarray]:
    """One shape on a flat canvas: the canvas, the shape, and which pixels it covers."""
    canvas = np.full(FLAT, 100, np.float32)
    shape = Shape(kind, 120.3, 90.7, 70, angle, (250.0, 30.0, 60.0))
    where, covered = shapes.paint(canvas, shape)
    whole = np.zeros(FLAT[:2], bool)
    whole[where] = covered
    return canvas, shape, whole


# --- one shape -----------------------------------------------------------------------------------------


@every_kind
def test_a_shape_covers_what_geometry_says(kind: int) -> None:
    _, shape, covered = painted(kind, 0.3)
    assert covered.sum() == pytest.approx(AREAS[NAMES[kind]] * shape.radius**2, rel=0.01)


@every_kind
@pytest.mark.parametrize("angle", [0.0, 0.4, 1.9, 5.5])
def test_the_truth_is_the_box_just_around_a_shape(kind: int, angle: float) -> None:
    _, shape, covered = painted(kind, angle)
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    box = shapes.truth(shape, 240, 180)
    around = columns[0] / 240, rows[0] / 180, (columns[-1] + 1) / 240, (rows[-1] + 1) / 180
    assert corners(box) == pytest.approx(around, abs=2.5 / 180)  # Thin tips end in pixels covered by half.
    assert (box.label, box.index, box.score) == (NAMES[kind], kind, 1.0)


@every_kind
def test_a_shape_has_its_colour_and_leaves_what_is_far_from_it(kind: int) -> None:
    canvas, _, _ = painted(kind, 0.3)
    assert canvas[90, 120] == pytest.approx((250, 30, 60), rel=0.1)
    assert (canvas[:5] == 100).all()


def test_a_shape_throws_a_shadow_to_the_lower_right() -> None:
    canvas, _, covered = painted(NAMES.index("circle"), 0.0)
    beside = np.where(covered, 100, canvas[..., 0])
    assert beside[141:147, 171:177].max() < 90
    assert beside[34:40, 64:70].min() > 95


def test_a_shape_beyond_the_edge_covers_nothing() -> None:
    canvas = np.full(FLAT, 100, np.float32)
    _, covered = shapes.paint(canvas, Shape(0, -200, -200, 20, 0, (250, 30, 60)))
    assert not covered.any()
    assert (canvas == 100).all()


# --- drawings ------------------------------------------------------------------------------------------


@given(seeds, st.integers(64, 300), st.integers(64, 300))
def test_a_drawing_shows_one_to_eight_whole_shapes_of_the_sizes_that_are_asked_for(
    seed: int, width: int, height: int
) -> None:
    pixels, truths = drawing(np.random.default_rng(seed), width, height)
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.uint8
    assert 1 <= len(truths) <= 8
    for box in truths:
        left, top, right, bottom = corners(box)
        assert min(left, top) >= -1e-6 and max(right, bottom) <= 1 + 1e-6
        side = max(box.width * width, box.height * height)
        assert min(0.05 * width, 0.8 * height) - 0.01 <= side <= 0.5 * width + 0.01


def test_the_same_numbers_make_the_same_drawing() -> None:
    one, again = (drawing(np.random.default_rng(7), 96, 64) for _ in range(2))
    other, _ = drawing(np.random.default_rng(8), 96, 64)
    assert np.array_equal(one[0], again[0])
    assert one[1] == again[1]
    assert not np.array_equal(one[0], other)


def test_drawings_show_every_kind_and_overlaps() -> None:
    drawings = [drawing(np.random.default_rng(seed), 160, 120)[1] for seed in range(40)]
    assert {box.label for truths in drawings for box in truths} == set(NAMES)
    overlaps = [iou([corners(a)], [corners(b)]) for truths in drawings for a, b in combinations(truths, 2)]
    assert sum(float(overlap[0, 0]) > 0 for overlap in overlaps) >= 10


@given(seeds)
def test_no_shape_of_a_drawing_hides_much_of_another(seed: int) -> None:
    _, truths = drawing(np.random.default_rng(seed), 120, 120)
    for below, above in combinations(map(corners, truths), 2):
        wide = min(below[2], above[2]) - max(below[0], above[0])
        high = min(below[3], above[3]) - max(below[1], above[1])
        area = (below[2] - below[0]) * (below[3] - below[1])
        assert max(0, wide) * max(0, high) <= 0.3 * area + 1e-9


def test_the_sizes_and_the_number_of_shapes_can_be_chosen() -> None:
    _, truths = drawing(np.random.default_rng(3), 200, 200, sizes=(0.3, 0.3), most=1)
    assert [max(box.width, box.height) for box in truths] == [pytest.approx(0.3)]


# --- the scene -----------------------------------------------------------------------------------------


@given(st.floats(0, 1e5))
def test_the_shapes_of_a_scene_stay_within_it(seconds: float) -> None:
    pixels, truths = SCENE.at(seconds)
    assert pixels.shape == (90, 160, 3)
    for box in truths:
        left, top, right, bottom = corners(box)
        assert min(left, top) >= -1e-6 and max(right, bottom) <= 1 + 1e-6


def test_a_scene_depends_on_nothing_but_the_time() -> None:
    first = SCENE.at(12.5)
    SCENE.at(90.0)
    again, elsewhere = SCENE.at(12.5), Scene(160, 90).at(12.5)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[0], elsewhere[0])
    assert first[1] == again[1] == elsewhere[1]


def test_shapes_move_smoothly_and_turn_back_at_the_edges() -> None:
    scene = Scene(160, 90, count=1)
    places = [scene.at(number / 30)[1][0] for number in range(900)]
    across = np.diff([box.x + box.width / 2 for box in places])
    assert 0 < np.abs(across).max() < 0.35 * 90 / 160 / 30 + 0.01
    assert (across > 0.0005).any() and (across < -0.0005).any()


def test_shapes_pass_over_each_other_and_those_that_are_hidden_are_not_told() -> None:
    told = [SCENE.at(second / 2)[1] for second in range(120)]
    overlaps = [iou([corners(a)], [corners(b)]).max() for each in told for a, b in combinations(each, 2)]
    assert max(overlaps) > 0.3
    assert {len(each) for each in told} >= {6, 7}
    assert max(len(each) for each in told) == 7


def test_a_scene_of_five_or_more_shows_every_kind() -> None:
    seen = {box.label for second in range(10) for box in SCENE.at(second)[1]}
    assert seen == set(NAMES)


def test_shapes_larger_than_a_tiny_scene_stand_in_its_middle() -> None:
    _, truths = Scene(12, 400, count=3).at(5.0)
    assert all(box.x >= 0 and box.x + box.width <= 1 for box in truths)

"""Boxes: overlap and suppression as one reckons them by hand, and squares that lose nothing of a picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.detection.boxes import Box, fit, iou, suppress


def floats(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_what_two_boxes_share_is_a_part_of_what_they_cover_together() -> None:
    boxes = floats((0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30))
    assert iou(boxes[:1], boxes)[0] == pytest.approx([1.0, 1 / 3, 0.0])


def test_boxes_without_an_area_share_nothing() -> None:
    assert iou(floats((3, 3, 3, 3)), floats((3, 3, 3, 3)))[0, 0] == 0
    assert iou([], [(0, 0, 1, 1)]).shape == (0, 1)


def test_of_boxes_upon_each_other_the_surest_is_kept() -> None:
    boxes = floats((0, 0, 10, 10), (1, 0, 11, 10), (50, 50, 60, 60))
    kept = suppress(boxes, np.array([0.5, 0.9, 0.3], np.float32), np.zeros(3, np.int64))
    assert kept.tolist() == [1, 2]


def test_boxes_of_different_classes_do_not_suppress_each_other() -> None:
    boxes = floats((0, 0, 10, 10), (0, 0, 10, 10))
    assert suppress(boxes, np.array([0.5, 0.9], np.float32), np.array([0, 1])).tolist() == [1, 0]


def test_one_that_was_left_out_leaves_nothing_out() -> None:
    boxes = floats((0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10))
    kept = suppress(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int64), 0.4)
    assert kept.tolist() == [0, 2]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 700])
def test_many_boxes_are_left_out_as_if_each_were_compared_with_all_that_are_surer(count: int) -> None:
    rng = np.random.default_rng(count)
    corners = rng.uniform(0, 100, (count, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (count, 2)).astype(np.float32)], 1)
    scores, classes = rng.random(count, np.float32), rng.integers(0, 2, count)
    expected: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        same = [other for other in expected if classes[other] == classes[index]]
        if not (iou(boxes[same], boxes[[index]]) > 0.45).any():
            expected.append(index)
    assert suppress(boxes, scores, classes, most=count).tolist() == expected
    assert suppress(boxes, scores, classes, most=9).tolist() == expected[:9]


def test_no_more_are_kept_than_are_wanted_and_of_none_there_are_none() -> None:
    boxes = np.arange(400, dtype=np.float32).reshape(100, 4) * 10 + np.array([0, 0, 5, 5], np.float32)
    kept = suppress(boxes, np.linspace(0, 1, 100, dtype=np.float32), np.zeros(100, np.int64), most=7)
    assert kept.tolist() == list(range(99, 92, -1))
    assert suppress(boxes[:0], np.zeros(0, np.float32), np.zeros(0, np.int64)).tolist() == []


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((640, 480), (320, 240, 0, 40)),
        ((480, 640), (240, 320, 40, 0)),
        ((160, 144), (320, 288, 0, 16)),
        ((1000, 1), (320, 1, 0, 159)),
    ],
)
def test_a_picture_lies_in_the_middle_of_its_square(
    picture: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert fit(*picture, 320)[1:] == expected


@given(st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([32, 320, 417, 640]))
def test_the_whole_picture_comes_back_whatever_its_size(width: int, height: int, size: int) -> None:
    place = fit(width, height, size)
    assert place.left >= 0 and place.left + place.width <= size
    assert place.top >= 0 and place.top + place.height <= size
    corners = floats((place.left, place.top, place.left + place.width, place.top + place.height))
    assert place.back(corners)[0] == pytest.approx([0, 0, 1, 1], abs=1e-6)


def test_what_lies_beside_the_picture_is_cut_off() -> None:
    assert fit(640, 480, 320).back(floats((-50, 0, 160, 500)))[0].tolist() == [0, 0, 0.5, 1]


def test_a_box_is_said_with_what_it_is() -> None:
    said = Box(0.1, 0.2, 0.3, 1 / 3, 0.98765, "cat", 4).said()
    assert said == {
        "label": "cat",
        "index": 4,
        "x": 0.1,
        "y": 0.2,
        "width": 0.3,
        "height": 0.3333,
        "score": 0.9877,
    }

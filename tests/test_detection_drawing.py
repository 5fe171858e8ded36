"""Drawing: boxes where they belong, in the colour of their class, with text where there is room."""

from __future__ import annotations

import numpy as np
import pytest

from envstream.detection.boxes import Box
from envstream.detection.drawing import COLOURS, corners, draw


def grey(width: int = 320, height: int = 240) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def box(index: int = 0, x: float = 0.25, y: float = 0.5, width: float = 0.5, height: float = 0.25) -> Box:
    return Box(x, y, width, height, 0.87, "circle", index)


def test_the_edges_have_the_colour_of_the_class_and_the_inside_is_left_alone() -> None:
    drawn = draw(grey(), [box(3)])
    for y, x in ((120, 160), (179, 160), (150, 80), (150, 239)):
        assert tuple(drawn[y, x]) == COLOURS[3]
    assert (drawn[125:175, 85:235] == 90).all()
    assert (drawn[:, 240:] == 90).all() and (drawn[181:] == 90).all()


def test_what_it_is_stands_above_the_box() -> None:
    drawn = draw(grey(), [box()])
    label = drawn[106:120, 80:130]
    assert (label == COLOURS[0]).all(-1).mean() > 0.3
    assert (label.max(-1) < 60).any(), "the text is dark upon a light colour"


def test_another_label_or_score_is_another_picture() -> None:
    pictures = [
        draw(grey(), [each]) for each in (box(), box()._replace(label="x"), box()._replace(score=0.5))
    ]
    assert not any(np.array_equal(pictures[0], other) for other in pictures[1:])


def test_text_stays_within_the_picture_where_a_box_touches_its_edges() -> None:
    for x, y in ((0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (0.9, 0.9)):
        drawn = draw(grey(), [box(1, x, y, 0.1, 0.1)])
        assert ((drawn == COLOURS[1]).all(-1).sum()) > 400


def test_the_picture_that_is_given_is_left_as_it_is() -> None:
    given = grey()
    given.flags.writeable = False
    assert draw(given, [box()]) is not given
    assert (given == 90).all()
    assert draw(given, []) is given


def test_the_surest_is_on_top() -> None:
    sure, unsure = box(1), box(2)._replace(score=0.3)
    assert tuple(draw(grey(), [sure, unsure])[150, 80]) == COLOURS[1]
    assert tuple(draw(grey(), [unsure, sure])[150, 80]) == COLOURS[1]


def test_there_are_colours_for_any_number_of_classes() -> None:
    drawn = draw(grey(), [box(len(COLOURS) + 4)])
    assert tuple(drawn[150, 80]) == COLOURS[4]


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (20, 20), (39, 41), (4000, 8)])
@pytest.mark.parametrize("where", [(0, 0, 1, 1), (0.999, 0.999, 0.001, 0.001), (0, 0, 0, 0), (1, 1, 0, 0)])
def test_pictures_and_boxes_of_any_size_come_through(
    size: tuple[int, int], where: tuple[float, float, float, float]
) -> None:
    drawn = draw(grey(*size), [Box(*where, 1.0, "круг ○ 圓", 0)])
    assert drawn.shape == (size[1], size[0], 3) and drawn.dtype == np.uint8
    left, top, right, low = corners(box(0, *where), *size)
    assert 0 <= left <= right < size[0] and 0 <= top <= low < size[1]

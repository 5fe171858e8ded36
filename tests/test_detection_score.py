"""Average precision is what it is when it is worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.detection.boxes import Box
from envstream.detection.score import average_precisions, mean_average_precision


def box(x: float, score: float = 1.0, label: str = "cat", width: float = 0.1) -> Box:
    return Box(x, 0.2, width, 0.4, score, label, 0)


TWO = [box(0.1), box(0.5)]


def test_finding_all_and_nothing_else_is_one() -> None:
    assert mean_average_precision([TWO, [box(0.3)]], [TWO, [box(0.3)]]) == pytest.approx(1.0)


def test_finding_nothing_is_zero() -> None:
    assert mean_average_precision([[], []], [TWO, TWO]) == 0.0


def test_finding_half_surely_is_a_half() -> None:
    assert mean_average_precision([[box(0.1, 0.9)]], [TWO]) == pytest.approx(0.5)


def test_a_mistake_counts_where_it_is_surer_than_what_is_right() -> None:
    # Precision is 1 until half is found, then 2 of 3: 0.5 * 1 + 0.5 * 2/3.
    found = [box(0.1, 0.9), box(0.8, 0.8), box(0.5, 0.7)]
    assert mean_average_precision([found], [TWO]) == pytest.approx(5 / 6)


def test_a_mistake_costs_nothing_once_all_is_found() -> None:
    found = [box(0.1, 0.9), box(0.5, 0.8), box(0.8, 0.3)]
    assert mean_average_precision([found], [TWO]) == pytest.approx(1.0)


def test_precision_is_the_best_that_so_much_recall_can_have() -> None:
    # Wrong, right, right: 0, 1/2, 2/3, so that 2/3 is had all the way.
    found = [box(0.8, 0.9), box(0.1, 0.8), box(0.5, 0.7)]
    assert mean_average_precision([found], [TWO]) == pytest.approx(2 / 3)


def test_what_is_found_twice_is_a_mistake() -> None:
    found = [box(0.1, 0.9), box(0.1, 0.8), box(0.5, 0.7)]
    assert mean_average_precision([found], [TWO]) == pytest.approx(5 / 6)


def test_the_surer_box_takes_the_truth_that_it_fits_best() -> None:
    # The surer one overlaps both truths by half or more, and leaves the other to the second.
    truths = [box(0.1), box(0.13)]
    found = [box(0.125, 0.9), box(0.1, 0.8)]
    assert mean_average_precision([found], [truths]) == pytest.approx(1.0)


def test_a_mistake_in_a_picture_that_shows_nothing_counts() -> None:
    assert mean_average_precision([[box(0.4, 0.9)], [box(0.1, 0.5)]], [[], [box(0.1)]]) == pytest.approx(0.5)


@pytest.mark.parametrize(("shift", "score"), [(0.03, 1.0), (0.04, 0.0)])
def test_a_box_has_to_overlap_by_half(shift: float, score: float) -> None:
    # Shifted by a third of its width, a box shares a half of both; 0.03 of 0.1 is a little less.
    assert mean_average_precision([[box(0.1 + shift)]], [[box(0.1)]]) == score


def test_how_much_has_to_be_overlapped_can_be_chosen() -> None:
    assert mean_average_precision([[box(0.14)]], [[box(0.1)]], least=0.4) == 1.0


def test_each_label_is_judged_on_its_own() -> None:
    truths = [box(0.1), box(0.5, label="dog")]
    found = [box(0.1), box(0.5, label="cat")]
    assert average_precisions([found], [truths]) == {"cat": 1.0, "dog": 0.0}
    assert mean_average_precision([found], [truths]) == 0.5


def test_a_label_without_truths_does_not_count() -> None:
    assert average_precisions([[box(0.1), box(0.5, label="bird")]], [[box(0.1)]]) == {"cat": 1.0}


@given(st.permutations([box(0.1, 0.9), box(0.8, 0.8), box(0.5, 0.7), box(0.12, 0.6)]))
def test_the_order_does_not_matter(found: list[Box]) -> None:
    assert mean_average_precision([found], [TWO]) == pytest.approx(5 / 6)


def test_pictures_that_do_not_match_are_an_error() -> None:
    with pytest.raises(ValueError, match="found is of 1 pictures, the truths are of 2"):
        mean_average_precision([[]], [TWO, TWO])


def test_no_truths_at_all_are_an_error() -> None:
    with pytest.raises(ValueError, match="no truths to measure against"):
        mean_average_precision([[]], [[]])

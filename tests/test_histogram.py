"""Histogram: counts of what lies at or below each bound."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.histogram import BOUNDS, Histogram


def test_what_lies_on_a_bound_counts_for_it_and_for_all_above() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.1, 0.5, 1.0, 7.0):
        histogram.observe(value)
    assert histogram.cumulated() == [(0.1, 1), (1.0, 3), (math.inf, 4)]
    assert histogram.total == pytest.approx(8.6)


def test_one_observation_may_stand_for_many() -> None:
    histogram = Histogram((0.1,))
    histogram.observe(0.05, 63)
    assert (histogram.count, histogram.total) == (63, pytest.approx(3.15))


@pytest.mark.parametrize("value", [-0.001, 3600.0, math.inf, math.nan])
def test_what_cannot_have_been_measured_is_left_out(value: float) -> None:
    histogram = Histogram()
    histogram.observe(value)
    assert (histogram.count, histogram.total) == (0, 0.0)


@given(st.lists(st.lists(st.floats(0, 3599), max_size=30), max_size=4))
def test_several_as_one_are_what_one_would_have_seen(several: list[list[float]]) -> None:
    parts, whole = [Histogram() for _ in several], Histogram()
    for part, values in zip(parts, several, strict=True):
        for value in values:
            part.observe(value)
            whole.observe(value)
    summed = Histogram.sum(parts)
    assert summed.cumulated() == whole.cumulated()
    assert summed.total == pytest.approx(whole.total)


@given(st.lists(st.floats(0, 3599), max_size=50))
def test_counts_rise_with_the_bounds_and_end_with_all(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    rows = histogram.cumulated()
    assert [bound for bound, _ in rows] == [*BOUNDS, math.inf]
    assert [count for _, count in rows] == [sum(value <= bound for value in values) for bound, _ in rows]

"""Timing: of each stage what half of the pictures take, and what the slowest do."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.timing import LAST, Timing


def test_of_a_stage_that_never_was_nothing_is_said() -> None:
    assert Timing().said() == {}


def test_percentiles_are_those_of_the_pictures_in_milliseconds() -> None:
    timing = Timing()
    for number in range(100):
        timing.add("upload", (number + 1) / 1000)
    assert timing.said() == {"upload": {"p50": 51.0, "p95": 96.0, "p99": 100.0, "count": 100}}


def test_one_picture_is_all_its_percentiles() -> None:
    timing = Timing()
    timing.add("queue", 0.0025)
    assert timing.said()["queue"] == {"p50": 2.5, "p95": 2.5, "p99": 2.5, "count": 1}


def test_stages_are_kept_apart_in_the_order_in_which_they_came() -> None:
    timing = Timing()
    for stage in ("capture", "upload", "capture"):
        timing.add(stage, 1.0)
    assert {stage: said["count"] for stage, said in timing.said().items()} == {"capture": 2, "upload": 1}
    assert list(timing.said()) == ["capture", "upload"]


def test_only_the_last_pictures_count() -> None:
    timing = Timing()
    for _ in range(LAST):
        timing.add("encode", 5.0)
    for _ in range(LAST):
        timing.add("encode", 0.001)
    assert timing.said()["encode"] == {"p50": 1.0, "p95": 1.0, "p99": 1.0, "count": LAST}


@pytest.mark.parametrize("seconds", [-0.001, 3600.0, math.inf, -math.inf, math.nan])
def test_what_cannot_have_been_measured_is_left_out(seconds: float) -> None:
    timing = Timing()
    timing.add("upload", seconds)
    assert timing.said() == {}


@given(st.lists(st.floats(0, 3599, allow_nan=False), min_size=1, max_size=400))
def test_percentiles_rise_and_lie_among_what_was_measured(seconds: list[float]) -> None:
    timing = Timing()
    for each in seconds:
        timing.add("paint", each)
    said = timing.said()["paint"]
    kept = [round(1000 * each, 3) for each in seconds[-LAST:]]
    assert min(kept) <= said["p50"] <= said["p95"] <= said["p99"] <= max(kept)
    assert {said["p50"], said["p95"], said["p99"]} <= set(kept)
    assert json.dumps(said, allow_nan=False)

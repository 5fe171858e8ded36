"""The time line: pictures are shown when they were made, whatever the clock of whoever made them did."""

from __future__ import annotations

import pytest

from envstream.processing.timeline import LONGEST_GAP, MOST, Timeline


def shown(*timestamps: float, fps: float = 10.0) -> list[float]:
    line = Timeline(fps)
    return [line.show(number, timestamp) for number, timestamp in enumerate(timestamps, 1)]


def test_a_video_begins_with_its_first_picture() -> None:
    line = Timeline(30.0)
    assert [line.show(1, 1000.0), line.show(2, 1000.5)] == [0.0, 0.5]
    assert line.starts == 1000.0


def test_each_picture_has_its_own_time_and_gaps_stay() -> None:
    assert shown(2.0, 2.03, 2.5, 60.0, 60.1) == pytest.approx([0.0, 0.03, 0.5, 58.0, 58.1])


def test_a_picture_that_is_a_little_early_is_moved_on_and_those_after_it_are_not() -> None:
    assert shown(0.0, 1.0, 0.5, 1.0, 1.1) == pytest.approx([0.0, 1.0, 1.0 + 1 / 90000, 1.0 + 2 / 90000, 1.1])


def test_a_clock_that_was_set_back_goes_on_by_a_period() -> None:
    assert shown(500.0, 500.1, 0.0, 0.1, 0.2) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_a_clock_that_leaps_is_no_gap_of_years() -> None:
    times = shown(0.0, 0.1, 1e9, 1e9 + 0.5)
    assert times == pytest.approx([0.0, 0.1, 0.1 + LONGEST_GAP, 0.6 + LONGEST_GAP])


def test_one_wrong_timestamp_does_not_spoil_the_rest() -> None:
    times = shown(0.0, 0.1, 1e9, 0.3, 0.4)
    assert times[3:] == pytest.approx([times[2] + 0.1, times[2] + 0.2])


def test_it_says_where_the_clock_was_set() -> None:
    line = Timeline(10.0)
    for number, timestamp in enumerate((5.0, 6.0, 0.0), 1):
        line.show(number, timestamp)
    said = line.said()
    assert said["reset"] == [{"number": 3, "at": 1.1, "shift": pytest.approx(6.1)}]
    assert said["resets"] == 1


def test_what_is_missing_is_a_range_with_the_times_around_it() -> None:
    line = Timeline(10.0)
    line.lose(1, 1)
    line.show(2, 3.0)
    for number in (3, 4, 5):
        line.lose(number, number)
    line.show(6, 4.0)
    line.lose(7, 7)
    assert line.said()["missing"] == [
        {"from": 1, "to": 1, "before": None, "after": 0.0},
        {"from": 3, "to": 5, "before": 0.0, "after": 1.0},
        {"from": 7, "to": 7, "before": 1.0, "after": None},
    ]


def test_what_is_damaged_is_told_from_what_is_missing() -> None:
    line = Timeline(10.0)
    line.show(1, 0.0)
    line.damage(2, "cut off")
    line.lose(3, 3)
    line.damage(4, "cut off")
    line.show(5, 0.5)
    said = line.said()
    around = {"before": 0.0, "after": 0.5}
    assert said["missing"] == [{"from": 3, "to": 3, **around}]
    assert said["damaged"] == [
        {"from": 2, "to": 2, "before": 0.0, "after": None, "error": "cut off"},
        {"from": 4, "to": 4, **around, "error": "cut off"},
    ]


def test_of_many_ranges_the_first_are_named_and_all_are_counted() -> None:
    line = Timeline(10.0)
    for number in range(1, 2 * MOST + 101, 2):
        line.show(number, float(number))
        line.lose(number + 1, number + 1)
    said = line.said()
    assert (len(said["missing"]), said["missing_ranges"]) == (MOST, MOST + 50)
    assert said["missing"][-1] == {
        "from": 2 * MOST,
        "to": 2 * MOST,
        "before": 2 * MOST - 2,
        "after": 2 * MOST,
    }

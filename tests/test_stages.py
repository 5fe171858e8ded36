"""Stages: how long each part of a picture's way takes."""

from __future__ import annotations

import pytest

from envstream.stages import MOST_MOMENTS, Stages


def seen(stages: Stages) -> dict[str, tuple[int, float]]:
    return {stage: (each.count, pytest.approx(each.total)) for stage, each in stages.of.items()}


def test_a_pictures_way_is_told_stage_by_stage_and_as_a_whole() -> None:
    stages = Stages()
    stages.came(0.004, 0.001)
    stages.sent(7, captured=10.0, waited=0.002, viewers=1)
    stages.acknowledged(7, took=0.05, transfer=0.03, now=10.06)
    assert seen(stages) == {
        "capture": (1, 0.004),
        "handover": (1, 0.001),
        "queue": (1, 0.002),
        "ack": (1, 0.05),
        "transfer": (1, 0.03),
        "paint": (1, 0.02),
        "total": (1, 0.06),
    }


def test_of_a_capture_of_which_nothing_is_known_none_is_made_up() -> None:
    stages = Stages()
    stages.came(0.0, 0.001)
    assert list(stages.of) == ["handover"]


@pytest.mark.parametrize("transfer", [None, -1.0, 0.051])
def test_who_says_nothing_of_its_transfer_or_what_cannot_be_has_no_such_stage(transfer: float | None) -> None:
    stages = Stages()
    stages.acknowledged(7, took=0.05, transfer=transfer, now=10.0)
    assert list(stages.of) == ["ack"]


def test_few_viewers_are_looked_at_each_time_and_of_many_one_in_so_many_counts_for_all() -> None:
    stages = Stages()
    stages.watched(15)
    assert stages.every == 1
    stages.watched(1000)
    assert stages.every == 63
    stages.acknowledged(63, took=0.05, transfer=None, now=10.0)
    assert seen(stages) == {"ack": (63, 63 * 0.05)}


@pytest.mark.parametrize("viewers", range(0, 2000, 173))
def test_frames_of_which_acknowledgements_are_looked_at_are_neither_all_odd_nor_all_even(
    viewers: int,
) -> None:
    stages = Stages()
    stages.watched(viewers)
    looked_at = [number for number in range(10 * stages.every) if number % stages.every == 0]
    assert {number % 2 for number in looked_at} == {0, 1}


def test_moments_of_capture_are_kept_of_the_newest_frames_only() -> None:
    stages = Stages()
    for number in range(1, MOST_MOMENTS + 2):
        stages.sent(number, captured=float(number), waited=0.0, viewers=1)
    stages.acknowledged(1, took=0.0, transfer=None, now=100.0)
    assert "total" not in stages.of
    stages.acknowledged(2, took=0.0, transfer=None, now=100.0)
    assert seen(stages)["total"] == (1, 98.0)


def test_a_stream_begun_anew_forgets_the_moments_of_the_frames_before() -> None:
    stages = Stages()
    stages.sent(1, captured=1.0, waited=0.0, viewers=1)
    stages.begin_anew()
    stages.acknowledged(1, took=0.0, transfer=None, now=100.0)
    assert "total" not in stages.of


def test_dropped_frames_are_a_counter_that_never_falls() -> None:
    stages = Stages()
    assert [stages.dropped(count) for count in (0, 3, 2, 4)] == [0, 3, 3, 4]

"""Cost: what streaming takes of a trainer's wall time."""

from __future__ import annotations

from envstream.cost import Cost


def test_before_anything_was_heard_of_a_trainer_there_is_none() -> None:
    assert not Cost().begun


def test_captures_are_told_as_a_share_of_the_last_ten_seconds_and_of_all_time() -> None:
    cost = Cost()
    cost.begin(0.0)
    cost.spent(50.0, 0.5)
    cost.spent(95.0, 0.25)
    cost.spent(99.0, 0.25)
    said = cost.said(100.0, None, 0.05)
    assert (said["share"], said["since_start"], said["seconds"]) == (0.05, 0.01, 1.0)
    assert (said["counting"], said["limit"]) == (None, 0.05)


def test_a_trainer_that_has_just_begun_is_measured_by_the_time_it_had() -> None:
    cost = Cost()
    cost.begin(0.0)
    cost.spent(1.5, 0.1)
    assert cost.said(2.0, None, 0.05)["share"] == 0.05


def test_the_first_picture_is_not_taken_for_the_whole() -> None:
    cost = Cost()
    cost.spent(0.0, 0.1)
    assert cost.said(0.0, None, 0.05)["share"] == 0.1


def test_counting_is_what_it_takes_of_each_step_times_the_steps() -> None:
    cost = Cost()
    cost.begin(0.0)
    cost.spent(99.0, 0.2)
    cost.counting = 100e-9
    said = cost.said(100.0, cost.counts(100_000.0), 0.05)
    assert (said["counting"], said["captures"], said["share"]) == (0.01, 0.02, 0.03)


def test_counting_is_unknown_where_the_speed_is() -> None:
    cost = Cost()
    cost.begin(0.0)
    cost.counting = 100e-9
    assert cost.counts(None) is None
    assert cost.said(100.0, None, 0.05)["counting"] is None

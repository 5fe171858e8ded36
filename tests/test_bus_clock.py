"""The bus's clock: by whatever wall clocks show, a moment there is a moment here."""

from __future__ import annotations

import pytest

from envstream.bus.clock import LONGEST_TRIP, LOOKS, Clock, seconds


def test_it_is_not_known_before_the_first_look() -> None:
    clock = Clock()
    assert (clock.offset, clock.there(5.0), clock.here(5.0)) == (None, None, None)


def test_moments_are_told_in_both_directions() -> None:
    clock = Clock()
    clock.look(10.0, 1000.05, 10.1)
    assert clock.there(20.0) == pytest.approx(1010.0)
    assert clock.here(1010.0) == pytest.approx(20.0)
    assert clock.here(None) is None


def test_the_quickest_of_some_looks_counts() -> None:
    clock = Clock()
    for trip, error in ((0.2, 0.09), (0.01, 0.001), (0.3, -0.1)):
        clock.look(0.0, 1000 + trip / 2 + error, trip)
    assert clock.offset == pytest.approx(1000.001)


def test_looks_become_old() -> None:
    clock = Clock()
    clock.look(0.0, 1000.0, 0.0)
    for at in range(LOOKS):
        clock.look(at, 1000.01 + at + 0.01, at + 0.02)
    assert clock.offset == pytest.approx(1000.01)


@pytest.mark.parametrize("now", [-0.1, LONGEST_TRIP + 0.1])
def test_a_look_that_took_too_long_or_cannot_be_says_nothing(now: float) -> None:
    clock = Clock()
    clock.look(0.0, 1000.0, now)
    assert clock.offset is None


@pytest.mark.parametrize("jump", [-3600.0, -1.0, 1.0, 3600.0])
def test_a_clock_that_was_set_is_believed_at_once(jump: float) -> None:
    clock = Clock()
    clock.look(0.0, 1000.0, 0.001)
    clock.look(1.0, 1001.0 + jump, 1.05)
    assert clock.offset == pytest.approx(1000.0 + jump, abs=0.03)


def test_of_another_server_nothing_is_known() -> None:
    clock = Clock()
    clock.look(0.0, 1000.0, 0.0)
    clock.forget()
    assert clock.offset is None


def test_what_a_server_answers_is_a_number_of_seconds() -> None:
    assert seconds([b"1700000000", b"250000"]) == 1_700_000_000.25

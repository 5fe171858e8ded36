"""The roll: every number arrives or is lost, once, whatever the order; and what it remembers stays small."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from envstream.sessions import roll as module
from envstream.sessions.roll import Roll

NUMBERS = st.integers(1, 40)


def rolled(arrived: Iterable[int] = (), lost: Iterable[tuple[int, int]] = ()) -> Roll:
    roll = Roll()
    for number in arrived:
        roll.add(number)
    for first, last in lost:
        roll.lose(first, last)
    return roll


# --- what arrives --------------------------------------------------------------------------------------


def test_numbers_in_order_are_accounted_for_one_by_one() -> None:
    roll = Roll()
    assert [(roll.add(number), roll.up_to) for number in (1, 2, 3)] == [(True, 1), (True, 2), (True, 3)]
    assert (roll.received, roll.highest, roll.missing(9)) == (3, 3, [])


def test_a_number_that_comes_twice_counts_once() -> None:
    roll = rolled([1, 3])
    assert [roll.add(number) for number in (1, 3)] == [False, False]
    assert roll.received == 2


def test_what_is_missing_is_what_is_below_the_highest() -> None:
    roll = rolled([2, 5])
    assert (roll.up_to, roll.missing(9), roll.absent) == (0, [1, 3, 4], 3)


def test_only_so_many_missing_numbers_are_told_and_none_of_those_left_out() -> None:
    roll = rolled([10])
    assert roll.missing(3, besides={2, 3}) == [1, 4, 5]


def test_a_gap_that_is_filled_brings_the_account_up_to_date_at_once() -> None:
    roll = rolled([2, 3, 4, 6])
    assert roll.add(1)
    assert (roll.up_to, roll.missing(9)) == (4, [5])


@pytest.mark.parametrize("number", [0, -1, -(10**30)])
def test_numbers_begin_with_1(number: int) -> None:
    roll = Roll()
    assert not roll.add(number)
    assert number not in roll
    assert (roll.up_to, roll.received) == (0, 0)


def test_a_number_that_is_known_to_exist_is_missing() -> None:
    roll = rolled([1])
    roll.expect(3)
    assert (roll.missing(9), roll.highest, roll.received) == ([2, 3], 3, 1)


# --- what is lost --------------------------------------------------------------------------------------


def test_what_is_lost_is_accounted_for_and_does_not_come_any_more() -> None:
    roll = rolled([1, 4])
    assert roll.lose(2, 3) == 2
    assert (roll.up_to, roll.lost, roll.losses, roll.received) == (4, [(2, 3)], 2, 2)
    assert not roll.add(2)


def test_what_arrived_stays() -> None:
    roll = rolled([2, 5])
    assert roll.lose(1, 6) == 4
    assert (roll.up_to, roll.lost, roll.received) == (6, [(1, 1), (3, 4), (6, 6)], 2)


def test_what_is_lost_twice_counts_once_and_touching_ranges_are_one() -> None:
    roll = Roll()
    assert [roll.lose(*each) for each in ((1, 3), (2, 5), (1, 5))] == [3, 2, 0]
    assert (roll.lost, roll.losses) == ([(1, 5)], 5)


def test_a_range_that_is_none_changes_nothing() -> None:
    roll = rolled([1])
    assert roll.lose(5, 4) == 0
    assert (roll.highest, roll.up_to) == (1, 1)


def test_a_billion_lost_numbers_are_one_range() -> None:
    roll = rolled([2], [(3, 10**9)])
    assert (roll.up_to, roll.missing(9), roll.absent) == (0, [1], 1)
    roll.add(1)
    assert roll.up_to == 10**9


def test_how_far_ahead_a_number_is_does_not_count_what_is_lost() -> None:
    roll = rolled([1], [(3, 1000)])
    assert [roll.ahead(number) for number in (1, 2, 1001, 1002)] == [0, 1, 2, 3]


# --- all of it -----------------------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """The roll beside two plain sets."""

    def __init__(self) -> None:
        super().__init__()
        self.roll = Roll()
        self.arrived: set[int] = set()
        self.lost: set[int] = set()
        self.known = self.before = 0

    @rule(number=NUMBERS)
    def arrive(self, number: int) -> None:
        new = number not in self.arrived | self.lost
        assert self.roll.add(number) == new
        if new:
            self.arrived.add(number)
            self.known = max(self.known, number)

    @rule(first=NUMBERS, length=st.integers(0, 10))
    def lose(self, first: int, length: int) -> None:
        new = set(range(first, first + length)) - self.arrived - self.lost
        assert self.roll.lose(first, first + length - 1) == len(new)
        self.lost |= new
        if length:
            self.known = max(self.known, first + length - 1)

    @rule(number=NUMBERS)
    def expect(self, number: int) -> None:
        self.roll.expect(number)
        self.known = max(self.known, number)

    @rule()
    def tell_and_read_back(self) -> None:
        self.roll = Roll.of(json.loads(json.dumps(self.roll.said())))

    @invariant()
    def agree(self) -> None:
        roll, accounted = self.roll, self.arrived | self.lost
        up_to = next(number for number in range(1, 99) if number not in accounted) - 1
        missing = [number for number in range(1, self.known + 1) if number not in accounted]
        assert (roll.up_to, roll.highest, roll.missing(99)) == (up_to, self.known, missing)
        assert (roll.received, roll.losses, roll.absent) == (len(self.arrived), len(self.lost), len(missing))
        assert {n for first, last in roll.lost for n in range(first, last + 1)} == self.lost
        assert {n for n in range(60) if n in roll} == accounted
        assert all(b < c - 1 for (_, b), (c, _) in zip(roll.lost, roll.lost[1:], strict=False))
        assert roll.ahead(50) == sum(n not in self.lost for n in range(up_to + 1, 51))
        assert self.before <= roll.up_to
        self.before = roll.up_to


TestAnyOrder = AnyOrder.TestCase


# --- memory --------------------------------------------------------------------------------------------


def test_a_long_session_takes_no_more_memory_than_a_short_one() -> None:
    roll = Roll()
    for number in range(1, 1001):
        roll.add(number)
    tracemalloc.start()
    for number in range(1001, 20_001, 2):  # Each pair in the wrong order.
        roll.add(number + 1)
        roll.add(number)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert roll.up_to == 20_000
    assert grown < 10_000


def test_of_what_arrived_nothing_is_remembered_once_all_before_is_accounted_for() -> None:
    roll = rolled(range(2, 101, 2), [(1, 1), (5, 99)])
    assert roll.said()["arrived"] == [[number, number] for number in range(4, 101, 2)]
    roll.lose(3, 3)
    assert (roll.up_to, roll.said()["arrived"]) == (100, [])


def test_of_very_many_losses_the_oldest_are_told_as_one_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RANGES", 3)
    roll = Roll()
    for number in range(1, 20, 2):
        roll.add(number)
        roll.lose(number + 1, number + 1)
    assert roll.lost == [(2, 16), (18, 18), (20, 20)]
    assert (roll.losses, roll.received, roll.up_to) == (10, 10, 20)


@given(st.sets(st.integers(1, 60)), st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)), max_size=20))
def test_what_is_told_of_losses_gives_the_same_losses_where_it_is_known_what_arrived(
    arrived: set[int], lost: list[tuple[int, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_RANGES", 2)
        roll = rolled(sorted(arrived), [(first, first + more) for first, more in lost])
        again = rolled(sorted(arrived), roll.lost)
    assert (again.up_to, again.losses, again.received) == (roll.up_to, roll.losses, roll.received)
    assert again.missing(99) == roll.missing(99)


def test_ranges_that_are_still_to_be_looked_at_are_never_made_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RANGES", 1)
    roll = rolled([], [(3, 3), (5, 5), (7, 7)])
    assert roll.lost == [(3, 3), (5, 5), (7, 7)]
    assert roll.add(4)

"""Turns: what one peer sent is cut so that others have theirs."""

from __future__ import annotations

import pytest

from envstream.web import turns
from envstream.web.turns import LEAST, MOST, TURN, Turn


class Clock:
    """Time that passes as a test wants it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(turns.time, "perf_counter", clock)
    return clock


def sizes(turn: Turn, clock: Clock, data: bytes, *seconds: float) -> list[int]:
    """How large the pieces are of which each takes so long; the last one's time is that of all others."""
    found = []
    for piece in turn.pieces(data):
        clock.now += seconds[min(len(found), len(seconds) - 1)]
        found.append(len(piece))
    return found


def test_pieces_grow_while_they_are_quick(clock: Clock) -> None:
    assert sizes(Turn(), clock, bytes(200_000), 0.0)[:7] == [1024, 2048, 4096, 8192, MOST, MOST, MOST]


def test_one_that_takes_long_has_the_next_small_again(clock: Clock) -> None:
    turn = Turn()
    assert sizes(turn, clock, bytes(200_000), 0, 0, 0, 0.4 * TURN, 0)[3:6] == [8192, LEAST, 2 * LEAST]
    slow = Turn()
    assert set(sizes(slow, clock, bytes(9000), 0.3 * TURN)) == {LEAST}


def test_the_turn_is_over_in_time_and_nothing_is_lost(clock: Clock) -> None:
    turn, data, came, turns_taken = Turn(), bytes(range(250)) * 400, b"", 0
    rest = data
    while rest:
        for piece in turn.pieces(rest):
            clock.now += 0.4 * TURN
            came += piece
        rest, turns_taken = turn.rest, turns_taken + 1
    assert came == data
    assert turns_taken == -(-len(data) // (3 * LEAST))


def test_what_was_not_asked_for_is_the_rest(clock: Clock) -> None:
    turn = Turn()
    for _ in turn.pieces(b"x" * LEAST + b"y"):
        break
    assert turn.rest == b"y"

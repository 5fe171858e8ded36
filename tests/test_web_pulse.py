"""Pulse: how late the event loop comes to what is due."""

from __future__ import annotations

import asyncio
import time

from envstream.web.pulse import EVERY, Pulse


def beating(hold: float) -> Pulse:
    """A pulse on a loop that was held up once for so many seconds."""

    async def beat() -> Pulse:
        pulse = Pulse(asyncio.get_running_loop())
        pulse.start()
        time.sleep(hold)
        while not pulse.lag.count:
            await asyncio.sleep(0.01)
        assert pulse.late() < 60
        pulse.stop()
        return pulse

    return asyncio.run(beat())


def test_a_loop_that_is_held_up_is_seen_to_be_late() -> None:
    assert beating(EVERY + 0.3).lag.total > 0.25


def test_a_beat_is_never_early() -> None:
    pulse = beating(0.0)
    assert pulse.lag.total >= pulse.last >= 0.0


def test_what_does_not_beat_is_infinitely_late() -> None:
    assert beating(0.0).late() == float("inf")


def test_a_beat_that_does_not_come_is_late_from_its_moment_on() -> None:
    async def stopped() -> float:
        pulse = Pulse(asyncio.get_running_loop())
        pulse.start()
        time.sleep(EVERY + 0.2)
        late = pulse.late()
        pulse.stop()
        return late

    assert asyncio.run(stopped()) > 0.15

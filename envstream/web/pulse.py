"""Pulse: how late the event loop comes to what is due, measured four times a second."""

from __future__ import annotations

import asyncio
import time

from envstream.histogram import Histogram

EVERY = 0.25  # Seconds.


class Pulse:
    """Beats on the event loop; may be read from any thread.

    Attributes:
        lag: seconds by which beats came late.
        last: by how much the last one did.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.lag = Histogram()
        self.last = 0.0

    def start(self) -> None:
        """Beat from now on."""
        self._wait()

    def stop(self) -> None:
        """No more beats."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def late(self) -> float:
        """By how many seconds it is late: the last beat, or the one that is due and has not come."""
        if self._timer is None:
            return float("inf")
        return max(self.last, time.monotonic() - self._due)

    def _wait(self) -> None:
        self._due = time.monotonic() + EVERY
        self._timer = self._loop.call_later(EVERY, self._beat)

    def _beat(self) -> None:
        self.last = max(0.0, time.monotonic() - self._due)
        self.lag.observe(self.last)
        self._wait()

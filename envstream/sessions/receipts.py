"""Receipts: when a client is told of its frames, what was asked of it again, and how many it may send."""

from __future__ import annotations

from collections.abc import Container, Iterable

from envstream.sessions.start import Limits

# An acknowledgement waits for so many frames, or so many seconds since the last.
FRAMES, SECONDS = 8, 0.05


class Receipts:
    """What a session has to remember of what its client was told.

    Args:
        size: bytes of a frame, as far as that is known before one came.
    """

    def __init__(self, limits: Limits, size: int) -> None:
        self._limits = limits
        self._size = max(float(size), 1.0)
        self._news = 0  # Frames that the client has not heard of.
        self._said_at = float("-inf")
        self._asked: set[int] = set()

    @property
    def credits(self) -> int:
        """How many frames may be unacknowledged at once: so many that those of late fit into memory."""
        return max(1, min(self._limits.credits, int(self._limits.memory / self._size)))

    def weigh(self, size: int) -> None:
        """A frame of so many bytes came."""
        # Fewer credits at once, more of them by and by.
        self._size = max(size, 0.9 * self._size + 0.1 * size, 1.0)

    def news(self) -> None:
        """Something became of a frame."""
        self._news += 1

    def due(self, now: float, force: bool) -> bool:
        """Whether the client is to be told now, or, with `force`, whether there is anything to tell."""
        if not self._news or not (force or self._news >= FRAMES or now - self._said_at >= SECONDS):
            return False
        self._news, self._said_at = 0, now
        return True

    def asked(self, number: int) -> bool:
        """Whether a number, which has not come, was asked for again."""
        return number in self._asked

    def ask(self, missing: Iterable[int], accounted: Container[int]) -> int:
        """These numbers are asked for again; for how many of them it is the first time."""
        self._asked = {number for number in self._asked if number not in accounted}
        before = len(self._asked)
        self._asked.update(missing)
        return len(self._asked) - before

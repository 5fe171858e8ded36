"""Turns: how much of what one peer sent is dealt with before others have theirs."""

from __future__ import annotations

import time
from collections.abc import Iterator

TURN = 0.005  # Seconds of one turn.
LEAST, MOST = 1024, 16 * 1024  # Bytes that are dealt with between two looks at the clock.


class Turn:
    """Cuts what one peer sent into pieces that are dealt with in no time.

    A picture is passed on at once; a hundred pings, or a hundred chunks of a body, are in the first kilobyte
    of what is read at once, and twenty-five thousand in all of it. So pieces are small, and grow as long as
    they are quick.
    """

    def __init__(self) -> None:
        self._size = LEAST
        self._data, self._at = b"", 0

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The next pieces of it, until the turn is over; what was not asked for by then is the `rest`."""
        self._data, self._at = data, 0
        now = time.perf_counter()
        until = now + TURN
        while self._at < len(data) and now <= until:
            piece = data[self._at : self._at + self._size]
            self._at += len(piece)
            yield piece
            began, now = now, time.perf_counter()
            if now - began > TURN / 4:
                self._size = LEAST
            elif now - began < TURN / 16:
                self._size = min(2 * self._size, MOST)

    @property
    def rest(self) -> bytes:
        """What is left for another turn."""
        return self._data[self._at :]

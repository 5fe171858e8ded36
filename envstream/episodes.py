"""The episodes of a stream that have ended: how many there were, and how the last of them went."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

KEPT = 1000
RECENT = 100  # Episodes over which the mean of returns is told.


class Episode(NamedTuple):
    """A finished episode; `total` is its return."""

    number: int
    steps: int
    total: float


class Episodes:
    """The last thousand, oldest first. Lives on the event loop.

    Attributes:
        seen: how many have ended, also those that were not told of one by one.
        best: the best return of all that were told of; None before the first.
    """

    def __init__(self) -> None:
        self._last: deque[Episode] = deque(maxlen=KEPT)
        self._mean: float | None = None
        self._fresh = False  # Whether the mean is that of the newest ones.
        self.seen = 0
        self.best: float | None = None

    def __len__(self) -> int:
        return len(self._last)

    def add(self, number: int, steps: int, total: float) -> None:
        """An episode has ended."""
        self._last.append(Episode(number, steps, total))
        self._fresh = False
        self.seen += 1
        if not math.isnan(total) and (self.best is None or total > self.best):
            self.best = total

    def last(self, count: int = KEPT) -> list[Episode]:
        """The last ones of those that are kept, oldest first."""
        kept = list(self._last)
        return kept[max(0, len(kept) - max(0, count)) :]

    @property
    def mean(self) -> float | None:
        """The mean return of the last hundred; None before the first."""
        if not self._fresh:  # Asked for by every status, and there are many more statuses than episodes.
            totals = [episode.total for episode in self.last(RECENT)]
            self._mean = sum(totals) / len(totals) if totals else None
            self._fresh = True
        return self._mean

"""Histogram: how often something took how long, in fixed steps, as Prometheus counts it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

# Seconds. Fine where a page in the same room lies, coarse where nobody watches live any more.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LONGEST = 3600.0  # Seconds; beyond that a clock was set anew.


class Histogram:
    """Counts of what lies at or below each bound. One writer at a time; readers need no lock.

    Attributes:
        total: the sum of all that was observed.
    """

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[float, ...] = BOUNDS) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """It took so long, so many times; what cannot have been measured is left out."""
        if 0.0 <= value < LONGEST:
            self._counts[bisect_left(self.bounds, value)] += times
            self.total += value * times

    @classmethod
    def sum(cls, others: Iterable[Histogram]) -> Histogram:
        """What several of the usual bounds have seen, as one."""
        whole = cls()
        for other in others:
            for place, count in enumerate(other._counts):
                whole._counts[place] += count
            whole.total += other.total
        return whole

    @property
    def count(self) -> int:
        """How many were observed."""
        return self.cumulated()[-1][1]

    def cumulated(self) -> list[tuple[float, int]]:
        """Each bound with the count of what lies at or below it; the last bound is infinite."""
        rows, below = [], 0
        for bound, count in zip((*self.bounds, float("inf")), tuple(self._counts), strict=True):
            below += count
            rows.append((bound, below))
        return rows

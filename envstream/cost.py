"""Cost: what streaming takes of a trainer's wall time. Pure: time is passed in."""

from __future__ import annotations

from collections import deque
from typing import Any

WINDOW = 10.0  # Seconds over which the share of late is measured.
LEAST = 1.0  # Seconds that have to be looked at, so that the first picture is not taken for the whole.


class Cost:
    """Seconds that a trainer gave to its pictures, and what counting takes of its steps.

    Attributes:
        seconds: given to captures and their handing over, since the beginning.
        counting: seconds that counting takes of each step, as measured of late; None = not known.
    """

    def __init__(self) -> None:
        self._spent: deque[tuple[float, float]] = deque(maxlen=2048)
        self._began: float | None = None
        self.seconds = 0.0
        self.counting: float | None = None

    def __bool__(self) -> bool:
        return bool(self._spent)

    @property
    def begun(self) -> bool:
        """Whether there is a trainer at all."""
        return self._began is not None

    def begin(self, now: float) -> None:
        """It trains, from now on at the latest."""
        if self._began is None:
            self._began = now

    def spent(self, now: float, seconds: float) -> None:
        """A capture took so long."""
        self.begin(now)
        self.seconds += seconds
        self._spent.append((now, seconds))

    def captures(self, now: float) -> float:
        """Share of wall time that captures took over the last ten seconds."""
        return sum(cost for at, cost in list(self._spent) if at >= now - WINDOW) / WINDOW

    def counts(self, steps_per_second: float | None) -> float | None:
        """Share of wall time that counting takes; None where it, or the speed, is not known."""
        if self.counting is None or steps_per_second is None:
            return None
        return self.counting * steps_per_second

    def said(self, now: float, counting: float | None, limit: float) -> dict[str, Any]:
        """All of it: the share of the last ten seconds and its parts, that since the beginning, the limit."""
        lasted = now - self._began if self._began is not None else 0.0
        captures = self.captures(now) * WINDOW / min(WINDOW, max(LEAST, lasted))
        return {
            "share": round(captures + (counting or 0.0), 5),
            "captures": round(captures, 5),
            "counting": None if counting is None else round(counting, 5),
            "since_start": round(self.seconds / max(LEAST, lasted) + (counting or 0.0), 5),
            "seconds": round(self.seconds, 4),
            "limit": limit,
        }

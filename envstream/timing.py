"""Timing: how long the stages of a picture's way take, as percentiles of the last ones."""

from __future__ import annotations

from collections import deque
from typing import Any

LAST = 300  # Pictures.


class Timing:
    """Seconds by stage. Pure."""

    def __init__(self) -> None:
        self._stages: dict[str, deque[float]] = {}

    def add(self, stage: str, seconds: float) -> None:
        """A stage took so long."""
        if 0 <= seconds < 3600:  # A clock that was set anew measures nothing.
            self._stages.setdefault(stage, deque(maxlen=LAST)).append(seconds)

    def said(self) -> dict[str, Any]:
        """Of each stage the milliseconds of half of the pictures, of 95 and of 99 in a hundred."""
        return {stage: _percentiles(sorted(taken)) for stage, taken in list(self._stages.items())}


def _percentiles(taken: list[float]) -> dict[str, float | int]:
    def at(share: float) -> float:
        return round(1000 * taken[min(len(taken) - 1, int(share * len(taken)))], 3)

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "count": len(taken)}

"""Meter: what a wrapper takes of a step beyond the env, found out beside the training and not in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

ROUNDS, TURNS = 200, 3  # Steps in a turn, and turns of which the quickest counts: 0.2 ms in all.


class Still:
    """An env whose steps take no time."""

    _RESULT = None, 0.0, False, False, None

    def step(self, action: object) -> Any:
        """Nothing happens."""
        return self._RESULT


def seconds_beyond(step: Callable[[Any], Any], bare: Callable[[Any], Any]) -> float:
    """Seconds that one way to step takes beyond another."""
    return max(0.0, min(_turn(step) for _ in range(TURNS)) - min(_turn(bare) for _ in range(TURNS)))


def _turn(step: Callable[[Any], Any]) -> float:
    began = time.perf_counter()
    for _ in range(ROUNDS):
        step(None)
    return (time.perf_counter() - began) / ROUNDS

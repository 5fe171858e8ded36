"""The tally: episodes, steps and returns of the sub-envs of a vector env. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Autoreset = Literal["next_step", "same_step", "disabled"]


class Ended(NamedTuple):
    """An episode of one sub-env that has ended."""

    env: int
    number: int
    steps: int
    total: float


class Tally:
    """Counts for each sub-env by itself.

    Args:
        count: how many sub-envs there are.
        autoreset: when an ended sub-env begins anew. `next_step`: with the next step, which is then a reset
            and none of its steps; `same_step`: before the step returns; `disabled`: when it is told to.
    """

    def __init__(self, count: int, autoreset: Autoreset) -> None:
        self.count = count
        self.autoreset = autoreset
        self._rounds = 0  # Steps of the vector env.
        self._resets = 0  # Steps of sub-envs that were resets.
        self._numbers = [1] * count
        self._begun = [0] * count  # The round after which each episode began.
        self._over = [False] * count  # Ended, and waiting to be told to begin anew.
        self._returns: npt.NDArray[np.float64] = np.zeros(count)
        self._fresh = True

    @property
    def total_steps(self) -> int:
        """Steps of all sub-envs so far."""
        return self._rounds * self.count - self._resets

    def reset(self, mask: Sequence[bool] | npt.NDArray[np.bool_] | None = None) -> None:
        """The sub-envs that `mask` names, or all of them, were told to begin anew."""
        for env in range(self.count) if mask is None else np.flatnonzero(mask).tolist():
            # One that had ended has its new number already; the very first reset begins number 1.
            if not self._over[env] and not self._fresh and self._begun[env] < self._rounds:
                self._numbers[env] += 1
            self._begin(env)
        self._fresh = False

    def step(self, rewards: Any, terminated: Any, truncated: Any) -> Sequence[int]:
        """One step of the vector env was made; the sub-envs whose episode ended with it.

        Those are still what `info` tells of; `end` takes the next episode's place.
        """
        self._rounds += 1
        self._returns += rewards
        ended = terminated | truncated
        if not np.count_nonzero(ended):
            return ()
        return [env for env in np.flatnonzero(ended).tolist() if not self._over[env]]

    def end(self, envs: Sequence[int]) -> list[Ended]:
        """Close the books on the episodes of `envs`, and begin their next ones."""
        ended = []
        for env in envs:
            total = float(self._returns[env])
            ended.append(Ended(env, self._numbers[env], self._rounds - self._begun[env], total))
            self._numbers[env] += 1
            self._begin(env)
            if self.autoreset == "next_step":
                self._begun[env] += 1
                self._resets += 1
            elif self.autoreset == "disabled":
                self._over[env] = True
        return ended

    def begins(self, env: int) -> bool:
        """Whether a sub-env has begun an episode just now, and no step of it was made."""
        return self._rounds == self._begun[env] and not self._over[env]

    def info(self, env: int) -> dict[str, Any]:
        """What a picture of one sub-env is told along with."""
        return {
            "episode": self._numbers[env],
            "step": max(0, self._rounds - self._begun[env]),
            "return": float(self._returns[env]),
            "totalSteps": self.total_steps,
        }

    def _begin(self, env: int) -> None:
        self._begun[env] = self._rounds
        self._returns[env] = 0.0
        self._over[env] = False

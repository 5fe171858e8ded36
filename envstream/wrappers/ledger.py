"""The ledger: episodes of envs whose rewards and ends lie on a device.

What the shown envs got at a step is written into rows on the device; now and then the rows are copied to
the host, where they are added up when they have come. So a step costs a few small kernels, and no step
waits for the device.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from envstream.sources.tensors import index_and_rows, one_each, pick
from envstream.sources.transfer import Arrival, Carry, carry
from envstream.wrappers.tally import Ended, Tally

ROWS = 64  # Steps after which the rows are sent at the latest.


class Ledger:
    """Counts episodes, steps and returns of the envs that are shown, a little late.

    Args:
        envs: which envs of the batch those are.
        count: how many envs there are in all.
        carry: begins a copy; another one than torch's own in tests.
    """

    def __init__(self, envs: Sequence[int], count: int, carry: Carry = carry) -> None:
        self._envs = list(envs)
        self._count = count
        self._carry = carry
        self._tally = Tally(len(self._envs), "same_step")
        self._columns: list[Any] = []  # One tensor (rows, envs shown) for rewards, one for each kind of end.
        self._places: list[Any] = []
        self._index: Any = None
        self._row = 0
        self._sent: deque[Arrival | None] = deque()  # None: from here on all envs were begun anew.
        self._readable = True
        self._tally.reset()

    def reset(self) -> None:
        """All envs were begun anew."""
        self.send()
        self._sent.append(None)

    def add(self, rewards: Any, *ends: Any) -> None:
        """One step was made: what each env got, and whether its episode ended, by one or more reasons."""
        if not self._readable:
            return
        if not self._columns and not self._rule((rewards, *ends)):
            return
        index = self._index
        for place, values in zip(self._places[self._row], (rewards, *ends), strict=True):
            pick(values, index, place)
        self._row += 1
        if self._row == ROWS:
            self.send()

    def send(self) -> None:
        """Begin to bring over what was written since the last time."""
        if self._row:
            self._sent.append(self._carry([column[: self._row] for column in self._columns]))
            self._row = 0

    def receive(self) -> list[tuple[Ended, int]]:
        """The episodes that turn out to have ended, each with all steps so far. Never waits."""
        ended: list[tuple[Ended, int]] = []
        while self._sent:
            first = self._sent[0]
            if first is None:
                self._tally.reset()
            elif first.ready():
                ended += self._read(*first.collect())
            else:
                break
            self._sent.popleft()
        return ended

    def info(self, part: int) -> dict[str, Any]:
        """What a picture of the env in place `part` is told along with."""
        if not self._readable:
            return {}
        return {**self._tally.info(part), "totalSteps": self._steps}

    @property
    def waiting(self) -> bool:
        """Whether something sent has not been received."""
        return bool(self._sent)

    @property
    def _steps(self) -> int:
        return self._tally.total_steps // len(self._envs) * self._count

    def _rule(self, values: Sequence[Any]) -> bool:
        """Make the columns for what comes; False where it is not one value an env, as with many agents."""
        first = [one_each(value, self._count) for value in values]
        if any(value is None or value.device != first[0].device for value in first):
            self._readable = False
            return False
        self._index, self._columns = index_and_rows(self._envs, ROWS, first)
        # Each row's views are made once: in a step each further call to the device's library would be felt.
        self._places = list(zip(*(column.unbind(0) for column in self._columns), strict=True))
        return True

    def _read(self, rewards: Any, *ends: Any) -> list[tuple[Ended, int]]:
        ended = []
        over = np.logical_or.reduce([end != 0 for end in ends])
        never = np.zeros(over.shape[1], bool)
        for got, at_end in zip(rewards.astype(np.float64), over, strict=True):
            ended += [(one, self._steps) for one in self._tally.end(self._tally.step(got, at_end, never))]
        return ended

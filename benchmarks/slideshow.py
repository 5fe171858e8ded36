"""`trainer.py` with an env whose pictures are 20 KB each as JPEG, for the fan-out.

`idle` looks once a millisecond whether a picture is due, and sleeps in between, so that it leaves its core to
others. `slides` is the pure-Python env at full speed, `long` one with longer steps. Rendering costs nothing.
"""

from __future__ import annotations

import time
from typing import Any

import envs
import trainer

NOISE = 0.8  # 640×480 at quality 85 then takes 20 KB.


class Slides(envs.BusyEnv):
    """Steps as fast as it can."""

    def __init__(self) -> None:
        super().__init__()
        self._pictures = envs.pictures(noise=NOISE)


class Idle(Slides):
    """Sleeps as often as the training loop looks at the clock."""

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self._steps += 1
        if self._steps % trainer.STEPS_BETWEEN_LOOKS == 0:
            time.sleep(0.001)
        return self._result


class Long(Slides):
    """Steps that take as long as those of a small simulation."""

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        for _ in range(9):
            result = super().step(action)
        return result


FULL_SPEED = {"slides": Slides, "long": Long}
envs.KINDS.update(idle=Idle, **FULL_SPEED)

if __name__ == "__main__":
    trainer.main()

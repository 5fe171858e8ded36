"""What the machine itself does meanwhile, as Linux tells it; for `soak.py` and `faults.py`.

A virtual machine's cores are taken away for moments when others on its host want them: whatever runs on it
is slower then, and nobody's fault is shown by it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

STOLEN = 2.0  # Per cent of its cores' time: when its host took more, what is quick here is not told.
TICKS = os.sysconf("SC_CLK_TCK")  # A second.
REPEATS = 5
WORK = 20_000  # Additions; about a millisecond.


class Machine:
    """Looks at the machine, again and again."""

    def __init__(self) -> None:
        self._before = _ticks()

    def look(self) -> dict[str, float]:
        """Since the last look `stolen`, the per cent of its cores' time that its host took; now `work`,
        milliseconds of CPU time that a fixed piece of work takes."""
        now = _ticks()
        passed = [after - before for before, after in zip(self._before, now, strict=True)]
        self._before = now
        return {"stolen": 100 * passed[7] / max(1, sum(passed)), "work": median(map(_work, range(REPEATS)))}


def cpu_seconds(pid: int) -> float:
    """What a process has taken of the cores so far.

    Raises:
        OSError: it is gone.
    """
    words = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def _ticks() -> list[int]:
    """Of all cores, since boot: user, nice, system, idle, iowait, irq, softirq, steal."""
    return [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]


def _work(_: int) -> float:
    began = time.thread_time()
    sum(range(WORK))
    return 1000 * (time.thread_time() - began)

"""A training with its server and their visitors, and what is seen of them; for `soak.py` and `turns.py`."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import Tool, note
from gauges import children, held
from machine import Machine, cpu_seconds

SETTLES = 90.0  # Seconds that may pass after the last visitor until all is as it was.
SERVER = "envstream.web.child"


class Watch:
    """Looks at everything.

    Attributes:
        series: by name, what was seen: moment and value each.
    """

    def __init__(self, trainer: Tool, steady: Tool, where: Mapping[str, Any]) -> None:
        self._trainer, self._steady = trainer, steady
        self._pids = {"trainer": where["pid"], "server": server_of(where["pid"])}
        self.series: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.steps = 0
        self._machine = Machine()

    def holds(self) -> dict[str, float]:
        """What the processes hold now."""
        found = {
            f"{name} {key}": value for name, pid in self._pids.items() for key, value in held(pid).items()
        }
        return {**found, "server workers": len(children(self._pids["server"]))}

    def look(self, began: float, period: float) -> None:
        """Watch for a period, and note what was seen."""
        now = time.monotonic()
        before, took = self._progress(), self._took()
        self._machine.look()
        self._steady.say(**{"from": now, "until": now + period})
        seen = self._steady.hear(period + 60)
        after = self._progress()
        rate = (after["steps"] - before["steps"]) / (after["at"] - before["at"])
        machine = {f"machine {key}": value for key, value in self._machine.look().items()}
        took = {name: value - took[name] for name, value in self._took().items()}
        passed = time.monotonic() - now
        ages = seen["age_ms"] or {}
        self.steps = after["steps"]
        found = {**self.holds(), "viewer fps": seen["fps"], "trainer steps/s": rate}
        found |= {f"viewer age {key}": ages[key] for key in ("p50", "p99") if key in ages}
        found |= machine | {f"{name} cpu": 100 * value / passed for name, value in took.items()}
        if seen["hangups"]:
            raise RuntimeError(f"the steady viewer was hung up on: {seen['hangups']}")
        for name, value in found.items():
            self.series[name].append((now - began, float(value)))

    def _took(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}

    def _progress(self) -> dict[str, Any]:
        self._trainer.say(ask=True)
        return self._trainer.hear(60)


class Stand:
    """A training with its server, a steady viewer, visitors who come when told to, and a watch over all."""

    def __init__(self, stack: contextlib.ExitStack, args: argparse.Namespace, life: float) -> None:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.trainer = stack.enter_context(Tool("paced.py", "--folder", folder))
        where = self.trainer.hear()
        at = ["--port", str(where["port"]), "--stream", where["stream"], "--life", str(int(life))]
        chance = ["--seed", str(args.seed), "--alive", str(args.alive)]
        steady = stack.enter_context(Tool("crowd.py", *at, "--count", "1"))
        self.passers = stack.enter_context(Tool("passers.py", *at, *chance))
        steady.hear()
        self.passers.hear()
        self.watch = Watch(self.trainer, steady, where)


def server_of(trainer: int) -> int:
    """The server process of a trainer.

    Raises:
        RuntimeError: it has none.
    """
    for pid in children(trainer):
        with contextlib.suppress(OSError):
            if SERVER in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
    raise RuntimeError("the trainer has no server process")


def churn(
    watch: Watch, passers: Tool, rate: float, seconds: float, period: float, what: str
) -> dict[str, Any]:
    """Have them come and go for so long, and then nobody be there; what they say."""
    began = time.monotonic()
    passers.say(rate=rate)
    told = began
    while (now := time.monotonic()) - began < seconds:
        watch.look(began, period)
        if now - told > 60:
            told = now
            values = {name: series[-1][1] for name, series in watch.series.items()}
            note(f"{what}, {now - began:.0f} s: {brief(values)}")
    passers.say(rate=0)
    said = passers.hear(SETTLES)
    if said["problems"]:
        note(f"{what}: {said['problems']}")
    return said


def brief(values: Mapping[str, float]) -> str:
    server = ("server heap", "server descriptors", "server threads")
    picked = (*server, "trainer heap", "viewer age p50", "machine stolen", "machine work")
    return ", ".join(f"{name} {values[name]:.1f}" for name in picked if name in values)


def add_visitors(arguments: argparse.ArgumentParser) -> None:
    """Who comes, and for how long."""
    arguments.add_argument("--hours", type=float, default=1.0)
    arguments.add_argument("--churn", type=float, default=10.0, help="visitors that come a second")
    arguments.add_argument("--alive", type=float, default=30.0, help="how many are there at a time, about")
    arguments.add_argument("--seed", type=int, default=1)

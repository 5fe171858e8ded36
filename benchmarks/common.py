"""Shared by the benchmarks: helper processes, one measured slice, ratios per round, tables and JSON.

How figures are made everywhere here: contenders take turns (A B C A B C …) in one run, each in a training
process of its own; a ratio is taken within a round, against a baseline of the same round, so that a noisy
or slowly changing machine hits both sides; what is reported is the median of the rounds and its spread.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
# What is installed is compiled, and a process that is begun here does not compile what it loads either.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

START_SECONDS = 90.0  # For a helper to come up; a first software-rendered picture may take a while.

Row = dict[str, Any]


class Missing(Exception):
    """A contender's package is not installed."""


class Spread(NamedTuple):
    """Median of the rounds, and the lowest and highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        held = list(values)
        return cls(median(held), min(held), max(held))

    def text(self, pattern: str = "{:.1f}", factor: float = 1.0) -> str:
        """`97.3 (96.8–98.1)`."""
        middle, low, high = (pattern.format(factor * value) for value in self)
        return f"{middle} ({low}–{high})"


class Tool:
    """A script of this folder in a process of its own, spoken to in lines of JSON."""

    def __init__(self, script: str, *args: str, python: str = sys.executable) -> None:
        self.name = script
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__
        environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
        environment.setdefault("MUJOCO_GL", "egl")
        self.process = subprocess.Popen(
            [python, str(HERE / script), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Tool:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()  # Every script here ends with its standard input.
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._errors.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def complaints(self) -> str:
        """What it has written to its standard error so far."""
        self._errors.seek(0)
        return self._errors.read()

    def say(self, **message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def hear(self, timeout: float = START_SECONDS) -> dict[str, Any]:
        """The next thing it says.

        Raises:
            RuntimeError: when it says nothing any more, with the end of what it complained about.
        """
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            line = ""
        if not line:
            raise RuntimeError(f"{self.name} said nothing more: {self.complaints()[-2000:]}")
        message: dict[str, Any] = json.loads(line)
        return message


@dataclass(frozen=True)
class Contender:
    """One way to train: which kind of `trainer.py`, with which settings, under which Python."""

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    python: str = sys.executable
    path: str | None = None  # Watch here instead of at the kind's usual address.

    def start(self, env: str, life: int = 300) -> Tool:
        """A training process of its own."""
        args = ("--contender", self.kind, "--env", env, "--settings", json.dumps(dict(self.settings)))
        return Tool("trainer.py", *args, "--life", str(life), python=self.python)


@dataclass(frozen=True)
class Slice:
    """One turn of one contender: how long, before how many viewers, over which line."""

    env: str = "CartPole-v1"
    seconds: float = 3.0
    warmup: float = 0.7
    viewers: int = 0
    status: bool = False
    first: int = 2
    relay: Sequence[str] | None = None
    watch: Mapping[str, Any] = field(default_factory=dict)  # What a viewer says about the stream.

    def measure(self, contender: Contender) -> Row:
        """What the trainer counted; under `viewers`, what its viewers saw.

        Raises:
            Missing: when the contender needs a package that is not there.
        """
        with contender.start(self.env, self._life) as trainer, contextlib.ExitStack() as stack:
            where = trainer.hear()
            if "missing" in where:
                raise Missing(where["missing"])
            audience = stack.enter_context(self._watch(contender, where)) if self.viewers else None
            start = time.monotonic() + self.warmup
            window = {"from": start, "until": start + self.seconds}
            for tool in (trainer, audience):
                if tool is not None:
                    tool.say(**window)
            patience = self.warmup + self.seconds + 30
            seen = audience.hear(patience) if audience is not None else None
            for hangup in figure(seen, "hangups") or ():
                note(f"    HUNG UP ON: {contender.name}, {hangup}")
            return {**trainer.hear(patience), "viewers": seen}

    @property
    def _life(self) -> int:
        """Seconds after which every process of this turn ends, whatever happens."""
        return int(self.warmup + self.seconds + 3 * START_SECONDS)

    @contextlib.contextmanager
    def _watch(self, contender: Contender, where: Mapping[str, Any]) -> Iterator[Tool]:
        with contextlib.ExitStack() as stack:
            port = where["port"]
            if self.relay is not None:
                args = ["--port", str(port), "--life", str(self._life), *self.relay]
                relay = stack.enter_context(Tool("relay.py", *args))
                port = relay.hear()["port"]
            args = ["--port", str(port), "--life", str(self._life)]
            args += ["--path", contender.path or where["path"]]
            args += ["--stream", where.get("stream", ""), "--count", str(self.viewers)]
            args += ["--first", str(self.first), *(["--status"] if self.status else [])]
            args += ["--watch", json.dumps(dict(self.watch))]
            audience = stack.enter_context(Tool("viewers.py", *args))
            audience.hear()
            yield audience


def turns(contenders: Sequence[Contender], rounds: int) -> Iterator[tuple[int, list[Contender]]]:
    """The contenders of each round; who begins changes from round to round."""
    for number in range(rounds):
        first = number % max(1, len(contenders))
        yield number, [*contenders[first:], *contenders[:first]]


def figure(row: Mapping[str, Any] | None, *path: str) -> Any:
    """`row[path[0]][path[1]]…`, or None where something on the way is not there."""
    found: Any = row
    for key in path:
        found = None if found is None else found.get(key)
    return found


def middle(rows: Sequence[Row], *path: str, digits: int = 2) -> float | None:
    """The median over the rounds of one figure; None where no round has it."""
    values = [value for row in rows if (value := figure(row, *path)) is not None]
    return round(median(values), digits) if values else None


def spread(rows: Sequence[Row], *path: str) -> Spread | None:
    """Median and spread over the rounds of one figure; None where no round has it."""
    values = [value for row in rows if (value := figure(row, *path)) is not None]
    return Spread.of(values) if values else None


def off_by(values: list[float]) -> tuple[float, float]:
    """Where the median of such rounds lies in 95 of 100 runs."""
    draw = random.Random(1)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(1000))
    return medians[25], medians[974]


def note(text: str) -> None:
    """Progress, on standard error: standard output holds the tables."""
    print(text, file=sys.stderr, flush=True)


def table(title: str, rows: Sequence[Row], columns: Mapping[str, str]) -> None:
    """Print rows; `columns`: key → heading."""
    cells = [list(columns.values())]
    cells += [["–" if row.get(key) is None else str(row[key]) for key in columns] for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    print(f"\n{title}")
    for number, line in enumerate(cells):
        right = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        print("  ".join([line[0].ljust(widths[0]), *right]))
        if number == 0:
            print("  ".join("-" * width for width in widths))


class Bar(NamedTuple):
    """A promise, what was found, and whether it held."""

    promise: str
    value: str
    held: bool

    def line(self) -> str:
        return f"{'ok    ' if self.held else 'MISSED'}  {self.promise}: {self.value}"


def parser(description: str | None, rounds: int, seconds: float) -> argparse.ArgumentParser:
    """The arguments that all benchmarks have."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    made.add_argument("--quick", action="store_true", help="a short run that only shows that it works")
    made.add_argument("--rounds", type=int, default=rounds, help="turns of each (default %(default)s)")
    made.add_argument(
        "--seconds", type=float, default=seconds, help="measured in each turn (default %(default)s)"
    )
    return made


def finish(args: argparse.Namespace, name: str, rows: Sequence[Row], bars: Sequence[Bar]) -> None:
    """Print the promises, and write everything to `--json`."""
    print()
    for bar in bars:
        print(bar.line())
    if args.json is None:
        return
    about = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": list(os.getloadavg()),
    }
    said = {key: str(value) if isinstance(value, Path) else value for key, value in vars(args).items()}
    bars_said = [bar._asdict() for bar in bars]
    whole = {"benchmark": name, "arguments": said, "machine": about, "bars": bars_said, "rows": list(rows)}
    args.json.write_text(json.dumps(whole, indent=1, default=str) + "\n")

"""The `idle` part of `scale.py`: 8 trainers that share a page nobody looks at, against the same 8 without.

Both crews are there all the time, and one of them is stopped (SIGSTOP) while the other one runs, its server
included; after half a second they change. So a ratio is taken between turns that follow each other, of
the same processes: crews that are started anew for each round differ by a tenth, also when they do the same.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mmap
import os
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from broker import free_port
from common import Bar, Contender, Row, Tool, note, off_by, table

SPEED_BAR = 0.99
TRAINERS, TURNS = 8, 200
SETTLING = 0.1  # Seconds of a turn that are not counted: caches and the scheduler follow suit.
LIFE = 1200
COUNTS = 2  # 64-bit numbers of each trainer: steps, renders.


class Turn(NamedTuple):
    """One turn of a crew: each trainer's steps a second, and the server's share of a core."""

    speeds: list[float]
    server: float

    @property
    def speed(self) -> float:
        return sum(self.speeds)


class Crew:
    """So many trainers of one kind, stopped unless it is their turn."""

    def __init__(self, contender: Contender, env: str, trainers: int) -> None:
        self.name = contender.name
        self._stack = contextlib.ExitStack()
        file = self._stack.enter_context(contextlib.closing(tempfile.NamedTemporaryFile()))  # noqa: SIM115
        file.truncate(8 * COUNTS * trainers)
        self._counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        settings = json.dumps({**contender.settings, "videoStreamPort": free_port()})
        words = ["--contender", contender.kind, "--env", env, "--settings", settings, "--counts", file.name]
        tools = [
            self._stack.enter_context(Tool("stepper.py", *words, "--place", str(place), "--life", str(LIFE)))
            for place in range(trainers)
        ]
        said = [tool.hear() for tool in tools]
        self.pages = len({row.get("port") for row in said} - {None})
        trainers_of = {row["pid"] for row in said}
        self._servers = {row["server"] for row in said} - trainers_of
        self._processes = trainers_of | self._servers
        self._trainers = trainers
        self.stop()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *exc: object) -> None:
        self._signal(signal.SIGCONT)
        self._stack.close()

    def stop(self) -> None:
        self._signal(signal.SIGSTOP)

    def renders(self) -> int:
        return sum(renders for _, renders in self._read())

    def turn(self, seconds: float) -> Turn:
        """Run for so long."""
        self._signal(signal.SIGCONT)
        time.sleep(SETTLING)
        before, used, begun = self._read(), self._server_seconds(), time.monotonic()
        time.sleep(seconds)
        after, spent, took = self._read(), self._server_seconds() - used, time.monotonic() - begun
        self.stop()
        pairs = zip(after, before, strict=True)
        return Turn([(late[0] - early[0]) / took for late, early in pairs], spent / took)

    def _read(self) -> list[tuple[int, int]]:
        counts = self._counts
        return [(counts[at], counts[at + 1]) for at in range(0, COUNTS * self._trainers, COUNTS)]

    def _server_seconds(self) -> float:
        used = 0.0
        for pid in self._servers:
            for thread in os.scandir(f"/proc/{pid}/task"):
                with open(f"{thread.path}/schedstat") as file:  # noqa: PTH123
                    used += int(file.read().split()[0]) / 1e9
        return used

    def _signal(self, number: int) -> None:
        for pid in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def compare(crews: Sequence[Crew], turns: int, seconds: float) -> dict[str, list[Turn]]:
    """The turns of all crews; who begins a round is drawn."""
    found: dict[str, list[Turn]] = {crew.name: [] for crew in crews}
    draw, order = random.Random(1), list(crews)
    for number in range(turns):
        if number % 20 == 0:
            note(f"idle, turn {number + 1} of {turns}")
        draw.shuffle(order)
        for crew in order:
            found[crew.name].append(crew.turn(seconds))
    return found


def idle(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    """Both crews, in turns."""
    bare = Contender("bare", "bare")
    kinds = [bare, Contender("bare, once more", "bare"), Contender("envstream, one page", "envstream")]
    trainers, turns, seconds = (2, 3, 0.2) if args.quick else (TRAINERS, args.turns, 0.4)
    with contextlib.ExitStack() as stack:
        crews = [stack.enter_context(Crew(kind, args.env, trainers)) for kind in kinds]
        found = compare(crews, turns, seconds)
        ours = crews[-1]
        pages, renders = ours.pages, ours.renders()
    rows = [row_of(name, found[name], found[bare.name], trainers) for name in found]
    rows[-1] |= {"renders": renders, "pages": pages}
    heads = {"contender": "trainers", "trainers": "N", "speed": "steps/s in all"}
    more = {
        "text": "% of bare (95 % sure)",
        "slowest_text": "slowest, of bare's slowest",
        "server": "server, cores",
    }
    table("Nobody watches", rows, {**heads, **more})
    last = rows[-1]
    return rows, [
        Bar(
            f"{trainers} trainers, nobody watches: {SPEED_BAR:.0%} of their bare speed",
            last["text"],
            last["share"] >= SPEED_BAR,
        ),
        Bar(f"{trainers} trainers, nobody watches: nothing is rendered", str(renders), renders == 0),
        Bar(f"{trainers} trainers share one page", str(pages), pages == 1),
    ]


def row_of(name: str, turns: Sequence[Turn], base: Sequence[Turn], trainers: int) -> Row:
    """One crew against the bare one."""
    shares = [mine.speed / other.speed for mine, other in zip(turns, base, strict=True)]
    low, high = off_by(shares)
    slowest, bare_slowest = (
        min(sum(turn.speeds[place] for turn in each) for place in range(trainers)) for each in (turns, base)
    )
    return {
        "part": "idle",
        "contender": name,
        "trainers": trainers,
        "speed": round(median(turn.speed for turn in turns)),
        "share": median(shares),
        "sure": (low, high),
        "text": f"{100 * median(shares):.1f} ({100 * low:.1f}–{100 * high:.1f})",
        "slowest": slowest / bare_slowest,
        "slowest_text": f"{100 * slowest / bare_slowest:.1f} %",
        "server": round(median(turn.server for turn in turns), 4),
        "shares": shares,
    }

"""What faults cost the training, how soon all is well again, and whether a crowd keeps a new viewer out.

`speed`: while something is wrong (readers that never read, viewers that are stopped, headers that do not
come, thousands of idle connections, a server that is stopped or killed) a training's steps are counted, in
turns with the same training without envstream; the other one is stopped meanwhile. Turns in which the host of
a virtual machine took some of it are made anew. Bar: 95 % of bare.

`crowd`: 2,000 idle connections and 200 that send a header's byte a second; a viewer who comes then sees a
first picture within 1 s, each of 20 times.

`kills`: trainers, servers and viewers are killed at random, and so are publishers, the server they send to
and its workers (`uploads.py`). After each kill a new viewer has its first picture within 3 s of the moment
in which there is a training again, or the upload goes on within 3 s of the kill; the training whose server or
viewer was killed goes on. At the end everything that was recorded plays, and no upload has lost a frame.
`scale.py --part kills` does the same to Redis, workers and page servers.

    python benchmarks/faults.py --json faults.json
    python benchmarks/faults.py --part kills --minutes 10
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

import uploads
from common import START_SECONDS, Bar, Row, Spread, Tool, finish, note, off_by, parser, table
from fanout import server_of
from kills import await_gone
from machine import STOLEN, Machine
from sufferer import COUNTS, Counts

try:
    import psutil  # type: ignore[import-untyped]
except ImportError as error:
    raise SystemExit(f"this needs psutil ({error}): {sys.executable} -m pip install psutil") from None

PARTS = ("speed", "crowd", "kills")
SPEED_BAR, CROWD_BAR_S, RECOVERY_BAR_S = 0.95, 1.0, 3.0
IDLE, SLOW, NEWCOMERS = 2000, 200, 20
UNREAD, STOPPED = 8, 4
TRIES = 3  # Times as many turns as are wanted, at most, for the sake of some without the machine's host.
SETTLING = 1.0  # Seconds that a fault has before its turns begin.
WATCH = {"type": "watch", "streams": [{"name": None}], "status": False}


# The training, and those who look at it.


class Sufferer:
    """A training in a process of its own, and what it has counted."""

    def __init__(self, stack: contextlib.ExitStack, settings: dict[str, Any] | None, env: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        file = folder / "counts"
        file.write_bytes(bytes(COUNTS))
        args = ["--counts", str(file), "--env", env]
        args += [] if settings is None else ["--settings", json.dumps(settings)]
        self.tool = stack.enter_context(Tool("sufferer.py", *args))
        said = self.tool.hear()
        self.pid: int = said["pid"]
        self.port: int = said.get("port", 0)
        self.counts = Counts(file)
        stack.callback(self.go_on)  # Who is stopped cannot end.

    def hold(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def speed(self, seconds: float) -> float:
        """Steps a second, of a training that is stopped before and after."""
        self.go_on()
        began, before = time.monotonic(), self.counts.steps
        time.sleep(seconds)
        rate = (self.counts.steps - before) / (time.monotonic() - began)
        self.hold()
        return rate

    @property
    def server(self) -> int:
        return server_of(self.pid)


def stream_of(port: int) -> str:
    """The name of the stream that a server shows."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/streams", timeout=5) as answer:
        return str(json.load(answer)["streams"][0]["name"])


def first_picture(port: int, name: str) -> float:
    """Seconds until a new viewer has its first picture.

    Raises:
        OSError, WebSocketException: it gets none.
    """
    began = time.monotonic()
    url = f"ws://127.0.0.1:{port}/ws"
    with connect(url, compression=None, max_size=None, open_timeout=START_SECONDS) as viewer:
        viewer.send(json.dumps({**WATCH, "streams": [{"name": name}]}))
        while isinstance(viewer.recv(START_SECONDS), str):
            pass
        return time.monotonic() - began


@contextlib.contextmanager
def watched(port: int, name: str, path: str = "/ws") -> Iterator[Tool]:
    """A viewer in a process of its own."""
    args = ["--port", str(port), "--path", path, "--stream", name, "--count", "1", "--life", "3600"]
    with Tool("viewers.py", *args) as viewer:
        viewer.hear()
        yield viewer


@contextlib.contextmanager
def bystanders(port: int, kind: str, count: int) -> Iterator[None]:
    """Connections that want nothing of a server; see `bystanders.py`."""
    with Tool("bystanders.py", "--port", str(port), "--kind", kind, "--count", str(count)) as crowd:
        crowd.hear()
        yield


# Faults. Each lasts as long as its block.

Fault = Callable[[Sufferer, str], Any]


@contextlib.contextmanager
def nothing(training: Sufferer, name: str) -> Iterator[None]:
    """One viewer, and all is well."""
    yield


@contextlib.contextmanager
def unread(training: Sufferer, name: str) -> Iterator[None]:
    """Readers who never read."""
    with bystanders(training.port, "mjpeg", UNREAD), bystanders(training.port, "socket", UNREAD):
        yield


@contextlib.contextmanager
def stopped(training: Sufferer, name: str) -> Iterator[None]:
    """Viewers that are stopped."""
    with contextlib.ExitStack() as stack:
        for _ in range(STOPPED):
            viewer = stack.enter_context(watched(training.port, name))
            time.sleep(0.3)
            viewer.process.send_signal(signal.SIGSTOP)
            stack.callback(viewer.process.send_signal, signal.SIGCONT)
        yield


@contextlib.contextmanager
def slow(training: Sufferer, name: str) -> Iterator[None]:
    """Headers that do not come."""
    with bystanders(training.port, "slow", SLOW):
        yield


@contextlib.contextmanager
def idle(training: Sufferer, name: str) -> Iterator[None]:
    """Thousands who say nothing."""
    with bystanders(training.port, "idle", IDLE):
        yield


@contextlib.contextmanager
def hung(training: Sufferer, name: str) -> Iterator[None]:
    """A server that is stopped."""
    server = training.server
    os.kill(server, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGCONT)


@contextlib.contextmanager
def killed(training: Sufferer, name: str) -> Iterator[None]:
    """A server that is killed every two seconds."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(2.0):
            server = training.server
            if server != training.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(server, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


FAULTS: dict[str, Fault] = {
    "one viewer, no fault": nothing,
    f"{2 * UNREAD} readers that never read": unread,
    f"{STOPPED} viewers that are stopped": stopped,
    f"{SLOW} slow headers": slow,
    f"{IDLE} idle connections": idle,
    "server stopped": hung,
    "server killed every 2 s": killed,
}


# The parts.


def of_bare(
    bare: Sufferer, training: Sufferer, rounds: int, seconds: float, chance: random.Random
) -> list[float]:
    """A training's speed as a share of the bare one's, in turns; both are stopped before and after.

    Turns in which the machine's host took some of it are made anew, but not without end.
    """
    machine, ratios = Machine(), []
    for turn in range(TRIES * rounds):
        order = [bare, training]
        chance.shuffle(order)
        machine.look()
        rate = {one: one.speed(seconds) for one in order}
        if machine.look()["stolen"] <= STOLEN or turn - len(ratios) >= (TRIES - 1) * rounds:
            ratios.append(rate[training] / rate[bare])
        if len(ratios) == rounds:
            break
    return ratios


def speed(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    rows, chance = [], random.Random(args.seed)
    rounds, seconds = (2, 0.3) if args.quick else (args.rounds, args.seconds)
    wanted = [each for each in FAULTS.items() if args.fault in each[0]]
    for fault, begin in wanted[:: 3 if args.quick else 1]:
        note(f"speed: {fault}")
        with contextlib.ExitStack() as stack:
            bare = Sufferer(stack, None, args.env)
            bare.hold()
            training = Sufferer(stack, {}, args.env)
            name = stream_of(training.port)
            stack.enter_context(watched(training.port, name))
            stack.enter_context(begin(training, name))
            time.sleep(SETTLING)
            training.hold()
            ratios = of_bare(bare, training, rounds, seconds, chance)
            spread, (low, high) = Spread.of(ratios), off_by(ratios)
            slowest = training.counts.slowest
        rows.append(
            {
                "part": "speed",
                "fault": fault,
                "of_bare": round(spread.median, 4),
                "text": spread.text("{:.1f} %", 100),
                "sure": f"{100 * low:.1f}–{100 * high:.1f} %",
                "rounds": ratios,
                "bare_longest_ms": round(1000 * bare.counts.slowest, 1),
                "longest_ms": round(1000 * slowest, 1),
            }
        )
    columns = {"fault": "fault", "text": "of bare", "sure": "95 % sure", "longest_ms": "longest 32 steps, ms"}
    table(f"Steps a second of {args.env} while something is wrong", rows, columns)
    return rows, [
        Bar(f"speed, {row['fault']}: ≥ {SPEED_BAR:.0%} of bare", row["text"], row["of_bare"] >= SPEED_BAR)
        for row in rows
    ]


def crowd(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    count, slow_ones, newcomers = (200, 20, 5) if args.quick else (IDLE, SLOW, NEWCOMERS)
    with contextlib.ExitStack() as stack:
        training = Sufferer(stack, {}, args.env)
        name = stream_of(training.port)
        alone = [first_picture(training.port, name) for _ in range(newcomers)]
        stack.enter_context(bystanders(training.port, "idle", count))
        stack.enter_context(bystanders(training.port, "slow", slow_ones))
        took = []
        for _ in range(newcomers):
            took.append(first_picture(training.port, name))
            time.sleep(0.0 if args.quick else 0.5)
    rows = [
        {
            "part": "crowd",
            "crowd": label,
            "newcomers": len(values),
            "median_ms": round(1000 * median(values)),
            "worst_ms": round(1000 * max(values)),
            "values": values,
        }
        for label, values in (("nobody else", alone), (f"{count} idle, {slow_ones} slow headers", took))
    ]
    columns = {
        "crowd": "who is there",
        "newcomers": "new viewers",
        "median_ms": "first picture, ms",
        "worst_ms": "worst, ms",
    }
    table("How long a new viewer waits for a first picture", rows, columns)
    worst = max(took)
    return rows, [
        Bar(f"crowd: a first picture ≤ {CROWD_BAR_S:g} s", f"{worst:.2f} s at worst", worst <= CROWD_BAR_S)
    ]


class Scene:
    """A training that records, and its viewer; either of them, or the server, can be killed."""

    VICTIMS = ("trainer", "server", "viewer")

    def __init__(self, stack: contextlib.ExitStack, folder: Path, env: str) -> None:
        self._folder, self._env = folder, env
        self._stack = stack.enter_context(contextlib.ExitStack())
        self.begin()

    def begin(self) -> None:
        settings = {
            "videoRecord": True,
            "videoRecordFolder": str(self._folder),
            "videoRecordEpisodes": "every: 100",
        }
        self.training = Sufferer(self._stack, settings, self._env)
        self.name = stream_of(self.training.port)
        self.viewer = self._stack.enter_context(watched(self.training.port, self.name))

    def kill(self, victim: str) -> float:
        """Kill somebody; seconds until a new viewer sees a picture, since there is a training again."""
        if victim == "trainer":
            servers = [psutil.Process(self.training.server)]
            os.kill(self.training.pid, signal.SIGKILL)
            await_gone(servers)
            self._stack.close()
            self.begin()
        elif victim == "server":
            os.kill(self.training.server, signal.SIGKILL)
        else:
            self.viewer.process.kill()
        began, before = time.monotonic(), self.training.counts.steps
        while True:
            try:
                first_picture(self.training.port, self.name)
                break
            except (OSError, WebSocketException, TimeoutError):
                if time.monotonic() - began > START_SECONDS:
                    raise
                time.sleep(0.02)
        recovered = time.monotonic() - began
        while self.training.counts.steps <= before:
            if self.training.tool.process.poll() is not None or time.monotonic() - began > START_SECONDS:
                raise RuntimeError("the training does not go on")
            time.sleep(0.01)
        if victim == "viewer":
            self.viewer = self._stack.enter_context(watched(self.training.port, self.name))
        return recovered


def kills(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    moments, took = random.Random(args.seed), defaultdict[str, list[float]](list)
    minutes = 0.1 if args.quick else args.minutes
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        scene = Scene(stack, folder, "CartPole-v1")
        sent = uploads.Uploads(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        over = time.monotonic() + 60 * minutes
        while time.monotonic() < over:
            time.sleep(moments.uniform(0.05, 2.0))
            victim = moments.choice((*Scene.VICTIMS, *uploads.VICTIMS))
            if victim in Scene.VICTIMS:
                name, seconds = victim, scene.kill(victim)
            else:
                comes, seconds = sent.kill(victim)
                name = victim if comes else f"{victim}, the film being there"
            took[name].append(seconds)
            note(f"kills: {name}, well again after {seconds:.2f} s")
        end = psutil.Process(scene.training.server)
        os.kill(scene.training.pid, signal.SIGKILL)
        await_gone([end])
        files, play = recordings(folder)
        sessions, whole = sent.finish()
    rows = [
        {
            "part": "kills",
            "victim": victim,
            "times": len(values),
            "median_s": round(median(values), 2),
            "worst_s": round(max(values), 2),
            "values": values,
        }
        for victim, values in sorted(took.items())
    ]
    columns = {"victim": "killed", "times": "times", "median_s": "well again, s", "worst_s": "worst, s"}
    found = f"{files} recordings, {play} play; {sessions} uploads, {whole} whole"
    table(f"Killed at random for {minutes:g} minutes; {found}", rows, columns)
    worst = max(row["worst_s"] for row in rows)
    return rows, [
        Bar(f"kills: well again ≤ {RECOVERY_BAR_S:g} s", f"{worst:.2f} s at worst", worst <= RECOVERY_BAR_S),
        Bar("kills: all recordings play", f"{play} of {files}", play == files and files > 0),
        Bar("kills: all uploads are whole", f"{whole} of {sessions}", whole == sessions),
    ]


def recordings(folder: Path) -> tuple[int, int]:
    """How many videos there are, and how many of them play to their end."""
    from kills import pictures_in

    videos = list(folder.glob("*.mp4"))
    return len(videos), sum(pictures_in(video) is not None for video in videos)


def main() -> None:
    arguments = parser(__doc__, rounds=15, seconds=1.0)
    arguments.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS))
    arguments.add_argument("--minutes", type=float, default=2.0, help="of kills (default %(default)s)")
    arguments.add_argument("--env", default="long", help="what is trained (default %(default)s)")
    arguments.add_argument("--fault", default="", metavar="WORDS", help="of speed: those so called")
    arguments.add_argument("--seed", type=int, default=1)
    args = arguments.parse_args()
    rows: list[Row] = []
    bars: list[Bar] = []
    for part in args.part:
        made, held = {"speed": speed, "crowd": crowd, "kills": kills}[part](args)
        rows += made
        bars += held
    finish(args, "faults", rows, bars)


if __name__ == "__main__":
    main()

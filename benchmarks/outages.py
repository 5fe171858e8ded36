"""The part `kills` of `scale.py`: how long until everything is shown again when something is killed.

Two arrangements. On one machine trainers share a page; killed are the process that serves it, or one of
the trainers. On a Redis there are workers, a server each, and two page servers; killed are one of those, a
worker, the process that serves a worker, or Redis itself. What nobody would start again by itself (a
trainer, a page server, Redis) is started again at once, and the time that this takes is part of the figure.
Everything is shown when each page has had a picture of each stream that was captured after the kill.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from broker import Broker, free_port
from common import Bar, Row, Spread, Tool, note, table
from lookout import Lookout
from service import Service

try:
    import psutil  # type: ignore[import-untyped]
except ImportError as error:
    raise SystemExit(f"this needs psutil ({error}): pip install psutil") from None

AGAIN_BAR_S, GAP_BAR_S = 3.0, 1.0
PATIENCE = 60.0
LATEST = 2.0  # Seconds that everything goes well before a kill, at most.
SERVER = "envstream.web.child"
MARK = "ENVSTREAM_BENCHMARK"  # In the environment of all that is started here: nothing else is killed.
ROOMY = {"videoStreamMaxOverhead": 1.0}


class Scene:
    """Workers, each in a process of its own, what else they need, and somebody at each page.

    Args:
        workers: how many.
        pages: so many page servers on a Redis; 0 = the workers share one page of their own.
    """

    def __init__(self, workers: int, pages: int) -> None:
        self._stack = contextlib.ExitStack()
        os.environ[MARK] = secrets.token_hex(8)
        self.titles = [f"worker {number}" for number in range(workers)]
        self._ports = [free_port()] * workers if not pages else [free_port() for _ in range(workers)]
        self.broker = self._stack.enter_context(Broker()) if pages else None
        self.pages = [self._page() for _ in range(pages)]
        self._tools = [self._worker(number) for number in range(workers)]
        self._said = [tool.hear() for tool in self._tools]
        ports = [page.port for page in self.pages] or [int(self._said[0]["urls"][0].split(":")[2].strip("/"))]
        self.lookouts = [self._stack.enter_context(Lookout(port)) for port in ports]
        self.raised, self.longest_ms = 0, 0.0

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            for tool in self._tools:
                tool.__exit__(None, None, None)

    def _page(self) -> Service:
        assert self.broker is not None
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        return self._stack.enter_context(Service(Path(folder), videoStreamHub=self.broker.url))

    def _worker(self, number: int) -> Tool:
        hub = {"videoStreamHub": self.broker.url} if self.broker is not None else {}
        settings = {**ROOMY, **hub, "videoStreamPort": self._ports[number]}
        words = ("--first", str(number), "--settings", json.dumps(settings), "--life", "3600")
        return Tool("workers.py", *words)

    # What can be killed. Each gives back what starts it again, if anything has to.

    def kill_server(self, random: random.Random) -> Callable[[], object] | None:
        """A process that serves: it is for the workers to have another."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            with contextlib.suppress(psutil.Error):
                serves = SERVER in (process.info["cmdline"] or ())
                if serves and process.environ().get(MARK) == os.environ[MARK]:
                    found.append(process)
        victim = random.choice(found)
        victim.kill()
        victim.wait(10)
        return None

    def kill_worker(self, random: random.Random) -> Callable[[], object] | None:
        number = random.randrange(len(self._tools))
        tool = self._tools[number]
        tool.process.kill()
        tool.process.wait()

        def again() -> None:
            tool.__exit__(None, None, None)
            self._tools[number] = self._worker(number)
            self._tools[number].hear()

        return again

    def kill_redis(self, random: random.Random) -> Callable[[], object] | None:
        assert self.broker is not None
        self.broker.kill()
        return self.broker.start

    def kill_page(self, random: random.Random) -> Callable[[], object] | None:
        page = random.choice(self.pages)
        page.kill()
        return page.start

    # What is seen of it.

    def whole(self, since: float) -> float:
        """Seconds after a moment until each page had a picture of each stream that was captured after it.

        Raises:
            RuntimeError: that does not come about.
        """
        while time.monotonic() < since + PATIENCE:
            moments = [lookout.shown(self.titles, since) for lookout in self.lookouts]
            known = [moment for moment in moments if moment is not None]
            if len(known) == len(moments):
                return max(known) - since
            time.sleep(0.02)
        raise RuntimeError(f"not everything is shown again after {PATIENCE:g} s")

    def report(self) -> None:
        """Hear from each training loop how it went since the last time."""
        for tool in self._tools:
            try:
                tool.say(report=True)
                self.longest_ms = max(self.longest_ms, tool.hear(20)["longest_ms"])
            except (OSError, RuntimeError) as error:
                self.raised += 1
                note(f"    A TRAINING LOOP ENDED: {str(error)[-500:]}")


def killed(scene: Scene, kill: Callable[..., Any], moments: random.Random) -> Row:
    """One kill: seconds until everything is shown again, and of those until what was killed is up again."""
    for lookout in scene.lookouts:
        lookout.forget()
    scene.whole(time.monotonic())
    time.sleep(moments.uniform(0.0, LATEST))
    scene.report()
    began = time.monotonic()
    again = kill(scene, moments)
    since = time.monotonic()
    if again is not None:
        again()
    up = time.monotonic() - since
    took = scene.whole(since) + since - began
    scene.report()
    return {"took": round(took, 3), "up": round(up, 3) if again is not None else None}


PLACES: dict[str, tuple[int, dict[str, Callable[..., Any]]]] = {
    "one page": (0, {"the serving process": Scene.kill_server, "a trainer": Scene.kill_worker}),
    "Redis, 2 page servers": (
        2,
        {
            "the serving process": Scene.kill_server,
            "a worker": Scene.kill_worker,
            "Redis": Scene.kill_redis,
            "a page server": Scene.kill_page,
        },
    ),
}


def place_rows(args: argparse.Namespace, place: str, workers: int) -> list[Row]:
    """All kills of one arrangement, by turns."""
    pages, victims = PLACES[place]
    moments = random.Random(args.seed)
    found: dict[str, list[Row]] = {victim: [] for victim in victims}
    longest = dict.fromkeys(victims, 0.0)
    raised = dict.fromkeys(victims, 0)
    with Scene(workers, pages) as scene:
        for number in range(args.kills):
            for victim, kill in victims.items():
                scene.raised, scene.longest_ms = 0, 0.0
                found[victim].append(killed(scene, kill, moments))
                raised[victim] += scene.raised
                longest[victim] = max(longest[victim], scene.longest_ms)
                note(f"kills, {place}, {number + 1} of {args.kills}: {victim}, {found[victim][-1]}")
    return [row_of(place, victim, turns, longest[victim], raised[victim]) for victim, turns in found.items()]


def row_of(place: str, victim: str, turns: Sequence[Row], longest: float, raised: int) -> Row:
    took = Spread.of(turn["took"] for turn in turns)
    ups = [turn["up"] for turn in turns if turn["up"] is not None]
    return {
        "part": "kills",
        "contender": f"{place}: {victim}",
        "kills": len(turns),
        "took": took,
        "took_text": took.text("{:.2f}"),
        "up_text": Spread.of(ups).text("{:.2f}") if ups else None,
        "longest_ms": longest,
        "raised": raised,
        "turns": list(turns),
    }


def kills(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    workers = 2 if args.quick else 4
    rows = [row for place in PLACES for row in place_rows(args, place, workers)]
    heads = {"contender": "killed", "kills": "times", "took_text": "shown again after, s"}
    more = {
        "up_text": "of it: started again",
        "longest_ms": "longest pause of a loop, ms",
        "raised": "raised",
    }
    table("kill -9", rows, {**heads, **more})
    slowest = max(rows, key=lambda row: float(row["took"].high))
    longest, raised = max(row["longest_ms"] for row in rows), sum(row["raised"] for row in rows)
    return rows, [
        Bar(
            f"everything is shown again within {AGAIN_BAR_S:g} s",
            f"at worst {slowest['took'].high:.2f} s ({slowest['contender']})",
            bool(slowest["took"].high <= AGAIN_BAR_S),
        ),
        Bar("no training loop ends or raises", f"{raised} did", raised == 0),
        Bar(
            f"no training loop stops for {GAP_BAR_S:g} s",
            f"{longest:.0f} ms at most",
            longest <= 1000 * GAP_BAR_S,
        ),
    ]

"""The parts `memory` and `longest` of `recording.py`, and how a process that records is followed."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from common import Bar, Contender, Missing, Row, Spread, Tool, note, spread, table, turns

try:
    import psutil  # type: ignore[import-untyped]
except ImportError as error:
    raise SystemExit(f"this needs psutil ({error}): {sys.executable} -m pip install psutil") from None

MEMORY_BAR_MB, LONGEST_BAR_MS = 15.0, 10.0
PICTURES = 1000
LOOKS_EVERY = 0.01  # Seconds between two looks at RSS.

OURS = Contender("envstream", "envstream")
RECORD_VIDEO = Contender("RecordVideo", "record-video")
VEC_VIDEO_RECORDER = Contender("VecVideoRecorder", "vec-video-recorder")
RECORDERS = [OURS, RECORD_VIDEO, VEC_VIDEO_RECORDER]

Turn = Callable[[Contender], Row]


def collect(part: str, contenders: Sequence[Contender], rounds: int, turn: Turn) -> dict[str, list[Row]]:
    """Everybody's rows, one a round; of whom is missing, one that says so."""
    found: dict[str, list[Row]] = defaultdict(list)
    for number, order in turns(contenders, rounds):
        for contender in order:
            note(f"{part}, round {number + 1} of {rounds}: {contender.name}")
            with contextlib.suppress(LookupError):
                if "missing" in found[contender.name][0]:
                    continue
            try:
                found[contender.name].append(turn(contender))
            except Missing as error:
                found[contender.name].append({"missing": str(error)})
    return found


def summed(part: str, contender: Contender, rows: list[Row], *keys: str) -> Row:
    """Median and spread of some figures, and why somebody has none."""
    row: Row = {"part": part, "contender": contender.name, "rounds": rows}
    for key in keys:
        row[key] = spread(rows, key)
        row[f"{key}_text"] = row[key] and row[key].text()
    missing = next((one["missing"] for one in rows if "missing" in one), None)
    return {**row, "missing": missing and f"missing: {missing}"}


@contextlib.contextmanager
def started(role: str, contender: Contender, *args: str) -> Iterator[tuple[Tool, dict[str, Any], Path]]:
    """A process of `recorders.py` that is ready, what it said then, and its folder of recordings."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        said = ("--kind", contender.kind, "--folder", name, *args)
        with Tool("recorders.py", role, *said) as tool:
            where = tool.hear()
            if "missing" in where:
                raise Missing(where["missing"])
            yield tool, where, Path(name)


def held(promise: str, found: Spread | None, unit: str, enough: Callable[[float], bool]) -> Bar:
    return Bar(
        promise, f"{found.text()} {unit}" if found else "–", found is not None and enough(found.median)
    )


class Sampler:
    """RSS of a process and of all its children, in MB: now, when it begins, and at most from then on."""

    def __init__(self, process: int) -> None:
        self._process = psutil.Process(process)
        self.bare = self.before = self.peak = self.look()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        self.before = self.peak = self.look()
        self._thread.start()

    def look(self) -> tuple[float, float]:
        own, children = self._process.memory_info().rss, 0
        for child in self._process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                children += child.memory_info().rss
        return own / 1e6, children / 1e6

    def _run(self) -> None:
        while not self._over.wait(LOOKS_EVERY):
            own, children = self.look()
            self.peak = max(self.peak[0], own), max(self.peak[1], children)

    def end(self) -> Row:
        self._over.set()
        self._thread.join()
        return {
            "trainer_mb": self.peak[0] - self.before[0],
            "children_mb": self.peak[1] - self.before[1],
            "in_all_mb": self.peak[0] - self.bare[0],
            "children_peak_mb": self.peak[1],
        }


def recorded(contender: Contender, pictures: int, look: bool) -> Row:
    """One recording: what the trainer says of it; with a `look` at memory."""
    with started("thousand", contender, "--pictures", str(pictures)) as (tool, where, _):
        sampler = Sampler(where["pid"]) if look else None
        tool.say(go=True)
        warm = tool.hear()
        if "missing" in warm:
            raise Missing(warm["missing"])
        if sampler is not None:
            sampler.begin()
        tool.say(go=True)
        said = tool.hear(300)
        if sampler is not None:
            said |= sampler.end()
        said |= excess(said.pop("bare"), said.pop("calls"))
        return said


def excess(bare: list[tuple[float, int]], calls: list[tuple[float, int]]) -> Row:
    """The longest calls beyond a usual bare one: of all, and of those that no other process interrupted."""
    usual, times = median(took for took, _ in bare), [took for took, _ in calls]
    return {
        "bare_ms": usual,
        "bare_max_ms": max(bare)[0],
        "excess_ms": max(times) - usual,
        "alone_ms": max((took for took, others in calls if not others), default=usual) - usual,
        "p99_ms": sorted(times)[int(0.99 * len(times))] - usual,
        "which": times.index(max(times)),
        "recorded_s": sum(times) / 1000,
    }


def memory(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    rounds, pictures = (1, 100) if args.quick else (args.rounds, PICTURES)
    found = collect("memory", RECORDERS, rounds, lambda who: recorded(who, pictures, look=True))
    keys = ("trainer_mb", "in_all_mb", "children_mb", "children_peak_mb")
    rows = [summed("memory", who, found[who.name], *keys) for who in RECORDERS]
    heads = {"contender": "recorder", "trainer_mb_text": "trainer grows by, MB"}
    heads |= {"in_all_mb_text": "since it did not record", "children_mb_text": "its children by, MB"}
    heads |= {"children_peak_mb_text": "children at most, MB"}
    table(f"RSS while {pictures} pictures are recorded", rows, {**heads, "missing": ""})
    grown = rows[0]["trainer_mb"]
    promise = f"memory: the trainer grows by at most {MEMORY_BAR_MB:g} MB"
    return rows, [held(promise, grown, "MB", lambda value: value <= MEMORY_BAR_MB)]


def longest(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    rounds, pictures = (1, 100) if args.quick else (args.rounds, PICTURES)
    found = collect("longest", RECORDERS, rounds, lambda who: recorded(who, pictures, look=False))
    keys = ("excess_ms", "alone_ms", "p99_ms", "bare_ms", "bare_max_ms", "recorded_s")
    rows = [summed("longest", who, found[who.name], *keys) for who in RECORDERS]
    heads = {"contender": "recorder", "excess_ms_text": "longest call beyond a bare one, ms"}
    heads |= {"alone_ms_text": "not interrupted", "p99_ms_text": "p99", "bare_ms_text": "bare"}
    heads |= {"bare_max_ms_text": "longest bare", "recorded_s_text": "all, s"}
    table(f"step() and reset() while {pictures} pictures are recorded", rows, {**heads, "missing": ""})
    promise = f"longest: no call takes {LONGEST_BAR_MS:g} ms more than a bare one"
    return rows, [held(promise, rows[0]["excess_ms"], "ms", lambda value: value <= LONGEST_BAR_MS)]

"""Made-up requests and conversations, as many as one likes, to a run that trains and to a server on its own.

    python benchmarks/fuzz.py --requests 1000000     # some ten minutes
    python benchmarks/fuzz.py --hours 8 --seed 7
    python benchmarks/fuzz.py --seed 1 --only 4711   # one case once more, with what is answered

Everything follows from the seed. No answer may be a 5xx that the description does not tell of, no process
may end, none may write down an error of its own, a viewer and `/health` must be answered all the while,
memory and threads may not become more, and when all have gone there are no more descriptors than after the
beginning. What failed is written to `--failures`, a line of JSON each.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import psutil  # type: ignore[import-untyped]

from common import Bar, Tool, finish, note, parser, table
from fuzzclient import Client, Finding, Tally, probing
from fuzzing import case
from service import Service

WORKERS = 24  # Connections to each server.
SETTLES = 8.0  # Seconds after which what was left behind is gone.
ANSWERED_WITHIN = 5.0  # Seconds.
GROWTH = 1.10  # Of memory from the middle third of the run to its last.
SPARE = 16e6  # Bytes by which it may be more.
SETTINGS: dict[str, Any] = {
    "videoStreamSessionTimeout": 4,
    "videoStreamKeepMemory": 32,
    "videoStreamCacheMemory": 16,
    "videoStreamReplay": 5,
    "videoStreamMaxDisk": 200,
    "videoStreamMaxMemory": 64,
    "videoStreamWorkers": 1,
}


class Watched:
    """A server's process while it is asked: what it holds, looked at now and then."""

    def __init__(self, name: str, process: psutil.Process, port: int, complaints: Callable[[], str]) -> None:
        self.name, self.port, self._process, self._complaints = name, port, process, complaints
        self.held: dict[str, list[float]] = {"rss": [], "fds": [], "threads": []}

    @property
    def errors(self) -> list[str]:
        """Errors of its own that it has written down: what each traceback ends with."""
        said = re.split(r"^Traceback", self._complaints(), flags=re.MULTILINE)[1:]
        return [next((line for line in each.splitlines()[1:] if line[:1].isalpha()), "") for each in said]

    def look(self) -> dict[str, float]:
        """Memory, descriptors and threads now; of a process that is gone, nothing."""
        if not self.alive:
            return {"rss": 0, "fds": 0, "threads": 0}
        with self._process.oneshot():
            held = {
                "rss": self._process.memory_info().rss,
                "fds": self._process.num_fds(),
                "threads": self._process.num_threads(),
            }
        for key, value in held.items():
            self.held[key].append(value)
        return held

    @property
    def alive(self) -> bool:
        return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)

    def thirds(self, key: str) -> tuple[float, float]:
        """What it held in the middle third of all looks, and in the last."""
        held = self.held[key]
        third = max(1, len(held) // 3)
        return median(held[third : 2 * third] or held), median(held[-third:])


@contextlib.contextmanager
def servers(folder: Path) -> Any:
    """A run that trains, and a server on its own."""
    folders = {"videoRecordFolder": str(folder / "videos"), "videoStreamFolder": str(folder / "beside")}
    with Tool("fuzzed.py", "--settings", json.dumps({**SETTINGS, **folders})) as trainer:
        port = trainer.hear()["port"]
        children = psutil.Process(trainer.process.pid).children()
        server = next(each for each in children if "envstream.web.child" in " ".join(each.cmdline()))
        with Service(folder / "alone", **SETTINGS) as alone:
            process = alone._process
            assert process is not None
            yield [
                Watched("beside training", server, port, trainer.complaints),
                Watched(
                    "alone", psutil.Process(process.pid), alone.port, lambda: "\n".join(list(alone.said))
                ),
            ]


async def fuzz(watched: list[Watched], seed: int, count: int, seconds: float) -> tuple[Tally, dict[str, Any]]:
    """Send everything; what came of it, and how it went."""
    tally, numbers, stop = Tally(), iter(range(count)), asyncio.Event()
    until = time.monotonic() + seconds
    probes = [asyncio.ensure_future(probing(each.port, stop, note)) for each in watched]
    started, began = time.monotonic(), {}

    async def looking() -> None:
        while True:
            await asyncio.sleep(1.0)
            for each in watched:
                held = each.look()
                if tally.sent > min(5000, count / 10):
                    began.setdefault(each.name, held)
            if int(time.monotonic() - started) % 30 == 0:
                sizes = ", ".join(f"{each.name} {each.held['rss'][-1] / 1e6:.0f} MB" for each in watched)
                rate = tally.sent / (time.monotonic() - started)
                note(f"{tally.sent} sent, {rate:.0f}/s, {len(tally.findings)} findings, {sizes}")

    looks = asyncio.ensure_future(looking())
    clients = [Client(each.port, seed, numbers, tally) for each in watched for _ in range(WORKERS)]
    await asyncio.gather(*(client.run(until) for client in clients))
    took = time.monotonic() - started
    stop.set()
    waits = await asyncio.gather(*probes)
    looks.cancel()
    await asyncio.sleep(SETTLES)
    ended = {each.name: each.look() for each in watched}
    return tally, {"seconds": took, "waited": max(waits), "began": began, "ended": ended}


def judged(
    watched: list[Watched], tally: Tally, went: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[Bar]]:
    """The rows of the table, and the promises."""
    rows = []
    bars = [
        Bar(
            "answers of 5xx that nothing tells of, 1011, and none at all: 0",
            str(len(tally.findings)),
            not tally.findings,
        ),
        Bar(
            f"a viewer and /health are answered within {ANSWERED_WITHIN:.0f} s",
            f"{went['waited']:.2f} s",
            went["waited"] <= ANSWERED_WITHIN,
        ),
    ]
    for each in watched:
        first, last = went["began"].get(each.name, went["ended"][each.name]), went["ended"][each.name]
        before, after = each.thirds("rss")
        rows.append(
            {
                "server": each.name,
                **{f"{key} first": first[key] for key in ("fds", "threads")},
                **{f"{key} last": last[key] for key in ("fds", "threads")},
                "MB first": round(first["rss"] / 1e6),
                "MB middle third": round(before / 1e6),
                "MB last third": round(after / 1e6),
                "MB settled": round(last["rss"] / 1e6),
            }
        )
        bars.append(Bar(f"{each.name}: its process lives", "yes" if each.alive else "no", each.alive))
        errors = Counter(each.errors)
        bars.append(Bar(f"{each.name}: no error of its own is written down", str(dict(errors)), not errors))
        grown = after <= before * GROWTH + SPARE
        bars.append(
            Bar(f"{each.name}: memory grows no more", f"{before / 1e6:.0f} → {after / 1e6:.0f} MB", grown)
        )
        held = f"{first['fds']} → {last['fds']}"
        back = last["fds"] <= first["fds"] + 12
        bars.append(Bar(f"{each.name}: no more descriptors than at the beginning", held, back))
        # Pools begin their threads when they are first needed, each encoder has some while it lives: in the
        # long run there are no more than in its middle, in a short one few more than at its beginning.
        before, after = each.thirds("threads")
        steady = max(after, last["threads"]) <= max(before + 2, first["threads"] + 8)
        held = f"{first['threads']} → {before:.0f} → {after:.0f}, then {last['threads']}"
        bars.append(Bar(f"{each.name}: threads become no more", held, steady))
    return rows, bars


def written(findings: list[Finding], seed: int, path: Path) -> None:
    """What failed, a line each, and how to repeat it."""
    with path.open("w", encoding="utf-8") as file:
        for each in findings:
            said = {
                "seed": seed,
                "index": each.case.index,
                "where": each.case.where,
                "what": each.what,
                "sent": base64.b64encode(each.case.data).decode(),
                "frames": [base64.b64encode(frame).decode() for frame in each.case.frames],
                "answer": each.answer.decode("latin-1"),
            }
            file.write(json.dumps(said) + "\n")
    for what, of in itertools.groupby(
        sorted(findings, key=lambda e: (e.what, e.case.where)), lambda e: (e.what, e.case.where)
    ):
        indexes = [each.case.index for each in of]
        note(f"{what[0]} at {what[1]}: {len(indexes)} times")
        note(f"    repeat: {sys.argv[0]} --seed {seed} --only {indexes[0]}")


async def once(watched: list[Watched], seed: int, index: int) -> None:
    """One case once more."""
    made = case(seed, index)
    print(made)
    for each in watched:
        tally = Tally()
        await Client(each.port, seed, iter(()), tally).alone(made)
        print(
            each.name, dict(tally.statuses), dict(tally.codes), [finding.what for finding in tally.findings]
        )
        for finding in tally.findings:
            print(finding.answer.decode("latin-1"))


def main() -> int:
    reader: argparse.ArgumentParser = parser(__doc__, rounds=1, seconds=0)
    reader.add_argument("--requests", type=int, default=100_000, metavar="N")
    reader.add_argument("--hours", type=float, default=None, help="as long, however many that are")
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--only", type=int, metavar="INDEX", help="one case, once more")
    reader.add_argument("--failures", type=Path, default=Path("fuzz-failures.jsonl"), metavar="FILE")
    args = reader.parse_args()
    count = 2000 if args.quick else args.requests if args.hours is None else sys.maxsize
    seconds = float("inf") if args.hours is None else args.hours * 3600
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, servers(Path(folder)) as watched:
        if args.only is not None:
            asyncio.run(once(watched, args.seed, args.only))
            return 0
        tally, went = asyncio.run(fuzz(watched, args.seed, count, seconds))
        rows, bars = judged(watched, tally, went)
    took = went["seconds"]
    print(
        f"{tally.sent} cases and {tally.messages} messages in {took:.0f} s: {tally.sent / took:.0f} a second"
    )
    print(f"statuses {dict(sorted(tally.statuses.items()))}")
    print(f"close codes {dict(sorted(tally.codes.items()))}, kinds {dict(tally.kinds)}")
    table("What the servers hold", rows, {key: key for key in rows[0]})
    if tally.findings:
        written(tally.findings, args.seed, args.failures)
    finish(
        args,
        "fuzz",
        [*rows, {"sent": tally.sent, "rate": tally.sent / took, "statuses": tally.statuses}],
        bars,
    )
    return 0 if all(bar.held for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())

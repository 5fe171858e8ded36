"""Does anything rise that should not? A training, its server, and visitors who come and go, for hours.

The trainer (CartPole at about 1,000 steps/s, recording some episodes), its server process, one steady viewer,
and a process of passers-by: ten come each second, of every kind, and about thirty are there at a time. Every
five seconds each process is looked at: memory (RSS, and what of it is no file's), descriptors, threads,
shared memory, CPU time, how old the steady viewer's pictures are and how many come, and what the trainer
does; and how much of the machine its host took meanwhile: of pace and age only the periods count in which
that was next to nothing (`STOLEN`).

After a warm-up (a tenth of the run, but two minutes at least and a quarter of a short run at most) all
visitors leave, and what is there then is the start; after the run they leave again, and the same has to be
there. Of each series between them the slope is told with its interval, and whether it is level: the interval
has room for zero, or what it grows by over the run is less than matters (`MATTERS`). An exception in the
trainer, an odd answer to a visitor, or a process that is gone fails the run.

    python benchmarks/soak.py --hours 1 --churn 10 --json soak.json
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from common import Bar, Row, Tool, finish, note, parser, table
from gauges import children, held
from machine import STOLEN, Machine, cpu_seconds
from slopes import slope_of

WARM, WARM_SHARE, WARM_MOST = 120.0, 0.1, 0.25
SETTLES = 90.0  # Seconds that may pass after the last visitor until all is as it was.
BURST = 12  # Of each kind at once, once: pools of threads are as large then as they will ever be.
GROWS = 0.1  # Share by which the heap with nobody there may be more at the end; how the heap lies changes.
SERVER = "envstream.web.child"
FEWEST = 0.25  # Of all periods, in which the machine is left alone: of fewer nothing is told of pace and age.


class Matters(NamedTuple):
    """What growth over the run matters: more than a share of the level, and more than `least`."""

    unit: str
    share: float
    least: float
    worse: int = 1


MEMORY, COUNT = Matters("MB", 0.01, 1.0), Matters("", 0.01, 0.5)
MATTERS: dict[str, Matters] = {
    "rss": MEMORY,
    "heap": MEMORY,
    "shared": Matters("MB", 0.0, 0.1),
    "maps": COUNT,
    "descriptors": COUNT,
    "sockets": COUNT,
    "threads": Matters("", 0.0, 0.5),
    "workers": Matters("", 0.0, 0.5),
    "age p50": Matters("ms", 0.05, 1.0),
    "age p99": Matters("ms", 0.10, 5.0),
    "fps": Matters("", 0.02, 0.5, worse=-1),
    "steps/s": Matters("", 0.02, 10.0, worse=-1),
    "cpu": Matters("% of a core", 0.05, 1.0),
}
PACE = ("age p50", "age p99", "fps", "steps/s", "cpu")
SAID = {"stolen": "%", "work": "ms"}  # Of the machine: told, and not judged.
RETURN = ("descriptors", "sockets", "threads", "maps")  # Have to be again what they were.


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


class Plan(NamedTuple):
    """How long is what, in seconds."""

    warm: float
    calm: float
    run: float
    period: float
    count: float = 40.0  # Recordings come and go in it, and memory that is free goes back to the system.
    settle: float = SETTLES

    @classmethod
    def of(cls, args: argparse.Namespace) -> Plan:
        if args.quick:
            return cls(warm=6.0, calm=3.0, run=12.0, period=0.5, count=1.0, settle=5.0)
        whole = args.minutes * 60 if args.minutes is not None else args.hours * 3600
        warm = max(min(WARM, whole * WARM_MOST), whole * WARM_SHARE)
        return cls(warm, calm=30.0, run=whole - warm, period=min(5.0, (whole - warm) / 48))


def counts(watch: Watch, period: float) -> dict[str, float]:
    """What is held when nobody is there, at its lowest within a while: a recording's file comes and goes."""
    lowest: dict[str, float] = {}
    end = time.monotonic() + period
    while time.monotonic() < end:
        for name, value in watch.holds().items():
            lowest[name] = min(value, lowest.get(name, value))
        time.sleep(0.2)
    return lowest


def returned(watch: Watch, start: Mapping[str, float], plan: Plan) -> tuple[dict[str, float], float]:
    """What is there once all is as at the start, or when that takes too long; and how long it took."""
    began = time.monotonic()
    while True:
        found = counts(watch, plan.count)
        took = time.monotonic() - began
        if not more(start, found) or took > plan.settle:
            return found, took


def more(start: Mapping[str, float], end: Mapping[str, float]) -> dict[str, str]:
    """What has to return, and did not."""
    grown = {name: value for name, value in start.items() if end[name] > value}
    return {name: f"{value:g} → {end[name]:g}" for name, value in grown.items() if name.split()[-1] in RETURN}


def soak(args: argparse.Namespace) -> dict[str, Any]:
    """Run all of it, and give what was seen."""
    plan = Plan.of(args)
    with contextlib.ExitStack() as stack:
        stand = Stand(stack, args, life=plan.warm + plan.run + 3 * SETTLES + 300)
        watch, passers, trainer = stand.watch, stand.passers, stand.trainer
        passers.say(each=1)
        churn(watch, passers, args.churn, plan.warm / 2, plan.period, "warm-up")
        passers.say(each=BURST)
        churn(watch, passers, args.churn, plan.warm / 2, plan.period, "warm-up")
        watch.series.clear()
        time.sleep(plan.calm)
        start = counts(watch, plan.count)
        passers_said = churn(watch, passers, args.churn, plan.run, plan.period, "run")
        end, took = returned(watch, start, plan)
        assert trainer.process.stdin is not None
        trainer.process.stdin.close()
        closed = trainer.hear(60)
        status = trainer.process.wait(60)
        complaints = trainer.complaints()
    seen = {"series": dict(watch.series), "start": start, "end": end, "settled": took}
    said = {"closed": closed, "status": status, "complaints": complaints, "steps": watch.steps}
    return {**seen, **said, "passers": passers_said}


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


def rows_of(series: Mapping[str, list[tuple[float, float]]]) -> list[Row]:
    """The table: pace and age of the periods in which the machine was left alone, all else of all of them."""
    stolen = series["machine stolen"]
    alone = {at for at, share in stolen if share <= STOLEN}
    note(f"the machine was left alone in {len(alone)} of {len(stolen)} periods")
    rows = []
    for name, samples in series.items():
        key = name.partition(" ")[2]
        counted = [each for each in samples if each[0] in alone] if key in PACE else samples
        told = len(counted) >= FEWEST * len(samples)
        row = row_of(name, key, counted if told else samples)
        whole = [(round(at, 1), round(value, 3)) for at, value in samples]
        rows.append({**row, "verdict": row["verdict"] if told else "UNTOLD", "samples": whole})
    return rows


def row_of(name: str, key: str, samples: list[tuple[float, float]]) -> Row:
    """A series in the table."""
    matters, slope = MATTERS.get(key), slope_of(samples)
    verdict = "–"
    if matters is not None:
        level = slope.flat(matters.share, matters.least, matters.worse)
        verdict = "level" if level else "RISES" if matters.worse > 0 else "FALLS"
    unit = SAID[key] if matters is None else matters.unit
    return {
        "series": f"{name}, {unit}" if unit else name,
        "level": round(slope.level, 2),
        "per_hour": round(slope.per_hour, 3),
        "interval": f"{slope.low:.3g} to {slope.high:.3g}",
        "growth": round(slope.growth, 3),
        "verdict": verdict,
    }


def bars_of(rows: list[Row], seen: Mapping[str, Any]) -> list[Bar]:
    """What was promised."""
    moving = [row["series"] for row in rows if row["verdict"] not in ("level", "–")]
    left = more(seen["start"], seen["end"])
    alone = {
        name: round(seen["end"][name] / seen["start"][name] - 1, 3)
        for name in ("trainer heap", "server heap")
    }
    problems = seen["passers"]["problems"]
    wrong = [] if seen["status"] == 0 and seen["closed"] == {"closed": True} else [f"status {seen['status']}"]
    if "Traceback" in seen["complaints"]:
        wrong.append(seen["complaints"][-2000:])
    return [
        Bar("every series is level within its noise", ", ".join(moving) or "all are", not moving),
        Bar(
            "descriptors, threads and mappings return to the start",
            str(left) if left else f"all did, after {seen['settled']:.0f} s",
            not left,
        ),
        Bar(
            f"with nobody there memory is again what it was, within {GROWS:.0%}",
            ", ".join(f"{name} {share:+.1%}" for name, share in alone.items()),
            max(alone.values()) < GROWS,
        ),
        Bar("every visitor is answered as it should be", str(problems or "all were"), not problems),
        Bar("no exception in the trainer", "; ".join(wrong) or "none", not wrong),
    ]


def add_visitors(arguments: argparse.ArgumentParser) -> None:
    """Who comes, and for how long."""
    arguments.add_argument("--hours", type=float, default=1.0)
    arguments.add_argument("--churn", type=float, default=10.0, help="visitors that come a second")
    arguments.add_argument("--alive", type=float, default=30.0, help="how many are there at a time, about")
    arguments.add_argument("--seed", type=int, default=1)


def main() -> None:
    arguments = parser(__doc__, rounds=1, seconds=0.0)
    arguments.add_argument("--minutes", type=float, help="instead of hours")
    add_visitors(arguments)
    args = arguments.parse_args()
    seen = soak(args)
    rows = rows_of(seen["series"])
    heads = {"series": "series", "level": "level", "per_hour": "slope, an hour", "interval": "95 %"}
    table("Slopes", rows, {**heads, "growth": "over the run", "verdict": "verdict"})
    came = seen["passers"]
    print(f"\n{came['came']} visitors, {came['pictures']} pictures, {seen['steps']} steps; {came['kinds']}")
    alone = [
        f"{who} {seen[when][who + ' heap']:.1f}" for when in ("start", "end") for who in ("trainer", "server")
    ]
    print(
        f"Heap with nobody there, MB: at the start {', '.join(alone[:2])}; at the end {', '.join(alone[2:])}"
    )
    rest = {key: value for key, value in seen.items() if key != "series"}
    bars = bars_of(rows, seen)
    finish(args, "soak", [*rows, {"series": "ends", **rest}], bars)
    if not args.quick and not all(bar.held for bar in bars):  # In seconds everything still rises.
        raise SystemExit(1)


if __name__ == "__main__":
    main()

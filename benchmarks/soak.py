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
has room for zero, or what it grows by over the run is less than matters (`MATTERS`). As the slopes of pace
and age are the machine's as well, two others are begun beside it then, and visitors come to the three in
turns (`turns.py`): what has run for long has to be as quick as what has just begun. An exception in the
trainer, an odd answer to a visitor, or a process that is gone fails the run.

    python benchmarks/soak.py --hours 1 --churn 10 --json soak.json
"""

from __future__ import annotations

import argparse
import contextlib
import random
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from common import Bar, Row, finish, parser, table
from stand import SETTLES, Stand, Watch, add_visitors, churn
from turns import COLUMNS, JUDGED, SETTLING, TRIES, Ratios, Turns, bar_of, shares
from turns import row_of as turns_row
from verdicts import PACE, rows_of

WARM, WARM_SHARE, WARM_MOST = 120.0, 0.1, 0.25
BURST = 12  # Of each kind at once, once: pools of threads are as large then as they will ever be.
GROWS = 0.1  # Share by which the heap with nobody there may be more at the end; how the heap lies changes.
RETURN = ("descriptors", "sockets", "threads", "maps")  # Have to be again what they were.
SLOPES = {"series": "series", "level": "level", "per_hour": "slope, an hour", "interval": "95 %"}
SLOPES |= {"growth": "over the run", "verdict": "verdict"}


class Plan(NamedTuple):
    """How long is what, in seconds."""

    warm: float
    calm: float
    run: float
    period: float
    rounds: int
    turn: float
    count: float = 40.0  # Recordings come and go in it, and memory that is free goes back to the system.
    settle: float = SETTLES
    fresh: float = WARM  # The warm-up of those that have just begun.
    settling: float = SETTLING

    @classmethod
    def of(cls, args: argparse.Namespace) -> Plan:
        if args.quick:
            short = {"count": 1.0, "settle": 5.0, "fresh": 3.0, "settling": 0.5}
            return cls(6.0, calm=3.0, run=12.0, period=0.5, rounds=min(2, args.rounds), turn=1.0, **short)
        whole = args.minutes * 60 if args.minutes is not None else args.hours * 3600
        warm = max(min(WARM, whole * WARM_MOST), whole * WARM_SHARE)
        period = min(5.0, (whole - warm) / 48)
        return cls(warm, calm=30.0, run=whole - warm, period=period, rounds=args.rounds, turn=args.seconds)

    @property
    def life(self) -> float:
        """How long helpers live that nobody ends."""
        turns = TRIES * self.rounds * 3 * (self.settling + self.turn + SETTLES / 4)
        return self.warm + self.run + 3 * SETTLES + 2 * self.fresh + turns + 600


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


def soak(args: argparse.Namespace) -> tuple[list[Row], list[Row], dict[str, Any]]:
    """Run all of it, and give the slopes, the turns, and what was there in the beginning and in the end."""
    plan = Plan.of(args)
    with contextlib.ExitStack() as stack:
        stand = Stand(stack, args, plan.life)
        seen = hour(stand, args.churn, plan)
        slopes = rows_of(stand.watch.series)
        table("Slopes", slopes, SLOPES)
        ratios, problems = against_new(stack, stand, args, plan) if plan.rounds else ([], {})
        turns = [turns_row(name, ratios) for name in JUDGED] if ratios else []
        trainer = stand.trainer
        assert trainer.process.stdin is not None
        trainer.process.stdin.close()
        ends = {"closed": trainer.hear(60), "status": trainer.process.wait(60)}
        ends |= {"complaints": trainer.complaints(), "steps": stand.watch.steps}
    seen["passers"]["problems"] |= problems
    return slopes, turns, seen | ends


def hour(stand: Stand, rate: float, plan: Plan) -> dict[str, Any]:
    """Have it run for as long as is planned; what there was before and after, and what visitors say."""
    warm_up(stand, rate, plan.warm, plan.period)
    stand.watch.series.clear()
    time.sleep(plan.calm)
    start = counts(stand.watch, plan.count)
    said = churn(stand.watch, stand.passers, rate, plan.run, plan.period, "run")
    time.sleep(plan.calm)
    end, took = returned(stand.watch, start, plan)
    return {"start": start, "end": end, "settled": plan.calm + took, "passers": said}


def warm_up(stand: Stand, rate: float, seconds: float, period: float) -> None:
    """Have it be as large as it will ever be."""
    stand.passers.say(each=1)
    churn(stand.watch, stand.passers, rate, seconds / 2, period, "warm-up")
    stand.passers.say(each=BURST)
    churn(stand.watch, stand.passers, rate, seconds / 2, period, "warm-up")


def against_new(
    stack: contextlib.ExitStack, old: Stand, args: argparse.Namespace, plan: Plan
) -> tuple[list[Ratios], dict[str, int]]:
    """How it compares with two that have just begun, and the odd answers that their visitors got."""
    stands = [old]
    for _ in range(2):
        stands.append(Stand(stack, args, plan.life))
        warm_up(stands[-1], args.churn, plan.fresh, plan.period)
    turns = Turns(args.churn, plan.settling, plan.turn)
    return shares(stands, turns, plan.rounds, random.Random(args.seed)), turns.problems


def bars_of(slopes: list[Row], turns: list[Row], seen: Mapping[str, Any]) -> list[Bar]:
    """What was promised."""
    moving = {row["series"] for row in slopes if row["verdict"] not in ("level", "–")}
    paced = {name for name in moving if name.partition(",")[0].endswith(PACE)}
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
        Bar("what is held is level within its noise", listed(moving - paced), moving == paced),
        Bar("pace and age are level within their noise", listed(paced), not paced),
        *map(bar_of, turns),
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


def listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "all are"


def main() -> None:
    arguments = parser(__doc__, rounds=12, seconds=20.0)
    arguments.add_argument("--minutes", type=float, help="instead of hours")
    add_visitors(arguments)
    args = arguments.parse_args()
    slopes, turns, ends = soak(args)
    came = ends["passers"]
    print(f"\n{came['came']} visitors, {came['pictures']} pictures, {ends['steps']} steps; {came['kinds']}")
    alone = [
        f"{who} {ends[when][who + ' heap']:.1f}" for when in ("start", "end") for who in ("trainer", "server")
    ]
    print(
        f"Heap with nobody there, MB: at the start {', '.join(alone[:2])}; at the end {', '.join(alone[2:])}"
    )
    table("What has run for long, in turns with two that have just begun", turns, COLUMNS)
    bars = bars_of(slopes, turns, ends)
    parts = {"slopes": slopes, "turns": turns, "ends": [ends]}
    finish(args, "soak", [{"part": part, **row} for part, rows in parts.items() for row in rows], bars)
    if not args.quick and not all(bar.held for bar in bars):  # In seconds everything still rises.
        raise SystemExit(1)


if __name__ == "__main__":
    main()

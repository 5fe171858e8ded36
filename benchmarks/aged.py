"""Is what has run for an hour slower than what has just begun?

A slope over an hour is also that of the machine, which others on its host make slower and quicker; turns are
not. A training and its server have visitors come and go for `--hours`, as in `soak.py`. Then another training
with its server is started beside them and warmed up, and visitors come to the one or the other, in turns.
Each turn gives what `soak.py` looks at: steps a second, pictures a second and their age, CPU time. Told is
the old one's share of the new one's, each against its neighbour in time; pairs in which the machine's host
took some of it are made anew.

    python benchmarks/aged.py --hours 1 --rounds 24
"""

from __future__ import annotations

import contextlib
import random
import time

from common import Bar, Row, Spread, finish, note, off_by, parser, table
from machine import STOLEN
from soak import BURST, MATTERS, PACE, SETTLES, WARM, Stand, add_visitors, churn

SETTLING = 4.0  # Seconds of a turn that are not counted: who comes stays for about three.
LOOK = 5.0  # Seconds between two looks while one gets old.
TRIES = 3  # Times as many pairs as are wanted, at most, for the sake of some without the machine's host.
JUDGED = ("trainer steps/s", "viewer fps", "viewer age p50", "viewer age p99", "trainer cpu", "server cpu")
QUICK = 4.0, 3.0, 0.5  # Seconds: getting old, warming up, settling.


class Turns:
    """Has visitors come to one or the other of two, and looks at it meanwhile.

    Attributes:
        problems: odd answers that visitors got.
    """

    def __init__(self, churn: float, settling: float, seconds: float) -> None:
        self._churn, self._settling, self._seconds = churn, settling, seconds
        self.problems: dict[str, int] = {}

    def look(self, stand: Stand) -> dict[str, float]:
        """What is seen while visitors come and go."""
        stand.passers.say(rate=self._churn)
        time.sleep(self._settling)
        stand.watch.look(time.monotonic(), self._seconds)
        stand.passers.say(rate=0)
        self.problems |= stand.passers.hear(SETTLES)["problems"]
        return {name: series[-1][1] for name, series in stand.watch.series.items()}


def shares(
    aged: Stand, fresh: Stand, turns: Turns, rounds: int, chance: random.Random
) -> list[dict[str, float]]:
    """The old one's share of the new one's, in each pair of turns."""
    ratios: list[dict[str, float]] = []
    for pair in range(TRIES * rounds):
        order = [aged, fresh]
        chance.shuffle(order)
        seen = {one: turns.look(one) for one in order}
        alone = max(each["machine stolen"] for each in seen.values()) <= STOLEN
        if alone or pair - len(ratios) >= (TRIES - 1) * rounds:
            ratios.append({name: seen[aged][name] / max(seen[fresh][name], 1e-9) for name in JUDGED})
            told = ", ".join(f"{name} {value:.2f}" for name, value in ratios[-1].items())
            note(f"pair {len(ratios)}: {told}")
        if len(ratios) == rounds:
            break
    return ratios


def row_of(name: str, ratios: list[dict[str, float]]) -> Row:
    """What is told of one figure."""
    values = [each[name] for each in ratios]
    low, high = off_by(values)
    spread = Spread.of(values)
    return {
        "figure": name,
        "share": round(spread.median, 4),
        "text": spread.text("{:.1f} %", 100),
        "sure": f"{100 * low:.1f}–{100 * high:.1f} %",
        "low": round(low, 4),
        "high": round(high, 4),
        "rounds": [round(value, 4) for value in values],
    }


def bar_of(row: Row) -> Bar:
    """Held where the interval has room for no difference, or the difference is less than matters."""
    key = next(key for key in PACE if row["figure"].endswith(key))
    matters = MATTERS[key]
    worse = matters.worse * (row["share"] - 1)
    mildest = row["low"] - 1 if matters.worse > 0 else 1 - row["high"]
    return Bar(f"{row['figure']}: as at first", row["sure"], mildest <= 0 or worse < matters.share)


def main() -> None:
    arguments = parser(__doc__, rounds=24, seconds=6.0)
    add_visitors(arguments)
    args = arguments.parse_args()
    age, warm, settling = QUICK if args.quick else (args.hours * 3600, WARM, SETTLING)
    rounds, seconds = (2, 1.0) if args.quick else (args.rounds, args.seconds)
    life = age + warm + TRIES * rounds * 2 * (settling + seconds + SETTLES / 4) + 600
    turns = Turns(args.churn, settling, seconds)
    with contextlib.ExitStack() as stack:
        aged = Stand(stack, args, life)
        said = churn(aged.watch, aged.passers, args.churn, age, min(LOOK, age / 2), "getting old")
        fresh = Stand(stack, args, life)
        fresh.passers.say(each=1 if args.quick else BURST)
        churn(fresh.watch, fresh.passers, args.churn, warm, min(LOOK, warm / 2), "warm-up")
        turns.problems |= said["problems"]
        ratios = shares(aged, fresh, turns, rounds, random.Random(args.seed))
    rows = [row_of(name, ratios) for name in JUDGED]
    columns = {"figure": "figure", "text": "of the new one's", "sure": "95 % sure"}
    table(f"After {age / 3600:.2f} h and {said['came']} visitors, in turns with a new one", rows, columns)
    bars = [bar_of(row) for row in rows]
    odd = turns.problems
    bars.append(Bar("every visitor is answered as it should be", str(odd or "all were"), not odd))
    finish(args, "aged", rows, bars)


if __name__ == "__main__":
    main()

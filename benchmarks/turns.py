"""Is what has run for long slower than what has just begun? The turns of `soak.py`.

A slope over an hour is also that of the machine, which others on its host make slower and quicker; turns are
not. Visitors come to one training that has run for long and to two that have just begun, one after the
other; each turn gives what the soak looks at: steps a second, pictures a second and their age, CPU time.
Told is the old one's share of what the new ones have in the same round; and what one of the new ones has of
the other, as two that do the same differ as well. Rounds in which the machine's host took some of it are
made anew, until there are three times as many as were wanted: then they count, and it is said.
"""

from __future__ import annotations

import random
import time
from statistics import median
from typing import NamedTuple

from common import Bar, Row, note, off_by
from machine import STOLEN
from stand import SETTLES, Stand
from verdicts import MATTERS, PACE

SETTLING = 4.0  # Seconds of a turn that are not counted: who comes stays for about three.
TRIES = 3  # Times as many rounds as are wanted, at most, for the sake of some without the machine's host.
JUDGED = ("trainer steps/s", "viewer fps", "viewer age p50", "viewer age p99", "trainer cpu", "server cpu")
COLUMNS = {
    "figure": "figure",
    "text": "the old one, of the new",
    "sure": "95 % sure",
    "other_text": "a new one, of the other",
    "other_sure": "95 % sure ",
}

Seen = dict[str, float]


class Ratios(NamedTuple):
    """Of each figure the old one's share of the new ones', and one new one's of the other's."""

    old: Seen
    other: Seen

    @classmethod
    def of(cls, old: Seen, one: Seen, other: Seen) -> Ratios:
        mean = {name: (one[name] + other[name]) / 2 for name in JUDGED}
        pairs = (old, mean), (one, other)
        return cls(*({name: a[name] / max(b[name], 1e-9) for name in JUDGED} for a, b in pairs))


class Turns:
    """Has visitors come to one after the other, and looks at it meanwhile.

    Attributes:
        problems: odd answers that visitors got.
    """

    def __init__(self, churn: float, settling: float, seconds: float) -> None:
        self._churn, self._settling, self._seconds = churn, settling, seconds
        self.problems: dict[str, int] = {}

    def look(self, stand: Stand) -> Seen:
        """What is seen while visitors come and go."""
        stand.passers.say(rate=self._churn)
        time.sleep(self._settling)
        stand.watch.look(time.monotonic(), self._seconds)
        stand.passers.say(rate=0)
        self.problems |= stand.passers.hear(SETTLES)["problems"]
        return {name: series[-1][1] for name, series in stand.watch.series.items()}


def shares(stands: list[Stand], turns: Turns, rounds: int, chance: random.Random) -> list[Ratios]:
    """How they compare, in each round; the first of them is the old one."""
    found: list[Ratios] = []
    for number in range(TRIES * rounds):
        order = list(stands)
        chance.shuffle(order)
        seen = {one: turns.look(one) for one in order}
        alone = max(each["machine stolen"] for each in seen.values()) <= STOLEN
        if alone or number - len(found) >= (TRIES - 1) * rounds:
            found.append(Ratios.of(*(seen[one] for one in stands)))
            told = ", ".join(f"{name} {value:.2f}" for name, value in found[-1].old.items())
            note(f"round {len(found)}{'' if alone else ', not left alone by the host'}: {told}")
        if len(found) == rounds:
            break
    return found


def row_of(name: str, found: list[Ratios]) -> Row:
    """What is told of one figure."""
    old, other = [each.old[name] for each in found], [each.other[name] for each in found]
    low, high = off_by(old)
    least, most = off_by(other)
    return {
        "figure": name,
        "share": round(median(old), 4),
        "text": f"{100 * median(old):.1f} %",
        "sure": f"{100 * low:.1f}–{100 * high:.1f} %",
        "low": round(low, 4),
        "high": round(high, 4),
        "other": round(median(other), 4),
        "other_text": f"{100 * median(other):.1f} %",
        "other_sure": f"{100 * least:.1f}–{100 * most:.1f} %",
        "rounds": [round(value, 4) for value in old],
        "others": [round(value, 4) for value in other],
    }


def bar_of(row: Row) -> Bar:
    """Held where its interval has room for what new ones differ by, or the difference does not matter."""
    key = next(key for key in PACE if row["figure"].endswith(key))
    matters = MATTERS[key]
    worse = matters.worse * (row["share"] - 1)
    mildest = row["low"] - 1 if matters.worse > 0 else 1 - row["high"]
    differ = max(row["other"], 1 / max(row["other"], 1e-9)) - 1
    return Bar(f"{row['figure']}: as at first", row["sure"], mildest <= differ or worse < matters.share)

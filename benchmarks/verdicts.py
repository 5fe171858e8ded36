"""What growth matters, and the table of slopes with its verdicts; for `soak.py` and `turns.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from common import Row, note
from machine import STOLEN
from slopes import slope_of

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

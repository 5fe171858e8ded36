"""Does a series rise, beyond its noise? For `soak.py`: a robust slope, its interval, and a verdict.

A series is cut into blocks of equal time, each of which gives its median: what comes and goes in a block
is no matter. The slope is Theil and Sen's, the median of those between all pairs of blocks, which some odd
blocks do not pull along. Its interval comes from a bootstrap: what the line leaves over is drawn anew, a few
neighbours at a time so that slow wandering stays what it is, and the slope taken again.

Pure: no clock; chance comes from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import NamedTuple

BLOCKS = 24
NEIGHBOURS = 3  # Blocks that are drawn together.
DRAWS = 400
CONFIDENCE = 0.95
FEWEST = 4  # Blocks: of fewer nothing can be said.

Point = tuple[float, float]  # Seconds, value.


class Slope(NamedTuple):
    """What a series does.

    Attributes:
        per_hour: the slope, in units of the series an hour.
        low, high: the interval of it.
        growth: what the slope comes to over the series.
        level: the median.
    """

    per_hour: float
    low: float
    high: float
    growth: float
    level: float

    def flat(self, share: float, least: float, worse: int = 1) -> bool:
        """Whether it is level: within its noise, or growing by less than matters.

        Args:
            share, least: what does not matter over the series: this share of the level, and at least this.
            worse: 1 = to rise is bad, -1 = to fall is.
        """
        bound = max(share * abs(self.level), least)
        edge = self.low if worse > 0 else -self.high  # The mildest that the interval has room for.
        return edge <= 0.0 or worse * self.growth < bound


def slope_of(samples: Sequence[Point], seed: int = 1) -> Slope:
    """The slope of a series.

    Raises:
        ValueError: when there are too few samples.
    """
    points = medians(samples, BLOCKS)
    if len(points) < FEWEST:
        raise ValueError(f"a slope needs samples in {FEWEST} blocks, there are {len(points)}")
    per_second = theil_sen(points)
    low, high = _interval(points, per_second, random.Random(seed))
    seconds = samples[-1][0] - samples[0][0]
    level = median(value for _, value in samples)
    return Slope(per_second * 3600, low * 3600, high * 3600, per_second * seconds, level)


def medians(samples: Sequence[Point], blocks: int) -> list[Point]:
    """The median of each block of equal time that has samples, and of its moments."""
    first, last = samples[0][0], samples[-1][0]
    length = (last - first) / blocks or 1.0
    held: dict[int, list[Point]] = {}
    for point in samples:
        held.setdefault(min(blocks - 1, int((point[0] - first) / length)), []).append(point)
    parts = [part for _, part in sorted(held.items())]
    return [(median(at for at, _ in part), median(value for _, value in part)) for part in parts]


def theil_sen(points: Sequence[Point]) -> float:
    """The median of the slopes between all pairs."""
    return median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2))


def _interval(points: Sequence[Point], slope: float, chance: random.Random) -> tuple[float, float]:
    """From where to where the slope may be."""
    left = [value - slope * at for at, value in points]
    middle, count = median(left), len(points)
    left = [each - middle for each in left]
    slopes = []
    for _ in range(DRAWS):
        drawn: list[float] = []
        while len(drawn) < count:
            start = chance.randrange(count - NEIGHBOURS + 1)
            drawn += left[start : start + NEIGHBOURS]
        anew = [(at, slope * at + extra) for (at, _), extra in zip(points, drawn, strict=False)]
        slopes.append(theil_sen(anew))
    slopes.sort()
    tail = round((1 - CONFIDENCE) / 2 * DRAWS)
    return slopes[tail], slopes[-1 - tail]

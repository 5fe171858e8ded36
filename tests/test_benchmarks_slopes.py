"""The verdict of the soak: what leaks is found, what is only noisy, or was filled once, is not blamed."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

pytest.importorskip("psutil")

from slopes import Slope, medians, slope_of, theil_sen
from verdicts import rows_of

HOUR = 3600
SEEDS = range(20)
Series = list[tuple[float, float]]


def noisy(seed: int, value: float = 100.0, noise: float = 1.0, rise: float = 0.0) -> Series:
    """A sample every five seconds for an hour; `rise` in an hour."""
    chance = random.Random(seed)
    return [(at, value + rise * at / HOUR + chance.gauss(0, noise)) for at in range(0, HOUR, 5)]


def test_a_flat_noisy_series_is_level() -> None:
    flat = [slope_of(noisy(seed)) for seed in SEEDS]
    assert all(slope.flat(share=0.01, least=1.0) for slope in flat)
    # And not only because so little would not matter: the interval has room for zero nearly always.
    assert sum(slope.flat(share=0.0, least=0.0) for slope in flat) >= 16


def test_a_slow_leak_is_found_that_noise_hides() -> None:
    leaks = [slope_of(noisy(seed, rise=2.0)) for seed in SEEDS]
    assert not any(slope.flat(share=0.01, least=1.0) for slope in leaks)
    assert all(slope.low <= slope.per_hour <= slope.high for slope in leaks)
    assert all(1.4 < slope.per_hour < 2.6 for slope in leaks)


def test_a_leak_of_one_descriptor_in_ten_minutes_is_found() -> None:
    chance = random.Random(1)
    # Thirty viewers who come and go lie over it.
    series = [(at, 50.0 + at // 600 + chance.randint(-8, 8)) for at in range(0, HOUR, 5)]
    assert not slope_of(series).flat(share=0.01, least=0.5)


def test_what_fills_once_and_stays_is_level() -> None:
    for seed in SEEDS:
        chance = random.Random(seed)
        series = [
            (at, 200 - 3 * math.exp(-at / 200) + chance.gauss(0, 0.5)) for at in map(float, range(0, HOUR, 5))
        ]
        assert slope_of(series).flat(share=0.01, least=1.0)


def test_what_swings_slowly_is_level() -> None:
    for phase in range(6):
        series = [(at, 100 + 5 * math.sin(at / 300 + phase)) for at in map(float, range(0, HOUR, 5))]
        assert slope_of(series).flat(share=0.01, least=1.0)


def test_single_peaks_do_not_bend_the_slope() -> None:
    series = noisy(1)
    for index in range(0, len(series), 37):
        series[index] = (series[index][0], 5000.0 + 100 * index)
    assert slope_of(series).flat(share=0.01, least=1.0)


def test_where_falling_is_bad_rising_is_not() -> None:
    falling = slope_of(noisy(1, rise=-20))
    assert falling.flat(share=0.01, least=1.0) and not falling.flat(share=0.01, least=1.0, worse=-1)
    rising = slope_of(noisy(1, rise=20))
    assert rising.flat(share=0.01, least=1.0, worse=-1) and not rising.flat(share=0.01, least=1.0)


def test_what_does_not_matter_is_a_share_of_the_level_or_a_least() -> None:
    slope = Slope(per_hour=2.0, low=1.5, high=2.5, growth=2.0, level=300.0)
    assert slope.flat(share=0.01, least=1.0)
    assert not slope.flat(share=0.005, least=1.0)
    assert slope.flat(share=0.0, least=2.1)


def test_the_same_series_has_the_same_slope_each_time() -> None:
    assert slope_of(noisy(3)) == slope_of(noisy(3))


def test_a_straight_line_has_its_own_slope() -> None:
    points = [(float(at), 3.0 * at + 1) for at in range(30)]
    assert theil_sen(points) == pytest.approx(3.0)
    assert slope_of(points).per_hour == pytest.approx(3.0 * HOUR)


def test_blocks_without_samples_are_left_out() -> None:
    assert medians([(0.0, 1.0), (1.0, 3.0), (9.0, 7.0), (10.0, 9.0)], 5) == [(0.5, 2.0), (9.5, 8.0)]


def test_too_few_samples_have_no_slope() -> None:
    with pytest.raises(ValueError, match="samples in 4 blocks, there are 2"):
        slope_of([(0.0, 1.0), (5.0, 1.0)])


def verdicts(stolen: Series, pace: Series) -> dict[str, str]:
    rows = rows_of({"machine stolen": stolen, "trainer steps/s": pace, "server rss": pace})
    return {row["series"]: row["verdict"] for row in rows}


def test_pace_does_not_count_while_the_host_has_the_machine() -> None:
    half = HOUR / 2
    pace = [(at, value - 60 * max(0.0, at / half - 1)) for at, value in noisy(1)]
    taken = [(at, 20.0 * (at > half)) for at, _ in pace]
    said = verdicts(taken, pace)
    assert said == {"machine stolen, %": "–", "trainer steps/s": "level", "server rss, MB": "level"}
    assert verdicts([(at, 0.0) for at, _ in pace], pace)["trainer steps/s"] == "FALLS"


def test_memory_counts_all_the_while() -> None:
    risen = noisy(2, rise=20.0)
    assert verdicts([(at, 50.0) for at, _ in risen], risen)["server rss, MB"] == "RISES"


def test_of_a_machine_that_is_taken_away_all_the_time_pace_is_not_told() -> None:
    pace = noisy(3)
    assert verdicts([(at, 50.0) for at, _ in pace], pace)["trainer steps/s"] == "UNTOLD"

"""The places of a ladder: from the settings, best first."""

from __future__ import annotations

import pytest

from envstream.config import StreamConfig
from envstream.points import Point, points_of


def test_quality_sinks_first_then_the_rate_then_the_size() -> None:
    assert points_of(StreamConfig(videoStreamQuality=92)) == (
        *(Point(quality, 1.0, 1.0) for quality in (92, 90, 70, 50, 30)),
        *(Point(30, rate, 1.0) for rate in (2 / 3, 1 / 2, 1 / 3)),
        *(Point(30, 1 / 3, size) for size in (3 / 4, 1 / 2)),
    )


@pytest.mark.parametrize(
    ("quality", "levels", "lowest", "highest", "qualities"),
    [
        (85, [90, 70, 50], 30, 95, [85, 70, 50, 30]),  # None above its own.
        (85, [90, 70, 50], 60, 80, [80, 70, 60]),
        (85, [40], 30, 95, [85, 40, 30]),
        (85, [70], 70, 70, [70]),
        (20, [90, 70, 50], 30, 95, [30]),  # Below the lowest.
        ("low", [90, 70, 50], 30, 95, [60, 50, 30]),
    ],
)
def test_qualities_lie_between_the_lowest_and_the_highest_once_each(
    quality: int | str, levels: list[int], lowest: int, highest: int, qualities: list[int]
) -> None:
    config = StreamConfig(
        videoStreamQuality=quality,
        videoStreamQualityLevels=levels,
        videoStreamMinQuality=lowest,
        videoStreamMaxQuality=highest,
    )
    points = points_of(config)
    assert [point.quality for point in points if point.rate == 1.0] == qualities
    assert len(points) == len(set(points)) == len(qualities) + 5

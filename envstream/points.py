"""Points: the places of a stream's ladder, from its settings."""

from __future__ import annotations

from typing import NamedTuple

from envstream.config import StreamConfig

RATES = (1.0, 2 / 3, 1 / 2, 1 / 3)
SIZES = (3 / 4, 1 / 2)


class Point(NamedTuple):
    """A place on the ladder: JPEG quality, share of the stream's frame rate, share of width and height."""

    quality: int
    rate: float
    size: float


def points_of(config: StreamConfig) -> tuple[Point, ...]:
    """The places of a stream's ladder, best first: quality sinks first, then the rate, then the size."""
    lowest, highest = config.videoStreamMinQuality, config.videoStreamMaxQuality
    top = max(lowest, min(highest, config.preset.compression))
    if not config.videoStreamAdaptive:
        return (Point(top, 1.0, 1.0),)
    between = [level for level in config.videoStreamQualityLevels if lowest < level < top]
    return (
        *(Point(quality, 1.0, 1.0) for quality in dict.fromkeys([top, *between, lowest])),
        *(Point(lowest, rate, 1.0) for rate in RATES[1:]),
        *(Point(lowest, RATES[-1], size) for size in SIZES),
    )

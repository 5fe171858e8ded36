"""The figures of streaming: measured or unknown, never made up."""

from __future__ import annotations

import pytest

from envstream.config import PRESETS
from envstream.performance import performance

MEDIUM = PRESETS["medium"]


def test_what_was_not_measured_is_none() -> None:
    assert performance(None, None, None, 0, 0, MEDIUM, 10.0) == {
        "method": None,
        "capture_latency_ms": None,
        "compression_latency_ms": None,
        "total_latency_ms": None,
        "frames_captured": 0,
        "frames_streamed": 0,
        "drop_rate_percent": None,
        "target_fps": 10.0,
        "streaming_efficiency": None,
        "quality_settings": {"scale": 2, "fps": 10.0, "compression": 75},
    }


def test_the_total_is_known_when_both_parts_are() -> None:
    assert performance("render", 0.001, None, 1, 0, MEDIUM, 10.0)["total_latency_ms"] is None
    assert performance("render", 0.001, 0.00086, 1, 0, MEDIUM, 10.0)["total_latency_ms"] == 1.86


@pytest.mark.parametrize(("captured", "streamed", "drop"), [(150, 25, 83.3), (4, 4, 0.0), (3, 0, 100.0)])
def test_what_was_not_shown_was_dropped(captured: int, streamed: int, drop: float) -> None:
    figures = performance("render", None, None, captured, streamed, MEDIUM, 10.0)
    assert figures["drop_rate_percent"] == drop
    assert figures["streaming_efficiency"] == pytest.approx(100 - drop)

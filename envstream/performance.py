"""What streaming costs and delivers, in the words of `/api/streaming/stats`. Pure."""

from __future__ import annotations

from typing import Any

from envstream.config import Preset


def performance(
    method: str | None,
    capture: float | None,
    compression: float | None,
    captured: int,
    streamed: int,
    preset: Preset,
    fps: float,
) -> dict[str, Any]:
    """The figures of one stream.

    Args:
        method: how pictures are taken, such as `raw_buffer` or `render`; None before the first.
        capture: seconds that taking one took of late; None = not yet measured.
        compression: seconds that compressing one took of late; None = not yet measured.
        captured: pictures taken so far.
        streamed: how many of those somebody was shown.
        preset: the quality in force.
        fps: the rate that is aimed at.
    """
    total = None if capture is None or compression is None else capture + compression
    share = min(1.0, streamed / captured) if captured else None
    return {
        "method": method,
        "capture_latency_ms": _milliseconds(capture),
        "compression_latency_ms": _milliseconds(compression),
        "total_latency_ms": _milliseconds(total),
        "frames_captured": captured,
        "frames_streamed": streamed,
        "drop_rate_percent": None if share is None else round(100 * (1 - share), 1),
        "target_fps": fps,
        "streaming_efficiency": None if share is None else round(100 * share, 1),
        "quality_settings": {"scale": preset.scale, "fps": preset.fps, "compression": preset.compression},
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)

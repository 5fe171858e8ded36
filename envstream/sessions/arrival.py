"""An arrival: one frame that somebody else made, with its bytes as they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

ENCODINGS = ("jpeg", "png", "webp", "raw", "h264")


class Arrival(NamedTuple):
    """A frame as a client sent it.

    Attributes:
        number: counts from 1 and says which frame of its session it is, in whatever order they come.
        timestamp: seconds since the session's beginning, by the clock of whoever made the picture.
        encoding: one of `ENCODINGS`; `raw` is uint8 RGB, row by row, width * height * 3 bytes.
        key: whether it can be decoded without any frame before it.
        captured: when the picture was made, in seconds of this server's clock; None = not known.
        info: what else was said of it, such as episode and step.
    """

    number: int
    timestamp: float
    encoding: str
    width: int
    height: int
    key: bool
    captured: float | None
    info: Mapping[str, Any]
    data: bytes

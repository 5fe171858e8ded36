"""Videos for tests: pictures that bear their number, and what a player makes of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from envstream.frame import Pixels

SIDE = 16  # Pixels of a square, of which each is one digit of two.


class Shown(NamedTuple):
    """A picture as it was played: its number, when, whether it builds on none before, and (width, height)."""

    number: int
    time: float
    key: bool
    size: tuple[int, int]


def numbered(number: int, width: int = 64, height: int = 48) -> Pixels:
    """A picture with a number below 4096."""
    digits = np.array([number >> place & 1 for place in range(12)], np.uint8)
    picture = np.full((height, width, 3), 90, np.uint8)
    squares = (40 + 170 * digits).reshape(3, 4).repeat(SIDE, 0).repeat(SIDE, 1)[:height, :width, None]
    picture[: squares.shape[0], : squares.shape[1]] = squares
    return picture


def played(path: Path) -> list[Shown]:
    """All pictures of a file, in the order in which they are seen."""
    import av

    shown = []
    opened: Any = av.open(str(path))
    with opened as container:
        for frame in container.decode(video=0):
            grey = frame.to_ndarray(format="gray")
            digits = grey[SIDE // 2 : 3 * SIDE : SIDE, SIDE // 2 : 4 * SIDE : SIDE].reshape(-1) > 128
            number = sum(int(digit) << place for place, digit in enumerate(digits))
            shown.append(Shown(number, frame.time, bool(frame.key_frame), (frame.width, frame.height)))
    return shown


def length(path: Path) -> float:
    """Seconds that a file plays, as it says itself."""
    import av

    with av.open(str(path)) as container:
        return float((container.duration or 0) / av.time_base)

"""Stats: how bright the pictures are, how much moves in them, and how many come twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from envstream.frame import Frame, Pixels

POINTS = 600  # Of the curve at most.
_LOOKED_AT = 160 * 120  # Pixels of a picture, about; a few thousand tell as much as a million.
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32) / np.float32(255)  # Of JPEG's luma, from 0 to 1.

Luma = npt.NDArray[np.float32]


class Stats:
    """Looks at each frame and gives it on as it is.

    What it finds, from 0 to 1 where nothing else is said: `frames`; `duplicates`, how many are to the last
    pixel the picture before; `brightness`, the mean luma of a picture: its `mean`, `min` and `max` over all
    pictures; `motion`, the mean difference of luma to the picture before: `mean` and `max`; `curve` with the
    same over time, as `time` in seconds, `brightness` and `motion`, at most 600 points of each.
    """

    changes = False

    def __init__(self) -> None:
        self._frames = self._duplicates = self._moves = 0
        self._pixels: Pixels | None = None
        self._luma: Luma | None = None
        self._brightness, self._motion = 0.0, 0.0
        self._darkest, self._brightest, self._liveliest = 1.0, 0.0, 0.0
        self._curve = Curve()

    def __call__(self, frame: Frame) -> Frame:
        """The very frame that was given."""
        before, luma = self._luma, luma_of(frame.pixels)
        pixels: Any = self._pixels
        brightness, motion = float(luma.mean()), None
        if before is not None and before.shape == luma.shape:
            motion = float(np.abs(luma - before).mean())
            self._moves += 1
            self._motion += motion
            self._liveliest = max(self._liveliest, motion)
            # Only what looks alike is compared pixel by pixel.
            self._duplicates += motion == 0.0 and np.array_equal(frame.pixels, pixels)
        self._frames += 1
        self._brightness += brightness
        self._darkest, self._brightest = min(self._darkest, brightness), max(self._brightest, brightness)
        self._curve.add(frame.captured, brightness, motion or 0.0)
        self._pixels, self._luma = frame.pixels, luma
        return frame

    def finish(self, about: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was found; see above."""
        seen, moved = self._frames > 0, self._moves > 0
        return {
            "frames": self._frames,
            "duplicates": int(self._duplicates),
            "brightness": {
                "mean": round(self._brightness / self._frames, 5) if seen else None,
                "min": round(self._darkest, 5) if seen else None,
                "max": round(self._brightest, 5) if seen else None,
            },
            "motion": {
                "mean": round(self._motion / self._moves, 5) if moved else None,
                "max": round(self._liveliest, 5) if moved else None,
            },
            "curve": self._curve.said(),
        }


class Curve:
    """Values over time in a bounded number of points; each stands for equally many pictures."""

    def __init__(self, most: int = POINTS) -> None:
        self._most = most
        self._per_point = 1
        self._points: list[list[float]] = []  # Count, time of the first, sums of the values.

    def add(self, at: float, *values: float) -> None:
        """The values of the next picture."""
        if not self._points or self._points[-1][0] == self._per_point:
            if len(self._points) == self._most:
                self._halve()
            if not self._points or self._points[-1][0] == self._per_point:
                self._points.append([0.0, at, *(0.0 for _ in values)])
        point = self._points[-1]
        point[0] += 1
        for index, value in enumerate(values, 2):
            point[index] += value

    def said(self) -> dict[str, list[float]]:
        """The points, for JSON."""
        return {
            "time": [round(point[1], 4) for point in self._points],
            "brightness": [round(point[2] / point[0], 5) for point in self._points],
            "motion": [round(point[3] / point[0], 5) for point in self._points],
        }

    def _halve(self) -> None:
        points, self._per_point = self._points, 2 * self._per_point
        self._points = []
        for index in range(0, len(points), 2):
            count, at, *sums = (list(each) for each in zip(*points[index : index + 2], strict=True))
            self._points.append([sum(count), at[0], *(sum(each) for each in sums)])


def luma_of(pixels: Pixels) -> Luma:
    """The luma of some of the pixels, evenly spread, from 0 to 1."""
    height, width = pixels.shape[:2]
    step = max(1, round((height * width / _LOOKED_AT) ** 0.5))
    some: Luma = pixels[::step, ::step].astype(np.float32) @ _WEIGHTS
    return some

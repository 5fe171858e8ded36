"""The time line of a video: when each picture is shown, and where some are missing or damaged."""

from __future__ import annotations

import math
from typing import Any

LONGEST_GAP = 3600.0  # Seconds between two pictures; a clock that was set anew is no gap.
BACK = 1.0  # Seconds that a clock may go back and still be taken for the same one.
MOST = 1000  # Ranges that are named; of more, the rest is counted only.

_TICK = 1 / 90000  # Two pictures are this far apart at least.


class Timeline:
    """Turns timestamps into seconds of a video, which begins with its first picture. Pure.

    Args:
        fps: by it the time goes on where the clock of whoever made the pictures was set anew.

    Attributes:
        starts: timestamp of the first picture; None before there is one.
    """

    def __init__(self, fps: float) -> None:
        self._period = 1 / fps
        self.starts: float | None = None
        self._offset = 0.0  # What is added to a timestamp.
        self._newest = 0.0  # Seconds in the video of the newest picture.
        self._shown = False
        self._missing, self._damaged = Ranges(), Ranges()
        self._reset: list[dict[str, Any]] = []
        self._resets = 0

    def show(self, number: int, timestamp: float) -> float:
        """When a picture is shown, in seconds of the video."""
        if self.starts is None:
            self.starts, self._offset = timestamp, -timestamp
        at = timestamp + self._offset
        if self._shown and not -BACK <= at - self._newest <= LONGEST_GAP:
            self._set_anew(number, at)
            at = timestamp + self._offset
        elif self._shown:
            at = max(at, self._newest + _TICK)
        self._newest, self._shown = at, True
        self._missing.close(at)
        self._damaged.close(at)
        return at

    def lose(self, first: int, last: int) -> None:
        """There are no frames of these numbers, `last` included."""
        self._missing.add(first, self._newest if self._shown else None, last=last)

    def damage(self, number: int, error: str) -> None:
        """The frame of this number cannot be decoded."""
        self._damaged.add(number, self._newest if self._shown else None, error)

    def said(self) -> dict[str, Any]:
        """What there is to say of it, for JSON.

        `missing` and `damaged` are ranges of numbers, `from` … `to`, with the times in the video of the
        pictures `before` and `after`, or null; `reset` says where the clock was set anew.
        """
        return {
            "starts": self.starts,
            "missing": self._missing.ranges,
            "missing_ranges": self._missing.count,
            "damaged": self._damaged.ranges,
            "damaged_ranges": self._damaged.count,
            "reset": self._reset,
            "resets": self._resets,
        }

    def _set_anew(self, number: int, at: float) -> None:
        """The clock was set: time goes on by a period, or by the longest gap there may be."""
        apart = LONGEST_GAP if at > self._newest else self._period
        shift = self._newest + apart - at
        self._offset += shift
        self._resets += 1
        if len(self._reset) < MOST:
            self._reset.append(
                {"number": number, "at": round(self._newest + apart, 6), "shift": round(shift, 6)}
            )


class Ranges:
    """Numbers that rise, as ranges with the times around them.

    Attributes:
        ranges: the first thousand.
        count: how many there are.
    """

    def __init__(self) -> None:
        self.ranges: list[dict[str, Any]] = []
        self.count = 0
        self._last = -math.inf
        self._open = False  # Whether the newest range waits for the picture after it.

    def add(self, number: int, before: float | None, error: str = "", last: int | None = None) -> None:
        """The next number, or those from it to `last`; `before`: when the picture before is shown."""
        last = number if last is None else last
        if self._open and number == self._last + 1:
            if self.count <= MOST:
                self.ranges[-1]["to"] = last
        else:
            self.count += 1
            if self.count <= MOST:
                said = {"from": number, "to": last, "before": _rounded(before), "after": None}
                self.ranges.append({**said, "error": error} if error else said)
        self._last, self._open = last, True

    def close(self, after: float) -> None:
        """A picture is shown."""
        if self._open and self.count <= MOST:
            self.ranges[-1]["after"] = _rounded(after)
        self._open = False


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)

"""Stages: how long each part of a picture's way takes, from the render to the viewer's screen. Pure."""

from __future__ import annotations

from envstream.histogram import Histogram

# In the order of the way; `total` is all of it.
CAPTURE, HANDOVER, QUEUE, TRANSFER, PAINT, ACKNOWLEDGED, TOTAL = (
    "capture",
    "handover",
    "queue",
    "transfer",
    "paint",
    "ack",
    "total",
)
MOST_MOMENTS = 64  # Sent frames whose moment of capture is known.
FEW = 16  # Viewers of whom each acknowledgement is looked at.


class Stages:
    """The stages of one stream's pictures, in seconds. Lives where the stream does.

    Of many viewers' acknowledgements only those of every so many-th frame are looked at, and each counts
    for as many: the figures stay right, and a thousand viewers cost no more than sixteen.

    Attributes:
        of: stage → histogram, of those that were ever seen.
        every: acknowledgements of frames whose number it divides are looked at.
    """

    def __init__(self) -> None:
        self.of: dict[str, Histogram] = {}
        self.every = 1
        self._moments: dict[int, float] = {}
        self._dropped = 0

    def add(self, stage: str, seconds: float, times: int = 1) -> None:
        """A stage took so long, so many times."""
        histogram = self.of.get(stage)
        if histogram is None:
            histogram = self.of[stage] = Histogram()
        histogram.observe(seconds, times)

    def watched(self, viewers: int) -> None:
        """So many watch."""
        self.every = viewers // FEW | 1  # Odd: viewers at half the rate have odd frames or even ones.

    def came(self, cost: float, waited: float) -> None:
        """A picture came that took `cost` seconds to capture; 0 = not known. It is `waited` seconds old."""
        if cost:
            self.add(CAPTURE, cost)
        self.add(HANDOVER, waited)

    def sent(self, number: int, captured: float, waited: float, viewers: int) -> None:
        """Frame `number` was handed to so many connections, `waited` seconds after it was compressed."""
        self.add(QUEUE, waited, viewers)
        if number % self.every == 0:
            self._moments[number] = captured
            if len(self._moments) > MOST_MOMENTS:
                del self._moments[next(iter(self._moments))]

    def acknowledged(self, number: int, took: float, transfer: float | None, now: float) -> None:
        """Frame `number` was painted, `took` seconds after it was sent; `transfer`: as the viewer says."""
        times = self.every
        self.add(ACKNOWLEDGED, took, times)
        if transfer is not None and 0 <= transfer <= took:
            self.add(TRANSFER, transfer, times)
            self.add(PAINT, took - transfer, times)
        captured = self._moments.get(number)
        if captured is not None:
            self.add(TOTAL, now - captured, times)

    def begin_anew(self) -> None:
        """The stream's frames are numbered from 1 again."""
        self._moments.clear()

    def dropped(self, count: int) -> int:
        """Frames that were never shown, as a counter: one that is shown late takes nothing back."""
        self._dropped = max(self._dropped, count)
        return self._dropped

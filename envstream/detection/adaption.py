"""Adaption: in which size, how often and how surely things are looked for, by the time that it takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median, median_high, median_low
from typing import Any, NamedTuple

SIZE, CONFIDENCE, RATE = (320, 640), (0.15, 0.5), (1.0, 30.0)
BUDGET = 0.05  # Seconds.
RATES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0)
STEP = 0.05  # Of the confidence.
MANY = 100  # Boxes in a picture from which on fewer are looked for.

LOOK, GLANCE = 2.0, 0.75  # Seconds that are looked back; those that suffice where it takes far too long.
FAR = 2.0  # That is so many times what it may,
AT_ONCE = 8.0  # and from so many times the budget on one picture suffices, if it took a second.
FEW, KEPT = 2, 5  # Pictures that are enough to go down, or one more where it is but a little; looked back.
OVER, BUSY = 1.1, 1.0  # Shares of the budget, and of all time, that are too much;
AIM, FULL = 0.85, 0.85  # that are gone down to;
ROOM, IDLE = 0.8, 0.75  # and up to.
HOLD, SHORT_HOLD, LONGEST_HOLD = 4.0, 1.5, 120.0  # Seconds that there has to be room before it is used.
TRIAL = 60.0  # Seconds after which a climb is known to have gone well.
FORGET = 300.0  # Seconds after which one that went wrong no longer counts.
TURN = 1.0  # Seconds between two steps of the confidence upwards.


class Adaption:
    """What a detector is asked for. Pure: time is passed in.

    A detection that takes longer than its budget is made smaller; one that cannot be made any smaller, or
    that is quick enough but takes all of the time, is made less often. Where it is made as seldom as
    possible, or finds very much, only what is surer is looked for. It goes down at once, and up after it has
    seen for a while that there is room: by so much as surely fits. After a climb that went wrong it waits
    longer, up to two minutes.

    Args:
        sizes: that the model allows, within the bounds; see `within`.
        confidence: bounds of it.
        rate: bounds of the detections a second.
        budget: seconds that a detection may take.
        many: boxes in a picture that are too many.

    Attributes:
        size: pixels that the square is wide, the largest at first.
        confidence: the least, at first.
        fps: the most, at first.
        seconds: what a detection takes at this size; None = nobody knows yet.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        confidence: tuple[float, float] = CONFIDENCE,
        rate: tuple[float, float] = RATE,
        budget: float = BUDGET,
        many: int = MANY,
    ) -> None:
        self._sizes = sorted(set(sizes))
        self._rates = _rates(*rate)
        self._levels = _levels(*confidence)
        self._budget, self._many = budget, many
        self.size, self.fps, self._level = self._sizes[-1], self._rates[-1], 0
        self._seen: deque[_Seen] = deque()  # At this size.
        self.seconds: float | None = None
        self._begun: float | None = None  # When the first of them was begun.
        self._climb, self._ease = _Patience(HOLD), _Patience(SHORT_HOLD)
        self._fixed = 0.0  # Share of the time at the largest size that is spent at any.
        self._left: tuple[int, float] | None = None  # The size before, and what it took.
        self._turned_at = float("-inf")

    @property
    def confidence(self) -> float:
        """How sure the model has to be."""
        return self._levels[self._level]

    def measured(self, seconds: float, now: float, boxes: int = 0) -> None:
        """One detection was made, at the size that was asked for, and has just ended.

        Args:
            seconds: that it took.
            boxes: that it found.
        """
        if self._begun is None:
            self._begun = now - seconds
        self._seen.append(_Seen(now, seconds, boxes))
        while len(self._seen) > KEPT and self._seen[0].at < now - LOOK:
            self._seen.popleft()
        self.seconds = median(each.seconds for each in self._seen)
        self._learn(now)
        if not self._fall(now):
            self._rise(now)
        self._sift(now)

    def said(self) -> dict[str, Any]:
        """For JSON."""
        seconds = self.seconds
        return {
            "inference_size": self.size,
            "confidence_threshold": self.confidence,
            "target_fps": self.fps,
            "inference_ms": None if seconds is None else round(seconds * 1e3, 2),
        }

    def _fall(self, now: float) -> bool:
        """Go down where what was asked for takes too long; whether it did."""
        takes = self._surely(now)
        if takes is None:
            return False
        size, fps = self.size, self.fps
        if takes > OVER * self._budget and size > self._sizes[0]:
            size = max(self._fitting(takes, AIM, size - 1), default=self._sizes[0])
            fps = min(fps, self._rate(self._takes(takes, size), FULL))
        elif takes * fps > BUSY and fps > self._rates[0]:
            fps = self._rate(takes, FULL)
        if (size, fps) == (self.size, self.fps):
            return False
        self._climb.fell(now)
        self._go(size, fps, takes)
        return True

    def _rise(self, now: float) -> None:
        """Go up where there has been room for a while."""
        takes = median_high(each.seconds for each in self._seen)
        size = max([*self._fitting(takes, ROOM, self._sizes[-1]), self.size])
        fps = self._rate(self._takes(takes, size), IDLE)
        more = size > self.size or fps > self.fps
        if self._climb.ready(now, more and len(self._seen) >= FEW):
            self._climb.climbed(now)
            self._go(size, fps if size > self.size else max(fps, self.fps), takes)

    def _sift(self, now: float) -> None:
        """Have the confidence follow what there is to do."""
        if not self._seen:  # It has just gone to another size.
            return
        found = median(each.boxes for each in self._seen)
        # At its lowest not for having to wait, but as no higher one can be kept.
        slow = self.fps == self._rates[0] and (self.seconds or 0.0) * self._rates[:2][-1] > FULL
        level = self._level
        if (found > self._many or slow) and len(self._seen) >= FEW:
            self._ease.fell(now)
            if now - self._turned_at >= TURN:
                level = min(level + 1, len(self._levels) - 1)
        elif self._ease.ready(now, level > 0 and not slow and found <= self._many / 2):
            self._ease.climbed(now)
            level -= 1
        if level != self._level:
            self._level, self._turned_at = level, now

    def _surely(self, now: float) -> float | None:
        """Seconds that a detection takes, if enough of them were seen to go down for it."""
        last = self._seen[-1].seconds
        if last > max(AT_ONCE * self._budget, 1.0) and self.size > self._sizes[0]:
            return last
        since = now - self._begun if self._begun is not None else 0.0
        most = self._budget if self.size > self._sizes[0] else 1 / self.fps
        for span, count, least in ((GLANCE, FEW, FAR * most), (LOOK, FEW + 1, 0.0)):
            if since < span or len(self._seen) < count:
                continue
            seen = [each.seconds for each in self._seen if each.at >= now - span]
            takes = median_low(seen if len(seen) >= count else [each.seconds for each in self._seen][-count:])
            if takes > least:
                return takes
        return None

    def _learn(self, now: float) -> None:
        """See from the last change of size how much of the time does not grow with the area."""
        if self._left is None or len(self._seen) <= FEW or now - (self._begun or now) < GLANCE:
            return
        (size, takes), here, self._left = self._left, self.seconds or 0.0, None
        before, after = ((each / self._sizes[-1]) ** 2 for each in (size, self.size))
        slope = max(0.0, (takes - here) / (before - after))
        fixed = max(0.0, here - slope * after)
        self._fixed = fixed / (fixed + slope) if fixed + slope > 0 else 0.0

    def _takes(self, seconds: float, size: int) -> float:
        """Seconds at another size; while nothing is known of it, all is taken to grow with the area."""
        there, here = (
            self._fixed + (1 - self._fixed) * (each / self._sizes[-1]) ** 2 for each in (size, self.size)
        )
        return seconds * there / here

    def _fitting(self, seconds: float, share: float, most: int) -> list[int]:
        """The sizes up to `most` that take no more than a share of the budget."""
        return [
            each
            for each in self._sizes
            if each <= most and self._takes(seconds, each) <= share * self._budget
        ]

    def _rate(self, seconds: float, share: float) -> float:
        """The highest rate that takes no more than a share of the time."""
        return max((each for each in self._rates if each * seconds <= share), default=self._rates[0])

    def _go(self, size: int, fps: float, takes: float) -> None:
        if size != self.size:
            self._left = self.size, takes
            self._seen.clear()
            self._begun = self.seconds = None
        self.size, self.fps = size, fps


class _Seen(NamedTuple):
    at: float
    seconds: float
    boxes: int


class _Patience:
    """How long room has to last before it is used: longer each time that using it went wrong."""

    def __init__(self, hold: float) -> None:
        self._hold = self._least = hold
        self._since: float | None = None  # There has been room.
        self._climbed_at = self._failed_at = float("-inf")

    def ready(self, now: float, room: bool) -> bool:
        if not room:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        return now - self._since >= self._hold

    def climbed(self, now: float) -> None:
        if now - self._failed_at > FORGET:
            self._hold = self._least
        self._climbed_at, self._since = now, None

    def fell(self, now: float) -> None:
        if now - self._climbed_at < TRIAL:
            self._hold = min(2 * self._hold, LONGEST_HOLD)
            self._failed_at = now
            self._climbed_at = float("-inf")  # It went wrong once, however far it falls.
        self._since = None


def within(sizes: Sequence[int], least: int = SIZE[0], most: int = SIZE[1]) -> list[int]:
    """The sizes of a model within bounds; the one that is nearest to them where none is."""
    inside = [size for size in sizes if least <= size <= most]
    return inside or [min(sizes, key=lambda size: max(least - size, size - most))]


def _rates(least: float, most: float) -> list[float]:
    return sorted({least, most, *(each for each in RATES if least < each < most)})


def _levels(least: float, most: float) -> list[float]:
    steps = round((most - least) / STEP)
    return sorted({least, most, *(round(least + STEP * step, 4) for step in range(1, steps))})

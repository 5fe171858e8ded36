"""Ladder: at which quality, rate and size one viewer is sent a stream, so that its link carries it."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from statistics import fmean, median
from typing import NamedTuple

from envstream.points import RATES, Point

MEMORY = 2.0  # Seconds that are looked back.
PROOF, STRAINED = 0.25, 0.15  # Seconds, and share of the time, that frames wait where a link is too slow.
LONG = 0.5  # Seconds of one wait that no window explains.
FILL = 0.85  # Share of a link's capacity that is used.
HOLD, LONGEST_HOLD = 15.0, 120.0  # Seconds before more than is known to go is tried; a trial lasts one.
CALM, SHORT_CALM = 2.0, 0.3  # Seconds without waiting before a climb; where it is known to go.
TOO_MUCH, ENOUGH, TOO_LITTLE = 1.2, 1.1, 0.8  # Shares of the target bitrate.
PROMISE = 1.5  # How many times what is needed a viewer's hint has to promise.
FEW = 4  # Frames from which on their size is known.
TYPICAL = 0.35  # See `_coarseness`: of rendered scenes. Flat pictures have 0.1, photographs 0.7.
QUEUE, PATIENCE, EASE = 2.0, 2.0, 30.0  # Pictures that may wait in a page; seconds with more, and without.


class Ladder:
    """The point at which one viewer is sent one stream. Pure: time is passed in.

    It falls where the link does not carry what is sent, straight to what it does carry; where that is more
    than the target; and, in rate alone, where the page cannot paint as fast. It climbs after a calm: at
    once to what is known to go, and after a hold, by one point, to what is not.

    When an acknowledgement comes it is told `acknowledged`, then `held_up` if a frame was due before; then
    it may `decide`. When a frame is reserved, it is told `taken`. All this of pictures at `point` only.

    Args:
        points: best first.
        target: bits a second at most; None = any. May be changed at any time.
    """

    def __init__(self, points: tuple[Point, ...], target: float | None = None) -> None:
        self.points = points
        self.target = target
        self.index = 0
        self.fell = False  # Whether the link, or what is to be sent at most, was ever too narrow for a point.
        self._limit: str | None = None
        self._step = 0  # Of the page's own limit, in RATES.
        self._queued, self._queued_at = False, -math.inf
        self._exponent = TYPICAL
        self._left: tuple[Point, float] | None = None  # The point before, and the bytes of a picture there.
        # What was seen at this point, from the first acknowledgement of one of its frames on.
        self._changed_at = -math.inf
        self._settled_at: float | None = None
        self._acks: deque[_Ack] = deque()
        self._turns: deque[_Turn] = deque()
        self._noted = False  # The turn of the frame that is taken next.
        self._acked_at = self._waited_at = -math.inf
        # How far it may climb.
        self._capacity = math.inf  # Bits a second that the link carries; infinite = it was never too slow.
        self._hold = HOLD
        self._barred_until = self._doubted_until = -math.inf  # For trials; for trust in hints.
        self._climbed_at, self._climbed_from = -math.inf, 0

    @property
    def point(self) -> Point:
        """What to send."""
        return self._at(self.index)

    @property
    def why(self) -> str | None:
        """What keeps it from the best point: `link`, `bitrate` (the target), `viewer`; None = nothing."""
        if self.point.rate < self.points[self.index].rate:
            return "viewer"
        return self._limit if self.index else None

    def taken(self, now: float) -> None:
        """A frame was reserved for this viewer."""
        if not self._noted and self._settled_at is not None:
            self._turns.append(_Turn(now, 0.0, False))
            _forget(self._turns, now)
        self._noted = False

    def held_up(self, now: float, waited: float, excused: bool = False) -> None:
        """There was no credit for a frame that was due; now there is.

        Args:
            waited: seconds that it was overdue: since one period of the point's rate after the frame before.
                Frames are made on demand, so that nobody sees how many were not made for lack of credit.
            excused: that was the window's doing; see `Window.held_up`.
        """
        self._noted, self._waited_at = True, now
        if self._settled_at is not None:
            self._turns.append(_Turn(now, waited, excused and waited < LONG))
            _forget(self._turns, now)

    def acknowledged(
        self, now: float, size: int, took: float, transfer: float | None = None, frames: int = 1
    ) -> None:
        """Frames were painted, or skipped for a newer one that was.

        Args:
            size: bytes of all of them.
            took: seconds since the newest was sent.
            transfer: seconds that its bytes took to arrive, as the viewer says. Heard only where it lets it
                climb earlier, and for a while not at all once that went wrong.
            frames: how many they are.
        """
        sent, before, self._acked_at = now - took, self._acked_at, now
        if sent < self._changed_at:
            return
        if self._settled_at is None:
            self._settled_at = now  # The first is not counted: of a video it is a key picture.
            return
        # One that went alone does not say how fast they can follow each other.
        busy = now - before if sent < before else None
        hint = transfer if transfer is not None and 0 <= transfer <= 60 else None
        self._acks.append(_Ack(now, size, frames, busy, hint))
        _forget(self._acks, now)

    def reported(self, now: float, queue: float) -> bool:
        """A page says how many pictures wait in it to be painted; whether that changes the point, at once."""
        if len(self.points) == 1 or not 0 <= queue < math.inf:
            return False
        if (queue > QUEUE) != self._queued:
            self._queued, self._queued_at = not self._queued, now
        lasted = now - self._queued_at
        change = int(lasted >= PATIENCE) if self._queued else -int(lasted >= EASE)
        step = max(0, min(self._step + change, len(RATES) - 1))
        changed = step != self._step
        if changed:
            self._step, self._queued_at = step, now
            self._begin(now)
        return changed

    def decide(self, now: float) -> bool:
        """Go to another point where that fits better; whether it did."""
        quiet = not self.index and self.target is None and self._left is None
        if quiet and now - self._waited_at > MEMORY:
            return False  # Nothing waited, and there is nothing better: so it is with nearly everybody.
        before, need = self.index, self._need()
        if need is None:
            return False
        self._learn()
        target = math.inf if self.target is None else self.target
        capacity = self._strained(now)
        settled = now - (self._settled_at or now)
        if capacity is not None and FILL * capacity < need:
            self._capacity, self._barred_until = capacity, now + self._hold
            self._fall(now, need, capacity, FILL, "link")
        elif need > TOO_MUCH * target:
            if settled >= MEMORY / 2 and len(self._acks) >= FEW:
                self._fall(now, need, target, ENOUGH, "bitrate")
        elif self.index and len(self._acks) >= FEW:
            self._climb(now, need, target, settled)
        return self.index != before

    def _fall(self, now: float, need: float, most: float, share: float, why: str) -> None:
        """Go down to the best point that needs no more than a share of `most`."""
        first = self.index + 1
        if now - self._climbed_at < HOLD:  # Too bold: back to what went before.
            first, share = self._climbed_from, TOO_MUCH
            self._hold = min(LONGEST_HOLD, 4 * self._hold)
            self._barred_until = self._doubted_until = now + self._hold
            self._climbed_at = -math.inf
        self._limit, self.fell = why, True
        last = len(self.points) - 1
        self._go(now, next((i for i in range(first, last) if self._needs(i, need) <= share * most), last))

    def _climb(self, now: float, need: float, target: float, settled: float) -> None:
        above = self._needs(self.index - 1, need)
        sure = now >= self._doubted_until
        promised = self._promised() if sure else 0.0
        carried = FILL * self._capacity if sure and self._capacity < math.inf else 0.0
        calm = SHORT_CALM if max(promised, carried) >= above else CALM
        waited = sum(turn.waited for turn in self._turns if turn.at > now - calm)
        if settled < calm or waited > 0.05 * calm:
            return
        if sure and settled >= CALM and need > 1.25 * self._capacity:
            self._capacity, self._hold = math.inf, HOLD
        most = target * (ENOUGH if need > TOO_LITTLE * target else (ENOUGH + TOO_MUCH) / 2)
        if above > most:
            self._limit = "bitrate"
            return
        known = max(carried, promised) if self._capacity < math.inf else math.inf
        limit = min(most, max(carried, min(2 * need, known)))
        index = next((i for i in range(self.index) if self._needs(i, need) <= limit), self.index - 1)
        if self._needs(index, need) > min(known, ENOUGH * target):
            if now < self._barred_until + (LONGEST_HOLD if promised else 0.0):
                return  # Tried all the same after a while: less often where a hint speaks against it.
            self._barred_until = now + 2 * HOLD
        self._climbed_at, self._climbed_from = now, self.index
        self._go(now, index)

    def _strained(self, now: float) -> float | None:
        """Bits a second that the link carries, where frame after frame waits for it; otherwise None."""
        since, waited, times, free = now, 0.0, 0, 0
        for turn in reversed(self._turns):
            if turn.excused or free == 3 or (times >= 2 and turn.at < now - MEMORY):
                break
            free += 1
            if turn.waited:
                since, waited, times, free = turn.at - turn.waited, waited + turn.waited, times + 1, 0
        if times < 2 or waited <= max(PROOF, STRAINED * (now - since)):
            return None
        carried = [(ack.size, ack.busy) for ack in self._acks if ack.at > since and ack.busy is not None]
        busy = sum(busy for _, busy in carried)
        return 8 * sum(size for size, _ in carried) / busy if busy else None

    def _promised(self) -> float:
        """Bits a second that the viewer's hints promise, with room to spare; 0 without hints."""
        hints = [(ack.size, max(ack.transfer, 1e-3)) for ack in self._acks if ack.transfer is not None]
        took = PROMISE * sum(took for _, took in hints)
        return 8 * sum(size for size, _ in hints) / took if len(hints) >= FEW else 0.0

    def _go(self, now: float, index: int) -> None:
        if index != self.index:
            self._left = self.point, self._mean()
            self.index = index
            self._begin(now)

    def _begin(self, now: float) -> None:
        self._changed_at, self._settled_at = now, None
        self._acks.clear()
        self._turns.clear()

    def _mean(self) -> float:
        """Bytes of a picture."""
        return sum(ack.size for ack in self._acks) / sum(ack.frames for ack in self._acks)

    def _need(self) -> float | None:
        """Bits a second that it takes to send every frame at this point; None = not known yet."""
        if not self._acks or len(self._turns) < 2:
            return None
        gaps = [turn.at - before.at - turn.waited for before, turn in pairwise(self._turns)]
        usual = 3 * max(1e-3, median(gaps))  # A trainer that pauses to learn does not send less in between.
        return 8 * self._mean() / max(1e-3, fmean(gap for gap in gaps if gap <= usual))

    def _needs(self, index: int, need: float) -> float:
        """The same for another point, where this one needs `need`."""
        here, there = self.point, self._at(index)
        finer = math.pow(_coarseness(here.quality) / _coarseness(there.quality), self._exponent)
        return need * finer * math.pow(there.size / here.size, 1.5) * there.rate / here.rate

    def _learn(self) -> None:
        """See from the last change how much quality matters to the size of this stream's pictures."""
        if self._left is None or len(self._acks) < 2 * FEW:
            return
        (before, mean), self._left = self._left, None
        finer = math.log(_coarseness(before.quality) / _coarseness(self.point.quality))
        if finer and before.size == self.point.size:
            seen = math.log(self._mean() / mean) / finer
            self._exponent += 0.7 * (min(0.9, max(0.02, seen)) - self._exponent)

    def _at(self, index: int) -> Point:
        point, most = self.points[index], RATES[self._step]
        return point if point.rate <= most else point._replace(rate=most)


class _Ack(NamedTuple):
    at: float
    size: int
    frames: int
    busy: float | None  # Seconds since the one before, if that was still under way when this one was sent.
    transfer: float | None


class _Turn(NamedTuple):
    at: float
    waited: float
    excused: bool


def _forget(seen: deque[_Ack] | deque[_Turn], now: float) -> None:
    while len(seen) > 2 * FEW and seen[0].at < now - MEMORY:
        seen.popleft()


def _coarseness(quality: int) -> float:
    """By how many per cent JPEG scales its table of steps. Bytes fall with a power of it, the exponent."""
    return max(2.0, 5000 / quality if quality < 50 else 200.0 - 2 * quality)

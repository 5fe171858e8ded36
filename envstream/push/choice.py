"""A choice: in which encoding and quality the next picture goes out, so that a link carries what is sent."""

from __future__ import annotations

from collections import deque
from statistics import fmean, median
from typing import NamedTuple

MEMORY = 2.0  # Seconds over which a link and a source are measured.
LATE = 1.0  # Seconds of backlog with which a live source is too much for its link.
CALM = 0.4  # Seconds of backlog with which it is not; in between, nothing is changed.
WAITED = 0.15  # Share of the time that a source stands still for its link, where that is the slower of them.
ROOM = 5.0  # Seconds of calm before more is tried.
HOLD, LONGEST_HOLD = 10.0, 160.0  # Seconds before the next trial after one that failed.
FILL = 0.85  # Share of what a link carries that is used.
BUSY = 0.9  # Share of a period that one picture's compression may take.
BETTER = 1.3  # How many times quicker the other encoding of a file must be.
DEARER = 4.0  # How many times the work of a JPEG picture H.264 takes, before that is known.
SMALLER = 0.2  # Its bytes, likewise.


class Rung(NamedTuple):
    """An encoding, and a quality from 1 to 100 as of a JPEG."""

    encoding: str
    quality: int


class _Seen(NamedTuple):
    """A picture that was compressed; all but its size in seconds."""

    at: float
    size: int
    work: float
    period: float
    waited: float


class Choice:
    """Moves on a ladder of encodings and qualities. Pure: time is passed in, in seconds.

    A paced source (a camera, an env, a file at a rate) gets the best rung that its link carries. A file
    without a pace is to be there soon: as JPEG where the link is quicker than an H.264 encoder, and as
    H.264 where it is slower.

    Args:
        quality: of the best rung.
        h264: whether there is an H.264 encoder.
        paced: whether the source has a rate of its own.

    Attributes:
        rung: what to send now.
    """

    def __init__(self, quality: int = 85, *, h264: bool = True, paced: bool = True) -> None:
        best = max(1, min(quality, 100))
        jpegs = [best, *(each for each in (70, 50) if each < best)]
        low = [70, 50, 30, 15] if h264 else [30, 15]
        lower = [Rung("h264" if h264 else "jpeg", each) for each in low if each < best or h264]
        self._rungs = [*(Rung("jpeg", each) for each in jpegs), *lower]
        if not paced:
            self._rungs = [Rung("jpeg", best), *([Rung("h264", best)] if h264 else [])]
        self._paced = paced
        self._index = 0
        self._sizes: dict[str, float] = {}  # Encoding → bytes of a picture, scaled to quality 50.
        self._work: dict[str, float] = {}  # Encoding → seconds that one takes, however good.
        self._pictures: deque[_Seen] = deque()
        self._carried: deque[tuple[float, float]] = deque()  # When, bytes acknowledged until then.
        self._capacity: float | None = None  # Bytes a second of the link, when it was last too slow.
        self._changed_at = self._calm_since = float("-inf")
        self._barred_until, self._hold = float("-inf"), HOLD
        self._trial_from: int | None = None
        self._shut: set[str] = set()  # Encodings that this machine is too slow for.

    @property
    def rung(self) -> Rung:
        return self._rungs[self._index]

    def encoded(self, now: float, size: int, work: float, period: float, waited: float = 0.0) -> None:
        """A picture was compressed at this rung.

        Args:
            size: its bytes.
            work: seconds that it took to get and to compress it.
            period: seconds between two pictures; of a file without a pace, 0.
            waited: seconds that it then stood before it was taken, as there was no room.
        """
        encoding = self.rung.encoding
        plain = size / fineness(self.rung.quality)
        self._sizes[encoding] = _smoothed(self._sizes.get(encoding), plain)
        self._work[encoding] = _smoothed(self._work.get(encoding), work)
        self._pictures.append(_Seen(now, size, work, period, waited))
        while self._pictures[0].at < now - MEMORY and len(self._pictures) > 4:
            self._pictures.popleft()

    def acknowledged(self, now: float, total: int) -> None:
        """So many bytes were acknowledged since the beginning."""
        self._carried.append((now, float(total)))
        while self._carried[0][0] < now - MEMORY:
            self._carried.popleft()

    def interrupted(self, now: float) -> None:
        """The connection was lost, or is there again: what was measured says nothing of the link."""
        self._pictures.clear()
        self._carried.clear()
        self._changed_at = self._calm_since = now

    def decide(self, now: float, backlog: float) -> bool:
        """Go to another rung where that fits better; whether it did.

        Args:
            backlog: seconds for which the oldest picture waits that was not acknowledged.
        """
        before = self._index
        if len(self._rungs) == 1 or len(self._pictures) < 4 or now - self._changed_at < MEMORY / 2:
            return False
        if self._paced:
            self._follow(now, backlog)
        else:
            self._hurry(now)
        if self._index != before:
            self._pictures.clear()
            self._changed_at = self._calm_since = now
        return self._index != before

    def _follow(self, now: float, backlog: float) -> None:
        """For a source that does not wait."""
        period = fmean(each.period for each in self._pictures)
        busy = median(each.work for each in self._pictures) > BUSY * period  # Whatever a few of them took.
        if busy and self.rung.encoding == "h264":
            self._shut.add("h264")  # What cannot keep up here is no way to keep up with a link.
            self._index = max(i for i, rung in enumerate(self._rungs) if rung.encoding != "h264")
            return
        # Behind by what was sent at the rung before, it catches up by itself.
        size = fmean(each.size for each in self._pictures)
        too_much = backlog > LATE and size > 0.95 * self._rate(now) * period
        if too_much or self._standing(now) > WAITED:
            self._calm_since = now
            self._fall(now, period)
        elif backlog > CALM:
            self._calm_since = now
        else:
            if now - self._changed_at > 2 * HOLD:
                self._trial_from = None  # It went well.
                self._hold = self._hold if self._index else HOLD
            if now - self._calm_since >= ROOM:
                self._climb(now, period)

    def _fall(self, now: float, period: float) -> None:
        capacity = self._rate(now)
        if capacity:
            self._capacity = capacity
        if self._trial_from is not None:  # Too bold: back to where it went, and longer before the next one.
            below, self._trial_from = self._trial_from, None
            self._hold = min(LONGEST_HOLD, 2 * self._hold)
        else:
            below = self._index + 1
        self._barred_until = now + self._hold
        most = FILL * (capacity or 0.0) * period
        usable = [i for i, rung in enumerate(self._rungs) if rung.encoding not in self._shut]
        lower = [i for i in usable if i > self._index and i >= below]
        if lower:
            self._index = next((i for i in lower if self._expected(self._rungs[i]) <= most), lower[-1])

    def _climb(self, now: float, period: float) -> None:
        upper = [i for i in range(self._index) if self._rungs[i].encoding not in self._shut]
        if not upper:
            return
        need = self._expected(self._rungs[upper[-1]]) / period
        doubtful = self._capacity is None or self._hold > HOLD or need > FILL * self._capacity
        if doubtful and now < self._barred_until:
            return  # Links become quicker again, so that it is tried all the same after a while.
        self._trial_from, self._index = self._index, upper[-1]

    def _hurry(self, now: float) -> None:
        """For a file: whichever way is quicker."""
        waits = self._standing(now) > WAITED
        if waits:
            self._capacity = self._rate(now) or self._capacity
        here, there = self.rung, self._rungs[1 - self._index]
        if self._capacity is None:
            return  # The link was never the slower one.
        trial = not waits and here.encoding == "h264" and now >= self._barred_until
        if trial and now - self._changed_at >= self._hold:
            # With so little to carry nobody sees how much it could: looked up now and then.
            self._hold, self._barred_until = min(LONGEST_HOLD, 2 * self._hold), now + self._hold
            self._index, self._capacity = 1 - self._index, None
            return
        if BETTER * self._seconds(there) < self._seconds(here):
            self._index = 1 - self._index
            self._barred_until = now + self._hold

    def _seconds(self, rung: Rung) -> float:
        """How long one picture takes there."""
        work = self._work.get(rung.encoding)
        if work is None:
            work = DEARER * self._work["jpeg"]
        return max(work, self._expected(rung) / (self._capacity or 1.0))

    def _expected(self, rung: Rung) -> float:
        """Bytes of a picture at a rung."""
        plain = self._sizes.get(rung.encoding)
        if plain is None:
            known = self._sizes[self.rung.encoding]
            plain = known * SMALLER if rung.encoding == "h264" else known / SMALLER
        return plain * fineness(rung.quality)

    def _rate(self, now: float) -> float:
        """Bytes a second that the link carried of late."""
        if len(self._carried) < 2:
            return 0.0
        (first, before), (_, after) = self._carried[0], self._carried[-1]
        return (after - before) / (now - first) if now > first else 0.0

    def _standing(self, now: float) -> float:
        """Share of the time that the source stood still, as there was no room."""
        seconds = now - self._pictures[0].at
        return sum(each.waited for each in self._pictures) / seconds if seconds >= MEMORY / 4 else 0.0


def fineness(quality: int) -> float:
    """How many times the bytes of a picture at quality 50 one takes at another."""
    coarse = 5000 / quality if quality < 50 else 200.0 - 2 * quality
    return float((100 / max(2.0, coarse)) ** 0.5)


def _smoothed(before: float | None, value: float) -> float:
    return value if before is None else before + 0.1 * (value - before)

"""The roll: which numbers of a session arrived, which never will, and which are missing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

MOST_RANGES = 10_000  # Of lost numbers that are told apart.


class _Ranges:
    """Whole numbers as ranges that do not touch, in order."""

    def __init__(self, ranges: Iterable[Iterable[int]] = ()) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __contains__(self, number: int) -> bool:
        return self.end(number) is not None

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.firsts, self.lasts, strict=True)

    def add(self, first: int, last: int) -> None:
        low, high = bisect_left(self.lasts, first - 1), bisect_right(self.firsts, last + 1)
        if low < high:
            first, last = min(first, self.firsts[low]), max(last, self.lasts[high - 1])
        self.firsts[low:high], self.lasts[low:high] = [first], [last]

    def end(self, number: int) -> int | None:
        """The last number of the range that `number` is in."""
        at = bisect_right(self.firsts, number) - 1
        return self.lasts[at] if at >= 0 and number <= self.lasts[at] else None

    def after(self, number: int, limit: int) -> int:
        """Where the first range behind `number` begins, at most `limit`."""
        at = bisect_right(self.firsts, number)
        return min(limit, self.firsts[at]) if at < len(self.firsts) else limit

    def within(self, first: int, last: int) -> int:
        """How many numbers from `first` to `last` are in a range."""
        low, high = bisect_left(self.lasts, first), bisect_right(self.firsts, last)
        pairs = zip(self.firsts[low:high], self.lasts[low:high], strict=True)
        return sum(min(b, last) - max(a, first) + 1 for a, b in pairs)

    def forget(self, up_to: int) -> None:
        """Drops the ranges that end at `up_to` or before."""
        gone = bisect_right(self.lasts, up_to)
        del self.firsts[:gone], self.lasts[:gone]


class Roll:
    """Which numbers from 1 on are accounted for: a number arrives or is lost, once and for good.

    What it remembers does not grow with the session: single numbers only beyond `up_to`, as ranges, and of
    what was lost the last ranges.

    Attributes:
        up_to: all numbers up to it are accounted for.
        highest: the highest number that is known to exist.
        received, losses: how many arrived, and how many never will.
    """

    def __init__(self) -> None:
        self.up_to = self.highest = self.received = self.losses = 0
        self._arrived = _Ranges()  # Beyond `up_to`.
        self._lost = _Ranges()

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Roll:
        """The roll that said this of itself."""
        roll = cls()
        roll.up_to, roll.highest = int(said["up_to"]), int(said["highest"])
        roll.received, roll.losses = int(said["received"]), int(said["losses"])
        roll._arrived, roll._lost = _Ranges(said["arrived"]), _Ranges(said["lost"])
        return roll

    def said(self) -> dict[str, Any]:
        """All there is to know, for JSON."""
        return {
            "up_to": self.up_to,
            "highest": self.highest,
            "received": self.received,
            "losses": self.losses,
            "arrived": [list(pair) for pair in self._arrived],
            "lost": [list(pair) for pair in self._lost],
        }

    @property
    def lost(self) -> list[tuple[int, int]]:
        """Ranges of numbers that will never arrive, first and last.

        Where there are more than `MOST_RANGES`, the first one spans the oldest of them, and what arrived in
        between. To lose that range anew in a roll that knows what arrived gives the same numbers.
        """
        return list(self._lost)

    def __contains__(self, number: object) -> bool:
        """Whether a number is accounted for."""
        if not isinstance(number, int):
            return False
        return 0 < number <= self.up_to or number in self._arrived or number in self._lost

    def add(self, number: int) -> bool:
        """A number arrived; False when it is accounted for already."""
        if number < 1 or number in self:
            return False
        self.received += 1
        self._arrived.add(number, number)
        self._settle(number)
        return True

    def lose(self, first: int, last: int) -> int:
        """These numbers will never arrive, except for those that have; how many were not known to be lost."""
        gaps = list(self._gaps(max(first, self.up_to + 1), last))
        for gap in gaps:
            self._lost.add(*gap)
        count = sum(b - a + 1 for a, b in gaps)
        self.losses += count
        if last >= first:
            self._settle(last)
        return count

    def expect(self, number: int) -> None:
        """This number exists, and with it all before it: those that have not arrived are missing."""
        self.highest = max(self.highest, number)

    def ahead(self, number: int) -> int:
        """How far beyond `up_to` a number is, those that are lost not counted; below 1 when it is not."""
        return number - self.up_to - self._lost.within(self.up_to + 1, number)

    def missing(self, most: int, besides: Container[int] = ()) -> list[int]:
        """The first numbers that exist and are not accounted for, without those in `besides`."""
        found: list[int] = []
        for first, last in self._gaps(self.up_to + 1, self.highest):
            for number in range(first, last + 1):
                if len(found) >= most:
                    return found
                if number not in besides:
                    found.append(number)
        return found

    @property
    def absent(self) -> int:
        """How many numbers exist and are not accounted for."""
        # Counted, not gone through: it is asked for by threads that read while frames arrive.
        return max(0, self.highest - self.received - self.losses)

    def _gaps(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Ranges of what is not accounted for; both ends belong to it."""
        at = first
        while at <= last:
            end = self._arrived.end(at) or self._lost.end(at)
            if end is None:
                end = self._lost.after(at, self._arrived.after(at, last + 1)) - 1
                yield at, end
            at = end + 1

    def _settle(self, number: int) -> None:
        self.highest = max(self.highest, number)
        while (end := self._arrived.end(self.up_to + 1) or self._lost.end(self.up_to + 1)) is not None:
            self.up_to = end
        self._arrived.forget(self.up_to)
        firsts, lasts = self._lost.firsts, self._lost.lasts
        while len(firsts) > MOST_RANGES and lasts[1] <= self.up_to:
            # Up to there nobody asks any more which were lost: the disk knows which arrived.
            del firsts[1], lasts[0]

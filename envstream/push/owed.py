"""What is owed: pictures that were taken to be sent and are not acknowledged, and which of them is next."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

MEMORY = 64 * 2**20  # Bytes of pictures that wait for their acknowledgement.
AHEAD = 8  # Pictures that are taken beyond what may be under way, so that the next one is ready.
TRIES = 3  # How often a picture is sent again that the server refused.


class Picture(NamedTuple):
    """A compressed picture, ready to be sent. Its bytes are never copied.

    Attributes:
        timestamp: seconds since the session's beginning.
        data: a memoryview is one of single bytes.
        key: whether it builds on none before, as all but those of H.264 do.
        captured: when it was taken, by the server's clock.
        info: what the env said: `episode`, `step`, `return`, …
    """

    timestamp: float
    encoding: str
    width: int
    height: int
    data: bytes | memoryview
    key: bool = True
    captured: float | None = None
    info: Mapping[str, Any] = MappingProxyType({})

    def said(self, number: int, start: Mapping[str, Any]) -> dict[str, Any]:
        """What is said of it before its bytes, in a session that began with `start`."""
        said: dict[str, Any] = {"number": number, "timestamp": self.timestamp, "size": len(self.data)}
        if start.get("encoding") == "auto":
            said["encoding"] = self.encoding
        if (self.width, self.height) != (start.get("width"), start.get("height")):
            said.update(width=self.width, height=self.height)
        said["key"] = self.key
        if self.captured is not None:
            said["captured"] = self.captured
        return {**said, "info": dict(self.info)} if self.info else said


class Owed:
    """The pictures of one session, over all its connections. Pure; not thread-safe.

    A picture that is kept waits, or is under way on this connection, or was and is asked for again.

    Args:
        memory: bytes that are kept at most; a single picture may be larger.
        goes_on: the source does not wait: every picture is taken, and the oldest that wait are given up.

    Attributes:
        number: of the newest picture.
        up_to: all up to this number are accounted for.
        had: the server had all up to this number when the connection began; maybe of a publisher before.
        bytes: of all that is kept.
        lost: numbers that were given up.
        missing: numbers that the server asks for.
        key_wanted: what was given up may have been built upon.
        acknowledged, acknowledged_bytes: of pictures that the server has.
    """

    def __init__(self, memory: int = MEMORY, *, goes_on: bool = False) -> None:
        self.number = self.up_to = self.had = self.bytes = 0
        self.lost = self.missing = self.acknowledged = self.acknowledged_bytes = 0
        self.key_wanted = False
        self._memory, self._goes_on = memory, goes_on
        self._resumed = False  # Whether a server has ever said what it has.
        self._kept: dict[int, tuple[Picture, float]] = {}  # By number, in order; when each was offered.
        self._waiting: deque[int] = deque()
        self._out: set[int] = set()
        self._again: deque[int] = deque()
        self._tries: dict[int, int] = {}
        # Number → the ping after it. Until its pong, that the number is missing is no news.
        self._marks: dict[int, int] = {}
        self._mark = 0
        # Given up and not known to be accounted for; those of them that this connection was not told of.
        self._gone: list[tuple[int, int]] = []
        self._untold: list[tuple[int, int]] = []

    def __len__(self) -> int:
        """Pictures that are kept."""
        return len(self._kept)

    @property
    def idle(self) -> bool:
        """Whether nothing is to be sent now; acknowledgements may be missing."""
        return not (self._waiting or self._again or self._untold)

    def since(self) -> float | None:
        """When the oldest picture that is kept was offered."""
        return next(iter(self._kept.values()))[1] if self._kept else None

    # --- in --------------------------------------------------------------------------------------------

    def room(self, credits: int) -> bool:
        """Whether a picture of ordinary size is taken now."""
        if self._goes_on or not self._kept:
            return True
        return len(self._kept) < credits + AHEAD and self.bytes < self._memory

    def skip(self, there: bool = True) -> bool:
        """Passes over the next picture, where the server had it when the connection began.

        Args:
            there: whether it is here; one that is nowhere is given up.
        """
        had = self.number < self.had
        if there and not had:
            return False
        self.number += 1
        if had:
            self.acknowledged += 1
            self.key_wanted = True  # The next one would build on what was never sent.
        else:
            self.lose(self.number, self.number)
        return True

    def offer(self, picture: Picture, now: float, credits: int) -> bool:
        """Takes the next picture; False: there is no room."""
        if self.skip():
            return True
        size = len(picture.data)
        if self._kept and not (self.room(credits) and (self._goes_on or self.bytes + size <= self._memory)):
            return False
        self.number += 1
        self._kept[self.number] = picture, now
        self.bytes += size
        self._waiting.append(self.number)
        while self._goes_on and self.bytes > self._memory and self._waiting:
            self._give_up_oldest()
        return True

    def _give_up_oldest(self) -> None:
        """Gives up the oldest that waits, and what builds on it."""
        first = last = self._waiting.popleft()
        while self._waiting and not self._kept[self._waiting[0]][0].key:
            last = self._waiting.popleft()
        self.lose(first, last)

    # --- out -------------------------------------------------------------------------------------------

    def take(self, credits: int) -> tuple[int, Picture] | None:
        """The next picture to send. What was asked for takes no credit: it has one already."""
        if self._again:
            number = self._again.popleft()
            self._marks[number] = self._mark + 1
        elif self._waiting and len(self._out) < credits:
            number = self._waiting.popleft()
        else:
            return None
        self._out.add(number)
        return number, self._kept[number][0]

    def take_mark(self) -> int | None:
        """The number of a ping to send now, where pictures went out again since the last."""
        if self._mark + 1 not in self._marks.values():
            return None
        self._mark += 1
        return self._mark

    def take_untold(self) -> list[tuple[int, int]]:
        """Ranges of numbers of which the server is to be told that they will not come."""
        told, self._untold = self._untold, []
        return told

    # --- what the server says --------------------------------------------------------------------------

    def disconnected(self) -> None:
        """What was under way may be lost."""
        self._waiting, self._again = deque(self._kept), deque()
        self._out.clear()
        self._marks.clear()
        self._untold = list(self._gone)

    def resumed(self, up_to: int, missing: Collection[int], highest: int = 0) -> None:
        """A new connection: the server has all up to a number, and above it not those that are missing.

        Of what lies between those it may not be sure yet, so that it is kept and not sent; those beyond
        may have been under way when the connection broke.

        Args:
            highest: the highest number that came. What a source that goes on gives comes behind it, where
                that was of a publisher before this one.
        """
        before = highest if self._goes_on and not self._resumed else 0
        self._resumed = True
        self._begin_behind(before)
        up_to, missing = max(0, up_to), {number for number in missing if 0 < number <= self.number}
        self.had = up_to
        self.account(up_to, missing)
        top = max(up_to, before, *missing)
        self._out = {number for number in self._kept if up_to < number < top and number not in missing}
        self._again = deque(number for number in self._kept if number in missing)
        self._waiting = deque(number for number in self._kept if number > top)
        last = min(self._kept, default=self.number + 1) - 1
        # What it had once and lost is here no more either.
        for number in [*sorted(missing), *range(top + 1, last + 1)]:
            if number <= last and not self._given_up(number):
                self.lose(number, number)

    def _begin_behind(self, number: int) -> None:
        """Our first picture is the one behind a number."""
        if number > 0:
            self.number += number
            self._kept = {number + own: entry for own, entry in self._kept.items()}
            self._waiting = deque(self._kept)
            self._gone, self._untold = (
                [(number + first, number + last) for first, last in ranges]
                for ranges in (self._gone, self._untold)
            )

    def account(self, up_to: int, missing: Collection[int]) -> None:
        """The server has all up to a number."""
        self.up_to = max(0, min(up_to, self.number))
        self.missing = len(missing)
        while self._kept:
            number = next(iter(self._kept))
            if number > up_to or number in missing:
                break
            self.acknowledged += 1
            self.acknowledged_bytes += self._drop(number)
        while self._waiting and self._waiting[0] not in self._kept:
            self._waiting.popleft()  # It was under way when the connection before broke, and arrived.
        self._again = deque(number for number in self._again if number in self._kept)
        self._gone = [(first, last) for first, last in self._gone if last > up_to]
        self._untold = [(first, last) for first, last in self._untold if last > up_to]

    def ask(self, number: int, refused: bool = False) -> bool:
        """The server wants a picture again; False: it was given up, after so many tries.

        Args:
            refused: it came and was not taken; else the server only misses it.
        """
        if number not in self._kept and 0 < number <= self.number and not self._given_up(number):
            self.lose(number, number)
            return False
        if number not in self._out or number in self._again:
            return True
        if number in self._marks and not refused:
            return True
        self._marks.pop(number, None)
        self._tries[number] = self._tries.get(number, 0) + 1
        if self._tries[number] > TRIES:
            self.lose(number, number)
            return False
        self._again.append(number)
        return True

    def passed(self, mark: int) -> None:
        """The pong for a ping of `take_mark`: what went out before it has been seen."""
        self._marks = {number: after for number, after in self._marks.items() if after > mark}

    # --- given up --------------------------------------------------------------------------------------

    def lose(self, first: int, last: int) -> None:
        """These numbers will never come."""
        for number in range(first, last + 1):
            self._drop(number)
        self.lost += last + 1 - first
        self.key_wanted = True
        for ranges in (self._gone, self._untold):
            follows = bool(ranges) and ranges[-1][1] + 1 == first
            ranges.append((ranges.pop()[0] if follows else first, last))

    def cut(self) -> None:
        """Gives up all that waits."""
        for number in sorted([*self._again, *self._waiting]):
            self.lose(number, number)
        self._again.clear()
        self._waiting.clear()

    def clear(self) -> None:
        """Keeps nothing any more, and says so to nobody."""
        for number in list(self._kept):
            self._drop(number)
        self._waiting.clear()
        self._again.clear()
        self._gone, self._untold = [], []

    def _given_up(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self._gone)

    def _drop(self, number: int) -> int:
        entry = self._kept.pop(number, None)
        self._out.discard(number)
        self._tries.pop(number, None)
        self._marks.pop(number, None)
        size = len(entry[0].data) if entry is not None else 0
        self.bytes -= size
        return size

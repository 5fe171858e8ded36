"""The server's end of a block: it reads, and never waits for the trainer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from envstream import codec
from envstream.frame import Pixels
from envstream.links.block import (
    EPISODE,
    EPISODE_COUNT,
    EPISODE_RING,
    EPISODE_SIZE,
    EPISODES,
    EVERY,
    FAILURES,
    FIRST_SLOT,
    HEAD,
    HEADER,
    HEADER_SIZE,
    HEADERS,
    MOST,
    SLOTS,
    STEPS,
    TAIL,
    Block,
)
from envstream.links.writer import Packed


class Capture(NamedTuple):
    """One picture as it came out of a block.

    Attributes:
        picture: its pixels, compressed or not; None = there is none, only what `info` says.
        take: the episode that it is a part of, of which no picture may be left out; 0 = of none.
    """

    number: int
    picture: Pixels | Packed | None
    captured: float
    cost: float
    info: dict[str, Any]
    part: int = 0
    take: int = 0

    @property
    def pixels(self) -> Pixels:
        """The picture's pixels, whether it was compressed or not; for a picture that is there."""
        picture = self.picture
        assert picture is not None
        return codec.decode(picture.data) if isinstance(picture, Packed) else picture


class Reader:
    """The server's end. Of an old block a new reader leaves out the pictures of before, but not of takes."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self.due = block.due
        words = block.words
        self._missed = words[HEAD]
        self._episodes = max(0, words[EPISODE_COUNT] - EPISODES)
        self._cost = block.cost

    def demand(self, part: int, parts: int) -> memoryview:
        """The byte that asks for a picture of one of several parts; `due` has to be set as well then."""
        return self._block.wanted[part : part + 1] if parts > 1 else self.due

    def stage(self, part: int, every: int, most: int, now: bool = False) -> None:
        """Order an episode of a part: each how many steps a picture, how many at most; 0 = none any more.

        `now`: what is left of the episode that runs will do.
        """
        block = self._block
        if not most:
            block.staged[part] = 0
            return
        block.words[EVERY], block.words[MOST] = every, most
        block.staged[part] = 2 if now else 1
        block.wanted[part] = 1
        self.due[0] = 1

    def captures(self, ready: Callable[[], bool] = lambda: True) -> Iterator[Capture]:
        """The pictures written since the last call, oldest first; each is a copy of its own.

        Ends before one of a take while `ready` says that it could not be dealt with.
        """
        block, words = self._block, self._block.words
        while words[TAIL] < words[HEAD]:
            tail = words[TAIL]
            header = HEADERS + tail % SLOTS * HEADER_SIZE
            captured, cost, take, width, height, part, slot, packed, length = HEADER.unpack_from(
                block.memory, header
            )
            if take and not ready():
                return
            try:
                start = header + HEADER.size
                said = bytes(block.view[start : start + length])
                offset = FIRST_SLOT + slot * block.stride
                picture: Pixels | Packed | None = None
                if packed:
                    picture = Packed(bytes(block.view[offset : offset + packed]), width, height)
                elif width and (take or tail >= self._missed):
                    source = np.frombuffer(block.memory, np.uint8, width * height * 3, offset)
                    picture = source.reshape(height, width, 3).copy()
            finally:  # What cannot be read is passed over, or it would be there for ever.
                words[TAIL] = tail + 1
            if take or tail >= self._missed:
                yield Capture(tail + 1, picture, captured, cost, json.loads(said), part, take)

    @property
    def pending(self) -> bool:
        """Whether something is written that was not yet read."""
        words = self._block.words
        return bool(words[TAIL] < words[HEAD])

    def episodes(self) -> list[tuple[int, int, float, int]]:
        """The episodes that ended since the last call, oldest first; of too many, the newest.

        Each is its number, steps, return, and part.
        """
        count = self._block.words[EPISODE_COUNT]
        first = max(self._episodes, count - EPISODES + 1 if count > EPISODES else 0)
        self._episodes = count
        ring = self._block.memory
        read = [
            EPISODE.unpack_from(ring, EPISODE_RING + index % EPISODES * EPISODE_SIZE)
            for index in range(first, count)
        ]
        # Meanwhile others may have been written, over the oldest of these.
        return read[max(0, self._block.words[EPISODE_COUNT] - EPISODES + 1 - first) :]

    @property
    def episodes_ended(self) -> int:
        """How many episodes ended so far, those included that were overwritten before they were read."""
        return int(self._block.words[EPISODE_COUNT])

    def spent(self) -> float:
        """Seconds the trainer gave to captures since the last call."""
        total = self._block.cost
        seconds, self._cost = total - self._cost, total
        return seconds

    @property
    def counting(self) -> float | None:
        """Seconds that counting takes of each step; None = not known."""
        return self._block.counting or None

    @property
    def total_steps(self) -> int:
        return int(self._block.words[STEPS])

    @property
    def failures(self) -> int:
        return int(self._block.words[FAILURES])

    @property
    def closed(self) -> bool:
        return self._block.closed

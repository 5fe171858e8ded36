"""The two ends of a block: the trainer writes, the server reads, and neither ever waits for the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from envstream.frame import Pixels
from envstream.links.block import (
    EPISODE,
    EPISODE_COUNT,
    EPISODE_RING,
    EPISODE_SIZE,
    EPISODES,
    FAILURES,
    FIRST_SLOT,
    HEAD,
    HEADER,
    HEADER_SIZE,
    HEADERS,
    SLOTS,
    STEPS,
    TAIL,
    Block,
)
from envstream.wire import compact


class Capture(NamedTuple):
    """One picture as it came out of a block."""

    number: int
    pixels: Pixels
    captured: float
    cost: float
    info: dict[str, Any]
    part: int = 0


class Writer:
    """The trainer's end."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._last = -1
        self.due = block.due
        self.episode = _episode_writer(block)

    def wanted(self, parts: int) -> list[int]:
        """The parts that a picture is asked for, as many as there is room for; the rest stay due."""
        block = self._block
        self.due[0] = 0  # First: what is asked for from now on sets it again.
        asked = np.flatnonzero(np.frombuffer(block.wanted, np.uint8, parts)).tolist()
        room = SLOTS - (block.words[HEAD] - block.words[TAIL])
        # Beginning behind the one that was served last, so that nobody is passed over.
        asked = [part for part in asked if part > self._last] + [part for part in asked if part <= self._last]
        for part in asked[:room]:
            block.wanted[part] = 0
            self._last = part
        if len(asked) > room:
            self.due[0] = 1
        return asked[:room]

    def write(
        self, pixels: Pixels, captured: float, cost: float, info: Mapping[str, Any], part: int = 0
    ) -> bool:
        """Copy one picture in; False when the server has not yet taken the ones before it.

        Raises:
            OSError: when no memory is left for it.
        """
        block, words = self._block, self._block.words
        head = words[HEAD]
        if head - words[TAIL] >= SLOTS:
            return False
        height, width = pixels.shape[:2]
        size = height * width * 3
        offset = block.slot(head, size)
        target = np.frombuffer(block.memory, np.uint8, size, offset).reshape(height, width, 3)
        np.copyto(target, pixels)
        said = compact(info).encode()
        if len(said) > HEADER_SIZE - HEADER.size:
            said = b"{}"
        header = HEADERS + head % SLOTS * HEADER_SIZE
        HEADER.pack_into(block.memory, header, captured, cost, width, height, part, len(said))
        start = header + HEADER.size
        block.view[start : start + len(said)] = said
        words[HEAD] = head + 1
        return True

    def steps(self, total: int) -> None:
        """Note how many steps were made so far."""
        self._block.words[STEPS] = total

    def spent(self, seconds: float) -> None:
        """Note what a capture took from the trainer."""
        self._block.cost += seconds

    def failed(self) -> None:
        """Note a capture that gave no picture."""
        self._block.words[FAILURES] += 1

    def close(self) -> None:
        self._block.closed = True


def _episode_writer(block: Block) -> Callable[..., None]:
    # Episodes may end every 0.1 ms: all that can be known beforehand is bound here.
    words, memory, pack = block.words, block.memory, EPISODE.pack_into
    count = words[EPISODE_COUNT]

    def episode(number: int, steps: int, total: float, all_steps: int, part: int = 0) -> None:
        """Note a finished episode."""
        nonlocal count
        pack(memory, EPISODE_RING + count % EPISODES * EPISODE_SIZE, number, steps, total, part)
        count += 1
        words[EPISODE_COUNT] = count
        words[STEPS] = all_steps

    return episode


class Reader:
    """The server's end. A new reader of an old block begins at what is written next."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self.due = block.due
        words = block.words
        words[TAIL] = words[HEAD]
        self._episodes = max(0, words[EPISODE_COUNT] - EPISODES)
        self._cost = block.cost

    def demand(self, part: int, parts: int) -> memoryview:
        """The byte that asks for a picture of one of several parts; `due` has to be set as well then."""
        return self._block.wanted[part : part + 1] if parts > 1 else self.due

    def captures(self) -> Iterator[Capture]:
        """The pictures written since the last call, oldest first; each is a copy of its own."""
        block, words = self._block, self._block.words
        while words[TAIL] < words[HEAD]:
            tail = words[TAIL]
            header = HEADERS + tail % SLOTS * HEADER_SIZE
            captured, cost, width, height, part, length = HEADER.unpack_from(block.memory, header)
            start = header + HEADER.size
            said = bytes(block.view[start : start + length])
            offset = FIRST_SLOT + tail % SLOTS * block.stride
            source = np.frombuffer(block.memory, np.uint8, width * height * 3, offset)
            pixels = source.reshape(height, width, 3).copy()
            words[TAIL] = tail + 1  # Before anything in it can be found unreadable.
            yield Capture(tail + 1, pixels, captured, cost, json.loads(said), part)

    def episodes(self) -> list[tuple[int, int, float, int]]:
        """The episodes that ended since the last call, oldest first; of too many, the newest.

        Each is its number, steps, return, and part.
        """
        count = self._block.words[EPISODE_COUNT]
        first = max(self._episodes, count - EPISODES + 1 if count > EPISODES else 0)
        self._episodes = count
        ring = self._block.memory
        return [
            EPISODE.unpack_from(ring, EPISODE_RING + index % EPISODES * EPISODE_SIZE)
            for index in range(first, count)
        ]

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
    def total_steps(self) -> int:
        return int(self._block.words[STEPS])

    @property
    def failures(self) -> int:
        return int(self._block.words[FAILURES])

    @property
    def closed(self) -> bool:
        return self._block.closed

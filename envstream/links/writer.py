"""The trainer's end of a block: it writes, and never waits for the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from envstream.frame import Pixels
from envstream.links.block import (
    EPISODE,
    EPISODE_COUNT,
    EPISODE_RING,
    EPISODE_SIZE,
    EPISODES,
    EVERY,
    FAILURES,
    HEAD,
    HEADER,
    HEADER_SIZE,
    HEADERS,
    LIVE_SLOTS,
    MOST,
    SLOTS,
    STEPS,
    TAIL,
    TAKE_BYTES,
    Block,
)
from envstream.wire import compact


class Packed(NamedTuple):
    """A picture that was compressed by the trainer, as it could not be taken over at once."""

    data: bytes
    width: int
    height: int


class Writer:
    """The trainer's end."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._last = -1
        self._slots = [0] * SLOTS  # By place in the ring of headers.
        self.due = block.due
        self.episode = _episode_writer(block)

    def wanted(self, parts: int) -> list[int]:
        """The parts that a picture is asked for, as many as there is room for; the rest stay due."""
        block = self._block
        self.due[0] = 0  # First: what is asked for from now on sets it again.
        asked = np.flatnonzero(np.frombuffer(block.wanted, np.uint8, parts)).tolist()
        room = max(0, LIVE_SLOTS - (block.words[HEAD] - block.words[TAIL]))
        # Beginning behind the one that was served last, so that nobody is passed over.
        asked = [part for part in asked if part > self._last] + [part for part in asked if part <= self._last]
        for part in asked[:room]:
            block.wanted[part] = 0
            self._last = part
        if len(asked) > room:
            self.due[0] = 1
        return asked[:room]

    def room(self, size: int, take: bool = False) -> int:
        """How many pictures of `size` bytes may be written before the server has taken one."""
        most = max(LIVE_SLOTS, min(SLOTS, TAKE_BYTES // max(1, size))) if take else LIVE_SLOTS
        words = self._block.words
        return max(0, most - (words[HEAD] - words[TAIL]))

    def write(
        self,
        picture: Pixels | Packed | None,
        captured: float,
        cost: float,
        info: Mapping[str, Any],
        part: int = 0,
        take: int = 0,
    ) -> bool:
        """Copy one picture in; False when the server has not yet taken the ones before it.

        Raises:
            OSError: when no memory is left for it.
        """
        size = size_of(picture)
        if not self.room(size, take > 0):
            return False
        block, words = self._block, self._block.words
        head, tail = words[HEAD], words[TAIL]
        # The lowest that is free: memory is taken by as many as ever wait at once.
        busy = {self._slots[number % SLOTS] for number in range(tail, head)}
        slot = next(index for index in range(SLOTS) if index not in busy)
        offset = block.slot(slot, size)
        width, height, packed = _copy(picture, block, offset)
        said = compact(info).encode()
        if len(said) > HEADER_SIZE - HEADER.size:
            said = b"{}"
        header = HEADERS + head % SLOTS * HEADER_SIZE
        fields = captured, cost, take, width, height, part, slot, packed, len(said)
        HEADER.pack_into(block.memory, header, *fields)
        start = header + HEADER.size
        block.view[start : start + len(said)] = said
        self._slots[head % SLOTS] = slot
        words[HEAD] = head + 1
        return True

    def staged(self, part: int) -> int:
        """Whether an episode of a part is asked for: 0 = no, 1 = the next whole one, 2 = what is left."""
        return self._block.staged[part]

    def orders(self, parts: int) -> list[int]:
        """The parts of which an episode is asked for."""
        if parts == 1:
            return [0] if self._block.staged[0] else []
        asked: list[int] = np.flatnonzero(np.frombuffer(self._block.staged, np.uint8, parts)).tolist()
        return asked

    def unstage(self, part: int) -> tuple[int, int]:
        """Take the order for an episode: each how many steps a picture, and how many of them at most."""
        self._block.staged[part] = 0
        return max(1, self._block.words[EVERY]), self._block.words[MOST]

    def steps(self, total: int) -> None:
        """Note how many steps were made so far."""
        self._block.words[STEPS] = total

    def spent(self, seconds: float) -> None:
        """Note what a capture took from the trainer."""
        self._block.cost += seconds

    def counted(self, seconds: float) -> None:
        """Note what counting takes of each step."""
        self._block.counting = seconds

    def failed(self) -> None:
        """Note a capture that gave no picture."""
        self._block.words[FAILURES] += 1

    def close(self) -> None:
        self._block.closed = True


def size_of(picture: Pixels | Packed | None) -> int:
    """Bytes that a picture takes in a block."""
    if picture is None:
        return 0
    return len(picture.data) if isinstance(picture, Packed) else picture.shape[0] * picture.shape[1] * 3


def _copy(picture: Pixels | Packed | None, block: Block, offset: int) -> tuple[int, int, int]:
    """Copy a picture to its place; its width, its height, and its bytes where it is compressed."""
    if picture is None:
        return 0, 0, 0
    if isinstance(picture, Packed):
        block.view[offset : offset + len(picture.data)] = picture.data
        return picture.width, picture.height, len(picture.data)
    height, width = picture.shape[:2]
    target = np.frombuffer(block.memory, np.uint8, height * width * 3, offset).reshape(height, width, 3)
    np.copyto(target, picture)
    return width, height, 0


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

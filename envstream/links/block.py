"""A block of memory between a trainer and its server: one byte of demand, frames, episodes.

The trainer writes, the server reads; each word has one writer. The memory has no name anywhere: it is
gone when both sides are, however they died. Slots are laid out for the largest picture but take memory
only where a picture was written, and that memory is reserved first, so that running out of it is an error
and not a SIGBUS.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from envstream.errors import PictureError, SharedMemoryError
from envstream.frame import Pixels
from envstream.wire import compact

SLOTS = 4
EPISODES = 1024

# The control page. Offsets in bytes; one writer each, named in brackets.
_DUE = 0  # [both] the server sets it to ask for a picture, the trainer clears it when it begins to take one
_CLOSED = 1  # [trainer] the env was closed
_WORDS = 8  # the 64-bit words below
_HEAD, _TAIL, _STEPS, _EPISODE_COUNT, _FAILURES = range(5)
_COST = 64  # [trainer] float64: seconds given to captures so far, failed ones too
_EPISODE_RING = 4096
_HEADERS = 40960
_HEADER_SIZE = 4096
_SLOTS = 65536

_EPISODE = struct.Struct("<qqd")  # number, steps, return
_HEADER = struct.Struct("<ddIII")  # captured, cost, width, height, bytes of JSON that follow


class Capture(NamedTuple):
    """One picture as it came out of a block."""

    number: int
    pixels: Pixels
    captured: float
    cost: float
    info: dict[str, Any]


def _memory_file(size: int) -> int:
    """A file descriptor of `size` bytes of shared memory that no name leads to."""
    if hasattr(os, "memfd_create"):
        try:
            descriptor = os.memfd_create("envstream", os.MFD_CLOEXEC)
            os.ftruncate(descriptor, size)
            return descriptor
        except OSError:
            pass  # An old kernel or a sandbox without it: an unlinked file does as well.
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryFile(dir=folder) as file:
        os.ftruncate(file.fileno(), size)
        return os.dup(file.fileno())


class Block:
    """The memory and its layout. `writer` and `reader` say who does what with it."""

    def __init__(self, memory: mmap.mmap, descriptor: int | None, max_pixels: int) -> None:
        self.memory = memory
        self.descriptor = descriptor
        if descriptor is not None:
            weakref.finalize(self, os.close, descriptor)
        self.max_pixels = max_pixels
        self.view = memoryview(memory)
        self.due = self.view[_DUE : _DUE + 1]
        self.words = self.view[_WORDS : _WORDS + 48].cast("Q")
        self.stride = _stride(max_pixels)
        self._reserved = [0] * SLOTS

    @classmethod
    def create(cls, max_pixels: int, *, shared: bool) -> Block:
        """New memory; `shared` = another process can be handed it.

        Raises:
            SharedMemoryError: when there is none to be had.
        """
        size = _SLOTS + SLOTS * _stride(max_pixels)
        try:
            if not shared or sys.platform == "win32":
                return cls(mmap.mmap(-1, size), None, max_pixels)
            descriptor = _memory_file(size)
            try:
                memory = mmap.mmap(descriptor, size)
            except BaseException:
                os.close(descriptor)
                raise
            block = cls(memory, descriptor, max_pixels)
            block.reserve(0, _SLOTS)
            return block
        except (OSError, ValueError) as error:
            raise SharedMemoryError(
                f"no shared memory for frames ({error}); free some memory or raise the limit of the "
                f"container, or set videoStreamWorker=thread"
            ) from error

    @classmethod
    def attach(cls, descriptor: int, max_pixels: int) -> Block:
        """The same memory in another process, from a descriptor it was handed."""
        size = _SLOTS + SLOTS * _stride(max_pixels)
        return cls(mmap.mmap(descriptor, size), None, max_pixels)

    def reserve(self, offset: int, size: int) -> None:
        """Have the system set memory aside now, so that writing there cannot fail later."""
        if self.descriptor is not None and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self.descriptor, offset, size)

    def slot(self, number: int, size: int) -> int:
        """Where the pixels of frame `number` go; reserves `size` bytes there.

        Raises:
            PictureError: when a picture of `size` bytes fits in no slot.
        """
        if size > self.stride:
            raise PictureError(
                f"a picture of {size / 3e6:.1f} megapixels does not fit; raise videoStreamMaxPixels or set "
                f"videoResolution"
            )
        index = number % SLOTS
        offset = _SLOTS + index * self.stride
        if size > self._reserved[index]:
            self.reserve(offset, size)
            self._reserved[index] = size
        return offset

    @property
    def closed(self) -> bool:
        return self.view[_CLOSED] != 0

    @closed.setter
    def closed(self, value: bool) -> None:
        self.view[_CLOSED] = int(value)

    @property
    def cost(self) -> float:
        """Seconds the trainer gave to captures so far."""
        (seconds,) = struct.unpack_from("<d", self.memory, _COST)
        return float(seconds)

    @cost.setter
    def cost(self, value: float) -> None:
        struct.pack_into("<d", self.memory, _COST, value)


def _stride(max_pixels: int) -> int:
    page = 65536  # A multiple of every page size in use.
    return -(-max_pixels * 3 // page) * page


class Writer:
    """The trainer's end."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self.due = block.due

    def write(self, pixels: Pixels, captured: float, cost: float, info: Mapping[str, Any]) -> bool:
        """Copy one picture in; False when the server has not yet taken the ones before it.

        Raises:
            OSError: when no memory is left for it.
        """
        block, words = self._block, self._block.words
        head = words[_HEAD]
        if head - words[_TAIL] >= SLOTS:
            return False
        height, width = pixels.shape[:2]
        size = height * width * 3
        offset = block.slot(head, size)
        target = np.frombuffer(block.memory, np.uint8, size, offset).reshape(height, width, 3)
        np.copyto(target, pixels)
        said = compact(info).encode()
        if len(said) > _HEADER_SIZE - _HEADER.size:
            said = b"{}"
        header = _HEADERS + head % SLOTS * _HEADER_SIZE
        _HEADER.pack_into(block.memory, header, captured, cost, width, height, len(said))
        start = header + _HEADER.size
        block.view[start : start + len(said)] = said
        words[_HEAD] = head + 1
        return True

    def episode(self, number: int, steps: int, total: float, all_steps: int) -> None:
        """Note a finished episode."""
        words = self._block.words
        count = words[_EPISODE_COUNT]
        offset = _EPISODE_RING + count % EPISODES * _EPISODE.size
        _EPISODE.pack_into(self._block.memory, offset, number, steps, total)
        words[_EPISODE_COUNT] = count + 1
        words[_STEPS] = all_steps

    def steps(self, total: int) -> None:
        """Note how many steps were made so far."""
        self._block.words[_STEPS] = total

    def spent(self, seconds: float) -> None:
        """Note what a capture took from the trainer."""
        self._block.cost += seconds

    def failed(self) -> None:
        """Note a capture that gave no picture."""
        self._block.words[_FAILURES] += 1

    def close(self) -> None:
        self._block.closed = True


class Reader:
    """The server's end. A new reader of an old block begins at what is written next."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self.due = block.due
        words = block.words
        words[_TAIL] = words[_HEAD]
        self._episodes = max(0, words[_EPISODE_COUNT] - EPISODES)
        self._cost = block.cost

    def captures(self) -> Iterator[Capture]:
        """The pictures written since the last call, oldest first; each is a copy of its own."""
        block, words = self._block, self._block.words
        while words[_TAIL] < words[_HEAD]:
            tail = words[_TAIL]
            header = _HEADERS + tail % SLOTS * _HEADER_SIZE
            captured, cost, width, height, length = _HEADER.unpack_from(block.memory, header)
            start = header + _HEADER.size
            said = bytes(block.view[start : start + length])
            offset = _SLOTS + tail % SLOTS * block.stride
            source = np.frombuffer(block.memory, np.uint8, width * height * 3, offset)
            pixels = source.reshape(height, width, 3).copy()
            words[_TAIL] = tail + 1  # Before anything in it can be found unreadable.
            yield Capture(tail + 1, pixels, captured, cost, json.loads(said))

    def episodes(self) -> list[tuple[int, int, float]]:
        """The episodes that ended since the last call, oldest first; of too many, the newest."""
        count = self._block.words[_EPISODE_COUNT]
        first = max(self._episodes, count - EPISODES + 1 if count > EPISODES else 0)
        self._episodes = count
        ring = self._block.memory
        return [
            _EPISODE.unpack_from(ring, _EPISODE_RING + index % EPISODES * _EPISODE.size)
            for index in range(first, count)
        ]

    @property
    def episodes_ended(self) -> int:
        """How many episodes ended so far, those included that were overwritten before they were read."""
        return int(self._block.words[_EPISODE_COUNT])

    def spent(self) -> float:
        """Seconds the trainer gave to captures since the last call."""
        total = self._block.cost
        seconds, self._cost = total - self._cost, total
        return seconds

    @property
    def total_steps(self) -> int:
        return int(self._block.words[_STEPS])

    @property
    def failures(self) -> int:
        return int(self._block.words[_FAILURES])

    @property
    def closed(self) -> bool:
        return self._block.closed

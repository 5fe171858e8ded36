"""A block of memory between a trainer and its server: one byte of demand, frames, episodes.

The trainer writes, the server reads; each word has one writer. The memory has no name anywhere: it is
gone when both sides are, however they died. Slots are laid out for the largest picture but take memory
only where a picture was written, and that memory is reserved first, so that running out of it is an error
and not a SIGBUS.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import tempfile
import weakref

from envstream.errors import PictureError, SharedMemoryError

SLOTS = 8
LIVE_SLOTS = 4  # Pictures that may wait where the newest is all that counts.
TAKE_BYTES = 8_000_000  # Of pictures that may wait where each one counts, as far as there are slots.
EPISODES = 1024
MOST_PARTS = 2048  # Streams that one block can carry: the sub-envs of a vector env.

# The control page. Offsets in bytes; one writer each, named in brackets.
_DUE = 0  # [both] the server sets it to ask for a picture, the trainer clears it when it begins to take one
_CLOSED = 1  # [trainer] the env was closed
_WORDS = 8  # the 64-bit words below
# EVERY and MOST are the server's: which steps of an episode that it asks for, and how many pictures at most.
HEAD, TAIL, STEPS, EPISODE_COUNT, FAILURES, EVERY, MOST = range(7)
# [trainer] two float64: seconds given to captures so far, failed ones too, and seconds that counting takes
# of each step, 0 = not known
_SECONDS = 64
_WANTED = 1024  # [both] of several parts: one byte each, like `due`, which is set as well then
_STAGED = 3072  # [both] of each part: 1 = its next whole episode is wanted, 2 = what is left of this one
EPISODE_RING = 8192
HEADERS = 40960
HEADER_SIZE = 4096
FIRST_SLOT = 131072

EPISODE = struct.Struct("<qqdq")  # number, steps, return, part
EPISODE_SIZE = EPISODE.size
# captured, cost, take (0 = none), width, height (0 = no picture), part, slot, bytes of the picture (0 = raw),
# bytes of JSON that follow
HEADER = struct.Struct("<ddQIIIIII")


def _memory_file(size: int) -> int:
    """A file descriptor of `size` bytes of shared memory that no name leads to."""
    if hasattr(os, "memfd_create"):
        try:
            descriptor = os.memfd_create("envstream", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(descriptor, size)
            _seal(descriptor)
            return descriptor
        except OSError:
            pass  # An old kernel or a sandbox without it: an unlinked file does as well.
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryFile(dir=folder) as file:
        os.ftruncate(file.fileno(), size)
        return os.dup(file.fileno())


def _seal(descriptor: int) -> None:
    """Have the system keep its size: who touched what was cut off would be killed (SIGBUS)."""
    import fcntl  # Not everywhere.

    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)


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
        self.wanted = self.view[_WANTED : _WANTED + MOST_PARTS]
        self.staged = self.view[_STAGED : _STAGED + MOST_PARTS]
        self.words = self.view[_WORDS : _WORDS + 56].cast("Q")
        # Not with struct, which fills with zeros before it packs: the other end would read them at times.
        self._seconds = self.view[_SECONDS : _SECONDS + 16].cast("d")
        self.stride = _stride(max_pixels)
        self._reserved = [0] * SLOTS

    @classmethod
    def create(cls, max_pixels: int, *, shared: bool) -> Block:
        """New memory; `shared` = another process can be handed it.

        Raises:
            SharedMemoryError: when there is none to be had.
        """
        size = FIRST_SLOT + SLOTS * _stride(max_pixels)
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
            block.reserve(0, FIRST_SLOT)
            return block
        except (OSError, ValueError) as error:
            raise SharedMemoryError(
                f"no shared memory for frames ({error}); free some memory or raise the limit of the "
                f"container, or set videoStreamWorker=thread"
            ) from error

    @classmethod
    def attach(cls, descriptor: int, max_pixels: int) -> Block:
        """The same memory in another process, from a descriptor it was handed."""
        size = FIRST_SLOT + SLOTS * _stride(max_pixels)
        return cls(mmap.mmap(descriptor, size), None, max_pixels)

    def reserve(self, offset: int, size: int) -> None:
        """Have the system set memory aside now, so that writing there cannot fail later."""
        if self.descriptor is not None and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self.descriptor, offset, size)

    def slot(self, index: int, size: int) -> int:
        """Where the pixels in slot `index` begin; reserves `size` bytes there.

        Raises:
            PictureError: when a picture of `size` bytes fits in no slot.
        """
        if size > self.stride:
            raise PictureError(
                f"a picture of {size / 3e6:.1f} megapixels does not fit; raise videoStreamMaxPixels or set "
                f"videoResolution"
            )
        offset = FIRST_SLOT + index * self.stride
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
        return self._seconds[0]

    @cost.setter
    def cost(self, value: float) -> None:
        self._seconds[0] = value

    @property
    def counting(self) -> float:
        """Seconds that counting takes of each of the trainer's steps; 0 = not known."""
        return self._seconds[1]

    @counting.setter
    def counting(self, value: float) -> None:
        self._seconds[1] = value


def _stride(max_pixels: int) -> int:
    page = 65536  # A multiple of every page size in use.
    return -(-max_pixels * 3 // page) * page

"""The backlog: pictures of which none may be left out, compressed, until the server has room for them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from envstream import codec
from envstream.frame import Pixels
from envstream.links.writer import Packed, Writer, size_of

OLDEST = 0.4  # Seconds that a picture may wait: what waits is lost where the trainer is killed.
LARGEST = 6_000_000  # Bytes of compressed pictures that may wait in the trainer.
PATIENCE = 0.008  # Seconds that one picture may be held up for the sake of those before it.
LOOKS_EVERY = 0.0005  # Seconds.
QUALITY = 95  # Of the JPEGs; pixel art is kept without loss.


class Waiting(NamedTuple):
    """What is handed to `Writer.write`."""

    picture: Pixels | Packed | None
    captured: float
    cost: float
    info: Mapping[str, Any]
    part: int
    take: int


class Backlog:
    """Hands pictures over in order. Those for which there is no room are compressed and wait here.

    So the trainer hardly ever waits: while its server starts, is started anew or falls behind, a picture
    costs it a compression more. Where the oldest waits for `OLDEST` already, or `largest` bytes do, a
    picture takes up to `PATIENCE`, so that the server can catch up; it is left out only where there is no
    room for it even then.

    Args:
        wake: tells the server that something new lies in the block.
    """

    def __init__(self, writer: Writer, wake: Callable[[], None], largest: int = LARGEST) -> None:
        self._writer = writer
        self._wake = wake
        self._largest = largest
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, one: Waiting) -> bool:
        """Hand one over, now or later; False when it had to be left out."""
        self.flush()
        if not self._waiting and self._write(one):
            return True
        if one.picture is not None and not isinstance(one.picture, Packed):
            one = one._replace(picture=packed(one.picture))
        size = size_of(one.picture)
        if not self._fits(size):
            self.wait(PATIENCE, lambda: self._fits(size))
            if self._bytes + size > self._largest and size:
                return False
        self._waiting.append(one)
        self._bytes += size
        return True

    def flush(self) -> None:
        """Hand over as much as there is room for. Never waits."""
        while self._waiting and self._write(self._waiting[0]):
            self._bytes -= size_of(self._waiting.popleft().picture)

    def wait(self, seconds: float, enough: Callable[[], bool] | None = None) -> None:
        """Hand over what waits for at most `seconds`: all, or until it is `enough`."""
        deadline = time.monotonic() + seconds
        self.flush()
        while self._waiting and not (enough is not None and enough()) and time.monotonic() < deadline:
            self._wake()
            time.sleep(LOOKS_EVERY)
            self.flush()

    def _fits(self, size: int) -> bool:
        """Whether so many bytes more may wait without anybody being held up."""
        old = bool(self._waiting) and time.monotonic() - self._waiting[0].captured > OLDEST
        return not old and self._bytes + size <= self._largest

    def _write(self, one: Waiting) -> bool:
        written = self._writer.write(*one)
        if written:
            self._wake()
        return written


def packed(pixels: Pixels) -> Packed:
    """A picture compressed so that nothing of it is seen to be lost."""
    height, width = pixels.shape[:2]
    format = "webp" if codec.is_pixel_art(pixels) else "jpeg"
    return Packed(codec.encode(pixels, format, QUALITY), width, height)

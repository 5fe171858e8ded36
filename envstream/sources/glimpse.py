"""A look at an emulator's screen from beside its loop: a whole picture, never one that is being drawn.

PyBoy lets go of the interpreter while it emulates, and draws line by line: who copies the screen at any
moment gets the upper part of one picture and the lower part of the one before. But to come back from `tick()`
it needs the interpreter. So whoever keeps the interpreter, and sleeps until a frame has been counted and no
further one is, has a finished picture before him and an emulator that stands still.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from envstream.errors import PictureError, StreamerError
from envstream.frame import Pixels
from envstream.sources.pyboy import ScreenSource

# Seconds that the interpreter is kept, twice in each look. A frame takes 0.02 to 0.5 ms, on a slow machine 3.
NAPS = (0.0003, 0.0003, 0.0006, 0.001, 0.001, 0.002, 0.002, 0.004, 0.004)
LONG = 0.001  # Seconds from which on a nap in which nothing was counted says that nothing is being drawn.
PAUSE = 0.0002  # Seconds between two looks, in which the loop goes on.


class Look(NamedTuple):
    """What was seen while the interpreter was kept: frames counted, and the screen between the last two."""

    before: int
    after: int  # a nap later
    settled: int  # and another one
    screen: bytes
    last: int


class Glimpse:
    """Copies the screen of an emulator that another thread may be running.

    Attributes:
        method: how the screen is read; see `ScreenSource`.

    Raises:
        PictureError: what was given is no PyBoy emulator, or one too old.
    """

    def __init__(self, pyboy: Any) -> None:
        screen: Any = getattr(pyboy, "screen", None)
        if not hasattr(screen, "raw_buffer") or not hasattr(pyboy, "frame_count"):
            raise PictureError(
                f"expected a PyBoy emulator (version 2 or newer), got {type(pyboy).__name__}; "
                f"make one with pyboy.PyBoy(rom, window='null')"
            )
        self._count = partial(getattr, pyboy, "frame_count")
        self._copy = partial(bytes, screen.raw_buffer)
        # The pixels are read from a copy that stands still: NumPy lets go of the interpreter as well.
        self._still = SimpleNamespace(
            raw_buffer=self._copy(),
            raw_buffer_dims=screen.raw_buffer_dims,
            raw_buffer_format=screen.raw_buffer_format,
        )
        self._source = ScreenSource(SimpleNamespace(screen=self._still))
        self.method = self._source.method

    def take(self) -> Pixels:
        """The screen of this moment as uint8 RGB, where no other thread runs the emulator."""
        self._still.raw_buffer = self._copy()
        return self._source.take()

    def take_between_frames(self) -> Pixels:
        """A whole picture as uint8 RGB, while another thread runs the emulator.

        Raises:
            StreamerError: none could be had.
        """
        screen = between_frames(self._look)
        if screen is None:
            raise StreamerError(
                "no whole picture could be taken beside the emulator's loop, as on a machine that is too "
                "busy; call streamer.capture() in the loop, after tick()"
            )
        self._still.raw_buffer = screen
        return self._source.take()

    def _look(self, seconds: float) -> Look:
        nap = _nap(seconds)
        seen = at_once(self._count, nap, self._count, nap, self._count, self._copy, self._count)
        return Look(seen[0], seen[2], seen[4], seen[5], seen[6])


def between_frames(
    look: Callable[[float], Look], sleep: Callable[[float], None] = time.sleep
) -> bytes | None:
    """The screen between two frames; None when none could be had.

    Args:
        look: keeps the interpreter for twice so many seconds and says what it saw.
        sleep: leaves the interpreter to others.
    """
    idle = 0
    for nap in NAPS:
        seen = look(nap)
        counted, settled = seen.after != seen.before, seen.after == seen.settled == seen.last
        if settled and counted:  # And nothing since: the loop waits for the interpreter.
            return seen.screen
        # Nothing at all: the loop is elsewhere. Once it may have been put aside in the midst of a frame.
        idle = idle + 1 if settled and nap >= LONG else 0
        if idle == 2:
            return seen.screen
        sleep(PAUSE)
    return None


def at_once(*calls: partial[Any]) -> list[Any]:
    """What the calls give, made in a row without letting go of the interpreter in between.

    It changes hands between two steps of Python code only, and here is but one. The calls must be of
    functions written in C that keep it.
    """
    return list(map(partial.__call__, calls))


def _nap(seconds: float) -> partial[Any]:
    """Sleep and keep the interpreter: so the processor is free, and the loop finishes its frame."""
    if sys.platform == "win32":
        return partial(_sleep, max(1, round(seconds * 1000)))
    return partial(_sleep, round(seconds * 1_000_000))


# Functions of a PyDLL are called with the interpreter kept.
_sleep = ctypes.PyDLL("kernel32").Sleep if sys.platform == "win32" else ctypes.PyDLL(None).usleep


def alone() -> bool:
    """Whether no thread of the user's but this one runs, so that nothing else can be running the emulator."""
    here = threading.current_thread()
    return all(other is here or other.name.startswith("envstream") for other in threading.enumerate())

"""A PyBoy for tests, or the reason why there is none, and a game whose every frame has one colour."""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from conftest import missing

# Waits for the end of each frame and turns black into white and back; the boot logo is scrolled out of sight.
_PROGRAM = bytes.fromhex(
    "3e60 e042"  # SCY = $60
    "f044 fe90 20fa"  # until LY = 144
    "f047 2f e047"  # BGP = not BGP
    "f044 fe90 28fa"  # until LY is another
    "18ed"  # again
)
BOOT = 300  # Frames until the boot logo is gone.


def flashing() -> bytes:
    """The ROM of that game."""
    rom = bytearray(32768)
    rom[0x100:0x104] = bytes.fromhex("00c35001")
    rom[0x150 : 0x150 + len(_PROGRAM)] = _PROGRAM
    rom[0x14D] = -sum(byte + 1 for byte in rom[0x134:0x14D]) & 0xFF
    return bytes(rom)


@contextlib.contextmanager
def emulator(rom: bytes | None = None) -> Iterator[Any]:
    """A PyBoy that has booted, at full speed and without a window."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from pyboy import PyBoy
        except ImportError:
            missing("PyBoy", "pip install 'gymnasium-envstream[pyboy]'")
        game = io.BytesIO(flashing() if rom is None else rom)
        pyboy = PyBoy(game, window="null", sound_emulated=False, log_level="ERROR")
    pyboy.tick(BOOT, True)
    try:
        yield pyboy
    finally:
        pyboy.stop(save=False)


@contextlib.contextmanager
def running(pyboy: Any, frames: int = 1) -> Iterator[None]:
    """Another thread that runs the emulator as fast as it can, `frames` a call."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            pyboy.tick(frames, True, False)

    thread = threading.Thread(target=run, name="a loop of the user's")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

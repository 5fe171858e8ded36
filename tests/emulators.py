"""A real PyBoy for tests, with the game that comes with envstream."""

from __future__ import annotations

import importlib.util
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from conftest import missing
from envstream.pyboy_game.build import CARTRIDGE


def need_pyboy() -> None:
    """Skip where PyBoy is not installed."""
    if importlib.util.find_spec("pyboy") is None:
        missing("PyBoy", 'pip install -e ".[pyboy]"')


@contextmanager
def emulator(**options: Any) -> Iterator[Any]:
    """An emulator that was just switched on."""
    need_pyboy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using SDL2 binaries")
        from pyboy import PyBoy

        rom = io.BytesIO(CARTRIDGE.read_bytes())
        pyboy = PyBoy(rom, window="null", sound_emulated=False, log_level="ERROR", **options)
    pyboy.set_emulation_speed(0)
    try:
        yield pyboy
    finally:
        pyboy.stop(save=False)

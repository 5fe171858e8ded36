"""A Game Boy ROM from a file, checked before an emulator is started with it."""

from __future__ import annotations

import os
from pathlib import Path

from envstream.errors import CartridgeError
from envstream.pyboy_game.build import CARTRIDGE

BUTTONS = ("a", "b", "start", "select", "up", "down", "left", "right")
"""What a Game Boy is played with."""

LARGEST = 8 * 1024 * 1024
"""Bytes of the largest ROM there is."""

_BANK = 16 * 1024
_HEADER, _HEADER_SUM = slice(0x134, 0x14D), 0x14D


def read(path: str | os.PathLike[str] | None) -> bytes:
    """The bytes of a ROM; None is the game that comes with envstream.

    Raises:
        CartridgeError: there is no such file, it cannot be read, or it is no ROM.
    """
    if path is None:
        return CARTRIDGE.read_bytes()
    if not isinstance(path, str | os.PathLike):
        raise CartridgeError.at(path, f"a path is needed, got {type(path).__name__}")
    file = Path(path).expanduser()
    if not file.is_file():
        raise CartridgeError.at(path, f"there is no such file (looked in {file.resolve().parent})")
    try:
        with file.open("rb") as opened:
            rom = opened.read(LARGEST + 1)
    except OSError as error:
        raise CartridgeError.at(path, f"it cannot be read: {error.strerror}") from None
    if fault := _fault(rom):
        raise CartridgeError.at(path, fault)
    return rom


def _fault(rom: bytes) -> str | None:
    """Why these bytes are no ROM; None when they are one."""
    if len(rom) > LARGEST:
        return f"it is larger than {LARGEST // 2**20} MiB, which no cartridge is"
    if len(rom) < 2 * _BANK or len(rom) % _BANK:
        return f"its {len(rom)} bytes are not whole banks of {_BANK}: unpack it if it is an archive"
    if -sum(byte + 1 for byte in rom[_HEADER]) & 0xFF != rom[_HEADER_SUM]:
        return "the sum in its header is wrong: it is damaged, or no ROM"
    return None

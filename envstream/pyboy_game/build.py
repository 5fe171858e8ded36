"""From the source of the game to its cartridge."""

from __future__ import annotations

from pathlib import Path

from envstream.pyboy_game.assembler import Program, assemble
from envstream.pyboy_game.tiles import read

HERE = Path(__file__).parent
CARTRIDGE = HERE / "catch.gb"

_HEADER = slice(0x134, 0x14D)
_HEADER_SUM, _SUM = 0x14D, 0x14E


def build(folder: Path = HERE) -> Program:
    """Assemble `catch.asm` with the pictures of `catch.txt`, and give the cartridge its sums.

    The 48 bytes from $0104 on, where cartridges carry a maker's picture that the first consoles compare
    with their own, stay empty: the picture is not ours. PyBoy does not look at them; a console would stop.

    Raises:
        AssemblyError: the source or the pictures cannot be understood; it names the line.
    """
    sheet = read((folder / "catch.txt").read_text(encoding="utf-8"))
    blobs = sheet.blobs()
    program = assemble((folder / "catch.asm").read_text(encoding="utf-8"), blobs, sheet.names)
    code = bytearray(program.code)
    code[_HEADER_SUM] = -sum(byte + 1 for byte in code[_HEADER]) & 0xFF
    code[_SUM : _SUM + 2] = (sum(code) & 0xFFFF).to_bytes(2, "big")
    return Program(bytes(code), program.symbols)


def main() -> None:
    """Build the cartridge beside its source, and say where it is."""
    CARTRIDGE.write_bytes(build().code)
    print(CARTRIDGE)

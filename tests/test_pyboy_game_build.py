"""The cartridge that is shipped is the one that its source makes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from envstream.errors import AssemblyError
from envstream.pyboy_game.build import CARTRIDGE, HERE, build

AGAIN = "build = python -m envstream.pyboy_game"


def test_the_cartridge_is_what_its_source_makes() -> None:
    assert CARTRIDGE.read_bytes() == build().code, AGAIN


def test_the_cartridge_is_whole_and_carries_nothing_of_others() -> None:
    rom = CARTRIDGE.read_bytes()
    assert len(rom) == 32 * 1024
    assert rom[0x104:0x134] == bytes(48)  # where a maker's picture would be
    assert rom[0x134:0x139] == b"CATCH"
    assert -sum(byte + 1 for byte in rom[0x134:0x14D]) & 0xFF == rom[0x14D]
    assert sum(rom[:0x14E] + rom[0x150:]) & 0xFFFF == int.from_bytes(rom[0x14E:0x150], "big")


def test_the_module_builds_it_anew(tmp_path: Path) -> None:
    package = tmp_path / "envstream"
    shutil.copytree(HERE.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    built = package / "pyboy_game" / "catch.gb"
    built.unlink()
    command = [sys.executable, "-m", "envstream.pyboy_game"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(built), done.stderr
    assert built.read_bytes() == CARTRIDGE.read_bytes()


def test_a_mistake_in_the_source_is_named(tmp_path: Path) -> None:
    for name in ("catch.asm", "catch.txt"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "catch.asm").write_text("start: nop\n jump start\n")
    with pytest.raises(AssemblyError, match="line 2: 'jump'"):
        build(tmp_path)

"""ROMs from files: those that can be played, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from envstream.envs.cartridge import LARGEST, read
from envstream.errors import CartridgeError, SettingError
from envstream.pyboy_game.build import CARTRIDGE

GAME = CARTRIDGE.read_bytes()


def file(folder: Path, content: bytes) -> Path:
    path = folder / "game.gb"
    path.write_bytes(content)
    return path


def test_no_path_is_the_game_that_comes_along() -> None:
    assert read(None) == GAME


def test_a_path_may_be_a_text_and_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = file(tmp_path, GAME)
    assert read(path) == read(str(path)) == read("~/game.gb") == GAME


def test_a_game_of_many_banks_is_one_too(tmp_path: Path) -> None:
    assert read(file(tmp_path, GAME + bytes(LARGEST - len(GAME)))).startswith(GAME)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "its 0 bytes are not whole banks of 16384"),
        (GAME[:-1], "its 32767 bytes are not whole banks"),
        (GAME[: 16 * 1024], "its 16384 bytes are not whole banks"),
        (bytes(32 * 1024), "the sum in its header is wrong"),
        (GAME[:0x134] + b"X" + GAME[0x135:], "the sum in its header is wrong"),
        (GAME + bytes(LARGEST), "it is larger than 8 MiB"),
    ],
)
def test_a_file_that_is_no_rom_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = file(tmp_path, content)
    with pytest.raises(CartridgeError) as error:
        read(path)
    assert said in str(error.value) and str(error.value).startswith(f"rom={str(path)!r}: expected the file")
    assert isinstance(error.value, SettingError)


def test_a_file_that_is_not_there_is_said_to_be_missing_and_where(tmp_path: Path) -> None:
    with pytest.raises(CartridgeError, match=r"there is no such file \(looked in"):
        read(tmp_path / "none.gb")
    with pytest.raises(CartridgeError, match="there is no such file"):
        read(tmp_path)
    with pytest.raises(CartridgeError, match="a path is needed, got int"):
        read(5)  # type: ignore[arg-type]

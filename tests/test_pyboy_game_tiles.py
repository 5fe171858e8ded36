"""Pictures as text: what tiles they become."""

from __future__ import annotations

import pytest

from envstream.errors import AssemblyError
from envstream.pyboy_game.tiles import read

EMPTY = "........\n"
FULL = "########\n"


def test_a_tile_has_two_planes_of_bits() -> None:
    sheet = read("font A\n.-+#.-+#\n" + EMPTY * 7)
    assert sheet.tiles[ord("A")] == bytes([0b01010101, 0b00110011] + [0] * 14)


def test_a_sprite_is_made_of_pairs_from_the_left() -> None:
    sheet = read("at $10\nsprite box\n" + "........########\n" * 8 + "########........\n" * 8)
    assert sheet.names == {"tile_box": 0x10}
    assert [max(sheet.tiles[number]) for number in (0x10, 0x11, 0x12, 0x13)] == [0, 255, 255, 0]


def test_bands_are_stacked_repeated_and_share_their_tiles() -> None:
    sheet = read("band 17\n" + EMPTY * 8 + "band\n" + "........########\n" * 8)
    blobs = sheet.blobs()
    assert blobs["scene"] == bytes([0] * 17 * 20 + [0, 1] * 10)
    assert blobs["tiles"] == bytes(16) + b"\xff" * 16


def test_tiles_go_around_those_that_have_a_place() -> None:
    sheet = read("font A\n" + FULL * 8 + "at $40\nband 18\n" + EMPTY * 8)
    assert set(sheet.blobs()["scene"]) == {0x40}
    sheet = read("font A\n" + FULL * 8 + "at $41\nband 18\n" + EMPTY * 8)
    assert set(sheet.blobs()["scene"]) == {0x42}


def test_notes_and_empty_lines_are_passed_over() -> None:
    assert read("; a note\n\nfont A\n; another\n" + FULL * 8).tiles.keys() == {ord("A")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("circle x\n" + EMPTY * 8, "line 1: 'circle x': expected one of at, sprite, font, band"),
        (EMPTY, "line 1: expected a row of . - + #"),
        ("band\n...x....\n", "line 2: expected a row of . - + #, got '...x....'"),
        ("sprite x\n" + EMPTY * 8, "line 1: 'sprite x': expected 16 rows"),
        ("font AB\n" + EMPTY * 8, "expected 2 letters side by side, got 1"),
        ("font A\n" + "....\n" * 8, "all of one width in whole tiles"),
        ("band\n" + EMPTY * 7, "expected eight times so many rows"),
        ("band\n" + "........" * 3 + "\n" + "........" * 3 + "\n", "expected eight times so many rows"),
        ("band\n" + ("........" * 3 + "\n") * 8, "a width that 160 is a multiple of, got 24"),
        ("at here", "line 1: 'at here'"),
        ("at 1\nsprite x\n" + EMPTY * 16, "tile 1 is no place for it"),
    ],
)
def test_a_picture_that_is_none_is_named(text: str, said: str) -> None:
    with pytest.raises(AssemblyError) as error:
        read(text)
    assert said in str(error.value)


def test_a_scene_that_does_not_fill_the_screen_is_refused() -> None:
    with pytest.raises(AssemblyError, match="bands of 144 rows together, got 8"):
        read("band\n" + EMPTY * 8).blobs()


def test_there_are_256_tiles_and_no_more() -> None:
    with pytest.raises(AssemblyError, match="more than 256 tiles"):
        read("at 255\nsprite x\n" + EMPTY * 16)

"""Terminal text becomes a picture in which columns line up and colours are those of the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from envstream.frame import Pixels
from envstream.sources import text as text_module
from envstream.sources.text import MARGIN, MAX_COLUMNS, MAX_ROWS, text_to_rgb

RED, GREEN, YELLOW, BLUE = (204, 0, 0), (78, 154, 6), (196, 160, 0), (74, 127, 208)
BRIGHT_RED = (239, 41, 41)
INK, PAPER = (221, 221, 221), (24, 24, 27)


FIND = ImageFont.truetype


def find_no_file(font: Any, *args: Any, **options: Any) -> Any:
    """Pillow's `truetype` on a machine without fonts; what is inside Pillow is no file and still found."""
    if isinstance(font, str):
        raise OSError("cannot open resource")
    return FIND(font, *args, **options)


@pytest.fixture(autouse=True, params=["TrueType", "bitmap"])
def font(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each test runs with the font of this machine, and with the one inside Pillow."""
    if request.param == "bitmap":
        monkeypatch.setattr(ImageFont, "truetype", find_no_file)
    text_module._face.cache_clear()
    yield request.param
    text_module._face.cache_clear()


def grid(text: str) -> tuple[int, int]:
    """How many (rows, columns) of cells the picture of `text` has."""
    height, width, _ = text_to_rgb(text).shape
    cell_height, cell_width, _ = text_to_rgb("M").shape
    cell_height, cell_width = cell_height - 2 * MARGIN, cell_width - 2 * MARGIN
    assert (height - 2 * MARGIN) % cell_height == (width - 2 * MARGIN) % cell_width == 0
    return (height - 2 * MARGIN) // cell_height, (width - 2 * MARGIN) // cell_width


def cell(text: str, row: int = 0, column: int = 0) -> Pixels:
    """The pixels of one cell of the picture of `text`."""
    height, width, _ = text_to_rgb("M").shape
    height, width = height - 2 * MARGIN, width - 2 * MARGIN
    top, left = MARGIN + row * height, MARGIN + column * width
    return text_to_rgb(text)[top : top + height, left : left + width]


def colours(pixels: Pixels) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()}


def ink_in(pixels: Pixels) -> int:
    return int((pixels.astype(int).sum(axis=2) - sum(PAPER)).sum())


def same(one: Any, other: Any) -> bool:
    return np.array_equal(one, other)


# --- cells ---------------------------------------------------------------------------------------------


def test_text_is_a_picture_of_bytes_on_dark_paper() -> None:
    picture = text_to_rgb("gym")
    assert picture.dtype == np.uint8
    assert colours(picture[:MARGIN]) == {PAPER}
    assert INK in colours(picture)


@pytest.mark.parametrize("line", ["iiii", "WWWW", "| :.", "é█é█"])
def test_every_character_takes_one_cell(line: str) -> None:
    assert grid(line) == (1, 4)


@pytest.mark.parametrize("char", "Wi|_@jÅ")
def test_a_glyph_stays_in_its_cell(char: str) -> None:
    assert same(cell(f" {char} ", column=1), cell(char))
    assert colours(cell(f" {char} ", column=0)) == colours(cell(f" {char} ", column=2)) == {PAPER}


def test_different_characters_look_different() -> None:
    assert len({cell(char).tobytes() for char in "SFHG|:+-RYB"}) == 11


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1, 1)),
        ("\n\n", (1, 1)),
        ("ab", (1, 2)),
        ("ab\n", (1, 2)),
        ("ab\n\n", (1, 2)),
        ("\nab", (2, 2)),
        ("ab\r\ncde\r\n", (2, 3)),
        ("a\n\nb", (3, 1)),
        ("ab  ", (1, 4)),
        ("漢字", (1, 4)),
        ("🟩🟥", (1, 4)),
        ("e\u0301a", (1, 2)),
        ("a\0\x07\x7f\x9bb", (1, 2)),
    ],
)
def test_the_picture_is_as_large_as_its_text(text: str, expected: tuple[int, int]) -> None:
    assert grid(text) == expected


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("50%\r100%", "100%"),
        ("abcd\rxy", "xycd"),
        ("a\tb", "a       b"),
        ("12345678\tb", "12345678        b"),
    ],
)
def test_carriage_returns_and_tabs_move_as_on_a_terminal(text: str, plain: str) -> None:
    # Where a tab jumped nothing was typed, which looks as spaces do.
    assert same(text_to_rgb(text), text_to_rgb(plain))


def test_what_is_beyond_the_limit_is_cut() -> None:
    assert grid("x" * (MAX_COLUMNS + 7) + "\n" * (MAX_ROWS - 1) + "y\nz\n") == (MAX_ROWS, MAX_COLUMNS)
    assert grid("\t" * 1000 + "x\n" + "y") == (2, 1)
    assert grid("x" * (MAX_COLUMNS - 1) + "漢") == (1, MAX_COLUMNS - 1)


# --- colours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "colour"),
    [
        ("1", RED),
        ("2", GREEN),
        ("3", YELLOW),
        ("4", BLUE),
        ("8;5;1", RED),
        ("8;5;9", BRIGHT_RED),
        ("8;5;16", (0, 0, 0)),
        ("8;5;110", (135, 175, 215)),
        ("8;5;231", (255, 255, 255)),
        ("8;5;232", (8, 8, 8)),
        ("8;5;255", (238, 238, 238)),
        ("8;2;1;2;3", (1, 2, 3)),
        ("8;2;1;2;3;1;4", (1, 2, 3)),
    ],
)
def test_codes_colour_the_ink_and_the_paper(codes: str, colour: tuple[int, int, int]) -> None:
    assert colour in colours(cell(f"\x1b[3{codes}mM"))
    assert colours(cell(f"\x1b[4{codes}mM"))  # with a glyph
    assert colour in colours(cell(f"\x1b[4{codes}m "))


def test_bright_codes_colour_the_ink_and_the_paper() -> None:
    assert BRIGHT_RED in colours(cell("\x1b[91mM"))
    assert colours(cell("\x1b[101m ")) == {BRIGHT_RED}


@pytest.mark.parametrize("reset", ["\x1b[0m", "\x1b[m", "\x1b[39;49;22;24;27m", "\x1b[1;0m"])
def test_a_reset_makes_the_text_plain_again(reset: str) -> None:
    assert same(cell(f"\x1b[1;4;7;31;42mM{reset}M", column=1), cell("M"))


def test_a_style_lasts_over_the_end_of_the_line() -> None:
    assert colours(cell("\x1b[41m \n ", row=1)) == {RED}


def test_reverse_swaps_ink_and_paper() -> None:
    assert same(cell("\x1b[31;42;7mM"), cell("\x1b[32;41mM"))
    assert colours(cell("\x1b[7m ")) == {INK}


def test_bold_is_heavier_and_underline_is_a_line() -> None:
    assert ink_in(cell("\x1b[1mM")) > ink_in(cell("M"))
    underlined = cell("\x1b[4m ")
    assert colours(underlined) == {INK, PAPER}
    assert any(colours(row[None]) == {INK} for row in underlined)


@pytest.mark.parametrize(
    "dropped",
    [
        "\x1b[2J",
        "\x1b[H",
        "\x1b[10;20H",
        "\x1b[K",
        "\x1b[?25l",
        "\x1b]0;a title\x07",
        "\x1b]8;;http://x\x1b\\",
        "\x1bP1$r\x1b\\",
        "\x1b(B",
        "\x1b=",
        "\x1b[3m",
        "\x1b[38m",  # gymnasium's "crimson"
        "\x1b[48;5m",
        "\x1b[38;5;256m",
        "\x1b[38;2;1;2m",
        "\x1b[38;2;1;2;300m",
        "\x1b[38:2::1:2:3m",
        "\x1b[" + "9" * 5000 + "m",
    ],
)
def test_other_and_broken_escape_sequences_leave_no_trace(dropped: str) -> None:
    assert same(text_to_rgb(f"a{dropped}b"), text_to_rgb("ab"))


# --- fonts ---------------------------------------------------------------------------------------------


def test_the_font_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    find = ImageFont.truetype

    def count(name: str, *args: Any, **options: Any) -> Any:
        asked.append(name)
        return find(name, *args, **options)

    monkeypatch.setattr(ImageFont, "truetype", count)
    text_to_rgb("one")
    first = len(asked)
    text_to_rgb("two")
    assert len(asked) == first > 0


def test_a_character_that_the_font_cannot_be_asked_for_is_a_question_mark(font: str) -> None:
    assert same(cell("\ud800"), cell("?"))
    if font == "bitmap":
        assert same(cell("█"), cell("?"))


def test_a_pillow_without_freetype_draws_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_freetype(font: Any, *args: Any, **options: Any) -> Any:
        if isinstance(font, str):
            raise ImportError("The _imagingft C module is not installed")
        return FIND(font, *args, **options)

    monkeypatch.setattr(ImageFont, "truetype", no_freetype)
    text_module._face.cache_clear()
    assert grid("gym") == (1, 3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters() | st.sampled_from("\x1b[];0123457898m\r\n\t"), max_size=60))
def test_any_text_gives_a_picture(text: str) -> None:
    picture = text_to_rgb(text)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3


# --- gymnasium's own -----------------------------------------------------------------------------------


def test_frozen_lake_shows_the_agent_on_its_map() -> None:
    env = gym.make("FrozenLake-v1", render_mode="ansi", is_slippery=False)
    env.reset(seed=0)
    env.step(1)
    text = str(env.render())  # "  (Down)", then the four rows
    assert grid(text) == (5, 8)
    assert same(cell(text, 2, 0), cell("\x1b[41mF"))
    assert same(cell(text, 1, 0), cell("S"))
    assert same(cell(text, 4, 3), cell("G"))


def test_taxi_shows_the_cab_the_passenger_and_the_goal() -> None:
    text = (
        "+---------+\n|\x1b[34;1mR\x1b[0m: |\x1b[43m \x1b[0m: :G|\n| : | : : |\n| : : : : |\n"
        "| | : | : |\n|\x1b[35mY\x1b[0m| : |B: |\n+---------+\n  (North)\n"
    )
    assert grid(text) == (8, 11)
    assert colours(cell(text, 1, 5)) == {YELLOW}
    assert BLUE in colours(cell(text, 1, 1))
    assert same(cell(text, 5, 1), cell("\x1b[35mY"))
    assert same(cell(text, 5, 10), cell("|"))

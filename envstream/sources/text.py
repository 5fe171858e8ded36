"""Terminal text drawn as a picture: what an env made with `render_mode="ansi"` shows.

The text is typed onto a grid of cells, as a terminal does; then each cell is stamped onto the picture:
its paper, and its ink through the mask of its glyph. This file is the door for Pillow's fonts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envstream.frame import Pixels

MAX_COLUMNS = 200
MAX_ROWS = 100
MARGIN = 12  # pixels around the text
_MAX_CHARACTERS = 50 * MAX_COLUMNS * MAX_ROWS  # enough to colour each cell twice over
_TAB = 8

_FONTS = (
    "DejaVuSansMono.ttf",
    "LiberationMono-Regular.ttf",
    "Menlo.ttc",
    "consola.ttf",  # Consolas
    "Courier New.ttf",
    "cour.ttf",  # Courier New, on Windows
)
_FONT_SIZE = 20  # pixels

_Colour = tuple[int, int, int]


def _rgb(code: str) -> _Colour:
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


# Tango's, with the dark ones lifted so that all of them can be read on dark paper.
_DARK = "555753 cc0000 4e9a06 c4a000 4a7fd0 a064b0 06989a d3d7cf"
_BRIGHT = "777a75 ef2929 8ae234 fce94f 729fcf c88fd0 34e2e2 ffffff"
_CUBE = (0, 95, 135, 175, 215, 255)
_PALETTE: list[_Colour] = [
    *map(_rgb, _DARK.split()),
    *map(_rgb, _BRIGHT.split()),
    *product(_CUBE, _CUBE, _CUBE),
    *((level, level, level) for level in range(8, 239, 10)),
]


class _Style(NamedTuple):
    ink: _Colour = _rgb("dddddd")
    paper: _Colour = _rgb("18181b")
    bold: bool = False
    underline: bool = False
    reverse: bool = False


_PLAIN = _Style()

# What each code of "select graphic rendition" (ECMA-48, 8.3.117) changes; 38 and 48 take arguments.
_CHANGES: dict[int, dict[str, Any]] = {
    0: _PLAIN._asdict(),
    1: {"bold": True},
    4: {"underline": True},
    7: {"reverse": True},
    22: {"bold": False},
    24: {"underline": False},
    27: {"reverse": False},
    39: {"ink": _PLAIN.ink},
    49: {"paper": _PLAIN.paper},
    **{base + n: {"ink": _PALETTE[first + n]} for base, first in ((30, 0), (90, 8)) for n in range(8)},
    **{base + n: {"paper": _PALETTE[first + n]} for base, first in ((40, 0), (100, 8)) for n in range(8)},
}

_TOKEN = re.compile(
    r"\x1b\[([0-9;]*)m"  # a change of style
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences: moves, erasures, modes
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]?"  # other escapes
    r"|(.)",
    re.DOTALL,
)


def text_to_rgb(text: str) -> Pixels:
    """Terminal text as uint8 RGB of shape (height, width, 3), monospaced on a dark ground.

    ANSI colours (16, 256 and 24-bit), bold, underline and reverse are drawn; other escape sequences are
    dropped. At most 200 columns and 100 rows are drawn, the rest is cut. Any text gives a picture.
    """
    cells = _typed(text)
    face = _face()
    rows = 1 + max((row for row, _ in cells), default=0)
    columns = max((column + _span(char) for (_, column), (char, _) in cells.items()), default=1)
    size = (2 * MARGIN + columns * face.cell_width, 2 * MARGIN + rows * face.cell_height)
    picture = Image.new("RGB", size, _PLAIN.paper)
    for (row, column), (char, style) in cells.items():
        glyph = _glyph(face, char, style.bold, style.underline)
        left, top = MARGIN + column * face.cell_width, MARGIN + row * face.cell_height
        box = (left, top, left + glyph.width, top + glyph.height)
        ink, paper = (style.paper, style.ink) if style.reverse else (style.ink, style.paper)
        picture.paste(paper, box)
        picture.paste(ink, box, glyph)
    return np.array(picture)


def _typed(text: str) -> dict[tuple[int, int], tuple[str, _Style]]:
    """What stands on a terminal after `text`: (row, column) to (character, style)."""
    cells: dict[tuple[int, int], tuple[str, _Style]] = {}
    row, column, style = 0, 0, _PLAIN
    for token in _TOKEN.finditer(text[:_MAX_CHARACTERS]):
        codes, char = token.groups()
        if codes is not None:
            style = _restyled(style, codes)
        elif char == "\n":
            row, column = row + 1, 0
            if row == MAX_ROWS:
                break
        elif char == "\r":
            column = 0
        elif char == "\t":
            column += _TAB - column % _TAB
        elif char and (span := _span(char)):
            if column + span <= MAX_COLUMNS:
                cells[row, column] = char, style
            column += span
    return cells


def _span(char: str) -> int:
    """How many cells a character takes: none for controls and accents, two for wide ones (CJK, emoji)."""
    if unicodedata.category(char) in ("Cc", "Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _restyled(style: _Style, codes: str) -> _Style:
    """The style after one escape sequence. Unknown and broken codes change nothing."""
    numbers = iter([int(code or 0) if len(code) < 4 else -1 for code in codes.split(";")])
    for number in numbers:
        if number not in (38, 48):
            style = style._replace(**_CHANGES.get(number, {}))
        elif colour := _extended(numbers):
            style = style._replace(ink=colour) if number == 38 else style._replace(paper=colour)
    return style


def _extended(numbers: Iterator[int]) -> _Colour | None:
    """The colour that `5;n` or `2;r;g;b` names."""
    kind = next(numbers, None)
    channels = list(islice(numbers, {5: 1, 2: 3}.get(kind or 0, 0)))
    if not all(0 <= channel < 256 for channel in channels):
        return None
    match channels:
        case [index]:
            return _PALETTE[index]
        case [red, green, blue]:
            return red, green, blue
    return None


@dataclass(frozen=True, eq=False)
class _Face:
    """A font and the size of its cells in pixels, before it is enlarged `zoom` times."""

    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    width: int
    height: int
    zoom: int
    encoding: str  # what the font can be asked for without an exception

    @property
    def cell_width(self) -> int:
        return self.width * self.zoom

    @property
    def cell_height(self) -> int:
        return self.height * self.zoom


@cache
def _face() -> _Face:
    """The first monospaced font that this machine has, or the bitmap font inside Pillow."""
    for name in _FONTS:
        try:
            font = ImageFont.truetype(name, _FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
        except (OSError, ImportError):  # not on this machine; Pillow built without FreeType
            continue
        return _Face(font, round(font.getlength("M")), sum(font.getmetrics()), zoom=1, encoding="utf-8")
    # Where Pillow has FreeType, load_default() is proportional; before Pillow 11 it may be all there is.
    bitmap = getattr(ImageFont, "load_default_imagefont", ImageFont.load_default)()
    width, height = bitmap.getbbox("W")[2], bitmap.getbbox("g")[3]
    return _Face(bitmap, round(width), round(height), zoom=2, encoding="latin-1")


@lru_cache(maxsize=4096)
def _glyph(face: _Face, char: str, bold: bool, underline: bool) -> Image.Image:
    """The mask of one character, as large as its cells: 255 where ink goes, 0 where paper stays."""
    char = char.encode(face.encoding, "replace").decode(face.encoding)
    width = face.width * _span(char)
    drawn = Image.new("L", (width, face.height))
    draw = ImageDraw.Draw(drawn)
    draw.text((0, 0), char, fill=255, font=face.font)
    if underline:
        draw.line((0, face.height - 2, width, face.height - 2), fill=255)
    mask = drawn.resize((width * face.zoom, face.height * face.zoom), Image.Resampling.NEAREST)
    if bold:  # struck a second time one pixel further, as typewriters did
        mask.paste(255, (1, 0, 1 + mask.width, mask.height), mask.copy())
    return mask

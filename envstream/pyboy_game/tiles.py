"""Pictures drawn as text become the tiles of the Game Boy, and the scene a map of them.

`catch.txt` says at its beginning how it is to be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from envstream.errors import AssemblyError

SHADES = ".-+#"
WIDTH, HEIGHT = 160, 144
"""The screen in pixels."""

_TILES = 256
_Rows = list[str]


@dataclass
class Sheet:
    """Tiles by their numbers, the numbers of named ones, and the scene as rows of pixels."""

    tiles: dict[int, bytes] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    scene: _Rows = field(default_factory=list)
    next: int = 0

    def blobs(self) -> dict[str, bytes]:
        """`tiles`: the tiles one after the other; `scene`: the tile at each of its 20 by 18 places."""
        places = self._places()
        tiles = b"".join(self.tiles.get(number, bytes(16)) for number in range(max(self.tiles) + 1))
        return {"tiles": tiles, "scene": places}

    def add(self, tile: bytes) -> int:
        """Give a tile the next number that is free."""
        while self.next in self.tiles:
            self.next += 1
        if self.next >= _TILES:
            raise AssemblyError(f"more than {_TILES} tiles: draw with fewer different ones")
        self.tiles[self.next] = tile
        return self.next

    def _places(self) -> bytes:
        if len(self.scene) != HEIGHT:
            raise AssemblyError(f"expected bands of {HEIGHT} rows together, got {len(self.scene)}")
        known: dict[bytes, int] = {}
        places = bytearray()
        for top in range(0, HEIGHT, 8):
            for tile in _cut(self.scene[top : top + 8]):
                if tile not in known:
                    known[tile] = self.add(tile)
                places.append(known[tile])
        return bytes(places)


def read(text: str) -> Sheet:
    """Read pictures.

    Raises:
        AssemblyError: a picture has a wrong size or shade; it names the line.
    """
    sheet = Sheet()
    for number, header, rows in _pictures(text):
        word, _, rest = header.partition(" ")
        try:
            _KINDS[word](sheet, rest, rows)
        except (KeyError, ValueError) as error:
            reason = error if isinstance(error, ValueError) else f"expected one of {', '.join(_KINDS)}"
            raise AssemblyError(f"line {number}: {header!r}: {reason}") from None
    return sheet


def _pictures(text: str) -> Iterator[tuple[int, str, _Rows]]:
    """The pictures of a text: line, header and rows. A header begins with a letter."""
    found: tuple[int, str, _Rows] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith(";"):
            continue
        if line[0].isalpha():
            if found:
                yield found
            found = (number, line, [])
        elif found is None or set(line) - set(SHADES):
            raise AssemblyError(f"line {number}: expected a row of {' '.join(SHADES)}, got {line!r}")
        else:
            found[2].append(line)
    if found:
        yield found


def _cut(rows: _Rows) -> Iterator[bytes]:
    """The tiles of eight rows, from the left."""
    for left in range(0, len(rows[0]), 8):
        tile = bytearray()
        for row in rows:
            shades = [SHADES.index(shade) for shade in row[left : left + 8]]
            for plane in (0, 1):
                tile.append(sum((shade >> plane & 1) << (7 - x) for x, shade in enumerate(shades)))
        yield bytes(tile)


def _check(rows: _Rows, height: int | None = None) -> None:
    """Eight by eight pixels a tile."""
    widths = {len(row) for row in rows}
    tall = len(rows) == height if height else rows and len(rows) % 8 == 0
    if not tall or len(widths) != 1 or widths.pop() % 8:
        raise ValueError(f"expected {height or 'eight times so many'} rows, all of one width in whole tiles")


def _at(sheet: Sheet, rest: str, rows: _Rows) -> None:
    sheet.next = int(rest.replace("$", "0x"), 0)


def _sprite(sheet: Sheet, rest: str, rows: _Rows) -> None:
    """Pairs of tiles, the upper one first, from the left; the first has an even number."""
    _check(rows, 16)
    for index, pair in enumerate(zip(_cut(rows[:8]), _cut(rows[8:]), strict=True)):
        first = sheet.add(pair[0])
        second = sheet.add(pair[1])
        if first % 2 or second != first + 1:
            raise ValueError(f"tile {first} is no place for it: it needs an even one with the next one free")
        if not index:
            sheet.names[f"tile_{rest}"] = first


def _font(sheet: Sheet, rest: str, rows: _Rows) -> None:
    _check(rows, 8)
    tiles = list(_cut(rows))
    if len(tiles) != len(rest):
        raise ValueError(f"expected {len(rest)} letters side by side, got {len(tiles)}")
    for letter, tile in zip(rest, tiles, strict=True):
        sheet.tiles[ord(letter)] = tile


def _band(sheet: Sheet, rest: str, rows: _Rows) -> None:
    _check(rows)
    if WIDTH % len(rows[0]):
        raise ValueError(f"expected a width that {WIDTH} is a multiple of, got {len(rows[0])}")
    sheet.scene += [row * (WIDTH // len(row)) for row in rows] * int(rest or "1")


_KINDS = {"at": _at, "sprite": _sprite, "font": _font, "band": _band}

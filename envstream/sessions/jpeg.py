"""JPEG: what one says of itself before its picture begins: its size, its quality, and what else is in it.

The bytes come from strangers: see `headers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import unpack_from

# What stands between two segments, decoders skip: fill bytes, zeros.
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_SOI, _EOI, _SOS, _DQT = 0xD8, 0xD9, 0xDA, 0xDB
_ALONE = {0x01, *range(0xD0, 0xD8)}  # They have no length and no content.
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_READABLE = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # Baseline, extended, progressive; the last two arithmetic.
_SEGMENTS = 4096  # Real files have ten, with a large colour profile 300.

# Segments that say nothing but what colours mean. Others may turn the picture, or tell where it was taken.
_HARMLESS = {0xE0, 0xE2, 0xEE, _DQT, _SOS, 0xC4, 0xDD, 0xC0, 0xC1, 0xC2}

# What the coefficients of brightness are divided by at quality 50 (ITU-T T.81, K.1), all together.
_HALF = 3688


def size(data: bytes) -> tuple[int, int]:
    """Width and height, from the one frame header before the first scan; thumbnails have others.

    Raises:
        ValueError: it is none that can be read; with a sentence.
        struct.error: it ends within a segment.
    """
    found: tuple[int, int] | None = None
    for marker, at in _segments(data):
        if marker in _SIZES:
            if found is not None:  # Decoders would differ in which one they believe.
                raise ValueError("it is a JPEG that says its size twice")
            found = _frame(data, at, marker)
    if found is None:
        raise ValueError("it is a JPEG that does not say its size")
    return found


def quality(data: bytes) -> int | None:
    """The quality that it was compressed with, from 1 to 100; None: it is better not passed on as it is.

    Only what is whole and shows itself in no other way than its pixels say is passed on: no turned pictures,
    no place where one was taken.

    Args:
        data: of which `size` could be read.
    """
    if not data.endswith(b"\xff\xd9"):
        return None
    tables = []
    for marker, at in _segments(data):
        if marker not in _HARMLESS:
            return None
        if marker == _DQT:
            tables.append(at)
    divisors = _divisors(data, tables[0]) if tables else None
    return None if divisors is None else _quality(divisors)


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The marker of each segment up to the first scan's, and where what is in it begins, with its length."""
    at = 2
    for _ in range(_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            raise ValueError("it is a JPEG that ends before its picture")
        marker, at = found[1][0], found.end()
        if marker in _ALONE:
            continue
        if marker in (_SOI, _EOI):
            raise ValueError("it is a JPEG that has no picture")
        yield marker, at
        if marker == _SOS:
            return
        (length,) = unpack_from(">H", data, at)
        if length < 2:
            raise ValueError("it is a JPEG with a segment that cannot be")
        at += length
    raise ValueError(f"it is a JPEG of more than {_SEGMENTS} segments")


def _frame(data: bytes, at: int, marker: int) -> tuple[int, int]:
    length, bits, height, width, colours = unpack_from(">HBHHB", data, at)
    if marker not in _READABLE or bits != 8:
        raise ValueError("it is a JPEG of a rare kind; send a baseline or progressive one of 8 bits")
    if not width or not height or colours not in (1, 3, 4) or length != 8 + 3 * colours:
        raise ValueError(f"it is a JPEG of {width}x{height} pixels in {colours} colours, which cannot be")
    return width, height


def _divisors(data: bytes, at: int) -> int | None:
    """The sum of a segment's first table of divisors; None: it is one of 16 bits, or not whole."""
    if data[at + 2] >> 4 or at + 3 + 64 > len(data):
        return None
    return sum(data[at + 3 : at + 3 + 64])


def _quality(divisors: int) -> int:
    """The quality at which the usual encoder (the IJG's) has divisors such as these."""
    share = 100 * divisors / _HALF
    found = 5000 / share if share > 100 else (200 - share) / 2
    return max(1, min(100, round(found)))

"""What a compressed picture says of itself, read before anybody decodes it: its format and its size.

The bytes come from strangers. Nothing here makes room for what they announce, and however odd they are, the
work is in proportion to their number.
"""

from __future__ import annotations

import struct
import zlib
from struct import unpack_from
from typing import NamedTuple

from envstream.errors import SessionError
from envstream.sessions import annexb, jpeg
from envstream.sessions.arrival import Arrival

_PNG = b"\x89PNG\r\n\x1a\n"
_EXPECTED = (
    "expected a JPEG, PNG or WebP picture, or an access unit of H.264 with start codes (Annex B), all of its "
    "bytes and nothing else"
)

# Bits of a sample that PNG knows, by its kind of colour.
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


class Header(NamedTuple):
    """What a picture says of itself.

    Attributes:
        encoding: `jpeg`, `png`, `webp` or `h264`.
        width: in pixels, as it is shown; of an animation, its canvas. None: H.264 that says it elsewhere.
        height: as `width`.
        key: whether it builds on no picture before.
    """

    encoding: str
    width: int | None
    height: int | None
    key: bool


def read(data: bytes) -> Header:
    """What the bytes of a picture say of it.

    Raises:
        SessionError: `not_an_image`; they are no picture, or one that nobody can decode.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return Header("jpeg", *jpeg.size(data), True)
        if data.startswith(_PNG):
            return Header("png", *_png(data), True)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return Header("webp", *_webp(data), True)
        if data.startswith(b"\0\0"):
            return Header("h264", *annexb.read(data))
    except struct.error:
        raise _none("it ends within its header") from None
    except ValueError as error:
        raise _none(str(error)) from None
    raise _none(f"it begins with {data[:8].hex(' ')}" if data else "there are no bytes")


def check(arrival: Arrival, max_pixels: int) -> None:
    """Sees that the bytes of a frame are what was said of them.

    Raises:
        SessionError: `not_an_image`, `wrong_encoding`, `wrong_dimensions`, `too_many_pixels`, or, where the
            pixels are raw, `wrong_size`. Always recoverable, and with the number.
    """
    try:
        _room(arrival.width, arrival.height, max_pixels)
        if arrival.encoding == "raw":
            _raw(arrival)
        else:
            _compare(arrival, read(arrival.data), max_pixels)
    except SessionError as error:
        text = f"frame {arrival.number}: {error}"
        raise SessionError(error.code, text, recoverable=True, number=arrival.number) from None


def _room(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise SessionError(
            "too_many_pixels",
            f"it has {width}x{height} pixels, and the server takes {most}; send smaller pictures",
            recoverable=True,
        )


def _raw(arrival: Arrival) -> None:
    expected = arrival.width * arrival.height * 3
    if len(arrival.data) != expected:
        raise SessionError(
            "wrong_size",
            f"{arrival.width}x{arrival.height} raw pixels are {expected} bytes; {len(arrival.data)} came; "
            "send red, green and blue of each pixel, row by row, with nothing between rows",
            recoverable=True,
        )


def _compare(arrival: Arrival, header: Header, most: int) -> None:
    width, height = header.width or arrival.width, header.height or arrival.height
    _room(width, height, most)  # First: this is what an attack looks like.
    if header.encoding != arrival.encoding:
        raise SessionError(
            "wrong_encoding",
            f"it was announced as {arrival.encoding}, and what came is {header.encoding}; say what it is, or "
            "begin the session with encoding auto and say it with each frame",
            recoverable=True,
        )
    said = arrival.width, arrival.height
    # Two pixels share their colour, so that encoders make an odd side a pixel longer.
    even = (arrival.width + arrival.width % 2, arrival.height + arrival.height % 2)
    if (width, height) != said and not (header.encoding == "h264" and (width, height) == even):
        raise SessionError(
            "wrong_dimensions",
            f"it was announced as {said[0]}x{said[1]}, and what came is {width}x{height}; say width and "
            "height with a frame that has another size than its session",
            recoverable=True,
        )


def _none(came: str) -> SessionError:
    return SessionError("not_an_image", f"{_EXPECTED}; {came}", recoverable=True)


def _png(data: bytes) -> tuple[int, int]:
    length, kind, width, height, depth, colour, *rest, crc = unpack_from(">I4sIIBB3BI", data, len(_PNG))
    if (length, kind) != (13, b"IHDR") or zlib.crc32(data[12:29]) != crc:
        raise ValueError("it is a PNG with a damaged header")
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise ValueError(f"it is a PNG of {width}x{height} pixels, which cannot be")
    if depth not in _DEPTHS.get(colour, ()) or rest[:2] != [0, 0] or rest[2] > 1:
        raise ValueError("it is a PNG of a kind that does not exist")
    return width, height


def _webp(data: bytes) -> tuple[int, int]:
    whole, kind = unpack_from("<I4x4s", data, 4)
    if whole + 8 > len(data):
        raise ValueError(f"it is a WebP of {whole + 8} bytes, of which {len(data)} came")
    if kind == b"VP8X":  # Its frames are not larger: decoders see to that.
        wide, high = unpack_from("<3s3s", data, 24)
        return 1 + int.from_bytes(wide, "little"), 1 + int.from_bytes(high, "little")
    if kind == b"VP8L":
        sign, bits = unpack_from("<BI", data, 20)
        if sign == 0x2F and bits >> 29 == 0:
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        tag, sign, width, height = unpack_from("<B2x3sHH", data, 20)
        width, height = width & 0x3FFF, height & 0x3FFF  # Above, how it may be scaled.
        if sign == b"\x9d\x01\x2a" and tag & 1 == 0 and width and height:
            return width, height
    raise ValueError("it is a WebP with a damaged header")

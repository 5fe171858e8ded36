"""H.264 as it comes in bytes: units between start codes, and the size that is in one of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

_START = b"\0\0\1"  # Of each unit; a fourth byte before it is of no meaning.
_SLICES, _KEY, _SPS = {1, 2, 5}, 5, 7
_UNITS, _SETS, _LONGEST = 10_000, 32, 4096  # Slices are a kilobyte or more; there are 32 numbers for SPS.
_WITH_CHROMA = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}  # Profiles that say more.
# Encoders cut off what fills their blocks of 16, 32 or 64. A huge picture cut to a small one is a trap: a
# decoder makes room for all of it.
_CUT = 64


class Unit(NamedTuple):
    """What an access unit says of its picture.

    Attributes:
        width: in pixels, as it is shown. None: it has no SPS.
        height: as `width`.
        key: whether it builds on no picture before.
    """

    width: int | None
    height: int | None
    key: bool


def read(data: bytes) -> Unit:
    """What the bytes of an access unit say.

    Raises:
        ValueError: they are none, or one that nobody can decode; what came, as a sentence without its end.
    """
    starts = list(islice(_starts(data), _UNITS + 1))
    if not starts or data[: starts[0] - len(_START)].strip(b"\0"):
        raise ValueError("it begins with zeros, and with no unit of H.264")
    if len(starts) > _UNITS:
        raise ValueError(f"it is H.264 of more than {_UNITS} units")
    if any(data[start] & 0x80 for start in starts):
        raise ValueError("it is H.264 with a unit that cannot be")
    kinds = [data[start] & 31 for start in starts]
    slices = [kind for kind in kinds if kind in _SLICES]
    if not slices:
        raise ValueError("it is H.264 without a picture, which is to come together with its SPS and PPS")
    ends = [start - len(_START) for start in starts[1:]] + [len(data)]
    sets = [
        data[start + 1 : min(end, start + _LONGEST)]
        for start, end, kind in zip(starts, ends, kinds, strict=True)
        if kind == _SPS
    ]
    if len(sets) > _SETS:
        raise ValueError(f"it is H.264 with more than {_SETS} SPS")
    sizes = {_size(each) for each in sets}
    if len(sizes) > 1:  # Which one holds stands in the slices, and no encoder does this.
        raise ValueError("it is H.264 that says two sizes")
    width, height = sizes.pop() if sizes else (None, None)
    return Unit(width, height, slices[0] == _KEY)


def _starts(data: bytes) -> Iterator[int]:
    """Where the units begin that have a first byte."""
    at = data.find(_START)
    while 0 <= at < len(data) - len(_START):
        yield at + len(_START)
        at = data.find(_START, at + len(_START))


class _Bits:
    """The bits of a unit, from the first to the last; reading beyond it is a ValueError."""

    def __init__(self, data: bytes) -> None:
        # Encoders put a 3 where there would be a start code else.
        data = data.replace(b"\0\0\3", b"\0\0")
        self._bits, self._at = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}", 0

    def take(self, count: int) -> int:
        """A number of so many bits."""
        end = self._at + count
        if end > len(self._bits):
            raise ValueError("it is H.264 with an SPS that ends too early")
        value, self._at = int(self._bits[self._at : end], 2), end
        return value

    def whole(self) -> int:
        """A number from 0 on, after as many zeros as it has bits beyond its first (Exp-Golomb)."""
        one = self._bits.find("1", self._at)
        zeros = one - self._at
        if one < 0 or zeros > 32:
            raise ValueError("it is H.264 with an SPS in which a number never ends")
        self._at = one
        return self.take(zeros + 1) - 1

    def signed(self) -> int:
        """A number around 0: they stand as 0, 1, -1, 2 and so on."""
        value = self.whole()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def _size(data: bytes) -> tuple[int, int]:
    """Width and height that an SPS says; 7.3.2.1.1 of the standard."""
    bits = _Bits(data)
    profile = bits.take(8)
    bits.take(16)  # Constraints and level.
    bits.whole()
    colours = _chroma(bits) if profile in _WITH_CHROMA else 1
    bits.whole()  # Bits of a picture's number.
    _order(bits)
    bits.whole()  # Reference pictures.
    bits.take(1)
    across, down = bits.whole() + 1, bits.whole() + 1
    frames = bits.take(1)
    if not frames:
        bits.take(1)
    bits.take(1)
    width, height = 16 * across, 16 * down * (2 - frames)
    if bits.take(1):
        left, right, top, bottom = (bits.whole() for _ in range(4))
        cut = (left + right) * (2 if colours in (1, 2) else 1)
        under = (top + bottom) * (2 if colours == 1 else 1) * (2 - frames)
        if cut >= min(width, _CUT) or under >= min(height, _CUT):
            raise ValueError(f"it is H.264 of {width}x{height} pixels, of which {cut}x{under} are cut off")
        width, height = width - cut, height - under
    return width, height


def _chroma(bits: _Bits) -> int:
    """Reads how colours are kept: 0 there are none, 1 4:2:0, 2 4:2:2, 3 4:4:4."""
    colours = bits.whole()
    if colours > 3:
        raise ValueError("it is H.264 with colours of a kind that does not exist")
    if colours == 3:  # Whether each is a plane of its own, as if there were none; cut alike.
        bits.take(1)
    bits.whole()
    bits.whole()
    bits.take(1)
    if bits.take(1):
        for number in range(12 if colours == 3 else 8):
            if bits.take(1):
                _skip_scaling(bits, 16 if number < 6 else 64)
    return colours


def _skip_scaling(bits: _Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.signed()) % 256
            last = following or last


def _order(bits: _Bits) -> None:
    """Reads past how the order of pictures is said."""
    kind = bits.whole()
    if kind == 0:
        bits.whole()
    elif kind == 1:
        bits.take(1)
        bits.whole()
        bits.whole()
        for _ in range(min(bits.whole(), 255)):
            bits.whole()

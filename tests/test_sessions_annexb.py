"""Access units: their size is what a decoder makes of it, whoever encoded them."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import videos
from envstream.sessions.annexb import Unit, read
from envstream.video import VideoEncoder

av = pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

START = b"\0\0\0\1"
SLICE, KEY = b"\x41\x9a\x00", b"\x65\x88\x84"


class Writer:
    """An SPS bit by bit, as the standard has it."""

    def __init__(self) -> None:
        self.bits = ""

    def take(self, value: int, count: int) -> Writer:
        self.bits += f"{value:0{count}b}" if count else ""
        return self

    def whole(self, *values: int) -> Writer:
        for value in values:
            text = f"{value + 1:b}"
            self.bits += "0" * (len(text) - 1) + text
        return self

    def unit(self) -> bytes:
        """As it goes into a stream: with its last bit, and with a 3 where a start code would be."""
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        data, zeros = bytearray(), 0
        for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                data.append(3)
                zeros = 0
            data.append(byte)
            zeros = 0 if byte else zeros + 1
        return START + b"\x67" + bytes(data)


def sps(
    across: int,
    down: int,
    crop: tuple[int, ...] = (),
    profile: int = 66,
    frames: int = 1,
    chroma: Writer | None = None,
    order: Writer | None = None,
) -> bytes:
    """An SPS of so many blocks of 16 pixels, from which `crop` units are cut off."""
    writer = Writer().take(profile, 8).take(0xC0, 8).take(30, 8).whole(0)
    writer.bits += (chroma or Writer()).bits
    writer.whole(0)
    writer.bits += (order or Writer().whole(2)).bits
    writer.whole(1).take(0, 1).whole(across - 1, down - 1).take(frames, 1)
    if not frames:
        writer.take(0, 1)
    writer.take(1, 1).take(bool(crop), 1).whole(*crop)
    return writer.take(0, 1).unit()


def size(data: bytes) -> tuple[int | None, int | None]:
    return read(data + START + KEY)[:2]


def encoded(width: int, height: int, format: str, params: str, **options: str) -> list[bytes]:
    """Two access units of x264 as it comes, with its remark and all."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, format
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": params, **options}
    units = []
    for number in range(2):
        picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), format="rgb24")
        picture.pts = number
        units += [bytes(packet) for packet in context.encode(picture.reformat(format=format))]
    return units + [bytes(packet) for packet in context.encode(None)]


def decoded(units: list[bytes]) -> tuple[int, int]:
    context: Any = av.CodecContext.create("h264", "r")
    frames = [frame for unit in units for frame in context.decode(av.Packet(unit))]
    frames += context.decode(None)
    return frames[0].width, frames[0].height


# ---- as encoders make them


@pytest.mark.parametrize("side", [(64, 48), (66, 50), (1920, 1080), (16, 16), (2, 2), (160, 144), (94, 62)])
@pytest.mark.parametrize(
    ("profile", "number", "format", "params"),
    [
        ("baseline", 66, "yuv420p", ""),
        ("main", 77, "yuv420p", "cabac=1"),
        ("main", 77, "yuv420p", "interlaced=1"),
        ("high", 100, "yuv420p", "8x8dct=1:cqm=jvt"),
        ("high", 100, "gray", ""),
        ("high10", 110, "yuv420p10le", ""),
        ("high422", 122, "yuv422p", ""),
        ("high444", 244, "yuv444p", "8x8dct=1:cqm=jvt"),
        ("high444", 244, "yuv420p", "qp=0"),
    ],
)
def test_the_size_is_the_decoders(
    profile: str, number: int, format: str, params: str, side: tuple[int, int]
) -> None:
    if "interlaced" in params and side[1] % 4:
        side = side[0], side[1] + 2
    params = f"annexb=1:repeat-headers=1:{params}"
    first, second = encoded(*side, format, params, profile=profile)
    assert first[first.index(b"\0\0\1\x67") + 4] == number
    assert read(first) == Unit(*side, True)
    assert decoded([first, second]) == side
    assert read(second) == Unit(None, None, False)


@pytest.mark.parametrize("side", [(63, 47), (1, 1), (64, 48), (17, 200)])
def test_an_odd_side_is_as_long_as_our_encoder_makes_it(side: tuple[int, int]) -> None:
    for full_colour in (False, True):
        encoder = VideoEncoder(*side, 30.0, 80, full_colour=full_colour)
        first, second = (encoder.encode(videos.numbered(number, *side), number == 0) for number in (0, 1))
        even = side[0] + side[0] % 2, side[1] + side[1] % 2
        assert read(first) == Unit(*even, True)
        assert decoded([first, second]) == even
        assert read(second) == Unit(None, None, False)


def test_a_picture_in_many_slices_is_one_picture() -> None:
    first, second = encoded(320, 240, "yuv420p", "annexb=1:repeat-headers=1:sliced-threads=0:slices=8")
    assert first.count(b"\0\0\1\x65") == 8
    assert read(first) == Unit(320, 240, True)
    assert read(second) == Unit(None, None, False)


# ---- as the standard allows


@pytest.mark.parametrize("start", [b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\0\1"])
@pytest.mark.parametrize("other", [b"\0\0\1", b"\0\0\0\1"])
def test_start_codes_are_of_three_bytes_or_more(start: bytes, other: bytes) -> None:
    bare = sps(4, 3).removeprefix(START)
    assert read(start + bare + other + b"\x68\xce" + other + KEY) == Unit(64, 48, True)
    assert read(start + b"\x09\xf0" + other + bare + start + KEY) == Unit(64, 48, True)


def test_a_key_picture_may_have_its_size_elsewhere() -> None:
    assert read(START + KEY) == Unit(None, None, True)
    assert read(START + SLICE) == Unit(None, None, False)


def test_the_first_slice_says_whether_it_builds_on_another_picture() -> None:
    assert read(sps(4, 3) + START + SLICE + START + KEY) == Unit(64, 48, False)


@pytest.mark.parametrize(
    ("colours", "frames", "cut"),
    [(0, 1, (1, 1)), (0, 0, (1, 2)), (1, 1, (2, 2)), (1, 0, (2, 4)), (2, 1, (2, 1)), (3, 1, (1, 1))],
)
def test_what_is_cut_off_is_counted_in_whole_colours(colours: int, frames: int, cut: tuple[int, int]) -> None:
    chroma = Writer().whole(colours).take(0, int(colours == 3)).whole(0, 0).take(0, 2)
    data = sps(10, 10, (1, 2, 3, 0), 244, frames, chroma)
    assert size(data) == (160 - 3 * cut[0], 160 * (2 - frames) - 3 * cut[1])


def test_colours_in_planes_of_their_own_are_cut_by_the_pixel() -> None:
    chroma = Writer().whole(3).take(1, 1).whole(0, 0).take(0, 2)
    assert size(sps(10, 10, (1, 0, 0, 1), 244, 1, chroma)) == (159, 159)


@pytest.mark.parametrize("lists", [8, 12])
def test_scaling_lists_are_read_past(lists: int) -> None:
    chroma = Writer().whole(1 if lists == 8 else 3).take(0, lists // 12).whole(0, 0).take(0, 1).take(1, 1)
    for number in range(lists):
        chroma.take(number % 3 != 2, 1)
        if number % 3 == 0:  # Each value one more than before it: signed 1 is written as 1.
            chroma.whole(*[1] * (16 if number < 6 else 64))
        elif number % 3 == 1:  # Two differences of -4, from 8, end the list.
            chroma.whole(8, 8)
    assert size(sps(4, 3, (), 100, 1, chroma)) == (64, 48)


def test_an_order_of_pictures_that_takes_many_numbers_is_read_past() -> None:
    # Such large ones have zeros that need emulation prevention.
    order = Writer().whole(1).take(0, 1).whole(2**31, 2**31 - 1, 5, 0, 2**30, 2**31, 7, 2**24 - 1)
    data = sps(20, 15, (0, 4, 0, 0), order=order)
    assert b"\0\0\3" in data
    assert size(data) == (312, 240)
    assert size(sps(20, 15, order=Writer().whole(0, 4))) == (320, 240)


def test_two_sps_of_one_size_are_one_size() -> None:
    assert size(sps(4, 3) + sps(4, 3)) == (64, 48)


# ---- what nobody can decode


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no unit"),
        (b"\0\0\0\0", "no unit"),
        (b"\0\0\1", "no unit"),
        (b"\0\0\2\0\0\1\x65", "no unit"),
        (b"\0\0\0\x0a\x65\x88\x84\0\0\0\0\0\0\0", "no unit"),
        (sps(4, 3), "without a picture"),
        (START + b"\x06\x05\x01\x80", "without a picture"),
        (START + b"\xe5\x88", "cannot be"),
        (sps(4, 3) + sps(4, 4) + START + KEY, "two sizes"),
        (sps(4, 3) * 33 + START + KEY, "more than 32 SPS"),
        (b"\0\0\1\x65" * 10_001, "more than 10000 units"),
        (START + b"\x67" + START + KEY, "ends too early"),
        (START + b"\x67" + bytes(9000) + START + KEY, "never ends"),
        (sps(4, 3)[:8] + START + KEY, "never ends"),
        (START + b"\x67" + sps(4, 3)[5:8] + b"\xff\0\0\1" + KEY, "ends too early"),
        (sps(4, 3, (), 100, 1, Writer().whole(4, 0, 0).take(0, 2)) + START + KEY, "does not exist"),
        (sps(4, 3, (16, 16, 0, 0)) + START + KEY, "64x48 pixels, of which 64x0 are cut off"),
        (sps(4000, 4000, (0, 31992, 0, 31992)) + START + KEY, "64000x64000 pixels, of which 63984x63984"),
        (sps(20, 20, (0, 32, 0, 0)) + START + KEY, "320x320 pixels, of which 64x0 are cut off"),
        (sps(20, 20, (0, 0, 31, 1)) + START + KEY, "320x320 pixels, of which 0x64 are cut off"),
        (START + b"\x67\x42\xc0\x1e\0\0\3\0\0\3\1" + bytes([0xFF] * 9) + START + KEY, "never ends"),
    ],
)
def test_what_is_no_access_unit_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(data)


def test_no_size_is_too_large_to_be_read() -> None:
    assert size(sps(2**31, 2**31)) == (2**35, 2**35)


def test_units_that_are_cut_anywhere_are_refused_or_read_as_far_as_they_go() -> None:
    whole = encoded(66, 50, "yuv420p", "annexb=1:repeat-headers=1", profile="high")[0]
    for length in range(200):
        try:
            unit = read(whole[:length])
        except ValueError:
            continue
        assert unit == Unit(66, 50, True)


@given(st.lists(st.sampled_from([START, b"\0\0\1", b"\x67", b"\x65", b"\0"]) | st.binary(max_size=30)))
def test_whatever_comes_is_a_unit_or_a_value_error(pieces: list[bytes]) -> None:
    data = START + b"".join(pieces)
    try:
        unit = read(data)
    except ValueError:
        return
    assert (unit.width is None) == (unit.height is None)
    assert unit.width is None or unit.width > 0


@given(st.binary(max_size=40), st.integers(0, 255))
def test_whatever_an_sps_says_is_a_size_or_a_value_error(data: bytes, profile: int) -> None:
    try:
        unit = read(START + b"\x67" + bytes([profile]) + data + START + KEY)
    except ValueError:
        return
    assert unit.width is None or (unit.width > 0 and unit.height is not None and unit.height > 0)


def test_the_sps_of_a_test_is_one_that_a_decoder_reads() -> None:
    """That the writer here and the reader there agree, a third one has to say."""
    pps = START + b"\x68\xce\x3c\x80"
    # An IDR slice that ends after its header, whose pixels the decoder makes up.
    header = Writer().whole(0, 7, 0).take(0, 4).whole(0).take(0, 2).whole(0, 1).unit()
    for across, down, crop in itertools.product((4, 20), (3, 15), ((), (0, 3, 1, 2))):
        data = sps(across, down, crop) + pps + header.replace(b"\x67", b"\x65") + bytes([0x55] * 40)
        assert decoded([data]) == size(sps(across, down, crop))

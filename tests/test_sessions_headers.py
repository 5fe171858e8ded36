"""Headers: what they say is what a decoder finds, and nothing that strangers send costs more than to look."""

from __future__ import annotations

import io
import itertools
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import videos
from envstream import codec
from envstream.errors import SessionError
from envstream.sessions.arrival import Arrival
from envstream.sessions.headers import Header, check, read

SIDES = [(1, 1), (17, 23), (64, 48), (3, 500), (640, 480)]
PNG = b"\x89PNG\r\n\x1a\n"
MOST = 1920 * 1080


def picture(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(noise).convert(mode)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def agreed(data: bytes) -> Header:
    """What the header says, where Pillow has it that way too, and can decode it."""
    header = read(data)
    with Image.open(io.BytesIO(data)) as opened:
        assert (header.width, header.height) == opened.size
        assert (header.encoding, header.key) == (str(opened.format).lower(), True)
        opened.load()
    return header


def exif() -> bytes:
    """With a thumbnail: a JPEG of another size."""
    tags = Image.Exif()
    tags[0x010E] = "a frame"
    tags[0x0112] = 6  # Turned; what is stored is not.
    return tags.tobytes() + saved(picture(160, 120), "JPEG")


def refused(data: bytes) -> str:
    with pytest.raises(SessionError) as caught:
        read(data)
    assert (caught.value.code, caught.value.recoverable, caught.value.number) == ("not_an_image", True, None)
    return str(caught.value)


# ---- JPEG

JPEGS: list[dict[str, Any]] = [
    {},
    {"progressive": True},
    {"optimize": True, "quality": 5},
    {"subsampling": 0},
    {"restart_marker_blocks": 2},
    {"comment": b"\xff\xc0 is no marker here"},
    {"icc_profile": bytes(200_000)},
]


def segments(data: bytes) -> list[bytes]:
    """What a JPEG has before its picture, each with its marker."""
    found, at = [], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        found.append(data[at:end])
        at = end
    return [*found, data[at:]]


def jpeg(*pieces: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(pieces)


def resized(data: bytes, width: int, height: int) -> bytes:
    """A JPEG that says another size."""
    parts = segments(data)
    return jpeg(
        *(
            part[:5] + struct.pack(">HH", height, width) + part[9:] if 0xC0 <= part[1] <= 0xC2 else part
            for part in parts
        )
    )


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", JPEGS, ids=lambda options: next(iter(options), "plain"))
def test_a_jpeg_has_the_size_that_pillow_finds(
    options: dict[str, Any], mode: str, side: tuple[int, int]
) -> None:
    assert agreed(saved(picture(*side, mode), "JPEG", **options))[:3] == ("jpeg", *side)


def test_our_own_pictures_are_read() -> None:
    for format in codec.ENCODERS:
        assert agreed(codec.encode(videos.numbered(7, 62, 47), format)) == Header(format, 62, 47, True)


def test_a_thumbnail_within_is_not_the_picture() -> None:
    data = saved(picture(), "JPEG", exif=exif())
    assert data.count(b"\xff\xd8\xff") == 2
    assert agreed(data) == Header("jpeg", 64, 48, True)


def test_the_segments_of_a_jpeg_may_come_in_any_order() -> None:
    *parts, scan = segments(saved(picture(mode="L"), "JPEG", comment=b"one", restart_marker_blocks=1))
    assert 5 <= len(parts) <= 7
    for order in itertools.islice(itertools.permutations(parts), 0, None, 7):
        assert agreed(jpeg(*order, scan)) == Header("jpeg", 64, 48, True)


def test_fill_bytes_and_zeros_between_segments_are_skipped() -> None:
    parts = segments(saved(picture(), "JPEG"))
    assert agreed(jpeg(*(b"\xff" * 7 + part for part in parts))) == Header("jpeg", 64, 48, True)
    assert agreed(jpeg(parts[0], *(b"\0\0\xff\0" + part for part in parts[1:])))[1:3] == (64, 48)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xd8", "ends before its picture"),
        (jpeg(b"\xff\xc0"), "within its header"),
        (jpeg(b"\xff\xc0\0\x11\x08\0\x30"), "within its header"),
        (jpeg(b"\xff\xe0\0\x01", b"\xff\xd9"), "cannot be"),
        (jpeg(b"\xff\xd9"), "has no picture"),
        (jpeg(b"\xff\xd8"), "has no picture"),
        (jpeg(b"\xff\xda\0\x02"), "does not say its size"),
        (jpeg(b"\xff\xe0\0\2" * 5000), "more than 4096 segments"),
        (jpeg(*segments(saved(picture(), "JPEG"))[:-1]), "ends before its picture"),
        (resized(saved(picture(), "JPEG"), 64, 0), "64x0 pixels"),
        (resized(saved(picture(), "JPEG"), 0, 48), "0x48 pixels"),
        (jpeg(b"\xff\xc0\0\x0b\x0c\0\x30\0\x40\x01\x01\x11\0"), "rare kind"),
        (jpeg(b"\xff\xc3\0\x0b\x08\0\x30\0\x40\x01\x01\x11\0"), "rare kind"),
        (jpeg(b"\xff\xc0\0\x0b\x08\0\x30\0\x40\x02\x01\x11\0"), "2 colours"),
        (jpeg(b"\xff\xc0\0\x0b\x08\0\x30\0\x40\x03\x01\x11\0"), "cannot be"),
        (jpeg(*([b"\xff\xc0\0\x0b\x08\0\x30\0\x40\x01\x01\x11\0"] * 2)), "twice"),
    ],
)
def test_a_jpeg_that_cannot_be_is_refused(data: bytes, said: str) -> None:
    assert said in refused(data)


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\0", b"\xff\xd0", b"\xff\x01", b"\0"])
def test_ten_megabytes_of_nothing_are_looked_at_once(filling: bytes) -> None:
    assert "JPEG" in refused(jpeg(filling * (10_000_000 // len(filling))))


# ---- PNG


def png(width: int, height: int, depth: int = 8, colour: int = 2, rest: bytes = b"\0\0\0") -> bytes:
    """A PNG of any kind, black."""
    head = b"IHDR" + struct.pack(">IIBB", width, height, depth, colour) + rest
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    row = b"\0" + bytes((width * samples * depth + 7) // 8) if width < 9999 else b""
    pieces = [head, b"PLTE" + bytes(6), b"IDAT" + zlib.compress(row * min(height, 999)), b"IEND"]
    whole = (
        struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each))
        for each in pieces
        if colour in (2, 3, 6) or each[:4] != b"PLTE"
    )
    return PNG + b"".join(whole)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_has_the_size_that_pillow_finds(mode: str, side: tuple[int, int]) -> None:
    image = Image.new(mode, side) if mode == "I;16" else picture(*side, mode)
    assert agreed(saved(image, "PNG")) == Header("png", *side, True)


@pytest.mark.parametrize(
    ("depth", "colour"), [(1, 0), (2, 0), (4, 0), (16, 0), (16, 2), (1, 3), (4, 3), (8, 4), (16, 4), (16, 6)]
)
def test_a_png_may_have_samples_of_any_length_that_there_is(depth: int, colour: int) -> None:
    assert agreed(png(17, 23, depth, colour)) == Header("png", 17, 23, True)


def test_an_interlaced_png_is_one_too() -> None:
    assert read(png(17, 23, rest=b"\0\0\1")) == Header("png", 17, 23, True)


def test_an_animated_png_has_the_size_of_its_canvas() -> None:
    frames = [picture(64, 48), picture(64, 48, "L").convert("RGB")]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert b"acTL" in data
    assert agreed(data) == Header("png", 64, 48, True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (PNG, "within its header"),
        (png(64, 48)[:32], "within its header"),
        (png(64, 48)[:8] + b"\0\0\0\x0e" + png(64, 48)[12:], "damaged"),
        (png(64, 48)[:12] + b"IDAT" + png(64, 48)[16:], "damaged"),
        (png(64, 48)[:19] + b"\x41" + png(64, 48)[20:], "damaged"),
        (png(0, 48), "0x48 pixels"),
        (png(64, 0), "64x0 pixels"),
        (png(2**31, 48), "2147483648x48 pixels"),
        (png(64, 48, 16, 3), "does not exist"),
        (png(64, 48, 8, 7), "does not exist"),
        (png(64, 48, rest=b"\1\0\0"), "does not exist"),
        (png(64, 48, rest=b"\0\1\0"), "does not exist"),
        (png(64, 48, rest=b"\0\0\2"), "does not exist"),
    ],
)
def test_a_png_that_cannot_be_is_refused(data: bytes, said: str) -> None:
    assert said in refused(data)


# ---- WebP


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        (b"VP8 ", "RGB", {}),
        (b"VP8L", "RGB", {"lossless": True}),
        (b"VP8L", "RGBA", {"lossless": True}),
        (b"VP8X", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
        (b"VP8X", "RGB", {"lossless": True, "icc_profile": b"x" * 99}),
    ],
)
def test_a_webp_has_the_size_that_pillow_finds(
    kind: bytes, mode: str, options: dict[str, Any], side: tuple[int, int]
) -> None:
    data = saved(picture(*side, mode), "WEBP", **options)
    assert data[12:16] == kind
    assert agreed(data) == Header("webp", *side, True)


def test_a_webp_with_holes_has_its_size_in_front() -> None:
    image = picture(65, 48, "RGBA")
    image.putalpha(picture(65, 48, "L"))
    data = saved(image, "WEBP")
    assert data[12:16] == b"VP8X"
    assert agreed(data) == Header("webp", 65, 48, True)


def test_an_animated_webp_has_the_size_of_its_canvas() -> None:
    still = picture(200, 100)
    moved = still.copy()
    moved.paste((255, 0, 0), (20, 20, 30, 30))  # Of the second frame, only this is kept.
    data = saved(still, "WEBP", save_all=True, append_images=[moved], lossless=True)
    assert b"ANIM" in data
    assert agreed(data) == Header("webp", 200, 100, True)


def test_the_largest_webp_is_read() -> None:
    assert agreed(saved(Image.new("RGB", (16383, 2)), "WEBP", lossless=True))[1:3] == (16383, 2)
    assert agreed(saved(Image.new("RGB", (2, 16383)), "WEBP"))[1:3] == (2, 16383)


def webp(kind: bytes, body: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"RIFF\0\0\0\0WEBP", "within its header"),
        (webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\x40\0"), "within its header"),
        (saved(picture(), "WEBP")[:-1], "of which"),
        (webp(b"VP8 ", b"\x11\0\0\x9d\x01\x2a\x40\0\x30\0"), "damaged"),
        (webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2b\x40\0\x30\0"), "damaged"),
        (webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\0\0\x30\0"), "damaged"),
        (webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\x40\0\0\xc0"), "damaged"),
        (webp(b"VP8L", b"\x2e\x3f\xc0\x0b\0"), "damaged"),
        (webp(b"VP8L", b"\x2f\x3f\xc0\x0b\x20"), "damaged"),
        (webp(b"VP9 ", bytes(30)), "damaged"),
    ],
)
def test_a_webp_that_cannot_be_is_refused(data: bytes, said: str) -> None:
    assert said in refused(data)


def test_how_a_webp_may_be_scaled_is_not_part_of_its_size() -> None:
    assert read(webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\x40\x40\x30\xc0")) == Header("webp", 64, 48, True)


# ---- H.264


def h264(width: int, height: int, **options: Any) -> tuple[bytes, bytes]:
    """A key picture, and one that builds on it."""
    pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')
    from envstream.video import VideoEncoder

    encoder = VideoEncoder(width, height, 30.0, 80, **options)
    grey = np.full((height, width, 3), 90, np.uint8)
    return encoder.encode(grey, True), encoder.encode(grey, False)


def test_h264_has_its_size_with_a_key_picture() -> None:
    key, other = h264(66, 50)
    assert read(key) == Header("h264", 66, 50, True)
    assert read(other) == Header("h264", None, None, False)


@pytest.mark.parametrize("data", [b"\0\0", b"\0\0\0\1", b"\0\0\0\x20ftypmp42", b"\0\0\0\5\x65\x88\x84\0\0"])
def test_what_begins_like_h264_and_is_none_is_refused(data: bytes) -> None:
    assert "start codes (Annex B)" in refused(data)


# ---- anything else


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"RIFF",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"GIF89a",
        b"BM",
        b"<html>",
        PNG[1:],
        saved(picture(), "GIF"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    text = refused(data)
    assert text.startswith("expected a JPEG, PNG or WebP picture, or an access unit of H.264")
    assert (data[:8].hex(" ") or "there are no bytes") in text


REAL: list[Callable[[], bytes]] = [
    lambda: saved(picture(), "JPEG", exif=exif()),
    lambda: saved(picture(), "PNG"),
    lambda: saved(picture(), "WEBP"),
    lambda: saved(picture(), "WEBP", lossless=True),
    lambda: saved(picture(), "WEBP", icc_profile=bytes(9)),
    lambda: h264(64, 48)[0],
]


@pytest.mark.parametrize("make", REAL)
def test_a_picture_that_is_cut_or_damaged_anywhere_is_read_or_refused(make: Callable[[], bytes]) -> None:
    data, chance = make(), random.Random(3)
    for at in range(min(len(data), 1200)):
        damaged = bytearray(data)
        damaged[at] = chance.randrange(256)
        for one in (data[:at], bytes(damaged), data[:at] + chance.randbytes(3) + data[at:]):
            try:
                header = read(one)
            except SessionError as error:
                assert error.code == "not_an_image"
            else:
                assert (header.width is None) == (header.height is None)
                assert header.width is None or (header.width > 0 and (header.height or 0) > 0)


@given(
    st.sampled_from([b"", b"\xff\xd8\xff", PNG, PNG + b"\0\0\0\x0dIHDR", b"\0\0\1\x67", b"\0\0\0\1"])
    | st.builds(lambda kind: b"RIFF\0\0\0\0WEBP" + kind, st.sampled_from([b"VP8 ", b"VP8L", b"VP8X"])),
    st.binary(max_size=80),
    st.sampled_from(["jpeg", "png", "webp", "raw", "h264"]),
)
def test_whatever_comes_is_a_picture_or_a_session_error(begin: bytes, rest: bytes, encoding: str) -> None:
    try:
        check(Arrival(7, 0.0, encoding, 4, 4, True, None, {}, begin + rest), MOST)
    except SessionError as error:
        assert (error.number, error.recoverable) == (7, True)
        assert str(error).startswith("frame 7: ")


# ---- checked against what was said


def sent(data: bytes, encoding: str, width: int = 64, height: int = 48) -> Arrival:
    return Arrival(3, 0.1, encoding, width, height, True, None, {}, data)


def wrong(arrival: Arrival, most: int = MOST) -> str:
    with pytest.raises(SessionError) as caught:
        check(arrival, most)
    assert (caught.value.number, caught.value.recoverable) == (3, True)
    assert str(caught.value).startswith("frame 3: ")
    return caught.value.code


@pytest.mark.parametrize("encoding", ["jpeg", "png", "webp", "h264", "raw"])
def test_what_is_as_it_was_said_passes(encoding: str) -> None:
    pixels = np.asarray(picture())
    data = {"raw": lambda: pixels.tobytes(), "h264": lambda: h264(64, 48)[0]}.get(
        encoding, lambda: codec.encode(pixels, encoding)
    )()
    check(sent(data, encoding), 64 * 48)
    assert wrong(sent(data, encoding), 64 * 48 - 1) == "too_many_pixels"


def test_each_thing_that_is_not_as_it_was_said_has_its_code() -> None:
    data = codec.encode(np.asarray(picture()), "png")
    assert wrong(sent(data, "jpeg")) == "wrong_encoding"
    assert wrong(sent(data, "h264")) == "wrong_encoding"
    assert wrong(sent(data, "png", 65, 48)) == "wrong_dimensions"
    assert wrong(sent(data, "png", 48, 64)) == "wrong_dimensions"
    assert wrong(sent(b"GIF89a", "png")) == "not_an_image"
    assert wrong(sent(b"", "jpeg")) == "not_an_image"


@pytest.mark.parametrize("length", [0, 64 * 48 * 3 - 1, 64 * 48 * 3 + 1, 64 * 48 * 4, 64 * 48])
def test_raw_pixels_have_exactly_their_length(length: int) -> None:
    assert wrong(sent(bytes(length), "raw")) == "wrong_size"


def test_h264_that_does_not_say_its_size_has_the_announced_one() -> None:
    _, other = h264(64, 48)
    check(sent(other, "h264"), MOST)
    assert wrong(sent(other, "h264", 2000, 2000)) == "too_many_pixels"


@pytest.mark.parametrize("full_colour", [False, True])
def test_an_odd_side_of_h264_may_be_a_pixel_longer(full_colour: bool) -> None:
    key, _ = h264(63, 47, full_colour=full_colour)
    check(sent(key, "h264", 63, 47), MOST)
    check(sent(key, "h264", 64, 48), MOST)
    check(sent(key, "h264", 63, 48), MOST)
    assert wrong(sent(key, "h264", 62, 48)) == "wrong_dimensions"
    assert wrong(sent(key, "h264", 65, 48)) == "wrong_dimensions"
    still = codec.encode(np.asarray(picture(64, 48)), "png")
    assert wrong(sent(still, "png", 63, 47)) == "wrong_dimensions"


BOMBS: list[tuple[str, Callable[[], bytes]]] = [
    ("jpeg", lambda: resized(saved(picture(), "JPEG"), 65535, 65535)),
    ("png", lambda: png(2**31 - 1, 2**31 - 1)),
    ("png", lambda: saved(Image.new("1", (8000, 8000)), "PNG")),
    ("webp", lambda: webp(b"VP8X", b"\2\0\0\0" + b"\xff" * 6)),
    ("webp", lambda: webp(b"VP8L", b"\x2f\xff\xff\xff\x0f")),
    ("webp", lambda: webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f")),
    ("h264", lambda: h264(4096, 2304)[0]),
]


@pytest.mark.parametrize(("encoding", "make"), BOMBS)
def test_a_huge_picture_in_a_small_file_is_refused_by_its_header(
    encoding: str, make: Callable[[], bytes]
) -> None:
    bomb = make()
    assert len(bomb) < 50_000
    tracemalloc.start()
    try:
        # Whatever it was said to be.
        assert wrong(sent(bomb, encoding)) == wrong(sent(bomb, "jpeg")) == "too_many_pixels"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()

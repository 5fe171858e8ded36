"""Pictures come back from whatever they were compressed to, in their own colours and at their own times."""

from __future__ import annotations

import itertools
import random
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapes
import videos
from envstream.decoder import VideoDecoder, count_of, frames_of, pixels_of
from envstream.errors import EnvstreamError
from envstream.frame import Pixels
from envstream.video import VideoEncoder, VideoFile

av = pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

COLOURS = list(itertools.product((0, 96, 255), repeat=3))


def patches() -> Pixels:
    """Squares of 27 colours and one more, so that both sides are even."""
    return np.array([[*COLOURS, (90, 90, 90)]], np.uint8).repeat(16, 0).repeat(16, 1)


def off(one: Pixels, other: Pixels) -> int:
    """By how much the middles of the squares differ at most."""
    return int(np.abs(one[8, 8::16].astype(int) - other[8, 8::16]).max())


def units(count: int, keys: tuple[int, ...] = (0,), size: tuple[int, int] = (64, 48)) -> list[bytes]:
    """Access units of numbered pictures."""
    encoder = VideoEncoder(*size, 30.0, 90)
    return [encoder.encode(videos.numbered(number, *size), number in keys) for number in range(count)]


def same(one: Pixels | None, other: Pixels) -> bool:
    """Whether it is the same picture but for what compression does to it."""
    return one is not None and one.shape == other.shape and float(np.abs(one.astype(int) - other).mean()) < 4


def foreign(path: Path, pictures: list[Pixels], matrix: str, full: bool = False, **options: str) -> None:
    """A file as others make it: with the colours of another matrix, or B-frames, or both."""
    known, ranges = av.video.reformatter.Colorspace, av.video.reformatter.ColorRange
    height, width = pictures[0].shape[:2]
    container: Any = av.open(str(path), "w")
    with container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.options = {"crf": "10", "colorspace": matrix, **options}
        if full:
            stream.codec_context.color_range = 2
        for index, pixels in enumerate(pictures):
            frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame = frame.reformat(
                format="yuv420p",
                dst_colorspace=known.ITU709 if matrix == "bt709" else known.ITU601,
                src_color_range=ranges.JPEG,
                dst_color_range=ranges.JPEG if full else ranges.MPEG,
            )
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


# ---- stills


@pytest.mark.parametrize(("encoding", "most"), [("raw", 0), ("png", 0), ("webp", 0), ("jpeg", 6)])
def test_a_still_comes_back_from_every_encoding(encoding: str, most: int) -> None:
    picture = patches()
    shown = pixels_of(tapes.sent(1, picture, encoding))
    assert (shown.dtype, shown.shape) == (np.uint8, picture.shape)
    assert off(shown, picture) <= most


def test_bytes_of_another_size_are_no_raw_picture() -> None:
    with pytest.raises(ValueError, match="reshape"):
        pixels_of(tapes.sent(1, encoding="raw", width=65))


# ---- H.264 as it arrives


def test_each_access_unit_gives_its_own_picture_at_once() -> None:
    decoder = VideoDecoder()
    for number, unit in enumerate(units(20, keys=(0, 7))):
        assert same(decoder.decode(unit), videos.numbered(number)), number


def test_colours_are_those_that_were_encoded() -> None:
    picture = patches()
    unit = VideoEncoder(picture.shape[1], picture.shape[0], 30.0, 95).encode(picture, True)
    shown = VideoDecoder().decode(unit)
    assert shown is not None and off(shown, picture) <= 4


def test_it_begins_with_a_key_picture() -> None:
    decoder = VideoDecoder()
    shown = [decoder.decode(unit) is not None for unit in units(8, keys=(0, 5))[2:]]
    assert shown == [False, False, False, True, True, True]


def test_after_a_lost_picture_it_waits_for_the_next_key_picture() -> None:
    decoder = VideoDecoder()
    stream = units(10, keys=(0, 6))
    assert decoder.decode(stream[0]) is not None
    decoder.lost()
    assert [decoder.decode(unit) is not None for unit in stream[2:]] == [False] * 4 + [True] * 4


def test_damaged_bytes_give_no_picture_and_what_follows_the_next_key_one_is_right() -> None:
    chance = random.Random(3)
    stream = units(30, keys=(0, 10, 20))
    for trial in range(20):
        decoder = VideoDecoder()
        stream[4] = (
            chance.randbytes(chance.randint(0, 300)) if trial % 2 else b"\0\0\1\x65" + chance.randbytes(40)
        )
        shown = [decoder.decode(unit) for unit in stream]
        assert shown[4] is None and shown[5] is None
        assert all(same(shown[number], videos.numbered(number)) for number in (0, 3, 10, 19, 29))


def test_a_stream_may_change_its_size() -> None:
    decoder = VideoDecoder()
    shapes = []
    for unit in [*units(2), *units(2, size=(96, 64))]:
        shown = decoder.decode(unit)
        shapes.append(None if shown is None else shown.shape)
    assert shapes == [(48, 64, 3)] * 2 + [(64, 96, 3)] * 2


def test_more_pixels_than_are_allowed_are_not_decoded() -> None:
    (unit,) = units(1)
    assert VideoDecoder(max_pixels=64 * 48).decode(unit) is not None
    assert VideoDecoder(max_pixels=64 * 48 // 4).decode(unit) is None


def test_of_pictures_that_build_on_later_ones_none_comes_in_the_place_of_another(tmp_path: Path) -> None:
    pictures = [videos.numbered(number) for number in range(12)]
    foreign(tmp_path / "x.h264", pictures, "bt709", bf="2", b_strategy="0")
    with av.open(str(tmp_path / "x.h264")) as container:
        stream = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    decoder = VideoDecoder()
    shown = [decoder.decode(unit) for unit in stream]
    order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 11, 10]  # In which they are sent: two build on the one after them.
    assert all(
        same(one, pictures[number]) for one, number in zip(shown, order, strict=True) if one is not None
    )


# ---- files


def test_a_file_has_all_its_pictures_in_order_each_at_its_own_time(tmp_path: Path) -> None:
    times = [5.0, 5.1, 5.15, 7.0, 9.5, 9.6]
    file = VideoFile(tmp_path / "x.mp4", 64, 48, 30.0, 92)
    for number, at in enumerate(times):
        file.add(videos.numbered(number), at)
    file.close()
    shown = list(frames_of(tmp_path / "x.mp4"))
    assert [at for at, _ in shown] == pytest.approx([at - 5 for at in times], abs=2e-5)
    assert all(same(pixels, videos.numbered(number)) for number, (_, pixels) in enumerate(shown))
    assert count_of(tmp_path / "x.mp4") == 6


def test_of_a_file_no_more_pixels_are_decoded_than_are_allowed(tmp_path: Path) -> None:
    foreign(tmp_path / "x.mp4", [videos.numbered(1)], "bt709")
    assert len(list(frames_of(tmp_path / "x.mp4", max_pixels=64 * 48))) == 1
    with pytest.raises(EnvstreamError, match=r"x\.mp4 is no video that can be read: none of its pictures"):
        list(frames_of(tmp_path / "x.mp4", max_pixels=64 * 48 // 4))


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
def test_colours_are_right_whatever_matrix_a_file_names(tmp_path: Path, matrix: str, full: bool) -> None:
    foreign(tmp_path / "x.mp4", [patches()], matrix, full)
    ((_, shown),) = frames_of(tmp_path / "x.mp4")
    assert off(shown, patches()) <= 6


def test_pictures_that_build_on_later_ones_come_in_the_order_in_which_they_are_seen(tmp_path: Path) -> None:
    pictures = [videos.numbered(number) for number in range(30)]
    foreign(tmp_path / "x.mp4", pictures, "bt709", bf="3", b_strategy="0")
    shown = list(frames_of(tmp_path / "x.mp4"))
    assert [at for at, _ in shown] == pytest.approx([number / 25 for number in range(30)], abs=1e-4)
    assert all(same(pixels, picture) for (_, pixels), picture in zip(shown, pictures, strict=True))


@pytest.mark.parametrize(
    ("quarters", "matrix"), [(1, (0, 1, -1, 0)), (2, (-1, 0, 0, -1)), (3, (0, -1, 1, 0))], ids=["1", "2", "3"]
)
def test_what_was_filmed_with_a_turned_camera_is_upright(
    tmp_path: Path, quarters: int, matrix: tuple[int, ...]
) -> None:
    path = tmp_path / "x.mp4"
    foreign(path, [np.rot90(videos.numbered(9), quarters)], "bt709")
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44  # Where the file says how it is to be turned, clockwise.
    a, b, c, d = (each * 0x10000 for each in matrix)
    data[place : place + 20] = struct.pack(">5i", a, b, 0, c, d)
    path.write_bytes(data)
    ((_, shown),) = frames_of(path)
    assert same(shown, videos.numbered(9))


def test_a_file_that_is_cut_off_gives_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "x.ts"
    foreign(path, [videos.numbered(number) for number in range(60)], "bt709", g="10", bf="0")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 < len(list(frames_of(path))) < 60


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"not a video at all\n" * 50,
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
    ],
    ids=["empty", "cut", "text", "play list"],
)
def test_what_is_no_video_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "upload.mp4"
    path.write_bytes(content)
    with pytest.raises(EnvstreamError, match=r"upload\.mp4 is no video that can be read"):
        list(frames_of(path))


def test_a_play_list_is_not_followed(tmp_path: Path) -> None:
    foreign(tmp_path / "other.ts", [videos.numbered(1)] * 10, "bt709")
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n"
    )
    with av.open(str(tmp_path / "list.m3u8")) as container:
        assert container.streams.video, "FFmpeg itself does follow it"
    with pytest.raises(EnvstreamError, match="no video that can be read"):
        list(frames_of(tmp_path / "list.m3u8"))


def test_a_file_with_sound_alone_is_a_sentence(tmp_path: Path) -> None:
    container: Any = av.open(str(tmp_path / "x.mp4"), "w")
    with container:
        stream = container.add_stream("aac", rate=48000)
        frame: Any = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        frame.rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(EnvstreamError, match=r"x\.mp4 has no video in it"):
        next(frames_of(tmp_path / "x.mp4"))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EnvstreamError, match=r"gone\.mp4 is no video that can be read \(No such file"):
        next(frames_of(tmp_path / "gone.mp4"))


def test_without_pyav_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(EnvstreamError, match=r'pip install "gymnasium-envstream\[record\]"'):
        VideoDecoder()
    with pytest.raises(EnvstreamError, match=r'pip install "gymnasium-envstream\[record\]"'):
        next(frames_of(tmp_path / "x.mp4"))

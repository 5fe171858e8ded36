"""H.264: every picture comes out at once and in its own colours; decoders and players get what they need."""

from __future__ import annotations

import base64
import itertools
import json
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pages
import videos
from envstream import codec, video
from envstream.errors import EnvstreamError
from envstream.film import mp4_bytes
from envstream.frame import Pixels
from envstream.video import VideoEncoder, VideoFile, crf_of

av = pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

browser = pages.browser

LOW_DELAY = 0x80000  # A decoder that holds nothing back.
SLICE, KEY_SLICE, SPS, PPS = 1, 5, 7, 8
COLOURS = list(itertools.product((0, 96, 255), repeat=3))


class Decoder:
    """What any decoder makes of access units; colours by the formula that the stream names."""

    def __init__(self) -> None:
        self._context: Any = av.CodecContext.create("h264", "r")
        self._context.flags |= LOW_DELAY

    def decode(self, unit: bytes) -> Any:
        (frame,) = self._context.decode(av.Packet(unit))
        return frame

    def pixels(self, unit: bytes, height: int, width: int) -> Pixels:
        planes = self.decode(unit).to_ndarray(format="yuv420p").astype(float)
        full = planes.shape[0] * 2 // 3
        grey = (planes[:full] - 16) / 219
        blue, red = (planes[full:].reshape(2, full // 2, -1).repeat(2, 1).repeat(2, 2) - 128) / 112
        # Rec. 601: 0.299 of red, 0.587 of green, 0.114 of blue.
        r, b = grey + 0.701 * red, grey + 0.886 * blue
        g = (grey - 0.299 * r - 0.114 * b) / 0.587
        picture = np.clip(np.stack([r, g, b], 2) * 255 + 0.5, 0, 255).astype(np.uint8)
        return picture[:height, :width]


def encoded(pictures: Sequence[Pixels], quality: int = 80, keys: Sequence[int] = (0,)) -> list[bytes]:
    height, width = pictures[0].shape[:2]
    encoder = VideoEncoder(width, height, 30.0, quality, flat=codec.is_flat(pictures[0]))
    return [encoder.encode(picture, index in keys) for index, picture in enumerate(pictures)]


def kinds(unit: bytes) -> list[int]:
    return [head[0] & 31 for head in re.findall(b"\0\0\1(.)", unit, re.DOTALL)]


def moving(count: int) -> list[Pixels]:
    """A red bar that goes right, on a shaded ground."""
    pictures = np.full((count, 96, 128, 3), 200, np.uint8)
    pictures[..., 1] -= np.arange(128, dtype=np.uint8) // 2
    for index, picture in enumerate(pictures):
        picture[16:80, 4 * index : 4 * index + 8] = (230, 30, 30)
    return list(pictures)


def noise(count: int) -> list[Pixels]:
    return list(np.random.default_rng(1).integers(0, 256, (count, 96, 128, 3), np.uint8))


def patches(side: int = 16) -> Pixels:
    return np.array([COLOURS], np.uint8).repeat(side, 0).repeat(side, 1)


def centres(picture: Pixels, side: int = 16) -> Pixels:
    return picture[side // 2, side // 2 :: side]


def off(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other).max())


def error(pictures: Sequence[Pixels], units: Sequence[bytes]) -> float:
    """By how many levels pixels differ on average."""
    decoder = Decoder()
    shown = np.array([decoder.pixels(unit, *pictures[0].shape[:2]) for unit in units], int)
    return float(np.abs(shown - np.array(pictures)).mean())


# ---- pictures


def test_colours_are_those_of_the_picture() -> None:
    picture = patches()
    (unit,) = encoded([picture], 90)
    assert off(centres(Decoder().pixels(unit, *picture.shape[:2])), centres(picture)) <= 4


def test_the_stream_says_how_its_colours_are_meant() -> None:
    frame = Decoder().decode(encoded([patches()])[0])
    said = frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc
    assert said == (6, 1, 1, 13)  # Rec. 601's matrix, limited, Rec. 709's primaries, sRGB's curve.


def test_no_picture_is_held_back_not_even_the_first() -> None:
    decoder = Decoder()
    assert all(decoder.decode(unit) is not None for unit in encoded(moving(8)))


def test_each_picture_is_the_one_that_was_given() -> None:
    assert error(moving(8), encoded(moving(8))) < 2
    assert error(moving(8)[1:], encoded(moving(8))[:-1]) > 4


def test_noise_goes_through_as_well() -> None:
    assert error(noise(3), encoded(noise(3))) < 64  # Its colour is halved, its light is not.


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (5, 3), (16, 16), (601, 401)], ids=str)
def test_any_size_can_be_encoded_and_odd_ones_are_a_pixel_larger(size: tuple[int, int]) -> None:
    height, width = size
    picture = np.full((height, width, 3), (40, 160, 90), np.uint8)
    unit, again = encoded([picture] * 2)
    decoder = Decoder()
    assert off(decoder.pixels(unit, height, width), picture) <= 4
    frame = decoder.decode(again)
    assert (frame.height, frame.width) == (height + height % 2, width + width % 2)


def test_the_edge_of_an_odd_picture_keeps_its_colour() -> None:
    picture = np.full((31, 33, 3), 255, np.uint8)
    picture[-1] = picture[:, -1] = (0, 0, 200)
    shown = Decoder().pixels(encoded([picture], 95)[0], 31, 33)
    assert max(off(shown[-1], picture[-1]), off(shown[:, -1], picture[:, -1])) <= 12


# ---- keys


def test_a_key_picture_comes_when_it_is_asked_for_and_never_else() -> None:
    found = [kinds(unit) for unit in encoded([*moving(3), *noise(1), *moving(3)], keys=(0, 5))]
    key, others = [SPS, PPS, KEY_SLICE], [[SLICE]] * 4
    assert found == [key, *others, key, [SLICE]]


def test_a_chain_decodes_from_each_of_its_key_pictures() -> None:
    pictures = moving(9)
    units = encoded(pictures, keys=(0, 3, 6))
    whole, *late = Decoder(), Decoder(), Decoder()
    for index, unit in enumerate(units):
        shown = whole.pixels(unit, 96, 128)
        for decoder, start in zip(late, (3, 6), strict=True):
            if index >= start:
                assert np.array_equal(decoder.pixels(unit, 96, 128), shown), (start, index)


def test_a_picture_that_does_not_change_takes_next_to_nothing() -> None:
    first, *_, last = map(len, encoded(moving(1) * 6))
    assert last < 40 < 120 < first


def test_the_codec_is_that_of_the_stream() -> None:
    encoder = VideoEncoder(600, 400, 30.0, 80)
    assert encoder.codec == ""
    unit = encoder.encode(np.zeros((400, 600, 3), np.uint8), True)
    start = unit.index(b"\0\0\1\x67") + 4
    assert unit[start : start + 3] == bytes((100, 0, 30))  # High, 3.0.
    encoder.encode(np.full((400, 600, 3), 99, np.uint8), True)
    assert encoder.codec == "avc1.64001e"


# ---- quality


def test_more_quality_takes_more_bytes_and_is_nearer_to_the_picture() -> None:
    pictures = [one // 2 + two // 8 for one, two in zip(moving(4), noise(4), strict=True)]
    rows = []
    for quality in (1, 30, 60, 80, 95, 100):
        units = encoded(pictures, quality)
        rows.append((sum(map(len, units)), -error(pictures, units)))
    assert all(one[0] < two[0] and one[1] < two[1] for one, two in itertools.pairwise(rows))


def test_each_quality_has_a_factor_of_its_own() -> None:
    factors = [crf_of(quality) for quality in range(1, 101)]
    assert factors == sorted(set(factors), reverse=True)


def test_a_low_rate_changes_neither_bytes_nor_looks() -> None:
    slow, usual = VideoEncoder(128, 96, 0.5, 80), VideoEncoder(128, 96, 30.0, 80)
    for index, picture in enumerate(moving(4)):
        assert slow.encode(picture, not index) == usual.encode(picture, not index)


# ---- what cannot be


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (16385, 8), (8, 20000)], ids=str)
def test_a_size_that_cannot_be_is_a_sentence(size: tuple[int, int]) -> None:
    with pytest.raises(EnvstreamError, match=r"x.* cannot be H\.264: it takes 1 to 16384 pixels either way"):
        VideoEncoder(*size, 30.0, 80)


def test_a_picture_of_another_size_is_a_sentence_and_the_stream_goes_on() -> None:
    encoder = VideoEncoder(128, 96, 30.0, 80)
    first, second = moving(2)
    units = [encoder.encode(first, True)]
    with pytest.raises(EnvstreamError, match=r"of 128x96 cannot go on with a picture of 128x48"):
        encoder.encode(second[:48], False)
    assert error([first, second], [*units, encoder.encode(second, False)]) < 4


def test_what_is_no_picture_is_a_sentence() -> None:
    with pytest.raises(EnvstreamError, match=r"a picture of 8x8 cannot be H\.264: .*float64"):
        VideoEncoder(8, 8, 30.0, 80).encode(np.zeros((8, 8, 3)), True)  # type: ignore[arg-type]


def test_what_x264_says_is_a_sentence() -> None:
    encoder = VideoEncoder(8, 8, 30.0, 80)
    encoder._context.pix_fmt = "rgb24"
    with pytest.raises(EnvstreamError, match=r"a picture of 8x8 cannot be H\.264: ."):
        encoder.encode(np.zeros((8, 8, 3), np.uint8), True)


def test_after_its_end_a_stream_takes_no_more_pictures() -> None:
    encoder = VideoEncoder(128, 96, 30.0, 80)
    encoder.close()
    with pytest.raises(EnvstreamError, match="was closed"):
        encoder.encode(moving(1)[0], True)


def test_without_pyav_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert video.missing() is None
    monkeypatch.setitem(sys.modules, "av", None)
    video.missing.cache_clear()
    try:
        assert 'pip install "gymnasium-envstream[record]"' in (video.missing() or "")
        with pytest.raises(EnvstreamError, match="needs PyAV with x264: pip install"):
            VideoEncoder(128, 96, 30.0, 80)
    finally:
        video.missing.cache_clear()


# ---- a file

WRITES = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import videos
from envstream.video import VideoFile
file = VideoFile(Path(sys.argv[1]), 64, 48, 30.0)
for number in range(60000):
    file.add(videos.numbered(number))
    print(number, flush=True)
"""

FULL = """
import json, resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import videos
from envstream.errors import EnvstreamError
from envstream.film import mp4_bytes
from envstream.video import VideoFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for size in range(500, 9500, 500):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    path = Path(sys.argv[1], str(size) + ".mp4")
    file, said = VideoFile(path, 64, 48, 30.0), None
    for number in range(40):
        try:
            file.add(videos.numbered(number))
        except EnvstreamError as error:
            said = str(error)
            break
    file.close()
    print(json.dumps([str(path), file.frames, file.seconds, said]))
"""


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text.format(tests=str(Path(__file__).parent))]


def written(path: Path, times: Sequence[float | None], fps: float = 30.0, **size: int) -> VideoFile:
    """A closed file of as many numbered pictures."""
    pictures = [videos.numbered(number, **size) for number in range(len(times))]
    file = VideoFile(path, pictures[0].shape[1], pictures[0].shape[0], fps)
    for picture, at in zip(pictures, times, strict=True):
        file.add(picture, at)
    file.close()
    return file


def boxes(path: Path) -> list[str]:
    """The kinds of the file's outermost boxes."""
    data, found = path.read_bytes(), []
    while data:
        size, kind = struct.unpack(">I4s", data[:8])
        assert 8 <= size <= len(data), f"a box of {size} bytes where there are {len(data)}"
        data = data[size:]
        found.append(kind.decode())
    return found


def test_a_file_has_every_picture_in_its_order_and_the_last_one_too(tmp_path: Path) -> None:
    file = written(tmp_path / "x.mp4", [None] * 70)
    shown = videos.played(tmp_path / "x.mp4")
    assert [one.number for one in shown] == list(range(70))
    assert [one.time for one in shown] == pytest.approx([number / 30 for number in range(70)], abs=2e-5)
    assert (file.frames, file.seconds) == (70, pytest.approx(70 / 30))
    assert videos.length(tmp_path / "x.mp4") == pytest.approx(70 / 30, abs=2e-5)


def test_others_count_as_many_pictures_in_it(tmp_path: Path, required: Callable[[str], str]) -> None:
    required("ffmpeg")
    written(tmp_path / "x.mp4", [0.0, 0.5, 0.6])
    asked = ["-count_frames", "-show_entries", "stream=nb_frames,nb_read_frames,duration", "-of", "csv=p=0"]
    probe = ["ffprobe", "-v", "error", *asked, str(tmp_path / "x.mp4")]
    said = subprocess.run(probe, capture_output=True, text=True, check=True)
    assert (said.stdout.strip(), said.stderr) == ("0.633333,3,3", "")


def test_a_finished_file_begins_with_what_a_player_must_know(tmp_path: Path) -> None:
    written(tmp_path / "x.mp4", [None] * 5)
    assert boxes(tmp_path / "x.mp4") == ["ftyp", "moov", "free", "mdat"]
    assert list(tmp_path.iterdir()) == [tmp_path / "x.mp4"]


def test_pictures_have_their_own_times(tmp_path: Path) -> None:
    times = [3.0, 3.01, 3.5, 4.75, 4.751, 60.0]
    file = written(tmp_path / "x.mp4", times, fps=10.0)
    shown = videos.played(tmp_path / "x.mp4")
    assert [one.time for one in shown] == pytest.approx([time - 3 for time in times], abs=2e-5)
    assert file.seconds == pytest.approx(57.1) == videos.length(tmp_path / "x.mp4")


def test_a_time_that_does_not_rise_is_moved_on_and_no_picture_is_lost(tmp_path: Path) -> None:
    written(tmp_path / "x.mp4", [0.0, 1.0, 1.0, 0.5, None, float("nan"), 2.0])
    ticks = [round(one.time * 90000) for one in videos.played(tmp_path / "x.mp4")]
    assert ticks == [0, 90000, 90001, 90002, 93002, 96002, 180000]


def test_periods_that_are_no_whole_ticks_do_not_add_up(tmp_path: Path) -> None:
    written(tmp_path / "x.mp4", [None] * 200, fps=70.1)
    assert videos.played(tmp_path / "x.mp4")[-1].time == pytest.approx(199 / 70.1, abs=2e-5)


@pytest.mark.parametrize("fps", [0.5, 4.0, 30.0, 200.0])
def test_a_key_picture_comes_every_two_seconds_and_250_pictures(tmp_path: Path, fps: float) -> None:
    written(tmp_path / "x.mp4", [None] * 520, fps)
    keys = [number for number, one in enumerate(videos.played(tmp_path / "x.mp4")) if one.key]
    apart = {0.5: 1, 4.0: 8, 30.0: 60, 200.0: 250}[fps]
    assert keys == list(range(0, 520, apart))


def test_after_a_pause_there_is_a_key_picture(tmp_path: Path) -> None:
    written(tmp_path / "x.mp4", [0.0, 0.1, 5.0, 5.1])
    assert [one.key for one in videos.played(tmp_path / "x.mp4")] == [True, False, True, False]


def test_each_picture_is_on_disk_at_the_latest_when_the_next_one_comes(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    file = VideoFile(path, 64, 48, 30.0)
    for number in range(6):
        file.add(videos.numbered(number))
        assert path.exists() == (number > 0), "it is there as soon as it plays"
        if number:
            copy = tmp_path / f"{number}.mp4"
            copy.write_bytes(path.read_bytes())
            assert [one.number for one in videos.played(copy)] == list(range(number))
    file.close()


def test_a_file_plays_whenever_its_process_was_killed(tmp_path: Path) -> None:
    pauses = random.Random(1)
    for trial in range(4):
        path = tmp_path / f"{trial}.mp4"
        with subprocess.Popen([*script(WRITES), str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(pauses.uniform(0.01, 0.2))  # Any moment may be the last.
            process.kill()
            said = process.stdout.read().split("\n")[:-1]
        last = int(said[-1]) if said else 0
        shown = [one.number for one in videos.played(path)]
        assert shown == list(range(len(shown)))
        assert last <= len(shown) <= last + 2, "all up to the last but one, and no more than were added"


def test_on_a_full_disk_what_was_written_plays_and_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run([*script(FULL), str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for name, frames, seconds, said in rows:
        path = Path(name)
        # Without a sentence only the last picture, which is written at the end, can be missing.
        full = f"{path} cannot be written (File too large); make room on its disk"
        assert said == (full if frames < 39 else None)
        assert path.exists() == (frames > 0)
        if frames:
            assert [one.number for one in videos.played(path)] == list(range(frames))
            assert videos.length(path) == pytest.approx(seconds, abs=1e-3)
    assert not list(tmp_path.glob(".*")), "something half made is left"
    counts = [frames for _, frames, _, _ in rows]
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 40
    assert set(counts) - {0, 40}, "the disk was never full in the middle"


def test_a_file_that_cannot_be_finished_stays_as_it_grew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: VideoFile, new: Path) -> None:
        new.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VideoFile, "_copy", fails)
    written(tmp_path / "x.mp4", [None] * 5)
    assert boxes(tmp_path / "x.mp4")[:3] == ["ftyp", "moov", "moof"]
    assert [one.number for one in videos.played(tmp_path / "x.mp4")] == list(range(5))
    assert list(tmp_path.iterdir()) == [tmp_path / "x.mp4"]


def test_a_file_that_lacks_a_picture_does_not_take_the_place_of_the_one_that_grew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = VideoFile(tmp_path / "x.mp4", 64, 48, 30.0)
    for number in range(5):
        file.add(videos.numbered(number))
    write = file._write

    def and_one_more(since: int, look: bool) -> None:
        write(since, look)
        file.frames += 1

    monkeypatch.setattr(file, "_write", and_one_more)
    file.close()
    assert "moof" in boxes(tmp_path / "x.mp4")


def test_one_picture_is_a_video_too(tmp_path: Path) -> None:
    written(tmp_path / "x.mp4", [7.0], fps=4.0)
    (one,) = videos.played(tmp_path / "x.mp4")
    assert (one.number, one.time, one.key, videos.length(tmp_path / "x.mp4")) == (0, 0.0, True, 0.25)


def test_without_a_picture_there_is_no_file(tmp_path: Path) -> None:
    VideoFile(tmp_path / "x.mp4", 64, 48, 30.0).close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_discarded_is_gone(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "x.mp4", 64, 48, 30.0)
    file.add(videos.numbered(1))
    file.discard()
    file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("mine")
    with pytest.raises(FileExistsError):
        VideoFile(tmp_path / "x.mp4", 64, 48, 30.0)
    assert (tmp_path / "x.mp4").read_text() == "mine"


def test_where_nothing_can_be_written_it_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "nowhere", Path("/proc")):
        with pytest.raises(
            EnvstreamError, match=rf"{folder}/x.mp4 cannot be written \(.+\); choose a folder"
        ):
            VideoFile(folder / "x.mp4", 64, 48, 30.0)


def test_a_file_that_somebody_removed_takes_no_more_pictures(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "x.mp4", 64, 48, 1.0)
    for number in range(2):
        file.add(videos.numbered(number))
    (tmp_path / "x.mp4").unlink()
    with pytest.raises(EnvstreamError, match=r"x\.mp4 cannot be written \(.* not any more\); choose"):
        for number in range(2, 5):
            file.add(videos.numbered(number))
    with pytest.raises(EnvstreamError, match="was closed"):
        file.add(videos.numbered(9))
    file.close()


def test_a_picture_that_cannot_be_kept_does_not_end_a_file(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "x.mp4", 64, 48, 30.0)
    file.add(videos.numbered(0))
    with pytest.raises(EnvstreamError, match="of 64x48 cannot go on with a picture of 64x24"):
        file.add(videos.numbered(1)[:24])
    with pytest.raises(EnvstreamError, match="float64"):
        file.add(videos.numbered(1).astype(float))  # type: ignore[arg-type]
    file.add(videos.numbered(1))
    file.close()
    assert [(one.number, one.time) for one in videos.played(file.path)] == [(0, 0.0), (1, 1 / 30)]


def test_odd_sides_are_a_pixel_larger_in_a_file(tmp_path: Path) -> None:
    written(tmp_path / "x.mp4", [None] * 3, width=65, height=47)
    assert {one.size for one in videos.played(tmp_path / "x.mp4")} == {(66, 48)}


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf"), 1e-4])
def test_a_rate_that_cannot_be_is_a_sentence_and_no_file(tmp_path: Path, fps: float) -> None:
    with pytest.raises(EnvstreamError, match="pictures a second are no video"):
        VideoFile(tmp_path / "x.mp4", 64, 48, fps)
    assert list(tmp_path.iterdir()) == []


def test_every_player_knows_this_kind_of_file_and_its_colours(tmp_path: Path) -> None:
    written(tmp_path / "x.mp4", [None] * 3)
    with av.open(str(tmp_path / "x.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.profile) == ("h264", "yuv420p", "High")
        # Rec. 601's matrix, limited, Rec. 709's primaries, sRGB's curve.
        said = context.colorspace, context.color_range, context.color_primaries, context.color_trc
        assert said == (6, 1, 1, 13)


def test_a_path_may_have_a_colon_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(Path("pipe:1.mp4"), [None] * 3)
    assert boxes(tmp_path / "pipe:1.mp4") == ["ftyp", "moov", "free", "mdat"]


def test_a_clip_is_a_file_in_memory_and_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    data = mp4_bytes(((videos.numbered(number), number / 4) for number in range(5)), 4.0)
    assert list((tmp_path / "temporary").iterdir()) == []
    (tmp_path / "x.mp4").write_bytes(data)
    shown = videos.played(tmp_path / "x.mp4")
    assert [(one.number, one.time) for one in shown] == [(number, number / 4) for number in range(5)]
    assert boxes(tmp_path / "x.mp4")[:2] == ["ftyp", "moov"]


def test_a_clip_without_pictures_or_without_room_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EnvstreamError, match="takes one picture at least"):
        mp4_bytes([], 30.0)
    with pytest.raises(EnvstreamError, match="cannot go on with a picture of 32x48"):
        mp4_bytes([(videos.numbered(0), 0.0), (videos.numbered(0)[:, :32], 1.0)], 30.0)
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(EnvstreamError, match=r"cannot be written \(Not a directory\)"):
        mp4_bytes([(videos.numbered(0), 0.0)], 30.0)


# ---- a browser

DECODE = """async ({codec, units, width, height}) => {
  const { supported } = await VideoDecoder.isConfigSupported({ codec, optimizeForLatency: true });
  if (!supported) return null;
  const shown = [];
  const canvas = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  await new Promise((done, error) => {
    const output = (image) => {
      canvas.drawImage(image, 0, 0, width, height, 0, 0, width, height);
      shown.push(Array.from(canvas.getImageData(0, 0, width, height).data));
      image.close();
      feed();
    };
    const decoder = new VideoDecoder({ error, output });
    // The next one only when the last has come out: a decoder that waits for more never ends.
    const feed = () => {
      if (shown.length === units.length) return done();
      const data = Uint8Array.from(atob(units[shown.length]), (c) => c.charCodeAt(0));
      const type = shown.length ? 'delta' : 'key';
      decoder.decode(new EncodedVideoChunk({ type, timestamp: shown.length, data }));
    };
    decoder.configure({ codec, optimizeForLatency: true });
    feed();
  });
  return shown;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("full_colour", [False, True])
def test_a_browser_paints_each_picture_at_once_and_in_its_colours(browser: Any, full_colour: bool) -> None:
    picture = patches()[:, :-1]  # Of an odd width.
    height, width = picture.shape[:2]
    encoder = VideoEncoder(width, height, 30.0, 90, flat=True, full_colour=full_colour)
    pictures = [picture, picture[:, ::-1], picture]
    units = [base64.b64encode(encoder.encode(one, not at)).decode() for at, one in enumerate(pictures)]
    tab = browser.new_page()
    try:
        # Decoders are for pages of a server that is trusted, as this machine is.
        tab.route("**/*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
        tab.goto("http://localhost/")
        shown = tab.evaluate(
            DECODE, {"codec": encoder.codec, "units": units, "width": width, "height": height}
        )
    finally:
        tab.close()
    if shown is None:
        pytest.skip("this browser has no decoder for H.264")
    for one, painted in zip(pictures, shown, strict=True):
        found = np.array(painted, np.uint8).reshape(height, width, 4)[..., :3]
        assert off(centres(found), centres(one)) <= 5


PLAY = """async ({ url, width, height }) => {
  const video = document.createElement('video');
  video.muted = true;
  const canvas = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  const happens = (name) => new Promise((done) => video.addEventListener(name, done, { once: true }));
  const failed = happens('error').then(() => 'failed');
  video.src = url;
  if (await Promise.race([happens('loadeddata'), failed]) === 'failed') return null;
  const shown = [];
  for (const at of [0.1, 0.6, 1.1]) {
    video.currentTime = at;
    await happens('seeked');
    canvas.drawImage(video, 0, 0);
    shown.push(Array.from(canvas.getImageData(0, 0, width, height).data));
  }
  return { shown, duration: video.duration };
}"""


@pytest.mark.browser
@pytest.mark.parametrize("finished", [True, False], ids=["finished", "killed"])
def test_a_browser_plays_a_file_in_its_colours(browser: Any, tmp_path: Path, finished: bool) -> None:
    picture = patches()
    height, width = picture.shape[:2]
    pictures = [picture, np.ascontiguousarray(picture[:, ::-1]), picture]
    file = VideoFile(tmp_path / "x.mp4", width, height, 2.0, 90)
    for one in [*pictures, picture]:
        file.add(one)
    grown = (tmp_path / "x.mp4").read_bytes()
    file.close()
    data = base64.b64encode((tmp_path / "x.mp4").read_bytes() if finished else grown).decode()
    tab = browser.new_page()
    try:
        page = {"url": f"data:video/mp4;base64,{data}", "width": width, "height": height}
        played = tab.evaluate(PLAY, page)
    finally:
        tab.close()
    if played is None:
        pytest.skip("this browser has no decoder for H.264")
    assert played["duration"] == pytest.approx(2.0 if finished else 1.5)
    for one, painted in zip(pictures, played["shown"], strict=True):
        found = np.array(painted, np.uint8).reshape(height, width, 4)[..., :3]
        assert off(centres(found), centres(one)) <= 5

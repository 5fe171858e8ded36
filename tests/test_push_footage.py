"""Footage: a file's pictures at its own times."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import videos
from envstream.errors import EnvstreamError
from envstream.push.footage import UNMADE, VideoFootage
from envstream.video import VideoFile

av = pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

TIMES = [0.0, 0.04, 0.08, 0.5, 0.54, 2.0]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Pictures that bear their number, at a variable rate that does not begin at 0."""
    path = tmp_path / "film.mp4"
    file = VideoFile(path, 64, 48, 25)
    for number, at in enumerate(TIMES):
        file.add(videos.numbered(number), 3 + at)
    file.close()
    return path


def number_of(pixels: Any) -> int:
    grey = pixels.mean(axis=2)[8:48:16, 8:64:16].reshape(-1) > 128
    return sum(int(digit) << place for place, digit in enumerate(grey))


def test_a_file_gives_all_its_pictures_at_its_own_times(film: Path) -> None:
    footage = VideoFootage(film)
    shots = list(footage.shots())
    footage.close()
    assert [number_of(shot.pixels) for shot in shots] == list(range(6))
    assert [shot.timestamp for shot in shots] == pytest.approx(TIMES, abs=1e-4)
    assert all(shot.pixels.dtype == np.uint8 and shot.pixels.shape == (48, 64, 3) for shot in shots)
    assert (footage.goes_on, footage.damaged, footage.expected) == (False, 0, 6)


def test_pictures_stay_as_they_are_when_the_next_ones_are_read(film: Path) -> None:
    shots = list(VideoFootage(film).shots())
    assert len({shot.pixels.ctypes.data for shot in shots}) == 6


def test_a_container_without_a_table_of_pictures_does_not_say_how_many_there_are(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(videos.numbered(number), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())
    footage = VideoFootage(path)
    assert (footage.expected, footage.fps) == (None, 10)
    assert [shot.timestamp for shot in footage.shots()] == pytest.approx([0, 0.1, 0.2, 0.3], abs=0.002)


def test_a_file_that_was_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    file = VideoFile(path, 64, 48, 25)
    for number in range(60):
        file.add(videos.numbered(number))
    file.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    shots = list(VideoFootage(path).shots())
    assert 8 <= len(shots) < 60
    assert [number_of(shot.pixels) for shot in shots[:8]] == list(range(8))


def test_damage_in_the_middle_does_not_end_it(film: Path) -> None:
    data = bytearray(film.read_bytes())
    at = data.index(b"mdat")
    third = at + (len(data) - at) // 2
    data[third : third + 40] = bytes(40)
    film.write_bytes(data)
    footage = VideoFootage(film)
    shots = list(footage.shots())
    assert len(shots) + footage.damaged >= 5 and number_of(shots[0].pixels) == 0


def test_a_film_that_was_taken_on_its_side_stands_upright(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Turned:
        """A frame as a telephone writes it: the sensor's picture, and how to turn it."""

        def __init__(self, frame: Any) -> None:
            self.time, self.rotation, self._frame = frame.time, 90, frame

        def to_ndarray(self, format: str) -> Any:
            return self._frame.to_ndarray(format=format)

    frames = VideoFootage._frames
    upright = next(VideoFootage(film).shots()).pixels
    monkeypatch.setattr(VideoFootage, "_frames", lambda self: map(Turned, frames(self)))
    turned = next(VideoFootage(film).shots()).pixels
    np.testing.assert_array_equal(turned, np.rot90(upright))
    assert turned.flags.c_contiguous


def test_times_never_go_back(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([5.0, 5.1, None, 5.0, math.nan, 7.0])

    class Timed:
        rotation = 0

        def __init__(self, frame: Any) -> None:
            self.time, self._frame = next(times), frame

        def to_ndarray(self, format: str) -> Any:
            return self._frame.to_ndarray(format=format)

    frames = VideoFootage._frames
    monkeypatch.setattr(VideoFootage, "_frames", lambda self: map(Timed, frames(self)))
    footage = VideoFootage(film)
    step = 1 / footage.fps
    expected = [0, 0.1, 0.1 + step, 0.1 + step, 0.1 + 2 * step, 2.0]
    assert [shot.timestamp for shot in footage.shots()] == pytest.approx(expected)


def test_of_pictures_that_nobody_wants_only_the_time_is_there(film: Path) -> None:
    footage = VideoFootage(film)
    shots = []
    for shot in footage.shots():
        shots.append(shot)
        footage.unwanted = 3
    assert [shot.timestamp for shot in shots] == pytest.approx(TIMES, abs=1e-4)
    assert [shot.pixels is UNMADE for shot in shots] == [False, True, True, False, False, False]
    assert number_of(shots[3].pixels) == 3


@pytest.mark.parametrize("name", ["nowhere.mp4", ".", "text.mp4", "sound.wav"])
def test_what_is_no_video_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(EnvstreamError, match="expected a video file"):
        VideoFootage(tmp_path / name)

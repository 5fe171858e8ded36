"""Footage: a file's pictures at its own times, a camera's as they come, an env's at its natural speed."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import videos
from envstream.errors import EnvstreamError
from envstream.push.footage import Beat, CameraFootage, EnvFootage, VideoFootage
from envstream.video import VideoFile

av = pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

TIMES = [0.0, 0.04, 0.08, 0.5, 0.54, 2.0]
TEST = "lavfi:testsrc=size=64x48:rate=50"


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


# --- a camera ------------------------------------------------------------------------------------------


def test_a_test_picture_comes_at_its_own_rate() -> None:
    camera = CameraFootage(TEST)
    shots = list(itertools.islice(camera.shots(), 11))
    camera.close()
    assert shots[0].timestamp == 0 and shots[-1].timestamp >= 10 / 50 - 0.005
    assert shots[0].pixels.shape == (48, 64, 3) and (camera.fps, camera.expected, camera.goes_on) == (
        50,
        None,
        True,
    )


def test_of_a_camera_no_more_is_taken_than_was_said() -> None:
    camera = CameraFootage(TEST, 10)
    shots = list(itertools.islice(camera.shots(), 4))
    camera.close()
    assert camera.fps == 10 and shots[3].timestamp >= 0.3 - 0.03


def test_a_camera_that_ends_ends() -> None:
    assert 2 <= len(list(CameraFootage(f"{TEST}:duration=0.06").shots())) <= 4


@pytest.mark.parametrize("device", ["97", "/dev/nowhere", "lavfi:nothing=1"])
def test_a_camera_that_is_not_there_is_one_sentence(device: str) -> None:
    with pytest.raises(EnvstreamError, match="cannot be opened"):
        CameraFootage(device)


# --- an env --------------------------------------------------------------------------------------------


def test_an_env_is_played_at_its_natural_speed_and_says_how_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    cart = "gymnasium.envs.classic_control.cartpole:CartPoleEnv"
    short = gymnasium.envs.registration.EnvSpec("Short-v0", cart, max_episode_steps=5)
    monkeypatch.setitem(gymnasium.registry, "Short-v0", short)
    footage = EnvFootage("Short-v0")
    shots = list(itertools.islice(footage.shots(), 20))
    footage.close()
    assert footage.fps == 50 and shots[-1].timestamp >= 19 / 50 - 0.02
    assert shots[0].info == {"episode": 1, "step": 0, "return": 0.0, "totalSteps": 0}
    assert shots[1].info == {"episode": 1, "step": 1, "return": 1.0, "totalSteps": 1}
    assert [shot.info["episode"] for shot in shots] == [1 + number // 6 for number in range(20)]
    assert shots[-1].info == {"episode": 4, "step": 1, "return": 1.0, "totalSteps": 16}


def test_of_an_env_no_more_is_rendered_than_was_said() -> None:
    footage = EnvFootage("CartPole-v1", 10)
    shots = list(itertools.islice(footage.shots(), 3))
    footage.close()
    assert footage.fps == 10 and shots[2].info["totalSteps"] + shots[2].info["episode"] >= 9


def test_an_env_that_cannot_be_made_is_one_sentence() -> None:
    with pytest.raises(EnvstreamError, match="env 'NoSuchEnv-v0' cannot be made"):
        EnvFootage("NoSuchEnv-v0")


def test_an_env_without_pictures_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(gymnasium.Env[Any, Any]):
        metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
        observation_space = action_space = gymnasium.spaces.Discrete(2)

        def __init__(self, render_mode: str | None = None) -> None:
            self.render_mode = render_mode

        def reset(self, **options: Any) -> Any:
            return 0, {}

        def render(self) -> Any:
            return np.zeros((4, 4), np.float32)

    monkeypatch.setitem(
        gymnasium.registry,
        "Blind-v0",
        gymnasium.envs.registration.EnvSpec("Blind-v0", Blind, disable_env_checker=True),
    )
    footage = EnvFootage("Blind-v0")
    with pytest.raises(EnvstreamError, match=r"renders float32 of shape \(4, 4\): expected uint8 RGB"):
        next(footage.shots())
    footage.close()


# --- a beat --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "wanted"), [(30, 10), (30, 20), (60, 25), (30, 29)])
def test_of_a_quick_source_so_many_a_second_are_taken(source: int, wanted: int) -> None:
    beat = Beat(wanted)
    taken = sum(beat.due(number / source) for number in range(10 * source))
    assert taken == pytest.approx(10 * wanted, rel=0.05)


def test_without_a_rate_all_are_taken() -> None:
    beat = Beat(None)
    assert all(beat.due(at) for at in (0.0, 0.0, 0.001, 7.0, 7.0))


def test_a_source_of_that_rate_loses_no_picture_that_is_a_little_early_or_late() -> None:
    beat = Beat(30)
    assert all(beat.due(number / 30 + 0.006 * (-1) ** number) for number in range(1, 300))


def test_after_a_pause_none_are_made_up_for() -> None:
    beat = Beat(10)
    assert beat.due(0.0) and beat.due(5.0)
    assert sum(beat.due(5.0 + number / 1000) for number in range(1, 200)) <= 3

"""Takes: the pictures of an episode become a file, a clip, or both, and nothing of it is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from envstream import codec
from envstream.clip import Clip
from envstream.config import StreamConfig
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.stream import Stream
from envstream.takes import MOST_WAITING, Takes
from serving import until


class Server:
    """A hub whose takes are written below a folder."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor, **settings: Any) -> None:
        config = StreamConfig(videoStream=True, videoRecordFolder=str(folder), **settings)
        self.folder = folder
        self.hub = Hub(config, pool)
        self.stream = self.hub.open("env", "CartPole-v1", config)
        self.stream.screening.natural_fps = 50.0
        self.said: list[str] = []
        self.begun: list[Clip] = []
        self.takes = Takes(self.hub, self._say, lambda: None, lambda stream, clip: self.begun.append(clip))

    def _say(self, stream: Stream, message: str, by: str) -> None:
        if stream.notices.say(message, by, lasting=True) and message:
            self.said.append(message)

    def play(self, take: int, frames: int, about: dict[str, Any], **outcome: Any) -> None:
        """A whole take of so many pictures, of which each is told apart by its grey."""
        for step in range(frames):
            info: dict[str, Any] = {"episode": 3, "step": step, "return": float(step), "totalSteps": step}
            if step == 0:
                info["begin"] = about
            if step == frames - 1:
                info["end"] = {"ended": "terminated", "missing": 0, "steps": step, "return": step, **outcome}
            self.takes.put(self.stream, take, picture(step, info), info)
        self.settle()

    def settle(self) -> None:
        until(lambda: not self.takes.busy, "the files")

    def files(self, kind: str) -> list[str]:
        return sorted(path.name for path in self.folder.glob(f"*.{kind}"))


def picture(grey: int, info: dict[str, Any]) -> Callable[[], Frame]:
    pixels = np.full((48, 64, 3), grey * 5 % 256, np.uint8)
    return lambda: Frame(pixels, grey + 1, 10.0 + grey, 0.0, info)


def greys(path: Path) -> list[int]:
    """The pictures of a file, by their grey."""
    with av.open(str(path)) as file:
        return [round(frame.to_ndarray(format="rgb24").mean() / 5) for frame in file.decode(video=0)]


@pytest.fixture
def server(tmp_path: Path, pool: ThreadPoolExecutor) -> Iterator[Server]:
    yield Server(tmp_path / "videos", pool)


def test_every_picture_of_a_recorded_take_is_in_its_file_in_order(server: Server) -> None:
    server.play(1, 40, {"record": "rl-video-episode-2", "seed": 7, "first": 0})
    assert server.files("mp4") == ["rl-video-episode-2.mp4"]
    assert greys(server.folder / "rl-video-episode-2.mp4") == list(range(40))


def test_beside_it_stands_what_it_shows(server: Server) -> None:
    server.play(1, 5, {"record": "rl-video-episode-2", "seed": 7, "first": 0})
    told = json.loads((server.folder / "rl-video-episode-2.json").read_text())
    assert (told["state"], told["frames"], told["fps"]) == ("finished", 5, 50.0)
    assert told["outcome"] == {"ended": "terminated", "steps": 4, "return": 4}
    about = told["about"]
    assert (about["env"], about["seed"], about["run"]) == ("CartPole-v1", 7, server.hub.run)
    assert about["config"]["videoFps"] == 30.0
    secret = ("Token", "Tls", "Hub", "Cameras")  # An address may hold a password.
    assert not [key for key in about["config"] if any(part in key for part in secret)]


def test_pictures_that_were_left_out_on_the_way_are_counted_in_it(server: Server) -> None:
    server.play(1, 5, {"record": "a", "first": 0}, missing=3)
    assert json.loads((server.folder / "a.json").read_text())["missing"] == 3


def test_a_take_to_be_watched_becomes_a_clip_and_no_file(server: Server) -> None:
    server.play(1, 6, {"clip": 2, "most": 100, "first": 0, "seed": 5})
    (clip,) = server.hub.archive.of("env")
    assert server.begun == [clip] and not server.folder.exists()
    assert (clip.done, clip.ended, clip.seed, clip.every, clip.total) == (True, "terminated", 5, 2, 5.0)
    assert [still.time for still in clip.stills] == [step / 50 for step in range(6)]
    decoded = [round(codec.decode(still.data).mean() / 5) for still in clip.stills]
    assert decoded == list(range(6))


def test_a_recorded_take_can_be_replayed_as_well_with_no_more_pictures_than_are_shown(
    server: Server,
) -> None:
    server.play(1, 8, {"record": "a", "first": 0})
    (clip,) = server.hub.archive.of("env")
    assert clip.every == 2, "50 steps a second at 30 pictures a second"
    assert [still.values["step"] for still in clip.stills] == [0, 2, 4, 6, 7]


def test_without_a_page_there_are_only_files(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    server = Server(tmp_path / "videos", pool)
    server.stream.config = StreamConfig(videoRecord=True, videoRecordFolder=str(server.folder))
    server.play(1, 8, {"record": "a", "first": 0})
    assert server.hub.archive.of("env") == [] and server.files("mp4") == ["a.mp4"]


def test_what_was_not_the_best_leaves_nothing_behind(server: Server) -> None:
    server.play(1, 8, {"record": "a", "first": 0}, keep=True)
    server.play(2, 8, {"record": "b", "first": 0}, keep=False)
    assert (server.files("mp4"), server.files("json")) == (["a.mp4"], ["a.json"])


def test_of_many_recordings_the_newest_are_kept(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    server = Server(tmp_path / "videos", pool, videoRecordKeep=2)
    for take in range(4):
        server.play(take + 1, 3, {"record": f"episode-{take}", "first": 0})
    assert server.files("mp4") == ["episode-2.mp4", "episode-3.mp4"]
    assert server.files("json") == ["episode-2.json", "episode-3.json"]


def test_a_trainer_that_is_gone_leaves_whole_files(server: Server) -> None:
    for step in range(5):
        info = {"step": step, "return": 0.0, **({"begin": {"record": "a", "first": 0}} if not step else {})}
        server.takes.put(server.stream, 1, picture(step, info), info)
    server.takes.finish()
    server.settle()
    told = json.loads((server.folder / "a.json").read_text())
    assert greys(server.folder / "a.mp4") == list(range(5))
    assert (told["state"], told["outcome"]["ended"], told["outcome"]["steps"]) == ("finished", "closed", 4)


def test_a_take_that_another_server_began_goes_on_in_a_file_of_its_own(server: Server) -> None:
    server.takes.known = {4: {"record": "a", "first": 0}}
    info = {"step": 30, "return": 1.0, "end": {"ended": "terminated"}}
    server.takes.put(server.stream, 4, picture(30, info), info)
    server.settle()
    assert greys(server.folder / "a.mp4") == [30]


def test_pictures_of_a_take_that_nobody_knows_of_are_left_out(server: Server) -> None:
    info = {"step": 30}
    server.takes.put(server.stream, 4, picture(30, info), info)
    assert not server.takes.busy


def test_it_takes_no_more_while_enough_is_waiting(server: Server) -> None:
    gate: list[bool] = []

    def slow() -> Frame:
        until(lambda: gate, "the gate")
        return picture(1, {"step": 0})()

    taken = 0
    while server.takes.ready():
        info = {"step": taken, "begin": {"clip": 1, "most": 100, "first": 0}}
        server.takes.put(server.stream, 1, slow, info)
        taken += 1
    assert 1 < taken <= MOST_WAITING
    gate.append(True)
    until(server.takes.ready, "room")
    server.takes.finish()
    server.settle()


def test_a_folder_that_cannot_be_written_is_said_once_and_the_clip_is_there_all_the_same(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    (tmp_path / "videos").write_text("a file where the folder should be")
    server = Server(tmp_path / "videos", pool)
    server.play(1, 4, {"record": "a", "first": 0})
    server.play(2, 4, {"record": "b", "first": 0})
    assert len(server.said) == 1 and "videoRecordFolder" in server.said[0]
    assert len(server.hub.archive.of("env")) == 2


def test_trouble_is_over_once_a_recording_goes_well_and_then_said_anew(server: Server) -> None:
    for take in (1, 2, 3):
        server.folder.parent.mkdir(exist_ok=True)
        if take == 2:
            server.folder.unlink()
            server.play(take, 3, {"record": "a", "first": 0})
            assert server.stream.notices.newest is None
            shutil.rmtree(server.folder)
        else:
            server.folder.write_text("a file where the folder should be")
            server.play(take, 3, {"record": "a", "first": 0})
            assert "videoRecordFolder" in str(server.stream.notices.newest)
    assert len(server.said) == 2


def test_a_long_take_to_be_watched_is_cut_but_keeps_its_end(server: Server) -> None:
    server.play(1, 30, {"clip": 1, "most": 10, "first": 0})
    (clip,) = server.hub.archive.of("env")
    assert clip.cut and [still.values["step"] for still in clip.stills] == [*range(10), 29]


def test_the_status_line_is_drawn_into_the_file_where_that_is_wanted(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    server = Server(tmp_path / "videos", pool, videoRecordOverlay=True)
    server.play(1, 3, {"record": "a", "first": 0})
    with av.open(str(server.folder / "a.mp4")) as file:
        frame = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert frame[-9:].max() > 150 and frame[:30].max() < 20
    (clip,) = server.hub.archive.of("env")
    assert codec.decode(clip.stills[0].data).max() < 20, "the page draws it anyway"


def test_a_recording_that_goes_on_over_episodes_is_replayed_at_its_own_pace(server: Server) -> None:
    for number in range(8):
        info: dict[str, Any] = {"episode": 3 + number // 4, "step": number % 4, "return": 0.0}
        if number == 0:
            info["begin"] = {"record": "a", "first": 0}
        if number == 7:
            info["end"] = {"ended": "cut"}
        server.takes.put(server.stream, 1, picture(number, info), info)
    server.settle()
    (clip,) = server.hub.archive.of("env")
    assert [still.time for still in clip.stills] == [0.0, 0.04, 0.08, 0.12, 0.14]


def test_a_picture_that_cannot_be_read_is_counted_and_the_rest_is_there(server: Server) -> None:
    def broken() -> Frame:
        raise ValueError("no picture")

    for number in range(3):
        info: dict[str, Any] = {"step": number, "return": 0.0}
        if number == 0:
            info["begin"] = {"record": "a", "first": 0}
        if number == 2:
            info["end"] = {"ended": "terminated"}
        server.takes.put(server.stream, 1, broken if number == 1 else picture(number, info), info)
    server.settle()
    told = json.loads((server.folder / "a.json").read_text())
    assert (greys(server.folder / "a.mp4"), told["missing"]) == ([0, 2], 1)

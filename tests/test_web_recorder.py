"""The recorder: what is seen of a stream becomes a file, begun and ended on a page, by real servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from envstream import video
from fakes import PictureEnv
from serving import Watcher, get, streaming, training, until

NAME = "Counting"


class Counting(PictureEnv):
    """An env whose picture says how often it was taken."""

    def render(self) -> Any:
        self.renders += 1
        return np.full((48, 64, 3), self.renders * 3 % 250, np.uint8)


def post(port: int, path: str) -> tuple[int, dict[str, Any]]:
    status, _, body = get(port, path, method="POST")
    return status, json.loads(body)


def greys(path: Path) -> list[int]:
    with av.open(str(path)) as file:
        return [round(frame.to_ndarray(format="rgb24").mean()) for frame in file.decode(video=0)]


def status_of(port: int) -> dict[str, Any]:
    streams: list[dict[str, Any]] = json.loads(get(port, "/api/streams")[2])["streams"]
    return streams[0]


def test_what_is_shown_is_recorded_until_it_is_stopped(tmp_path: Path) -> None:
    with streaming(Counting(), still=True, videoRecordFolder=str(tmp_path)) as port:
        status, answer = post(port, f"/api/record/start?stream={NAME}")
        assert (status, answer["success"]) == (200, True)
        recording = until(lambda: (status_of(port)["recording"] or {}).get("frames", 0) > 10, "pictures")
        assert recording
        status, answer = post(port, f"/api/record/stop?stream={NAME}")
        assert (status, answer["file"]) == (200, f"recordings/{NAME}-live.mp4")
        told = until(lambda: finished(tmp_path / f"{NAME}-live.json"), "the file's end")
        assert told["frames"] > 10 and told["outcome"] == {"ended": "stopped"}
        seen = greys(tmp_path / f"{NAME}-live.mp4")
        assert len(seen) == told["frames"]
        assert status_of(port)["recording"] is None
        assert get(port, "/" + answer["file"])[2] == (tmp_path / f"{NAME}-live.mp4").read_bytes()


def finished(path: Path) -> dict[str, Any] | None:
    text = path.read_text() if path.exists() else ""  # Empty for the moment in which its name is taken.
    told: dict[str, Any] = json.loads(text or "{}")
    return told if told.get("state") == "finished" else None


def test_who_watches_besides_sees_that_it_is_recorded(tmp_path: Path) -> None:
    with streaming(Counting(), still=True, videoRecordFolder=str(tmp_path)) as port, Watcher(port) as watcher:
        watcher.watch(NAME, status=True)
        post(port, f"/api/record/start?stream={NAME}")

        def seen() -> bool:
            recording = watcher.message("streams")["streams"][0]["recording"]
            return recording is not None and recording["name"] == f"{NAME}-live.mp4"

        until(seen, "the word of it")


def test_a_stream_is_recorded_once_at_a_time_and_stopping_nothing_says_so(tmp_path: Path) -> None:
    with streaming(Counting(), still=True, videoRecordFolder=str(tmp_path)) as port:
        assert post(port, f"/api/record/stop?stream={NAME}")[0] == 409
        post(port, f"/api/record/start?stream={NAME}")
        status, answer = post(port, f"/api/record/start?stream={NAME}")
        assert (status, answer["message"]) == (409, "this stream is being recorded already")


def test_the_runs_end_finishes_the_file(tmp_path: Path) -> None:
    with streaming(Counting(), still=True, videoRecordFolder=str(tmp_path)) as port:
        post(port, f"/api/record/start?stream={NAME}")
        until(lambda: (status_of(port)["recording"] or {}).get("frames", 0) > 3, "pictures")
    told = until(lambda: finished(tmp_path / f"{NAME}-live.json"), "the file's end")
    assert len(greys(tmp_path / f"{NAME}-live.mp4")) == told["frames"]


def test_the_file_of_a_stream_that_ends_is_finished_while_the_run_goes_on(tmp_path: Path) -> None:
    script = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from envstream import StreamingWrapper
from test_web_recorder import Counting
made = dict(videoStreamPort=0, videoRecordFolder={str(tmp_path)!r})
first, other = StreamingWrapper(Counting(), **made), StreamingWrapper(Counting(), **made)
first.reset(), other.reset()
print(first.stream_url, flush=True)
for env in (first, other):
    until = time.monotonic() + (3 if env is first else 60)
    while time.monotonic() < until:
        if env.step(0)[2]:
            env.reset()
        time.sleep(0.002)
    env.close()
"""
    with training(script=script) as trainer:
        post(trainer.port, f"/api/record/start?stream={NAME}")
        told = until(lambda: finished(tmp_path / f"{NAME}-live.json"), "the file's end")
        assert trainer.process.poll() is None
        assert len(greys(tmp_path / f"{NAME}-live.mp4")) == told["frames"] > 3


def test_without_pyav_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "missing", lambda: 'pip install "gymnasium-envstream[record]"')
    with streaming(Counting(), videoRecordFolder=str(tmp_path)) as port:
        status, answer = post(port, f"/api/record/start?stream={NAME}")
        assert (status, answer["success"]) == (409, False)
        assert "[record]" in answer["message"]


def test_a_recorded_run_without_a_page_leaves_every_picture_of_each_episode(tmp_path: Path) -> None:
    script = f"""
import sys, json
sys.path.insert(0, {str(Path(__file__).parent)!r})
import gymnasium as gym
from envstream import StreamingWrapper
env = gym.make("CartPole-v1", render_mode="rgb_array")
env = StreamingWrapper(env, videoRecord=True, videoStream=False, videoRecordFolder={str(tmp_path)!r},
                       episode_trigger="every: 4", name_prefix="cart")
lengths = []
for episode in range(9):
    env.reset(seed=episode)
    env.action_space.seed(episode)
    steps, over = 0, False
    while not over:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        steps, over = steps + 1, terminated or truncated
    lengths.append(steps)
assert env.stream_url is None
print("http://none:1/", flush=True)
print(json.dumps(lengths), flush=True)
env.close()
sys.stdin.read()
"""
    with training(script=script) as trainer:
        lengths = json.loads(trainer.line())
        names = [f"cart-episode-{episode}" for episode in (0, 4, 8)]
        for name in names:
            until(lambda name=name: finished(tmp_path / f"{name}.json"), name)
    assert sorted(path.stem for path in tmp_path.glob("*.mp4")) == names
    for episode in (0, 4, 8):
        assert len(greys(tmp_path / f"cart-episode-{episode}.mp4")) == lengths[episode] + 1
        told = json.loads((tmp_path / f"cart-episode-{episode}.json").read_text())
        assert (told["about"]["seed"], told["outcome"]["steps"]) == (episode, lengths[episode])

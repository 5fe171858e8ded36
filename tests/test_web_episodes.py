"""`/api/episodes`, `/api/replay`, `/api/record` and `/recordings`: what was can be looked at again."""

from __future__ import annotations

import io
import json
import struct
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from flask.testing import FlaskClient

from envstream import codec, video
from envstream.clip import Clip, Still
from envstream.config import StreamConfig
from envstream.encoder import Picture
from envstream.frame import Frame, Pixels
from envstream.hub import Hub
from envstream.web import episodes
from envstream.web.app import create_app
from envstream.web.backend import Backend


def grey(value: int, width: int = 64, height: int = 48) -> Pixels:
    return np.full((height, width, 3), value, np.uint8)


def keep(hub: Hub, number: int, total: float, frames: int = 5) -> Clip:
    """An episode that was captured; its pictures are told apart by their grey."""
    clip = Clip(hub.archive.name("episode"), "env", "CartPole-v1", fps=50.0, every=2)
    for index in range(frames):
        step = 2 * index
        values = {"episode": number, "step": step, "action": 1, "reward": 1.0, "return": total}
        data = codec.encode(grey(10 * index), "jpeg", 90)
        clip.add(Still(data, "jpeg", step / 50, 100.0 + step / 50, 64, 48, values))
    clip.finish("terminated")
    hub.archive.add(clip)
    return clip


@pytest.fixture
def hub(pool: ThreadPoolExecutor, tmp_path: Path) -> Hub:
    hub = Hub(StreamConfig(videoStream=True, videoRecordFolder=str(tmp_path)), pool)
    hub.open("env", "CartPole-v1", hub.config)
    return hub


@pytest.fixture
def commands() -> list[tuple[str, bool]]:
    return []


@pytest.fixture
def client(hub: Hub, commands: list[tuple[str, bool]]) -> FlaskClient:
    def command(name: str, on: bool) -> tuple[int, dict[str, Any]]:
        commands.append((name, on))
        return 200, {"success": True, "message": "recording", "recording": None, "file": None}

    def may_steer(headers: Mapping[str, str]) -> bool:
        return headers.get("sec-fetch-site", "none") == "none"

    return create_app(hub, Backend(may_steer=may_steer, command=command)).test_client()


# --- episodes ------------------------------------------------------------------------------------------


def test_the_kept_episodes_are_listed_and_the_best_and_worst_are_named(client: FlaskClient, hub: Hub) -> None:
    for number, total in ((3, 5.0), (7, 9.0), (8, 1.0)):
        keep(hub, number, total)
    listed = client.get("/api/episodes?stream=env").get_json()
    assert listed["stream"] == "env"
    assert [(one["episode"], one["return"]) for one in listed["clips"]] == [(3, 5.0), (7, 9.0), (8, 1.0)]
    assert [one["best"] for one in listed["clips"]] == [False, True, False]
    assert [one["worst"] for one in listed["clips"]] == [False, False, True]


def test_the_episodes_of_what_plays_them_are_the_streams_own(client: FlaskClient, hub: Hub) -> None:
    keep(hub, 3, 5.0)
    assert len(client.get("/api/episodes?stream=env@episodes").get_json()["clips"]) == 1


def test_an_episode_tells_of_each_of_its_pictures(client: FlaskClient, hub: Hub) -> None:
    clip = keep(hub, 3, 5.0)
    told = client.get(f"/api/episodes/{clip.name}").get_json()
    assert (told["title"], told["width"], told["height"], told["fps"]) == ("CartPole-v1", 64, 48, 25.0)
    assert [one["step"] for one in told["pictures"]] == [0, 2, 4, 6, 8]
    assert told["pictures"][1] == {
        "offset": told["pictures"][0]["size"],
        "size": len(clip.stills[1].data),
        "format": "jpeg",
        "time": 0.04,
        "episode": 3,
        "step": 2,
        "action": 1,
        "reward": 1.0,
        "return": 5.0,
    }


def test_its_pictures_come_in_one_piece(client: FlaskClient, hub: Hub) -> None:
    clip = keep(hub, 3, 5.0)
    told = client.get(f"/api/episodes/{clip.name}").get_json()
    answer = client.get(f"/api/episodes/{clip.name}/pictures")
    assert (answer.mimetype, answer.content_length) == ("application/octet-stream", len(answer.data))
    parts = [answer.data[one["offset"] : one["offset"] + one["size"]] for one in told["pictures"]]
    assert [round(codec.decode(part).mean() / 10) for part in parts] == [0, 1, 2, 3, 4]


def test_its_pictures_can_be_had_in_part(client: FlaskClient, hub: Hub) -> None:
    clip = keep(hub, 3, 5.0)
    told = client.get(f"/api/episodes/{clip.name}").get_json()["pictures"][3]
    span = f"bytes={told['offset']}-{told['offset'] + told['size'] - 1}"
    answer = client.get(f"/api/episodes/{clip.name}/pictures", headers={"Range": span})
    assert (answer.status_code, answer.data) == (206, clip.stills[3].data)


def test_an_episode_can_be_saved_as_a_film(client: FlaskClient, hub: Hub) -> None:
    clip = keep(hub, 3, 5.0)
    answer = client.get(f"/api/episodes/{clip.name}.mp4")
    assert answer.mimetype == "video/mp4"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="CartPole-v1-episode-3.mp4"'
    with av.open(io.BytesIO(answer.data)) as film:
        pictures = list(film.decode(video=0))
        assert [round(float(one.time or 0.0), 3) for one in pictures] == [0, 0.04, 0.08, 0.12, 0.16]
    assert [round(one.to_ndarray(format="rgb24").mean() / 10) for one in pictures] == [0, 1, 2, 3, 4]


def test_a_film_has_its_streams_name_whatever_its_letters(client: FlaskClient, hub: Hub) -> None:
    clip = keep(hub, 3, 5.0)
    clip.title = "Змея 蛇"
    answer = client.get(f"/api/episodes/{clip.name}.mp4")
    assert answer.status_code == 200
    said = answer.headers["Content-Disposition"]
    assert said.isascii() and said.endswith("%E8%9B%87-episode-3.mp4") and 'filename="' in said


def test_so_many_films_are_made_at_one_time_and_others_are_told_to_wait(
    client: FlaskClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = keep(hub, 3, 5.0)
    monkeypatch.setattr(episodes, "_FILMING", threading.BoundedSemaphore(1))
    with episodes._FILMING:
        answer = client.get(f"/api/episodes/{clip.name}.mp4")
        assert (answer.status_code, "try again" in answer.get_json()["error"]) == (503, True)
    assert client.get(f"/api/episodes/{clip.name}.mp4").status_code == 200


def test_what_cannot_be_made_a_film_is_said_to_be_so(client: FlaskClient, hub: Hub) -> None:
    clip = keep(hub, 3, 5.0, frames=0)
    answer = client.get(f"/api/episodes/{clip.name}.mp4")
    assert (answer.status_code, "one picture at least" in answer.get_json()["error"]) == (422, True)


def test_without_pyav_saving_says_what_to_install(
    client: FlaskClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = keep(hub, 3, 5.0)
    monkeypatch.setattr(video, "missing", lambda: 'pip install "gymnasium-envstream[record]"')
    answer = client.get(f"/api/episodes/{clip.name}.mp4")
    assert (answer.status_code, "[record]" in answer.get_json()["error"]) == (501, True)


@pytest.mark.parametrize("path", ["e99", "e99.mp4", "e99/pictures", "..", "%2e%2e%2fetc"])
def test_what_is_kept_no_more_is_said_to_be_so(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/api/episodes/{path}")
    assert answer.status_code == 404


def test_a_stream_that_there_is_not_has_no_episodes(client: FlaskClient) -> None:
    answer = client.get("/api/episodes?stream=other")
    assert (answer.status_code, answer.get_json()["error"]) == (404, "there is no stream 'other'")


def test_returns_that_json_has_no_word_for_do_not_break_the_list(client: FlaskClient, hub: Hub) -> None:
    keep(hub, 3, float("nan"))
    answer = client.get("/api/episodes?stream=env")
    assert json.loads(answer.data)["clips"][0]["return"] is None


# --- replay of the live picture ------------------------------------------------------------------------


def watched(hub: Hub, frames: int) -> None:
    for number in range(1, frames + 1):
        frame = Frame(grey(number * 10), number, 50.0 + number / 30, 0.0, {"step": number, "episode": 2})
        data = codec.encode(frame.pixels, "jpeg", 90)
        hub.streams["env"].replay.add(Picture("env", frame, data, "jpeg", 64, 48, 90, 0.0, 50.0))


def test_the_last_seconds_become_a_clip_in_real_time(client: FlaskClient, hub: Hub) -> None:
    watched(hub, 4)
    told = client.post("/api/replay?stream=env").get_json()
    assert (told["kind"], told["frames"]) == ("live", 4)
    assert [one["time"] for one in told["pictures"]] == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30], abs=1e-3)
    again = client.get(f"/api/episodes/{told['id']}").get_json()
    assert again["pictures"] == told["pictures"]
    assert client.get(f"/api/episodes/{told['id']}.mp4").mimetype == "video/mp4"
    assert client.get("/api/episodes?stream=env").get_json()["clips"] == []


def test_nothing_watched_is_nothing_to_replay(client: FlaskClient) -> None:
    answer = client.post("/api/replay?stream=env")
    assert (answer.status_code, "watched" in answer.get_json()["error"]) == (404, True)


# --- recordings ----------------------------------------------------------------------------------------


def test_a_recording_is_begun_and_ended_by_name(
    client: FlaskClient, commands: list[tuple[str, bool]]
) -> None:
    client.post("/api/record/start?stream=env")
    client.post("/api/record/stop?stream=env@episodes")
    assert commands == [("env", True), ("env@episodes", False)]


@pytest.mark.parametrize("path", ["/api/record/start?stream=x", "/api/record/pause?stream=env"])
def test_what_cannot_be_recorded_is_said(
    client: FlaskClient, commands: list[tuple[str, bool]], path: str
) -> None:
    answer = client.post(path)
    assert (answer.status_code, answer.get_json()["success"], commands) == (404, False, [])


@pytest.mark.parametrize("path", ["/api/record/start?stream=env", "/api/replay?stream=env"])
def test_a_page_of_another_site_can_neither_record_nor_replay(
    client: FlaskClient, commands: list[tuple[str, bool]], path: str
) -> None:
    answer = client.post(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, commands) == (403, [])


@pytest.mark.parametrize("path", ["/api/record/start?stream=env", "/api/replay?stream=env"])
def test_to_look_is_not_to_record(client: FlaskClient, commands: list[tuple[str, bool]], path: str) -> None:
    assert (client.get(path).status_code, commands) == (405, [])


def test_a_recording_can_be_had_in_parts(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(struct.pack("100B", *range(100)))
    assert client.get("/recordings/a.mp4", buffered=True).data == bytes(range(100))
    part = client.get("/recordings/a.mp4", headers={"Range": "bytes=10-19"}, buffered=True)
    assert (part.status_code, part.data) == (206, bytes(range(10, 20)))


@pytest.mark.parametrize("name", ["secret.txt", ".hidden.mp4", "..%2Fa.mp4", "%2e%2e/a.mp4", "b.mp4"])
def test_nothing_but_recordings_can_be_had(client: FlaskClient, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / ".hidden.mp4").write_text("secret")
    (tmp_path.parent / "a.mp4").write_text("secret")
    answer = client.get(f"/recordings/{name}")
    assert answer.status_code == 404 and b"secret\n" not in answer.data


@pytest.mark.parametrize("name", ["a%00.mp4", "%00.mp4", "a.mp4%00", "x" * 5000 + ".mp4", "%ff.mp4"])
def test_a_name_that_no_file_can_have_is_no_recordings(client: FlaskClient, name: str) -> None:
    assert client.get(f"/recordings/{name}").status_code == 404

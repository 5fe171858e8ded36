"""What came of sessions, over HTTP: statistics, files, and nothing that is not meant to be had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import senders
from senders import Alone, Message, Publisher, alone, named
from serving import get, training, until

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A server with a secret beside the folder of its sessions."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "result.json").write_text("secret")
    with alone(folder / "sessions") as server:
        yield server


@pytest.fixture(scope="module")
def result(server: Alone) -> Message:
    """Of a complete session with a signal that calls itself a page."""
    with Publisher(server.port) as publisher:
        publisher.start(session_id="complete", signal_expected=True)
        for number in range(1, 4):
            publisher.frame(number)
        publisher.signal(b"<script>alert(1)</script>", name="page.html")
        publisher.say("session_end", frames=3)
        return publisher.result()


def test_the_result_and_the_video_can_be_had(server: Alone, result: Message) -> None:
    status, headers, body = get(server.port, "/sessions/complete/result.json")
    assert status == 200 and json.loads(body) == result
    assert headers["content-type"].startswith("application/json")
    status, headers, body = get(server.port, "/sessions/complete/video.mp4")
    assert status == 200 and headers["content-type"] == "video/mp4"
    assert body == Path(result["folder"], "video.mp4").read_bytes()


@pytest.mark.parametrize("live", [False, True], ids=["kept", "live"])
def test_a_session_can_be_ended_with_what_it_has(server: Alone, live: bool) -> None:
    name = "unwanted-live" if live else "unwanted"
    with Publisher(server.port) as publisher:
        publisher.start(session_id=name, live=live)
        publisher.frame(1)
        status, _, body = get(server.port, f"/api/sessions/{name}/end", method="POST")
        assert status == 200 and json.loads(body)["success"]
        assert "ended at the server" in publisher.message("error")["message"]
    if not live:
        status = lambda: get(server.port, f"/sessions/{name}/result.json")[0]  # noqa: E731
        until(lambda: status() == 200, "the result of what had come")
    until(lambda: get(server.port, f"/api/sessions/{name}/end", method="POST")[0] == 404, "its end")


def test_a_session_is_ended_by_no_page_of_another_site(server: Alone) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert get(server.port, "/api/sessions/any/end", foreign, "POST")[0] == 403
    assert get(server.port, "/api/sessions/any/end")[0] == 405


def test_a_piece_of_the_video_can_be_had(server: Alone, result: Message) -> None:
    whole = Path(result["folder"], "video.mp4").read_bytes()
    status, headers, body = get(server.port, "/sessions/complete/video.mp4", {"Range": "bytes=10-19"})
    assert (status, body) == (206, whole[10:20])
    assert headers["content-range"] == f"bytes 10-19/{len(whole)}"


def test_a_signal_is_only_ever_a_file(server: Alone, result: Message) -> None:
    status, headers, body = get(server.port, "/sessions/complete/signal")
    assert status == 200 and body == b"<script>alert(1)</script>"
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment")
    assert headers["x-content-type-options"] == "nosniff"


def test_what_is_not_there_is_said_not_to_be(server: Alone, result: Message) -> None:
    for path in ("/sessions/complete/processed.mp4", "/sessions/nobodys/video.mp4"):
        status, _, body = get(server.port, path)
        assert status == 404 and "not yet" in json.loads(body)["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/sessions/../result.json",
        "/sessions/%2e%2e/result.json",
        "/sessions/..%2f/result.json",
        "/sessions/complete/..%2f..%2fresult.json",
        "/sessions/complete/../../result.json",
        "/sessions/complete/%2e%2e%2fcomplete%2fvideo.mp4",
        "/sessions/complete/session.json",
        "/sessions/complete/frames.log",
        "/sessions/complete/signal.html",
        "/sessions/complete/signal.%2a",
        "/sessions/comp%00lete/video.mp4",
        "/sessions/complete%0a/video.mp4",
        "/sessions/complete/video.mp4%00",
        "/sessions/complete//video.mp4",
        "/sessions/*/video.mp4",
        "/sessions/./video.mp4",
        "/sessions/complete/",
        "/sessions/",
        "/sessions/.lock",
        "/sessions/%2f/etc/passwd",
        "/sessions/" + "x" * 65 + "/video.mp4",
        "/sessions/%ff/video.mp4",
        "/sessions/comple%74e/video.mp4/..%2f..%2f..%2fresult.json",
    ],
)
def test_nothing_else_can_be_had(server: Alone, result: Message, path: str) -> None:
    status, _, body = get(server.port, path)
    assert status in (308, 404) and b"secret" not in body and b"script" not in body


def test_the_statistics_tell_of_each_session_and_no_secret(server: Alone, result: Message) -> None:
    with Publisher(server.port) as publisher:
        publisher.start(session_id=(name := named()), name="camera", expected_frames=9)
        publisher.frame(2)
        publisher.frame(1)
        publisher.acknowledged(2)
        said = server.session(name)
        assert said is not None
        assert said["connected"] and said["state"] == "receiving" and not said["live"]
        assert (said["received"], said["missing"], said["expected"]) == (2, 0, 9)
        assert said["stream"] == "camera" and said["bytes"] > 0 and said["memory_bytes"] == 0
        stats = server.stats()
        assert stats["active_sessions"] == 1 and stats["sessions_completed"] >= 1
        assert stats["disk_bytes"] > 0
        for secret in (senders.TOKEN, str(server.folder)):
            assert secret not in json.dumps(stats)
        answer = json.loads(get(server.port, "/api/sessions")[2])["sessions"]
        assert {each["session_id"] for each in answer} == {each["session_id"] for each in stats["sessions"]}


def test_statistics_hold_while_frames_come(server: Alone) -> None:
    with Publisher(server.port) as publisher:
        publisher.start(session_id=(name := named()))
        for number in range(1, 400, 2):  # Every other one, so that there is much to count.
            publisher.frame(number)
            if number % 40 == 1:
                assert server.session(name) is not None


def test_a_run_that_takes_publishers_says_as_much(tmp_path: Path) -> None:
    with training(videoStreamFolder=str(tmp_path / "sessions")) as trainer:
        stats = json.loads(get(trainer.port, "/streaming/stats")[2])
        assert stats["active_sessions"] == 0 and stats["sessions"] == []
        assert not (tmp_path / "sessions").exists()
        result = senders.sent(trainer.port, 2, session_id="beside")
        assert result["video"]["frames"] == 2 and (tmp_path / "sessions" / "beside" / "result.json").exists()

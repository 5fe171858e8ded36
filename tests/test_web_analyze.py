"""`POST /analyze` on a real server: the result of a whole video, and nothing left of what was refused."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import senders
import tapes
import videos
from envstream import codec
from envstream.decoder import frames_of
from envstream.web.analyze import LONGEST_FIELD, MOST_AT_ONCE, MOST_PARTS
from senders import Alone, Message, Publisher, alone, form, posted
from serving import get, until

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

FRAMES = 6

OURS = """
def dies(frame):
    if frame.number == 3:
        os._exit(5)
    return frame
"""

SIGNAL = b"1,2\n3,4\n5,6"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A server with a publisher that sends all the while, and has lost nothing in the end."""
    folder = tmp_path_factory.mktemp("analyze")
    tapes.module(folder, "somebodys", OURS)
    limits = {"videoStreamMaxDisk": 20, "videoStreamSessionTimeout": 6}
    with alone(folder / "sessions", folder, videoStreamOffers=["somebodys.dies"], **limits) as server:
        with senders.standing_by(server.port) as bystander:
            server.bystander = bystander  # type: ignore[attr-defined]
            yield server
        assert not [line for line in server.errors if "Traceback" in line]


@pytest.fixture(scope="module")
def video(server: Alone) -> bytes:
    """An MP4 of numbered pictures."""
    result = senders.sent(server.port, FRAMES)
    return Path(result["folder"], "video.mp4").read_bytes()


@pytest.fixture(autouse=True)
def beside(server: Alone) -> Iterator[None]:
    """Nothing of this may disturb another."""
    yield
    server.bystander.undisturbed()  # type: ignore[attr-defined]


def folders(server: Alone) -> set[str]:
    """What there is of requests."""
    return {path.name for path in server.folder.glob("analyze-*")}


@pytest.fixture
def leaves_nothing(server: Alone) -> Iterator[None]:
    """What the request of a test brought is gone after it."""
    before = folders(server)
    yield
    until(lambda: folders(server) == before, "the folder of the request to be removed")


def test_a_video_and_its_signal_give_a_result(server: Alone, video: bytes) -> None:
    status, result = posted(server.port, *form(("video", "ours.mp4", video), ("signal", "heart.csv", SIGNAL)))
    assert status == 200 and result["problem"] is None
    assert result["video"]["frames"] == FRAMES and result["frames"]["decoded"] == FRAMES
    digest = hashlib.sha256(SIGNAL).hexdigest()
    assert result["signal"] == {"file": "signal.csv", "size": len(SIGNAL), "lines": 3, "sha256": digest}
    folder = Path(result["folder"])
    assert json.loads((folder / "result.json").read_text()) == result
    assert [each.number for each in videos.played(folder / "video.mp4")] == list(range(1, FRAMES + 1))
    # As it came it is not kept, as the pictures of a session are not.
    assert {path.name for path in folder.iterdir()} == {
        "result.json",
        "signal.csv",
        "video.json",
        "video.mp4",
    }


def test_what_came_of_it_can_be_had_as_that_of_a_session(server: Alone, video: bytes) -> None:
    name = posted(server.port, *form(("video", "a.mp4", video), ("signal", "x.csv", SIGNAL)))[1]["session_id"]
    assert get(server.port, f"/sessions/{name}/signal")[2] == SIGNAL
    for file in ("video.mp4", "video.json", "result.json"):
        assert get(server.port, f"/sessions/{name}/{file}")[0] == 200


def test_the_same_pictures_in_a_session_give_the_same_result(
    server: Alone, tmp_path: Path, video: bytes
) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(video)
    with Publisher(server.port) as publisher:
        publisher.start(encoding="png", processors=["stats"], signal_expected=True)
        for number, (timestamp, pixels, *_) in enumerate(frames_of(path), 1):
            assert pixels is not None
            publisher.frame(number, codec.encode(pixels, "png", 100), timestamp=timestamp)
        publisher.signal(SIGNAL, name="a.csv")
        publisher.say("session_end", frames=FRAMES)
        streamed = publisher.result()
    body = form(("video", "a.mp4", video), ("signal", "a.csv", SIGNAL), ("processors", None, b"stats"))
    status, analyzed = posted(server.port, *body)
    assert status == 200
    for own in ("session_id", "name", "folder"):
        assert streamed.pop(own) != analyzed.pop(own)
    assert analyzed == {key: value for key, value in streamed.items() if key not in ("start", "received")}
    assert set(streamed) - set(analyzed) == {"start", "received"}


@pytest.mark.parametrize(
    "named", [b"stats", b"stats , undistort", b'["stats"]', b'[{"name": "stats"}]'], ids=str
)
def test_processors_are_named_as_a_form_can(server: Alone, video: bytes, named: bytes) -> None:
    if b"undistort" in named:
        pytest.importorskip("cv2")
    status, result = posted(server.port, *form(("video", "a.mp4", video), ("processors", None, named)))
    assert status == 200 and "stats" in result["processors"]


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize(
    ("named", "code"),
    [
        (b"no.such.thing", "unknown_processor"),
        (b"os.system", "unknown_processor"),
        (b"[", "bad_request"),
        (b"[" * 50_000, "bad_request"),
        (b"[1]", "bad_start"),
        (b"[null]", "bad_start"),
        (b'[{"nothing": 1}]', "bad_start"),
        (b'[{"name": "stats", "nothing": 1}]', "bad_start"),
        (b'["stats", ' + b'"stats", ' * 20 + b'"stats"]', "bad_start"),
        (b"\xff\xfe,", "unknown_processor"),
    ],
    ids=lambda value: str(value)[:16],
)
def test_processors_that_there_are_not_are_refused(
    server: Alone, video: bytes, named: bytes, code: str
) -> None:
    status, said = posted(server.port, *form(("video", "a.mp4", video), ("processors", None, named)))
    assert status == 400 and said["code"] == code


def test_a_dead_processor_leaves_the_video_and_says_who_it_was(server: Alone, video: bytes) -> None:
    body = form(("video", "a.mp4", video), ("processors", None, b"somebodys.dies"))
    status, result = posted(server.port, *body)
    assert status == 200 and result["video"]["frames"] == FRAMES
    assert result["problem"]["processor"] == "somebodys.dies"


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize("data", [b"", b"this is no video", bytes(100_000), os.urandom(100_000)], ids=len)
def test_a_video_that_is_none_is_said_to_be_none(server: Alone, data: bytes) -> None:
    status, result = posted(server.port, *form(("video", "a.mp4", data)))
    assert status == 422 and result["video"] is None and result["problem"]["error"]


@pytest.mark.usefixtures("leaves_nothing")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b""),
        ("application/json", b"{}"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=", b""),
        ("multipart/form-data; boundary*=UTF-8''%E2%82%AC", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"no parts at all"),
        ("multipart/form-data; boundary=x", b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a: " + b"b" * 2_000_000),
        ("multipart/form-data; boundary=b0undary", form(("video", "a.mp4", b"cut short"))[1][:-9]),
        form(("signal", "a.csv", SIGNAL)),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; filename="a"\r\n\r\n1\r\n--x--',
        ),
        form(("video", None, b"a field and no file")),
        form(("other", "a.mp4", b"1")),
        form(("../video", "a.mp4", b"1")),
        form(("video", "a.mp4", b"1"), ("video", "b.mp4", b"2")),
    ],
    ids=range(18),
)
def test_a_body_that_is_not_what_is_wanted_is_refused_with_what_is(
    server: Alone, content_type: str, body: bytes
) -> None:
    status, said = posted(server.port, content_type, body)
    assert status == 400 and said["code"] == "bad_request" and "curl -F video=@" in said["message"]


@pytest.mark.usefixtures("leaves_nothing")
def test_a_form_with_far_too_much_in_it_is_refused(server: Alone) -> None:
    long = posted(server.port, *form(("processors", None, b"x" * (LONGEST_FIELD + 1))))
    assert long[0] == 413
    many = [(f"field-{number}", None, b"x") for number in range(MOST_PARTS + 1)]
    assert posted(server.port, *form(*many))[0] in (400, 413)


@pytest.mark.usefixtures("leaves_nothing")
def test_a_video_for_which_there_is_no_room_is_refused(server: Alone) -> None:
    status, said = posted(server.port, *form(("video", "a.mp4", bytes(30_000_000))))
    assert status == 507 and said["code"] == "disk_quota"


@pytest.mark.parametrize(
    ("filename", "stored"),
    [
        ("../../../evil.mp4", "video-as-sent.mp4"),
        ("/etc/passwd", "video-as-sent.bin"),
        ("a.m/../p4", "video-as-sent.bin"),
        ("a.\\..\\..\\x", "video-as-sent.x"),
        ("..", "video-as-sent.bin"),
        ("x.mp4%00.html", "video-as-sent.html"),
        ("a." + "x" * 5000, "video-as-sent.xxxxxxxx"),
        ("video.mp4", "video-as-sent.mp4"),
    ],
    ids=lambda name: name[:20],
)
def test_the_name_of_a_file_is_no_path(
    server: Alone, video: bytes, tmp_path: Path, filename: str, stored: str
) -> None:
    from envstream.web.analyze import Upload

    kind, body = form(("video", filename, video))
    upload = Upload(tmp_path, kind, lambda size: True)
    upload.add(body)
    upload.close()
    assert [path.name for path in tmp_path.iterdir()] == [stored]
    assert (tmp_path / stored).read_bytes() == video


def begun(server: Alone, body: bytes, kind: str) -> socket.socket:
    """A request of which half the body has been sent."""
    line = socket.create_connection(("127.0.0.1", server.port), 20)
    head = f"POST /analyze HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    line.sendall(head.encode() + b"\r\n\r\n" + body[: len(body) // 2])
    return line


def test_who_leaves_midway_leaves_nothing(server: Alone, video: bytes) -> None:
    before = folders(server)
    kind, body = form(("video", "a.mp4", video))
    with begun(server, body, kind):
        until(lambda: folders(server) > before, "the folder of the request")
    until(lambda: folders(server) == before, "the folder to be removed")


def test_who_sends_nothing_more_is_answered_and_makes_room_for_others(server: Alone, video: bytes) -> None:
    before = folders(server)
    kind, body = form(("video", "a.mp4", video))
    lines = [begun(server, body, kind) for _ in range(MOST_AT_ONCE)]
    until(lambda: len(folders(server)) == len(before) + MOST_AT_ONCE, "all of them to be read")
    status, said = posted(server.port, kind, body)
    assert status == 503 and said["code"] == "too_many_sessions"
    for line in lines:
        with line:
            assert b" 408 " in line.recv(4096)
    assert folders(server) == before
    assert posted(server.port, kind, body)[0] == 200


def test_there_is_nothing_to_be_had_there(server: Alone) -> None:
    assert get(server.port, "/analyze")[0] in (404, 405)


def test_a_page_of_another_site_cannot_have_anything_analyzed(server: Alone) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "0"}
    for site in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert get(server.port, "/analyze", {**headers, **site}, method="POST")[0] == 403
    assert get(server.port, "/analyze", headers, method="POST")[0] == 400


def test_answers_are_json(server: Alone) -> None:
    said: Message = posted(server.port, "text/plain", b"")[1]
    assert said["type"] == "error" and not said["recoverable"]

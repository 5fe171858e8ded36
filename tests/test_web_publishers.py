"""Publishers' sockets on a real server: whatever one of them sends, it is told so, and no other notices."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

import senders
import tapes
from senders import Alone, Publisher, alone, named, picture
from serving import drained, until

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

MAX_MESSAGE = 200_000

OURS = """
def dies(frame):
    if frame.number == 3:
        os._exit(5)
    return frame

def secret(frame):
    return frame
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A server with a publisher that sends all the while, and has lost nothing in the end."""
    folder = tmp_path_factory.mktemp("publishers")
    tapes.module(folder, "somebodys", OURS)
    limits = {
        "videoStreamMaxMessage": MAX_MESSAGE / 1e6,
        "videoStreamMaxPixels": 0.5,
        "videoStreamMaxDisk": 25,
        "videoStreamMaxSessions": 1000,
    }
    with alone(folder / "sessions", folder, videoStreamOffers=["somebodys.dies"], **limits) as server:
        with senders.standing_by(server.port) as bystander:
            server.bystander = bystander  # type: ignore[attr-defined]
            yield server
        assert not [line for line in server.errors if "Traceback" in line or "could not be dealt" in line]


@pytest.fixture
def publisher(server: Alone) -> Iterator[Publisher]:
    """Somebody who is there beside another, whom nothing of this may disturb."""
    with Publisher(server.port) as publisher:
        yield publisher
    server.bystander.undisturbed()  # type: ignore[attr-defined]


def goes_on(publisher: Publisher, number: int) -> None:
    """The session is as good as it was: this frame is taken."""
    publisher.frame(number)
    assert publisher.acknowledged(number)["missing"] == []


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


# --- frames ---------------------------------------------------------------------------------------------


def test_frames_are_acknowledged_and_become_a_result(publisher: Publisher) -> None:
    ack = publisher.start(session_id=(name := named()))
    assert ack["session_id"] == name and ack["next"] == 1 and not ack["resumed"]
    assert ack["max_message"] == MAX_MESSAGE
    for number in range(1, 6):
        publisher.frame(number)
    publisher.say("session_end", frames=5)
    assert publisher.message("session_ended") == {
        "type": "session_ended",
        "frames": 5,
        "received": 5,
        "lost": 0,
    }
    result = publisher.result()
    assert result["session_id"] == name and result["video"]["frames"] == 5 and result["problem"] is None


def test_bytes_that_are_no_image_are_asked_for_again(publisher: Publisher) -> None:
    publisher.start()
    publisher.frame(1, b"these are no pixels")
    assert publisher.error("not_an_image")["number"] == 1
    assert publisher.message("frame_ack")["missing"] == [1]
    goes_on(publisher, 1)


def test_a_picture_that_would_unpack_to_far_too_much_is_not_unpacked(publisher: Publisher) -> None:
    publisher.start(encoding="png")
    publisher.frame(1, png(30_000, 30_000, bytes(1000)))
    assert publisher.error("too_many_pixels")["number"] == 1
    # One that says it is small, and holds a hundred times its pixels.
    publisher.frame(1, png(*senders.SIZE, bytes(100 * 3 * 64 * 48)))
    publisher.frame(2, picture(2, "png"))
    publisher.acknowledged(2)
    publisher.say("session_end", frames=2)
    frames = publisher.result()["frames"]
    assert frames["read"] == 2 and frames["lost"] == 0


def test_a_session_of_pictures_that_are_too_large_does_not_begin(publisher: Publisher) -> None:
    publisher.say("session_start", width=30_000, height=30_000, fps=30, encoding="png")
    publisher.error("too_many_pixels")
    publisher.start()
    goes_on(publisher, 1)


def test_another_size_than_announced_is_not_taken(publisher: Publisher) -> None:
    publisher.start()
    publisher.frame(1, size=17)
    assert publisher.error("wrong_size")["number"] == 1
    goes_on(publisher, 1)


def test_bytes_that_were_announced_and_do_not_come_are_missed(publisher: Publisher) -> None:
    publisher.start()
    publisher.say("frame", number=1, timestamp=0, size=10)
    publisher.say("ping", t=1)
    assert publisher.error("bytes_expected")["number"] == 1
    assert publisher.message("pong")["t"] == 1
    publisher.socket.send(b"unannounced")
    publisher.error("unexpected_bytes")
    goes_on(publisher, 1)


def test_a_frame_before_the_start_is_not_taken(publisher: Publisher) -> None:
    publisher.frame(1)
    publisher.error("not_started")
    publisher.start()
    goes_on(publisher, 1)


def test_a_second_start_is_refused_and_the_session_goes_on(publisher: Publisher) -> None:
    publisher.start()
    publisher.say("session_start", width=64, height=48, fps=30, encoding="jpeg")
    publisher.error("already_started")
    goes_on(publisher, 1)


@pytest.mark.parametrize("kind", ["session_end", "frames_lost", "signal", "status"])
def test_what_belongs_to_a_session_needs_one(publisher: Publisher, kind: str) -> None:
    publisher.say(kind, frames=1, size=1, name="x.csv", **{"from": 1, "to": 2})
    publisher.error("not_started")


def test_numbers_that_go_back_come_once(publisher: Publisher) -> None:
    publisher.start()
    for number in (3, 1, 2, 2, 1, 3):
        publisher.frame(number)
    while (ack := publisher.message("frame_ack"))["duplicates"] < 3:
        pass
    assert (ack["up_to"], ack["received"]) == (3, 3)


def test_a_number_a_billion_ahead_is_out_of_reach(publisher: Publisher) -> None:
    publisher.start()
    publisher.frame(1_000_000_000)
    assert publisher.error("out_of_window")["number"] == 1_000_000_000
    goes_on(publisher, 1)


def test_a_million_lost_numbers_take_nobody_s_room(publisher: Publisher) -> None:
    publisher.start()
    publisher.say("frames_lost", **{"from": 1, "to": 999_999})
    publisher.frame(1_000_000)
    publisher.acknowledged(1_000_000)
    publisher.say("session_end", frames=1_000_000)
    ended = publisher.message("session_ended")
    assert ended["received"] == 1 and ended["lost"] == 999_999


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ({"number": 0}, "bad_frame"),
        ({"number": -1}, "bad_frame"),
        ({"number": True}, "bad_frame"),
        ({"number": 1.5}, "bad_frame"),
        ({"number": "1"}, "bad_frame"),
        ({"number": 10**30}, "bad_frame"),
        ({"timestamp": "noon"}, "bad_frame"),
        ({"timestamp": -1}, "bad_frame"),
        ({"size": -5}, "bad_frame"),
        ({"info": {"deep": [[[[[[[[[[1]]]]]]]]]]}}, "bad_frame"),
        ({"encoding": "tiff"}, "bad_frame"),
        ({"encoding": "png"}, "wrong_encoding"),
        ({"width": 65}, "wrong_dimensions"),
        ({"width": 60_000, "height": 60_000}, "too_many_pixels"),
    ],
    ids=str,
)
def test_what_is_said_of_a_frame_is_checked(publisher: Publisher, about: Any, code: str) -> None:
    publisher.start()
    publisher.say("frame", **{"number": 1, "timestamp": 0.0, "size": len(picture(1)), **about})
    publisher.socket.send(picture(1))
    said = publisher.message("error")
    assert said["recoverable"] and said["code"] in (code, "bad_frame")
    goes_on(publisher, 1)


def test_a_frame_after_the_end_is_refused(publisher: Publisher) -> None:
    publisher.start()
    goes_on(publisher, 1)
    publisher.say("session_end", frames=1)
    publisher.message("session_ended")
    publisher.frame(2)
    publisher.error("session_ended")


def test_an_end_before_what_came_is_refused(publisher: Publisher) -> None:
    publisher.start()
    goes_on(publisher, 1)
    publisher.frame(2)
    publisher.say("session_end", frames=1)
    publisher.error("bad_end")
    publisher.say("session_end", frames=2)
    assert publisher.message("session_ended")["frames"] == 2


# --- messages -------------------------------------------------------------------------------------------


def test_an_announcement_over_the_limit_is_refused_and_its_bytes_are_passed_over(
    publisher: Publisher,
) -> None:
    publisher.start()
    publisher.frame(1, bytes(MAX_MESSAGE - 1), size=MAX_MESSAGE + 1)
    assert publisher.error("too_large")["number"] == 1
    goes_on(publisher, 1)


@pytest.mark.parametrize("before", [True, False], ids=["in a session", "before one"])
def test_a_message_over_the_limit_is_answered_before_the_end(publisher: Publisher, before: bool) -> None:
    if before:
        publisher.start()
    with contextlib.suppress(ConnectionClosed):  # Nothing is read before most of it has been sent.
        publisher.socket.send(bytes(100_000) for _ in range(80))
    said = publisher.error("too_large")
    assert not said["recoverable"] and "videoStreamMaxMessage" in said["message"]
    assert publisher.closed() == 1009


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"frame"', "{}", '{"type": 1}', '{"type": null}', "[" * 60_000, '{"a":' * 10_000],
    ids=lambda text: text[:12],
)
def test_what_is_no_message_is_said_to_be_none(publisher: Publisher, text: str) -> None:
    publisher.start()
    publisher.socket.send(text)
    publisher.error("bad_message")
    goes_on(publisher, 1)


def test_a_text_that_is_too_long_is_no_message(publisher: Publisher) -> None:
    publisher.start()
    publisher.say("ping", t=1, padding="x" * 70_000)
    publisher.error("bad_message")
    goes_on(publisher, 1)


def test_an_unknown_type_is_named(publisher: Publisher) -> None:
    publisher.start()
    publisher.say("frame_ack", up_to=10)
    assert "frame_ack" in publisher.error("unknown_type")["message"]
    goes_on(publisher, 1)


def test_who_makes_nothing_but_errors_is_hung_up_on(publisher: Publisher) -> None:
    for _ in range(1001):
        publisher.socket.send("{")
    assert publisher.closed() == 1008
    assert len(publisher.heard) == 1002 and not publisher.heard[-1]["recoverable"]


def raw_connection(port: int) -> socket.socket:
    """A socket behind the handshake, on which anything can be sent."""
    line = socket.create_connection(("127.0.0.1", port), 20)
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    upgrade = "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    line.sendall(f"GET /stream HTTP/1.1\r\n{upgrade}{key}\r\n".encode())
    assert b" 101 " in line.recv(4096)
    return line


def masked(data: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


def test_who_does_not_answer_a_close_is_left(publisher: Publisher, server: Alone) -> None:
    with raw_connection(server.port) as line:
        bad = {"type": "session_start", "session_id": "x", "processors": ["no.such"], "live": True}
        line.sendall(masked(json.dumps({**bad, "fps": 1, "encoding": "auto"}).encode()))
        assert b"unknown_processor" in drained(line)


def test_bytes_that_are_no_websocket_end_the_connection_only(publisher: Publisher, server: Alone) -> None:
    with raw_connection(server.port) as line:
        line.sendall(b"\xff" * 4096)
        drained(line)


def test_who_reads_no_answers_is_hung_up_on(publisher: Publisher, server: Alone) -> None:
    pings = masked(json.dumps({"type": "ping", "t": 1}).encode()) * 1000
    with raw_connection(server.port) as line, pytest.raises(OSError):
        for _ in range(100_000):  # 3 GB: far more than is taken of one that was hung up on.
            line.sendall(pings)


# --- sessions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../up", "a/b", "..", ".", "", "a\0b", "x" * 65, "é", 7, ["a"], "a\n"])
def test_a_session_id_that_could_be_a_path_is_refused(publisher: Publisher, server: Alone, name: Any) -> None:
    before = sorted(path.name for path in server.folder.parent.iterdir())
    publisher.say("session_start", session_id=name, width=64, height=48, fps=30, encoding="jpeg")
    publisher.error("bad_session_id")
    assert sorted(path.name for path in server.folder.parent.iterdir()) == before


def test_a_session_of_somebody_else_is_not_opened(publisher: Publisher, server: Alone) -> None:
    publisher.start(session_id=(name := named()))
    goes_on(publisher, 1)
    for token in ("another-token-of-sixteen", None):
        with Publisher(server.port) as other:
            other.say(
                "session_start",
                session_id=name,
                width=64,
                height=48,
                fps=30,
                encoding="jpeg",
                resume_token=token,
            )
            assert not other.error("session_taken")["recoverable"]
            assert other.closed() == 1008
    goes_on(publisher, 2)


def test_nor_one_that_is_complete(publisher: Publisher, server: Alone) -> None:
    senders.sent(server.port, 2, session_id=(name := named()))
    publisher.say(
        "session_start",
        session_id=name,
        width=64,
        height=48,
        fps=30,
        encoding="jpeg",
        resume_token="x" * 16,
    )
    publisher.error("session_taken")


def test_a_processor_that_is_not_offered_is_not_run(publisher: Publisher) -> None:
    publisher.say(
        "session_start", width=64, height=48, fps=30, encoding="jpeg", processors=["somebodys.secret"]
    )
    said = publisher.error("unknown_processor")
    assert "somebodys.dies" in said["message"] and publisher.closed() == 1008


@pytest.mark.parametrize(
    "processors",
    [
        [{"name": "undistort", "strength": "strong"}],
        [{"name": "undistort", "strength": 1e308, "balance": []}],
        [{"name": "stats", "nothing": 1}],
        [{"options": 1}],
        [1],
        "stats",
        ["stats"] * 17,
    ],
    ids=str,
)
def test_options_that_cannot_be_meant_are_refused(publisher: Publisher, processors: Any) -> None:
    publisher.say("session_start", width=64, height=48, fps=30, encoding="jpeg", processors=processors)
    publisher.error("bad_start")


def test_a_dead_processor_leaves_the_video_and_says_who_it_was(publisher: Publisher) -> None:
    publisher.start(processors=["somebodys.dies", "stats"])
    for number in range(1, 8):
        publisher.frame(number)
    publisher.say("session_end", frames=7)
    result = publisher.result()
    assert result["problem"]["processor"] == "somebodys.dies" and result["problem"]["frame"] == 3
    assert result["video"]["frames"] == 7


def test_a_name_can_be_any_text(publisher: Publisher, server: Alone) -> None:
    publisher.start(name="<script>\u202e../\U0001f916", session_id=(name := named()))
    goes_on(publisher, 1)
    assert server.session(name) is not None


def test_two_of_one_title_have_streams_of_their_own(publisher: Publisher, server: Alone) -> None:
    first, second = named(), named()
    publisher.start(session_id=first, name="camera")
    with Publisher(server.port) as other:
        other.start(session_id=second, name="camera")
        one, two = server.session(first), server.session(second)
        assert one is not None and two is not None and one["stream"] != two["stream"]


# --- signals --------------------------------------------------------------------------------------------

SIGNAL = b"1,2\n3,4\n5,6"


def test_a_session_waits_for_the_signal_that_was_announced(publisher: Publisher) -> None:
    publisher.start(signal_expected=True)
    goes_on(publisher, 1)
    publisher.say("session_end", frames=1)
    publisher.message("session_ended")
    digest = hashlib.sha256(SIGNAL).hexdigest()
    publisher.signal(SIGNAL, sha256="0" * 64)
    publisher.error("bad_signal")
    publisher.signal(SIGNAL, sha256="short")
    publisher.error("bad_signal")
    publisher.signal(SIGNAL[:-1], size=len(SIGNAL))
    publisher.error("wrong_size")
    publisher.signal(SIGNAL, sha256=digest.upper())
    about = {"size": len(SIGNAL), "lines": 3, "sha256": digest}
    assert publisher.message("signal_ack") == {"type": "signal_ack", **about}
    assert publisher.result()["signal"] == {"file": "signal.csv", **about}


def test_the_name_of_a_signal_is_no_path(publisher: Publisher, server: Alone) -> None:
    publisher.start(session_id=(name := named()))
    publisher.signal(SIGNAL, name="../../etc/passwd.c/../sv")
    publisher.message("signal_ack")
    found = [path.name for path in (server.folder / name).iterdir() if path.name.startswith("signal")]
    assert found == ["signal.bin"]


# --- connections ----------------------------------------------------------------------------------------


def test_a_cut_link_is_taken_up_where_it_broke(publisher: Publisher, server: Alone) -> None:
    with Publisher(server.port) as first:
        first.start(session_id=(name := named()))
        for number in (1, 2, 4):
            first.frame(number)
        first.acknowledged(2)
        first.say("frame", number=5, timestamp=0.2, size=1000)
        first.socket.socket.shutdown(socket.SHUT_RDWR)  # In the midst of a frame, without a word.
    until(lambda: not (server.session(name) or {"connected": True})["connected"], "the loss of the link")
    ack = publisher.start(session_id=name)
    assert ack["resumed"] and ack["next"] == 3 and 3 in ack["missing"]
    for number in (3, 5, 6):
        publisher.frame(number)
    publisher.say("session_end", frames=6)
    result = publisher.result()
    assert result["video"]["frames"] == 6 and result["received"]["lost"] == 0


def test_who_comes_again_takes_the_session_from_the_old_connection(
    publisher: Publisher, server: Alone
) -> None:
    publisher.start(session_id=(name := named()))
    goes_on(publisher, 1)
    with Publisher(server.port) as again:
        assert again.start(session_id=name)["next"] == 2
        assert publisher.closed() == 1008
        goes_on(again, 2)


def test_a_session_that_is_complete_gives_its_result_again(publisher: Publisher, server: Alone) -> None:
    result = senders.sent(server.port, 3, session_id=(name := named()))
    ack = publisher.start(session_id=name)
    assert ack["resumed"] and ack["state"] == "complete"
    assert publisher.message("session_ended")["received"] == 3
    assert publisher.result() == result


def test_one_that_is_only_shown_is_told_who_looks(publisher: Publisher) -> None:
    publisher.start(live=True, encoding="auto")
    demand = publisher.message("demand")
    assert demand["watched"] is False and demand["fps"] > 0
    publisher.frame(5, encoding="jpeg")
    publisher.frame(9, encoding="jpeg")
    publisher.frame(7, encoding="jpeg")
    assert publisher.acknowledged(9)["received"] == 2


def test_a_live_session_comes_again_and_is_told_again(publisher: Publisher, server: Alone) -> None:
    with Publisher(server.port) as first:
        first.start(live=True, encoding="auto", session_id=(name := named()))
        first.frame(5, encoding="jpeg")
        first.acknowledged(5)
    assert publisher.start(live=True, encoding="auto", session_id=name)["next"] == 6
    publisher.message("demand")


def test_sessions_that_are_stored_lie_under_their_ids(publisher: Publisher, server: Alone) -> None:
    publisher.start(session_id=(name := named()))
    goes_on(publisher, 1)
    said = json.loads(Path(server.folder, name, "session.json").read_text())
    assert said["session_id"] == name and senders.TOKEN not in json.dumps(said)

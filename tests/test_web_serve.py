"""`envstream serve`: it says where it is, ends as it is told to, and is one sentence where it cannot be."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from elsewhere import Service
from envstream import cli
from envstream.config import StreamConfig
from envstream.errors import SettingError
from envstream.web.serve import serve
from senders import alone
from serving import Watcher, get, until

START = {"type": "session_start", "session_id": "s1", "width": 4, "height": 4, "fps": 30, "encoding": "raw"}


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is said where it does not serve: one line, and status 2."""
    assert cli.main(["serve", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("envstream: ") and said.count("\n") == 1
    return said


def published(port: int) -> None:
    """Begin a session, send one frame of two, and go."""
    with connect(f"ws://127.0.0.1:{port}/stream") as link:
        link.send(json.dumps({**START, "expected_frames": 2}))
        assert json.loads(link.recv())["type"] == "session_ack"
        link.send(json.dumps({"type": "frame", "number": 1, "timestamp": 0, "size": 48}))
        link.send(bytes(48))
        while json.loads(link.recv())["type"] != "frame_ack":
            pass


# --- what it says --------------------------------------------------------------------------------------


def test_it_says_where_its_page_is_how_to_push_and_where_files_go(tmp_path: Path) -> None:
    with Service(tmp_path / "kept") as service:
        assert get(service.port, "/health")[0] == 200
        push = f"envstream push http://127.0.0.1:{service.port}/ --video FILE"
        assert service.said(push) and service.said(f"videos and results go to {tmp_path / 'kept'}")
        assert not service.said("unfinished")


def test_a_token_from_a_file_opens_it_and_stands_nowhere_but_where_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text("env:\n  videoStreamToken: very-secret\n  videoStreamMaxViewers: 1\n")
    with Service(tmp_path / "kept", "--config", str(file), "env.videoStreamMaxViewers=2") as service:
        assert get(service.port, "/stats")[0] == 401
        assert get(service.port, "/stats", {"Authorization": "Bearer very-secret"})[0] == 200
        # Words win over the file.
        path = "/ws?token=very-secret"
        with Watcher(service.port, path=path), Watcher(service.port, path=path):
            pass
        assert service.said("/?token=very-secret") and service.said("--token very-secret --video FILE")
        shown: Any = subprocess.run(
            ["ps", "-o", "args=", "-p", str(service.process.pid)], capture_output=True, text=True
        )
        assert "serve" in shown.stdout and "very-secret" not in shown.stdout
        assert [line for line in service.lines if "very-secret" in line] == service.lines[:3]


def test_a_taken_port_leads_to_the_next_free_one_which_is_what_it_says(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Service(tmp_path, port=port) as service:
            assert port < service.port < port + 100
            assert get(service.port, "/health")[0] == 200


def test_sessions_that_an_earlier_server_left_unfinished_are_taken_up_and_told_of(tmp_path: Path) -> None:
    with Service(tmp_path) as first:
        published(first.port)
        first.kill()
    with Service(tmp_path) as second:
        assert second.said("1 unfinished session was found there")
        (session,) = second.stats("/streaming/stats")["sessions"]
        assert (session["session_id"], session["state"], session["received"]) == ("s1", "receiving", 1)


# --- how it ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_status_0_and_last_words_to_viewers(
    number: signal.Signals, tmp_path: Path
) -> None:
    with Service(tmp_path / "kept") as service:
        with Watcher(service.port) as watcher, connect(f"ws://127.0.0.1:{service.port}/stream") as link:
            link.send(json.dumps({**START, "live": True, "name": "camera"}))
            watcher.watch("camera", status=True)
            until(lambda: camera(watcher) == "waiting", "the stream")
            service.process.send_signal(number)
            until(lambda: camera(watcher) == "ended", "the last words")
        assert service.ended() == 0


def camera(watcher: Watcher) -> str | None:
    """How the only stream is, by the next message that tells of it."""
    return next((each["state"] for each in watcher.message("streams")["streams"]), None)


def test_an_end_in_the_midst_of_what_a_publisher_sends_is_no_trouble(tmp_path: Path) -> None:
    with Service(tmp_path) as service, connect(f"ws://127.0.0.1:{service.port}/stream") as link:
        link.send(json.dumps(START))
        number, told = 0, False
        with pytest.raises((ConnectionClosed, OSError)):
            while True:
                number += 1
                link.send(json.dumps({"type": "frame", "number": number, "timestamp": number, "size": 48}))
                link.send(bytes(48))
                while json.loads(link.recv(10)).get("up_to", 0) < number - 8:
                    pass
                if number > 20 and not told:
                    told = True
                    service.process.send_signal(signal.SIGTERM)
        assert service.ended() == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Service(tmp_path) as service, socket.create_connection(("127.0.0.1", service.port)) as deaf:
        # A viewer that never says goodbye is waited for.
        deaf.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b"101" in deaf.recv(20)
        port = service.port
        service.process.send_signal(signal.SIGINT)
        until(lambda: not listens(port), "the port's release")
        service.process.send_signal(signal.SIGINT)
        assert service.ended() == 128 + signal.SIGINT


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- where it cannot be --------------------------------------------------------------------------------


def test_a_setting_that_does_not_exist_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'videoStreamPort'?" in refused(capsys, "env.videoStreamPrt=1")


def test_a_file_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert "/nowhere.yaml cannot be read as settings" in refused(capsys, "--config", "/nowhere.yaml")


def test_a_folder_in_which_another_server_works_is_one_sentence(tmp_path: Path) -> None:
    with Service(tmp_path) as first:
        second = Service(tmp_path)
        assert second.ended() == 2
        assert len(second.lines) == 1 and "another server is at work in" in second.lines[0]
        assert get(first.port, "/health")[0] == 200


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    service = Service(tmp_path / "file" / "inside")
    assert service.ended() == 2
    assert len(service.lines) == 1 and str(tmp_path / "file") in service.lines[0]


def test_an_address_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    service = Service(tmp_path, "env.videoStreamHost=203.0.113.7", "env.videoRecord=true")
    assert service.ended() == 2
    assert len(service.lines) == 1 and "cannot listen on 203.0.113.7" in service.lines[0]


def test_a_certificate_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "none.pem"
    file.write_text("no certificate")
    words = [f"env.videoStreamTls{part}={file}" for part in ("Cert", "Key")]
    service = Service(tmp_path / "kept", *words)
    assert service.ended() == 2
    assert len(service.lines) == 1 and "videoStreamTlsCert" in service.lines[0]


def test_a_server_of_its_own_shows_nothing_elsewhere() -> None:
    with pytest.raises(SettingError, match="videoStreamHub is for training"):
        serve(StreamConfig(videoStreamHub="ws://hub.example:8080"), {})


def test_who_leaves_while_several_requests_are_under_way_leaves_no_error_behind(tmp_path: Path) -> None:
    asks = b"GET /api/streaming/stats HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with alone(tmp_path / "sessions") as server:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port)) as peer:
                peer.sendall(100 * asks)
                assert peer.recv(1)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert get(server.port, "/health")[0] == 200
        assert not [line for line in server.errors if "Traceback" in line]

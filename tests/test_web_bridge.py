"""The bridge to Flask: answers arrive whole, and who reads them slowly holds no thread."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envstream.web import bridge
from envstream.web.bridge import LONGEST_BODY, PIECE, THREADS, Bridge, environment
from fakes import PictureEnv
from serving import get, streaming, until

Message = dict[str, Any]
PLAYERS = 3 * THREADS
SIZE = 20_000_000  # Bytes of a recording: more than all buffers of a connection hold.


def scope(method: str = "GET", path: str = "/", query: bytes = b"", headers: Iterable[Any] = ()) -> Message:
    return {
        "method": method,
        "path": path,
        "query_string": query,
        "headers": list(headers),
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 9),
    }


def asked(
    app: Callable[..., Iterable[bytes]],
    request: Message,
    *events: Message,
    gone: Callable[[Any], bool] = lambda scope: False,
) -> list[Message]:
    """What is sent in answer to one request."""

    async def ask() -> list[Message]:
        sent: list[Message] = []
        coming = iter(events)

        async def receive() -> Message:
            event = next(coming, None)
            return event if event is not None else await asyncio.Future()

        async def send(message: Message) -> None:
            sent.append(message)

        await Bridge(app, gone)(request, receive, send)
        return sent

    return asyncio.run(ask())


def body_of(sent: list[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in sent)


class App:
    """A WSGI app that says the same to everybody, and keeps what it was asked."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.environ: Message = {}
        self.closed = threading.Event()
        self.taken = 0

    def __call__(self, environ: Message, start: Callable[..., object]) -> App:
        self.environ = environ
        start("203 Perhaps", [("X-Name", " value ")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            self.taken += 1
            yield part

    def close(self) -> None:
        self.closed.set()


def test_an_answer_arrives_as_the_app_said_it() -> None:
    sent = asked(app := App(b"a", b"", b"b"), scope())
    assert sent[0] == {"type": "http.response.start", "status": 203, "headers": [(b"x-name", b"value")]}
    assert body_of(sent) == b"ab" and not sent[-1].get("more_body")
    assert app.closed.wait(60)


def test_a_long_answer_is_sent_in_pieces() -> None:
    sent = asked(App(*[b"x" * 1000] * 1000), scope())
    sizes = [len(message["body"]) for message in sent[1:]]
    assert sum(sizes) == 1_000_000 and max(sizes) < PIECE + 1000 and len(sizes) == 4


def test_what_nobody_reads_any_more_is_not_read_to_its_end() -> None:
    asked(app := App(*[b"x" * PIECE] * 100), scope(), gone=lambda scope: True)
    assert app.taken == 1 and app.closed.wait(60)


def test_an_app_that_fails_in_its_answer_is_closed() -> None:
    class Broken(App):
        def __iter__(self) -> Iterator[bytes]:
            yield b"x" * PIECE
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        asked(app := Broken(), scope())
    assert app.closed.wait(60)


def test_the_app_is_given_the_body_whole() -> None:
    pieces = (
        {"type": "http.request", "body": b"one ", "more_body": True},
        {"type": "http.request", "body": b"two"},
    )
    asked(app := App(), scope("POST", headers=[(b"content-length", b"999")]), *pieces)
    assert app.environ["wsgi.input"].read() == b"one two" and app.environ["CONTENT_LENGTH"] == "7"


def test_a_body_that_is_too_long_is_refused_and_the_app_not_asked() -> None:
    sent = asked(app := App(), scope("POST"), {"type": "http.request", "body": b"x" * (LONGEST_BODY + 1)})
    assert sent[0]["status"] == 413 and str(LONGEST_BODY).encode() in body_of(sent) and not app.environ


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.01)
    sent = asked(app := App(), scope("POST"), {"type": "http.request", "body": b"x", "more_body": True})
    assert sent[0]["status"] == 408 and not app.environ


def test_a_connection_that_ends_before_its_body_is_over() -> None:
    assert asked(app := App(), scope("POST"), {"type": "http.disconnect"})[0]["status"] == 400
    assert not app.environ


def test_after_the_end_no_thread_is_left() -> None:
    async def end() -> None:
        ended = Bridge(app, lambda scope: False)

        async def send(message: Message) -> None:
            pass

        await ended(scope(), send, send)  # type: ignore[arg-type]
        ended.close()

    app, before = App(b"a"), set(threading.enumerate())
    asyncio.run(end())
    until(lambda: set(threading.enumerate()) <= before, "the threads to end")


def test_letters_of_any_kind_reach_the_app_as_wsgi_wants_them() -> None:
    environ = environment(scope(path="/ü\ud800", query=b"\xff=1"), b"")
    assert environ["PATH_INFO"].encode("latin-1") == "/ü?".encode()
    assert environ["QUERY_STRING"] == "\xff=1"


def test_headers_that_come_twice_are_joined_and_no_name_stands_for_another() -> None:
    headers = [
        (b"Cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x-name", b"1"),
        (b"x-name", b"2"),
        (b"x_name", b"3"),
    ]
    environ = environment(scope(headers=headers), b"")
    assert (environ["HTTP_COOKIE"], environ["HTTP_X_NAME"]) == ("a=1; b=2", "1,2")


@contextlib.contextmanager
def paused(port: int, path: str, count: int) -> Iterator[None]:
    """So many players that asked for a file, read its beginning, and read no further."""
    with contextlib.ExitStack() as players:
        for _ in range(count):
            player = players.enter_context(socket.socket())
            player.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            player.settimeout(60)
            player.connect(("127.0.0.1", port))
            player.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-\r\n\r\n".encode())
            assert player.recv(100).startswith(b"HTTP/1.1 206")
        yield


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "long.mp4").write_bytes(os.urandom(1000) * (SIZE // 1000))
    picture = np.zeros((32, 32, 3), np.uint8)
    with streaming(PictureEnv(picture), videoRecordFolder=str(folder)) as port:
        yield port


def test_paused_players_hold_nobody_up(port: int) -> None:
    with paused(port, "/recordings/long.mp4", PLAYERS):
        started = time.monotonic()
        for _ in range(20):
            assert get(port, "/api/streams", timeout=60)[0] == 200
        status, _, body = get(port, "/recordings/long.mp4", {"Range": "bytes=5000-5099"}, timeout=60)
        assert (status, len(body)) == (206, 100)
        assert time.monotonic() - started < 60


def test_a_file_arrives_whole_however_slowly_it_is_read(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/recordings/long.mp4")
    answer, size = connection.getresponse(), 0
    while piece := answer.read(1_000_000):
        size += len(piece)
        time.sleep(0.005)
    connection.close()
    assert size == SIZE


def test_players_that_go_leave_no_descriptor_open(port: int) -> None:
    def opened() -> int:
        found = 0
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                found += "long.mp4" in str(entry.readlink())
        return found

    if not Path("/proc/self/fd").exists():
        pytest.skip("only Linux tells what is open")
    with paused(port, "/recordings/long.mp4", 4):
        until(lambda: opened() >= 4, "the players' files to be open")
    until(lambda: opened() == 0, "the files to be closed")

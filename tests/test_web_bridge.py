"""The bridge to Flask: what is asked and answered comes over whole, and threads wait for nobody who is slow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from elsewhere import played
from envstream.web import bridge as bridges
from envstream.web.bridge import MOST_BODY, PIECE, Bridge
from envstream.web.protocols import EXTENSION
from fakes import PictureEnv
from serving import get, streaming

Environ = dict[str, Any]
THREADS = 8


class Asked:
    """One request to an app behind a bridge, as a server would hand it over."""

    def __init__(self, path: str = "/", method: str = "GET", **headers: str) -> None:
        self.transport = SimpleNamespace(is_closing=lambda: False)
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"a=1&b=%20",
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 8080),
            "client": ("10.0.0.1", 1234),
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
            "extensions": {EXTENSION: SimpleNamespace(transport=self.transport)},
        }
        self.body: list[dict[str, Any]] = []
        self.said: list[dict[str, Any]] = []

    def of(self, app: Callable[..., Iterable[bytes]]) -> Asked:
        """Have it answered."""

        async def receive() -> dict[str, Any]:
            if self.body:
                return self.body.pop(0)
            await asyncio.sleep(3600)
            return {}

        async def send(message: dict[str, Any]) -> None:
            self.said.append(message)

        async def scene() -> None:
            await Bridge(app, 1)(self.scope, receive, send)

        played(scene)
        return self

    @property
    def status(self) -> int:
        return int(self.said[0]["status"])

    @property
    def pieces(self) -> list[bytes]:
        return [message["body"] for message in self.said[1:]]


def echo(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
    """Tells what it was asked."""
    start("201 Created", [("Content-Type", "application/json"), ("X-One", "1")])
    said = {key: value for key, value in environ.items() if isinstance(value, str)}
    return [json.dumps({**said, "body": environ["wsgi.input"].read().decode()}).encode()]


def test_an_app_hears_what_was_asked_and_its_answer_comes_back() -> None:
    asked = Asked("/a b/ü", accept="x/y", x_twice="1", content_type="text/plain").of(echo)
    assert asked.status == 201
    assert asked.said[0]["headers"] == [(b"content-type", b"application/json"), (b"x-one", b"1")]
    said = json.loads(b"".join(asked.pieces))
    assert said["PATH_INFO"].encode("latin1").decode() == "/a b/ü"
    assert (said["REQUEST_METHOD"], said["QUERY_STRING"]) == ("GET", "a=1&b=%20")
    assert (said["HTTP_ACCEPT"], said["CONTENT_TYPE"], said["REMOTE_ADDR"]) == (
        "x/y",
        "text/plain",
        "10.0.0.1",
    )
    assert said["body"] == "" and said["CONTENT_LENGTH"] == "0"


def test_a_header_that_comes_twice_is_one_with_a_comma() -> None:
    asked = Asked()
    asked.scope["headers"] = [(b"x-two", b"1"), (b"x-two", b"2")]
    assert json.loads(b"".join(asked.of(echo).pieces))["HTTP_X_TWO"] == "1,2"


def test_a_body_in_pieces_is_read_whole() -> None:
    asked = Asked(method="POST", content_length="6")
    asked.body = [
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.request", "body": b"def", "more_body": False},
    ]
    assert json.loads(b"".join(asked.of(echo).pieces))["body"] == "abcdef"


def test_a_body_that_is_too_long_is_refused() -> None:
    asked = Asked(method="POST", transfer_encoding="chunked")
    asked.body = [{"type": "http.request", "body": bytes(MOST_BODY + 1), "more_body": True}]
    assert asked.of(echo).status == 413


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridges, "BODY_SECONDS", 0.01)
    assert Asked(method="POST", content_length="6").of(echo).status == 408


def test_who_goes_before_the_body_is_there_is_not_answered() -> None:
    asked = Asked(method="POST", content_length="6")
    asked.body = [{"type": "http.disconnect"}]
    assert asked.of(echo).said == []


def test_a_long_answer_comes_in_pieces_and_is_closed() -> None:
    closed: list[bool] = []

    class Long:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x" * 1000] * 1000)

        def close(self) -> None:
            closed.append(True)

    def app(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        return Long()

    pieces = Asked().of(app).pieces
    assert b"".join(pieces) == b"x" * 1_000_000
    assert max(map(len, pieces)) < 2 * PIECE and len(pieces) < 10
    assert closed == [True]


def test_of_an_answer_that_nobody_reads_any_more_no_further_piece_is_made() -> None:
    made: list[int] = []

    def app(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        for number in range(100):
            made.append(number)
            yield bytes(PIECE)

    asked = Asked()
    asked.transport.is_closing = lambda: True
    asked.of(app)
    assert made == [0]


def test_an_app_that_raises_is_the_servers_to_answer_for() -> None:
    def app(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        raise LookupError("broken")

    asked = Asked()
    with pytest.raises(LookupError, match="broken"):
        asked.of(app)
    assert asked.said == []


@contextlib.contextmanager
def unread(port: int, request: bytes, count: int) -> Iterator[list[socket.socket]]:
    """So many who ask, and never read the answer."""
    with contextlib.ExitStack() as stack:
        stuck = []
        for _ in range(count):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", port))
            one.sendall(request)
            stuck.append(one)
        yield stuck


def test_readers_of_a_large_file_who_never_read_hold_no_page_up(tmp_path: Path) -> None:
    (tmp_path / "large.mp4").write_bytes(bytes(20_000_000))
    request = b"GET /recordings/large.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with streaming(PictureEnv(np.zeros((4, 6, 3), np.uint8)), videoRecordFolder=str(tmp_path)) as port:
        with unread(port, request, 2 * THREADS) as stuck:
            for one in stuck:  # All of them are being answered.
                one.settimeout(60)
                assert one.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
            assert get(port, "/")[0] == 200
        status, headers, body = get(port, "/recordings/large.mp4", {"Range": "bytes=5-1000004"})
        assert (status, len(body), headers["content-range"]) == (206, 1_000_000, "bytes 5-1000004/20000000")


def test_those_who_send_no_body_hold_no_page_up() -> None:
    request = b"POST /api/streaming/quality/40 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    with streaming(PictureEnv()) as port, unread(port, request, 2 * THREADS):
        assert get(port, "/")[0] == 200

"""The guard: every answer, of whatever part of the server, tells browsers what to keep from a page."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from envstream.web import guard
from envstream.web.guard import HSTS_SECONDS, Guard, permissions, plain, policy, usual
from fakes import PictureEnv
from serving import Watcher, get, streaming

Headers = dict[str, str]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with streaming(PictureEnv(), videoStreamCameras=["hall"], videoStreamMaxViewers=1) as port:
        yield port


def guarded(headers: Headers) -> bool:
    return set(plain()) <= set(headers)


def raw(port: int, sent: bytes) -> tuple[str, Headers]:
    """Status line and headers of an answer to bytes."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(sent)
        said = b""
        while b"\r\n\r\n" not in said and (piece := connection.recv(65536)):
            said += piece
    first, *lines = said.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def asked(
    app: Any, path: str = "/", host: str = "127.0.0.1:8080", kind: str = "http", **how: Any
) -> list[Any]:
    """What a guarded application sends."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": kind, "path": path, "headers": [(b"host", host.encode())]}
    asyncio.run(Guard(app, **how)(scope, receive, send))
    return sent


def answering(*headers: tuple[bytes, bytes]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"x"})

    return app


# --- every answer of a real server ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/static/app.js", 200),
        ("GET", "/favicon.ico", 200),
        ("GET", "/health", 200),
        ("GET", "/screen", 200),
        ("GET", "/camera/hall", 200),
        ("GET", "/view/hall", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/camera/attic", 404),
        ("GET", "/screen?quality=x", 400),
        ("POST", "/stats", 405),
        ("POST", "/analyze", 400),
        ("OPTIONS", "/stats", 200),
        ("HEAD", "/stream", 200),
        ("GET", "//health//x", 308),
    ],
)
def test_every_answer_is_guarded(port: int, method: str, path: str, status: int) -> None:
    said, headers, _ = get(port, path, method=method)
    assert said in (status, 404) and guarded(headers)
    assert "'unsafe" not in headers["content-security-policy"]


def test_a_stranger_and_another_sites_page_hear_it_too(port: int) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        status, said, _ = get(port, "/", headers)
        assert status == 403 and guarded(said)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, "431"),
        (b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "400"),
        (
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 12\r\n\r\n",
            "400",
        ),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n", "400"),
    ],
)
def test_what_is_no_request_is_answered_so_as_well(port: int, sent: bytes, status: str) -> None:
    first, headers = raw(port, sent)
    assert f" {status} " in first and guarded(headers)


def test_sockets_are_refused_and_accepted_so(port: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        Watcher(port, path="/ws/nothing")
    assert guarded({name.lower(): value for name, value in refused.value.response.headers.raw_items()})
    with Watcher(port) as watcher:
        answer = watcher.socket.response
        assert answer is not None
        assert guarded({name.lower(): value for name, value in answer.headers.raw_items()})
        status, headers, _ = get(port, "/stream")
        assert status == 503 and guarded(headers)


def test_pages_connect_to_the_server_as_the_browser_names_it(port: int) -> None:
    for headers in ({"Host": "localhost:99"}, {"Host": "127.0.0.1", "X-Forwarded-Host": "hub.example:44"}):
        said = get(port, "/", headers)[1]["content-security-policy"]
        name = list(headers.values())[-1]
        assert f" ws://{name} wss://{name};" in said


# --- what is said --------------------------------------------------------------------------------------


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    said = dict(part.strip().partition(" ")[::2] for part in policy().split(";"))
    assert said["default-src"] == said["base-uri"] == said["form-action"] == "'none'"
    assert {said[name] for name in ("script-src", "style-src", "connect-src", "worker-src")} == {"'self'"}
    assert said["frame-ancestors"] == "'self'"
    assert "unsafe" not in policy() and "*" not in policy()


@pytest.mark.parametrize(
    "host", ["", "a b", "a;script-src *", "a,b", "*", "'self'", "[::1]:80", "x" * 300, "a:b"]
)
def test_an_odd_name_does_not_get_into_the_policy(host: str) -> None:
    assert policy((host,)) == policy()


def test_the_camera_is_for_its_page_only() -> None:
    assert "camera=(self)" in permissions("/camera/hall")
    for path in ("/", "/view/hall", "/ws/camera/hall", "/api/camera/hall/stats", "/camera/"):
        assert "camera=()" in permissions(path)


def test_notebooks_show_the_page_only_where_one_started_the_server() -> None:
    for notebook in (False, True):
        (start, _) = asked(answering(), notebook=notebook)
        headers = dict(start["headers"])
        assert (b"vscode-webview:" in headers[b"content-security-policy"]) is notebook
        assert (b"http://localhost:*" in headers[b"content-security-policy"]) is notebook
        assert headers[b"cross-origin-resource-policy"] == (b"cross-origin" if notebook else b"same-origin")


@pytest.mark.parametrize(
    ("secure", "host", "told"),
    [
        (True, "hub.example:8443", True),
        (True, "hub.example", True),
        (True, "localhost:8443", False),
        (True, "127.0.0.1", False),
        (True, "[::1]:8443", False),
        (False, "hub.example", False),
    ],
)
def test_https_is_insisted_on_where_the_certificate_is_believed(secure: bool, host: str, told: bool) -> None:
    (start, _) = asked(answering(), host=host, secure=secure)
    said = dict(start["headers"]).get(b"strict-transport-security")
    assert said == (f"max-age={HSTS_SECONDS}".encode() if told else None)


def test_the_guard_has_the_last_word_and_leaves_the_rest() -> None:
    mine = [(b"Content-Security-Policy", b"default-src *"), (b"set-cookie", b"a=b")]
    (start, _) = asked(answering(*mine))
    names = [name.lower() for name, _ in start["headers"]]
    assert names.count(b"content-security-policy") == 1 and (b"set-cookie", b"a=b") in start["headers"]


# --- what breaks ---------------------------------------------------------------------------------------


def test_a_crash_is_one_sentence_that_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("inside")

    start, body = asked(app)
    assert start["status"] == 500 and guarded({name.decode(): "" for name, _ in start["headers"]})
    assert b"inside" not in body["body"] and "could not be answered" in caplog.text


def test_a_crash_in_the_midst_is_left_to_the_server_beneath() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        asked(app)


def test_who_hangs_up_is_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise guard.ClientDisconnected

    with pytest.raises(guard.ClientDisconnected):
        asked(app)
    assert caplog.text == ""


def test_what_every_answer_says_is_said_of_those_too_that_come_before_a_request() -> None:
    assert set(usual()) < set(plain())

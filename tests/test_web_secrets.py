"""No token stands anywhere but where it is printed: not in logs, answers or warnings, whatever goes wrong."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from publishing import Alone, serving_alone
from serving import Trainer, Watcher, drained, get, training, until

SECRETS = {"admin": "adm1n-s3cret-é/+", "view": "v1ew-s3cret-é/+", "publish": "publ1sh-s3cret"}
ONE = "the-0ne-for-all"
ROLES = "{" + ", ".join(f"{role}: '{text}'" for role, text in SECRETS.items()) + "}"
BROKEN = [
    b"nonsense?token=%b\r\n\r\n",
    b"GET /?token=%b HTTP/9.9\r\n\r\n",
    b"GET /?token=%b HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
    b"GET /?token=%b HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 40_000,
    b"POST /stats?token=%b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: nonsense\r\n\r\n",
    b"POST /analyze?token=%b HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /ws?token=%b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET /ws?token=%b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"GET /ws?token=%b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n\xff\xff\xff\xff",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03%b",
]
ADDRESSES = [
    ("GET", "/nowhere"),
    ("GET", "/static/%2e%2e/app.py"),
    ("GET", "/screen?quality=x"),
    ("GET", "/stream?fps=x"),
    ("GET", "/camera/attic"),
    ("GET", "/api/streams//"),
    ("GET", "//stats"),
    ("GET", "/recordings/no.mp4"),
    ("GET", "/sessions/no/video.mp4"),
    ("DELETE", "/stats"),
    ("POST", "/stats"),
    ("POST", "/analyze"),
    ("POST", "/api/record/nothing"),
    ("POST", "/api/sessions/none/end"),
    ("GET", "/api/streaming/quality/none"),
    ("GET", "/stats"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/"),
]


def spellings(text: str) -> list[str]:
    """How a token could stand somewhere."""
    return [text, quote(text, safe=""), quote(text), json.dumps(text)[1:-1]]


def spared(said: str) -> bool:
    """Whether none of the tokens stands there."""
    return not any(each in said for text in (*SECRETS.values(), ONE) for each in spellings(text))


def raw(port: int, sent: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return drained(connection).decode("latin-1")


def test_a_token_would_be_found_in_any_spelling() -> None:
    for text in (*SECRETS.values(), ONE):
        assert not any(spared(f"a {each} b") for each in spellings(text))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    folder = tmp_path_factory.mktemp("sent")
    said = [f"env.videoStreamTokens={ROLES}", f"env.videoStreamToken={ONE}"]
    with serving_alone(folder, *said) as server:
        yield server


@pytest.fixture(scope="module")
def before(server: Alone) -> int:
    """How many lines it said when it began: there the tokens are printed."""
    until(lambda: any("videos and results" in line for line in server.errors), "its last line")
    return len(server.errors)


@pytest.mark.parametrize("role", [*SECRETS, "all"])
def test_no_answer_to_whatever_is_asked_has_a_token(server: Alone, before: int, role: str) -> None:
    token = SECRETS.get(role, ONE)
    for method, path in ADDRESSES:
        between = "&" if "?" in path else "?"
        asked = f"{path}{between}token={quote(token, safe='')}"
        for headers in ({}, {"Authorization": f"Bearer {quote(token)}"}, {"Origin": "http://evil.example"}):
            status, answered, body = get(server.port, asked, headers, method)
            assert spared(f"{answered}") and spared(body.decode("latin-1")), (status, method, path)


@pytest.mark.parametrize("sent", BROKEN, ids=range(len(BROKEN)))
def test_no_answer_to_what_is_no_request_has_a_token(server: Alone, before: int, sent: bytes) -> None:
    assert spared(raw(server.port, sent.replace(b"%b", quote(ONE).encode())))


def test_no_word_on_a_socket_has_a_token(server: Alone, before: int) -> None:
    key = quote(ONE)
    for path in ("/ws", "/stream", "/ws/nothing", "/ws/camera/attic"):
        try:
            with connect(f"ws://127.0.0.1:{server.port}{path}?token={key}") as link:
                link.send('{"type": "nonsense", "token": 1}')
                try:
                    while True:
                        assert spared(str(link.recv(0.5)))
                except TimeoutError:
                    pass  # Publishers are told what was wrong, and go on.
                except ConnectionClosed as closed:
                    assert spared(str(closed))
        except InvalidStatus as refused:
            assert spared((refused.response.body or b"").decode())


def test_what_a_server_says_while_all_of_that_happens_has_no_token(server: Alone, before: int) -> None:
    assert spared("\n".join(server.errors[before:]))


CRASHES = """
from envstream.web import pictures, sockets
def crash(*given, **more): raise ValueError("it broke down")
pictures.Pictures.screenshot = crash
sockets.ViewerSocket.run = crash
import logging
logging.basicConfig(level=logging.DEBUG)
"""


def test_a_server_that_breaks_down_says_so_without_a_token(tmp_path: Path) -> None:
    settings = {"videoStreamWorker": "thread", "videoStreamToken": ONE, "videoStreamTokens": SECRETS}
    script = CRASHES + _TRAINER.format(tests=str(Path(__file__).parent), settings=settings)
    with training(script=script) as trainer:
        port, key = trainer.port, quote(ONE)
        status, headers, body = get(port, f"/screen?token={key}")
        assert status == 500 and spared(f"{headers}{body!r}") and "content-security-policy" in headers
        with pytest.raises(InvalidStatus) as refused:
            Watcher(port, path=f"/ws?token={key}")
        assert refused.value.response.status_code == 500
        assert get(port, f"/api/streaming/quality/none?token={key}")[0] == 404
        for sent in BROKEN:
            raw(port, sent.replace(b"%b", key.encode()))
        until(lambda: _broke(trainer) >= 2, "what is said of it")
        said = [line for line in trainer.errors if not line.startswith("envstream: ")]
        assert spared("\n".join(said))


def _broke(trainer: Trainer) -> int:
    return sum("it broke down" in line for line in list(trainer.errors))


_TRAINER = """
import sys, time
sys.path.insert(0, {tests!r})
from fakes import PictureEnv
from envstream import StreamingWrapper
env = StreamingWrapper(PictureEnv(length=50), {{"videoStreamPort": 0, **{settings!r}}})
env.reset()
print(env.stream_url, flush=True)
while True:
    time.sleep(0.005)
    env.step(0)
"""

"""The bridge to Flask: threads work out answers, and none of them waits for whoever reads one."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

THREADS = 8
PIECE = 256 * 1024  # Bytes of an answer that are read at a time, and lie in memory until they are sent.
LONGEST_BODY = 64 * 1024  # Bytes of a request; what is larger goes where it is read as it comes.
BODY_SECONDS = 10.0  # For a request's body to arrive whole.
_BODILESS = ("GET", "HEAD", "OPTIONS")


class Refusal(NamedTuple):
    """Why a request is not handed on."""

    status: int
    reason: str


class Bridge:
    """ASGI around a WSGI app such as Flask's.

    An answer is taken from the app piece by piece, each in a turn of a thread, and sent by the event loop. So
    a paused player of a recording holds a piece and a descriptor, and no thread; there may be many more of
    them than threads.

    Args:
        app: the WSGI app.
        gone: whether nobody reads the answer to a request any more.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], gone: Callable[[Scope], bool]) -> None:
        self._app = app
        self._gone = gone
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="envstream-page")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = b"" if scope["method"] in _BODILESS else await _body(receive)
        if isinstance(body, Refusal):
            await _refuse(send, body)
            return
        answer = _Answer(self._app, environment(scope, body))
        in_thread = asyncio.get_running_loop().run_in_executor
        try:
            piece = await in_thread(self._threads, answer.piece)
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            while not answer.over and not self._gone(scope):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await in_thread(self._threads, answer.piece)
            if answer.over:
                await send({"type": "http.response.body", "body": piece})
        finally:
            with contextlib.suppress(RuntimeError):  # The server has ended.
                self._threads.submit(answer.close)

    def close(self) -> None:
        """Nothing more is answered."""
        self._threads.shutdown(wait=False)


class _Answer:
    """What the app says to one request. Used by one thread at a time."""

    def __init__(self, app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> None:
        self._app = app
        self._environ = environ
        self._given: Iterable[bytes] | None = None
        self._parts: Iterator[bytes] = iter(())
        self._lock = threading.Lock()  # Held while the app is at work: it is not closed meanwhile.
        self.status = 500
        self.headers: list[Header] = []
        self.over = False

    def piece(self) -> bytes:
        """The next bytes: `PIECE` of them or a little more, or all that are left, and then it is over."""
        with self._lock:
            if self._given is None:
                self._given = self._app(self._environ, self._start)
                self._parts = iter(self._given)
            parts, size = [], 0
            for part in self._parts:
                parts.append(part)
                size += len(part)
                if size >= PIECE:
                    return b"".join(parts)
            self.over = True
            return b"".join(parts)

    def close(self) -> None:
        """Let go of what it is read from."""
        with self._lock:
            getattr(self._given, "close", lambda: None)()

    def _start(self, status: str, headers: list[tuple[str, str]], failure: object = None) -> None:
        self.status = int(status.split(" ", 1)[0])
        self.headers = [
            (name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers
        ]


def environment(scope: Scope, body: bytes) -> dict[str, Any]:
    """A request as WSGI has it (PEP 3333)."""
    host, port = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", ""),
        "PATH_INFO": scope["path"].encode(errors="replace").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for key, value in _named(scope["headers"]):
        joint = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = value if key not in environ else environ[key] + joint + value
    return environ


def _named(headers: Iterable[Header]) -> Iterator[tuple[str, str]]:
    """Headers by their names in WSGI."""
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        # The length is that of what came. X_Name is not to be taken for X-Name.
        if name in ("content-length", "transfer-encoding") or "_" in name:
            continue
        key = "CONTENT_TYPE" if name == "content-type" else f"HTTP_{name}".upper().replace("-", "_")
        yield key, value.decode("latin-1")


async def _body(receive: Receive) -> bytes | Refusal:
    """All of a request's body, which is to be short and come soon."""

    async def whole() -> bytes | Refusal:
        body, more = bytearray(), True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return Refusal(400, "the connection ended before the body did")
            body += event.get("body", b"")
            more = event.get("more_body", False)
            if len(body) > LONGEST_BODY:
                return Refusal(413, f"a body has at most {LONGEST_BODY} bytes here")
        return bytes(body)

    try:
        return await asyncio.wait_for(whole(), BODY_SECONDS)
    except asyncio.TimeoutError:
        return Refusal(408, "the rest of the body did not come")


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = f"{refusal.reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),  # What is left of the request is not waited for.
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""The bridge: from the event loop to Flask in threads, which wait for nobody who is slow.

A thread is taken for as long as Flask, or the disk, needs it. Requests are read whole before that, and
answers are sent in pieces from the loop: who neither sends nor reads keeps a connection, and no thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from envstream.web.protocols import EXTENSION

PIECE = 256 * 1024  # Bytes of an answer that are on their way at once, about.
MOST_BODY = 64 * 1024  # Bytes: no page sends more.
BODY_SECONDS = 10.0  # For a request's body to arrive whole.

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Refused(Exception):
    """A request whose body cannot be had: the status, and what is said."""

    def __init__(self, status: int, reason: bytes) -> None:
        super().__init__(status)
        self.status, self.reason = status, reason


class Answer:
    """What a WSGI app answers. All of it happens in a thread."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []
        self._chunks: Iterator[bytes] = iter(())
        self._close: Callable[[], object] = lambda: None

    def begin(self, app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> bytes | None:
        """Have the app answer; the first piece of it."""

        def start(
            status: str, headers: list[tuple[str, str]], error: Any = None
        ) -> Callable[[bytes], object]:
            self.status = int(status.split(" ", 1)[0])
            self.headers = [
                (name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers
            ]
            return written.append

        written: list[bytes] = []
        made = app(environ, start)
        self._close = getattr(made, "close", self._close)
        self._chunks = chain(written, made)
        return self.more()

    def more(self) -> bytes | None:
        """The next piece; None: that was all."""
        piece = bytearray()
        for chunk in self._chunks:
            piece += chunk
            if len(piece) >= PIECE:
                break
        return bytes(piece) or None

    def close(self) -> None:
        """No more of it is wanted."""
        self._close()


class Bridge:
    """ASGI before a WSGI app. Lives on the event loop.

    Args:
        app: the WSGI app.
        threads: in which it answers.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], threads: int) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="envstream-pages")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await asyncio.wait_for(_body(scope, receive), BODY_SECONDS)
        except asyncio.TimeoutError:
            await _refuse(send, 408, b"the rest of the request did not come\n")
            return
        except Refused as refused:
            await _refuse(send, refused.status, refused.reason)
            return
        if body is None:
            return
        answer, loop = Answer(), asyncio.get_running_loop()
        transport = scope["extensions"][EXTENSION].transport
        try:
            piece = await loop.run_in_executor(
                self._threads, answer.begin, self._app, environ_of(scope, body)
            )
            start = {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
            await send(start)
            while piece is not None and not transport.is_closing():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await loop.run_in_executor(self._threads, answer.more)
            await send({"type": "http.response.body", "body": b""})
        finally:
            with contextlib.suppress(RuntimeError):  # The server is ending.
                self._threads.submit(answer.close)

    def close(self) -> None:
        """Nothing more is asked."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """All of a request's body; None: who asked has gone.

    Raises:
        Refused: it is too long.
    """
    names = {name for name, _ in scope["headers"]}
    if not names & {b"content-length", b"transfer-encoding"}:
        return b""
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        body += event.get("body", b"")
        if len(body) > MOST_BODY:
            raise Refused(413, b"a request's body has at most %d bytes here\n" % MOST_BODY)
        if not event.get("more_body", False):
            return bytes(body)


async def _refuse(send: Send, status: int, reason: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", b"%d" % len(reason)),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason})


def environ_of(scope: Scope, body: bytes) -> dict[str, Any]:
    """A request as a WSGI app is told of it (PEP 3333)."""
    root, path = scope.get("root_path", ""), scope["path"]
    host, port = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root.encode().decode("latin1"),
        "PATH_INFO": path.removeprefix(root).encode().decode("latin1"),
        "QUERY_STRING": scope["query_string"].decode("latin1"),
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
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin1").upper().replace("-", "_"), raw_value.decode("latin1")
        if name not in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            name = f"HTTP_{name}"
        elif name == "CONTENT_LENGTH":
            continue  # What came is what counts.
        environ[name] = f"{environ[name]},{value}" if name in environ else value
    return environ

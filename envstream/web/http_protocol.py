"""HTTP on one connection, as uvicorn speaks it, with the limits that it does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from envstream.web.guard import plain
from envstream.web.turns import Turn
from envstream.web.unread import Attended

HEADER_SECONDS = 10.0  # For a request's headers to arrive whole.
HEADER_BYTES = 32 * 1024
EXTENSION = "envstream"  # Under this name a scope's extensions hold the protocol that it came by.


class Turns(FlowControl):
    """Has what one peer sent dealt with in turns, and while nothing more of it is wanted, no further.

    There is room for ten thousand requests, or for forty thousand pieces of one, in what is read at once.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: Any, take: Callable[[bytes], None]
    ) -> None:
        super().__init__(transport)
        self._loop, self._take = loop, take
        self._due = False  # Whether a turn is to come.
        self._turn = Turn()
        self.waits = b""

    def came(self, data: bytes) -> None:
        """Deal with it, now or later."""
        self.waits += data
        if not self._due:
            self._go_on()

    def resume_reading(self) -> None:
        if self.read_paused and self.waits:  # More is read when that has been dealt with.
            self.read_paused = False
            self._later()
        else:
            super().resume_reading()

    def _go_on(self) -> None:
        self._due = False
        if self._stops():
            return
        for piece in self._turn.pieces(self.waits):
            self._take(piece)
            if self._stops():
                break
        self.waits = self._turn.rest
        if self.waits and not self._stops():
            self._later()
        elif not self._stops():
            self._transport.resume_reading()

    def _stops(self) -> bool:
        """Whether nothing more is wanted."""
        return self.read_paused or self._transport.is_closing()

    def _later(self) -> None:
        self._transport.pause_reading()
        if not self._due:
            self._due = True
            self._loop.call_soon(self._go_on)


class HttpProtocol(Attended, HttpToolsProtocol):
    """HTTP: headers must come in time and in size, and little is queued behind a slow reader."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _turns: Turns
    _answering: Any = None  # What is at work on a request.
    _refusal: tuple[int, bytes] | None = None  # What is said when nothing is at work any more.
    _is_socket = False  # Whether another protocol has gone on with it. What came with the handshake is lost.

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = self._turns = Turns(self.loop, transport, self._take)
        self._head_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def data_received(self, data: bytes) -> None:
        self._turns.came(data)

    def _take(self, data: bytes) -> None:
        if self._refusal is not None or self._is_socket:
            return
        # In pieces: what follows the headers in the same read is not counted with them.
        while data and self._head_timer is not None and not self.transport.is_closing():
            room = HEADER_BYTES - self._head_bytes
            if room <= 0:
                self._refuse(431, b"Request Header Fields Too Large")
                return
            piece, data = data[:room], data[room:]
            self._head_bytes += len(piece)
            super().data_received(piece)
        if data and not (self.transport.is_closing() or self._is_socket):
            super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        self._is_socket = True
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:  # A further request on the same connection.
            self._head_bytes = 0
            self._head_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        super().on_headers_complete()
        scope: Any = self.scope
        scope.setdefault("extensions", {})[EXTENSION] = self

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)
        # uvicorn tells the request that came last; of several at once, another one is being answered.
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:  # One is answered after the other: what comes behind them may wait.
            self.flow.pause_reading()
        elif self._refusal is not None and not self.transport.is_closing():
            refusal, self._refusal = self._refusal, None
            self._refuse(*refusal)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._turns.waits:  # They have come, and wait for the answer to a request before them.
            self._head_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)
        elif not self.transport.is_closing():
            self._refuse(408, b"Request Timeout")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, b"Bad Request")

    def _refuse(self, status: int, reason: bytes) -> None:
        self._stop_head_timer()
        if self._refusal is not None:
            return
        if self.pipeline and self.cycle is not None and self.cycle.more_body:
            self.pipeline.popleft()  # The rest of it will not come.
        answering = self._answering
        if answering is not None and not answering.response_complete:
            if not answering.more_body:
                self._refusal = status, reason  # Its turn is behind the answers to what came before.
                return
            if answering.response_started:
                self.transport.abort()
                return
        said = {**plain(), "content-length": "0", "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items()).encode()
        self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n" % (status, reason, head))
        self.transport.close()

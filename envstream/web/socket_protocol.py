"""WebSocket on one connection, as uvicorn speaks it, with a short way for texts and limits of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from envstream.web.frames import is_farewell, short_text
from envstream.web.guard import plain
from envstream.web.http_protocol import EXTENSION
from envstream.web.turns import LEAST, Turn
from envstream.web.unread import Attended

MOST_UNREAD = 256 * 1024  # Bytes of answers to pings that a peer may leave unread.
MOST_FRAGMENTS = 65_536  # Of one message: empty ones have no end that its size would set.
LAST_READING = 2.0  # Seconds in which a peer that broke the rules may still send, and read why it is over.
LAST_BYTES = 64 * 1024 * 1024  # That it may send in them: buffers on the way hold less.
_NO_TEXT, _TOO_LARGE = 1007, 1009  # WebSocket close codes: a text is no UTF-8; a message is too large.


class SocketProtocol(Attended, WebSocketsSansIOProtocol):
    """WebSocket with a short way for texts that come whole, as acknowledgements do.

    The usual way of a message, through a parser, a queue and a task, takes 60 µs; a thousand viewers send
    thirty thousand acknowledgements a second. So a text in one unfragmented frame is handed to `hear` as it
    comes in. Everything else (handshake, control frames, fragments, what is malformed) goes the usual way.
    """

    hear: Callable[[str], None] | None = None
    broken: Callable[[Exception], bytes] | None = None  # What is said at the end, where the peer broke it.
    _swallows = False  # Whether what still comes is passed over.
    _swallowed = 0  # Bytes of it.
    _turn: Turn
    _hung_up = False
    _came = b""  # What was read and waits for its turn.
    _held = False  # Whether nothing is read for that.

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._turn = Turn()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        # To close politely is to wait until the other end has taken the rest, and that does not answer.
        self.transport.abort()

    def handle_connect(self, event: Any) -> None:
        answer = self.conn.send_response

        def guarded(response: Any) -> None:
            for name, value in plain().items():
                if name not in response.headers:
                    response.headers[name] = value
            answer(response)

        self.conn.send_response = guarded  # type: ignore[method-assign]
        super().handle_connect(event)
        if not self.handshake_complete:
            extensions: Any = self.scope["extensions"]
            extensions[EXTENSION] = self

    def data_received(self, data: bytes) -> None:
        if not self._came and len(data) <= LEAST:  # As acknowledgements come: thirty thousand a second.
            self._take(data)
            return
        self._came += data
        if len(self._came) == len(data):  # Nothing is waiting for its turn.
            self._take_turn()

    def _take_turn(self) -> None:
        """Deal with what came, for a while: a thousand frames may be in six kilobytes."""
        came, self._came = self._came, b""
        for piece in self._turn.pieces(came):
            if self.transport.is_closing():
                return
            self._take(piece)
        if rest := self._turn.rest:
            self._came, self._held = rest, True
            self.transport.pause_reading()
            self.loop.call_soon(self._take_turn)
            return
        if self._held:
            self._held = False
            if not self.read_paused and not self.transport.is_closing():
                self.transport.resume_reading()

    async def receive(self) -> Any:
        event = await super().receive()
        if self._came:
            self.transport.pause_reading()
        return event

    def _take(self, data: bytes) -> None:
        if self._hung_up and is_farewell(data):
            self.transport.close()
        if self._swallows:
            self._swallowed += len(data)
            if self._swallowed > LAST_BYTES:
                self.transport.abort()
            return
        # Only where nothing is pending of the usual way: messages are heard in the order in which they came.
        while (
            self.hear is not None and self.queue.empty() and not self.frames and not self.conn.reader.buffer
        ):
            text, size = short_text(data)
            if text is None:
                break
            self.hear(text)
            data = data[size:]
            if not data:
                return
        super().data_received(data)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(self.frames):
            self.frames = []
            self.hang_up(_NO_TEXT, "a text message is UTF-8")
            self.queue.put_nowait({"type": "websocket.disconnect", "code": _NO_TEXT})
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.transport.get_write_buffer_size() > MOST_UNREAD:
            self.transport.abort()

    def handle_cont(self, event: Any) -> None:
        if len(self.frames) < MOST_FRAGMENTS:
            super().handle_cont(event)
        elif not self._hung_up:
            self.hang_up(_TOO_LARGE, f"a message has at most {MOST_FRAGMENTS} fragments")
            self.queue.put_nowait({"type": "websocket.disconnect", "code": _TOO_LARGE})

    def handle_parser_exception(self) -> None:
        error, broken = self.conn.parser_exc, self.broken
        words = broken(error) if broken is not None and error is not None else b""
        if not words or self.transport.is_closing():
            super().handle_parser_exception()
            return
        # The peer is still sending: a connection that is closed now would take these words with it.
        self.transport.write(words + b"".join(self.conn.data_to_send()))
        self.close_sent = self._swallows = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _TOO_LARGE})
        self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LAST_READING, self.transport.close)

    def hang_up(self, code: int, reason: str) -> None:
        """Close the conversation with a WebSocket close code; what comes from now on is not heard."""
        self.hear = self._deaf
        if self._hung_up or self.transport.is_closing():
            return
        self._hung_up = self._swallows = self.close_sent = True
        if self.conn.state is State.OPEN:  # Else it said so already, as what came before was no frame.
            self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        # Some do not answer, or go on sending: they may read why, and then they are gone.
        self.close_timer = self.loop.call_later(LAST_READING, self.transport.abort)

    def _deaf(self, text: str) -> None:
        """After the end."""


def _is_text(parts: list[bytes]) -> bool:
    try:
        b"".join(parts).decode()
    except UnicodeDecodeError:
        return False
    return True

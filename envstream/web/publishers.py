"""Publishers' WebSocket: frames come in over `/stream`; see `conversation.Conversation` for what is said."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol

from websockets.exceptions import PayloadTooBig

from envstream.errors import SessionError
from envstream.sessions import headers
from envstream.sessions.conversation import Conversation
from envstream.sessions.events import Event, HangUp, Say
from envstream.sessions.reception import Reception
from envstream.sessions.session import Session
from envstream.sessions.table import Sessions
from envstream.web.pipes import socket_frame
from envstream.web.socket_protocol import SocketProtocol
from envstream.wire import compact

log = logging.getLogger("envstream")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MOST_UNREAD = 1_000_000  # Bytes of answers that a publisher may leave unread.
PAUSE = 0.005  # Seconds between two looks at whether the disk has taken enough.
LAST_READING = 2.0  # Seconds in which a peer that is hung up on may read why.
# WebSocket close codes: the peer broke the rules; something broke here; try again later.
_POLICY, _BROKEN, _LATER = 1008, 1011, 1013


class Talk(Protocol):
    """What deals with what is said on one connection; see `Conversation`."""

    @property
    def session(self) -> Session | None:
        """What it is about, once that is known."""

    def begin(self, now: float) -> list[Event]:
        """The connection stands."""

    def text(self, data: str, now: float) -> list[Event]:
        """A text message came."""

    def data(self, data: bytes, now: float) -> list[Event]:
        """A binary message came."""


class PublisherSocket:
    """One publisher's connection."""

    def __init__(self, sessions: Sessions, protocol: SocketProtocol, receive: Receive, send: Send) -> None:
        self._sessions = sessions
        self._protocol = protocol
        self._receive = receive
        self._send = send
        self._limits = sessions.limits()
        check = partial(headers.check, max_pixels=self._limits.max_pixels)
        self._conversation: Talk = self.talk(Conversation(sessions.admit, self._limits, check))
        self._reception: Reception | None = None
        self._over = False

    def talk(self, conversation: Conversation) -> Talk:
        """What deals with what is said."""
        return conversation

    def worded(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is said, in the words of whoever hears it."""
        return message

    async def run(self) -> None:
        """Talk until either side ends it."""
        if (await self._receive())["type"] != "websocket.connect":
            return
        self._protocol.conn.max_message_size = self._limits.max_message
        self._protocol.broken = self._broken
        await self._send({"type": "websocket.accept"})
        try:
            self._deal(self._conversation.begin)
            while (event := await self._receive())["type"] != "websocket.disconnect":
                if not self._over:
                    self._take(event)
                while self._full:  # What the disk cannot take now, the publisher is not to send.
                    await asyncio.sleep(PAUSE)
        finally:
            self._protocol.broken = None
            if self._reception is not None:
                self._reception.detach(self, time.monotonic())

    @property
    def _full(self) -> bool:
        session = self._conversation.session
        return session is not None and session.full and not self._over

    def _take(self, event: Mapping[str, Any]) -> None:
        text, data = event.get("text"), event.get("bytes")
        if text is not None:
            self._deal(partial(self._conversation.text, text))
        else:
            self._deal(partial(self._conversation.data, data or b""))

    def _deal(self, hear: Callable[[float], list[Event]]) -> None:
        now = time.monotonic()
        try:
            self._handle(hear(now), now)
        except Exception:
            log.exception("envstream: a publisher's message could not be dealt with; it is hung up on")
            self._end(_BROKEN, "something went wrong in the server")

    def _handle(self, events: list[Event], now: float) -> None:
        session = self._conversation.session
        if session is not None and self._reception is None:
            self._reception = self._sessions.reception(session)
            self._reception.attach(self, events, now)
            return
        if self._reception is not None:
            self._reception.handle(events, now)
            return
        for event in events:
            if isinstance(event, Say):
                self.tell(event.message)
            elif isinstance(event, HangUp):
                self.hang_up(event.reason)

    # What a reception has to say.

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message."""
        transport = self._protocol.transport
        if self._over or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MOST_UNREAD:
            self.hang_up("the answers are not read")
            return
        transport.write(socket_frame(1, compact(self.worded(message)).encode()))

    def hang_up(self, reason: str, *, later: bool = False) -> None:
        """End the connection; `later`: the publisher is welcome again by and by."""
        self._end(_LATER if later else _POLICY, reason)

    def _end(self, code: int, reason: str) -> None:
        if not self._over:
            self._over = True
            self._protocol.hang_up(code, reason.encode()[:120].decode(errors="ignore"))
            # Some do not answer, go on sending, or read nothing at all.
            asyncio.get_running_loop().call_later(LAST_READING, self._protocol.transport.abort)

    def _broken(self, error: Exception) -> bytes:
        """What is to be said before a connection ends whose bytes are no WebSocket messages, or too large."""
        if not isinstance(error, PayloadTooBig):
            return b""
        self._over = True
        what = SessionError(
            "too_large",
            f"a message is at most {self._limits.max_message} bytes (videoStreamMaxMessage); send smaller "
            "pictures",
            recoverable=False,
        )
        return socket_frame(1, json.dumps(what.message()).encode())

"""uvicorn's connection protocols with the limits it does not have, and small buffers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEADER_SECONDS = 10.0  # For a request's headers to arrive whole.
HEADER_BYTES = 32 * 1024
UNSENT_BYTES = 16 * 1024  # What the kernel may hold of a connection that it has not sent yet.
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Python names it from 3.12 on; 25 is Linux's.


class HttpProtocol(HttpToolsProtocol):
    """HTTP: headers must come in time and in size, and little is queued behind a slow reader."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        _keep_buffers_small(transport)
        self._head_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEADER_BYTES:
                self._refuse(431, b"Request Header Fields Too Large")
                return
        if not self.transport.is_closing():
            super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:  # A further request on the same connection.
            self._head_bytes = 0
            self._head_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._refuse(408, b"Request Timeout")

    def _refuse(self, status: int, reason: bytes) -> None:
        self._stop_head_timer()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % (status, reason)
        )
        self.transport.close()


class SocketProtocol(WebSocketsSansIOProtocol):
    """WebSocket: a send waits as soon as the kernel has enough, so that frames do not pile up here."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        _keep_buffers_small(transport)


def _keep_buffers_small(transport: Any) -> None:
    transport.set_write_buffer_limits(high=UNSENT_BYTES)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if sys.platform == "linux":
                connection.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_BYTES)

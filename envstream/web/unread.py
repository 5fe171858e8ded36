"""Unread: how much may wait on a connection, and what becomes of one that takes nothing any more."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import Any

UNREAD_SECONDS = 40.0  # After which a connection is ended of whose bytes none was taken.
UNSENT_BYTES = 16 * 1024  # What the kernel may hold of a connection that it has not sent yet.
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Python names it from 3.12 on; 25 is Linux's.


class Unread:
    """Ends a connection whose other end takes nothing any more: it has stopped, or the way to it is cut.

    The system would send what is left, and wait for hours. Who takes little, however little, is waited for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any) -> None:
        self._loop, self._transport = loop, transport
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Something waits to be taken."""
        if self._timer is None:
            self._watch()

    def end(self) -> None:
        """It was taken, or the connection is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        waits = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(UNREAD_SECONDS, self._look, waits)

    def _look(self, waited: int) -> None:
        if self._transport.get_write_buffer_size() < waited:
            self._watch()
        else:
            self._transport.abort()


class Attended(asyncio.Protocol):
    """What both of uvicorn's protocols lack: small buffers, and an end for who takes nothing any more."""

    loop: asyncio.AbstractEventLoop
    drained: Callable[[], None] | None = None  # Called when the kernel has taken most of what was written.
    _unread: Unread

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        _keep_buffers_small(transport)
        self._unread = Unread(self.loop, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unread.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.begin()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread.end()
        if self.drained is not None:
            self.drained()


def _keep_buffers_small(transport: Any) -> None:
    """Have little wait behind a slow reader, here and in the kernel."""
    transport.set_write_buffer_limits(high=UNSENT_BYTES)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if sys.platform == "linux":
                connection.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_BYTES)

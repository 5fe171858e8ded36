"""Unread: what becomes of a connection whose other end takes nothing any more."""

from __future__ import annotations

import asyncio
from typing import Any

UNREAD_SECONDS = 40.0  # After which a connection is ended of whose bytes none was taken.


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

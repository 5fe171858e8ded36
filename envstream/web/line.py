"""The server's end of the control line: what its trainer says, and what is answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from envstream.links import control


class Line:
    """One trainer's control line. Lives on the event loop.

    Attributes:
        ended: set when the other side is gone.
        descriptors: that came with messages and were not taken yet.
    """

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        self._incoming = control.Incoming(line)
        self._early: list[dict[str, Any]] = []
        self.ended = asyncio.Event()

    @property
    def descriptors(self) -> list[int]:
        return self._incoming.descriptors

    async def first(self) -> dict[str, Any] | None:
        """The first message; None when the line ends before it."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        loop.add_reader(self._line.fileno(), arrived.set)
        try:
            while not self._early and not self._incoming.ended:
                await arrived.wait()
                arrived.clear()
                self._early += self._incoming.receive()
        finally:
            loop.remove_reader(self._line.fileno())
        return self._early.pop(0) if self._early else None

    def listen(self, heard: Callable[[], None]) -> None:
        """Have `heard` called whenever something came: messages, or only a wake-up."""
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._hear, heard)

    def deafen(self) -> None:
        """No more calls."""
        asyncio.get_running_loop().remove_reader(self._line.fileno())

    def messages(self) -> list[dict[str, Any]]:
        """The messages that came and were not taken yet."""
        early, self._early = self._early, []
        return early

    def send(self, message: dict[str, Any]) -> None:
        """Say something; where that cannot be, the line has ended."""
        try:
            control.send(self._line, message)
        except OSError:
            self.ended.set()

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _hear(self, heard: Callable[[], None]) -> None:
        try:
            self._early += self._incoming.receive()
            heard()
        finally:  # Whatever is wrong with what came: an end is an end.
            if self._incoming.ended:
                self.ended.set()

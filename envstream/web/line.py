"""The server's end of the control line: what its trainer says, and what is answered."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from envstream.links import control


class Line:
    """One trainer's control line. Lives on the event loop.

    A process that was forked from the trainer in a bad moment may hold the other end open when the trainer is
    gone. So where the system tells of the end of processes, that counts as well (`follow`).

    Attributes:
        ended: set when the other side is gone.
        descriptors: that came with messages and were not taken yet.
    """

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        self._incoming = control.Incoming(line)
        self._early: list[dict[str, Any]] = []
        self._heard: Callable[[], None] = lambda: None
        self._process: int | None = None  # A descriptor that tells of the end of the trainer's process.
        self.ended = asyncio.Event()

    @property
    def descriptors(self) -> list[int]:
        return self._incoming.descriptors

    async def first(self) -> dict[str, Any] | None:
        """The first message; None when the line ends before it."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        loop.add_reader(self._line.fileno(), arrived.set)
        self.follow(arrived.set)
        try:
            while not self._early and not self._incoming.ended:
                self._early += self._incoming.receive()
                if self._early or self.ended.is_set():
                    break
                await arrived.wait()
                arrived.clear()
        finally:
            loop.remove_reader(self._line.fileno())
            self._unfollow()
        return self._early.pop(0) if self._early else None

    def listen(self, heard: Callable[[], None]) -> None:
        """Have `heard` called whenever something came: messages, or only a wake-up."""
        self._heard = heard
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._hear)
        self.follow(self._hear)

    def deafen(self) -> None:
        """No more calls."""
        asyncio.get_running_loop().remove_reader(self._line.fileno())
        self._unfollow()

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

    def follow(self, gone: Callable[[], None]) -> None:
        """Have `gone` called when the process at the other end has ended; the line has, too, then."""
        process = peer_of(self._line)
        if process is None or not hasattr(os, "pidfd_open"):
            return
        try:
            self._process = os.pidfd_open(process)
        except ProcessLookupError:
            self.ended.set()
        except OSError:
            pass  # A kernel without it: the end of file says it, if nobody else holds the line.
        else:
            asyncio.get_running_loop().add_reader(self._process, self._gone, gone)

    def _gone(self, gone: Callable[[], None]) -> None:
        self._unfollow()
        self.ended.set()
        gone()

    def _unfollow(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            asyncio.get_running_loop().remove_reader(process)
            os.close(process)

    def _hear(self) -> None:
        try:
            self._early += self._incoming.receive()
            self._heard()
        finally:  # Whatever is wrong with what came: an end is an end.
            if self._incoming.ended:
                self.ended.set()


def peer_of(line: socket.socket) -> int | None:
    """The process at the other end of a socket of this machine; None where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or line.family != getattr(socket, "AF_UNIX", None):
        return None
    try:
        process, _, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    except OSError:
        return None
    return process or None  # 0: it is of another container.

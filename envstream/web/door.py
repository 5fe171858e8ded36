"""The door: who connects is let in, as far as there are descriptors; the others wait until there are."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from envstream import descriptors

AT_ONCE = 64  # Connections that are let in before what is under way goes on.
PAUSE = 0.1  # Seconds until it is tried again, where there was no room.
SECRETLY = 10.0  # Seconds in which a connection agrees upon its encryption.

Welcome = Callable[[], asyncio.BaseProtocol]


class Door:
    """Lets connections in. Lives on the event loop.

    Those for whom there is no descriptor wait in the system's queue, and get in as others leave. What the
    server opens itself keeps its share: a crowd at the door does not keep a recording from being written.

    Args:
        listener: where they knock.
        welcome: makes what talks to one of them.
        inside: how many are in.
        say: told once that some have to wait, and why.
        secure: how connections are encrypted; None = they are not.
    """

    def __init__(
        self,
        listener: socket.socket,
        welcome: Welcome,
        inside: Callable[[], int],
        say: Callable[[str], None],
        secure: ssl.SSLContext | None = None,
    ) -> None:
        self._listener = listener
        self._welcome = welcome
        self._inside = inside
        self._say = say
        self._secure = secure
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Future[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._said = False
        self._shut = False

    def open(self) -> None:
        """Let them in from now on."""
        self._listener.setblocking(False)
        self._pause = None
        if not self._shut:
            self._loop.add_reader(self._listener.fileno(), self._knocked)

    def close(self) -> None:
        """Nobody comes in any more; who is in stays."""
        if self._shut:
            return
        self._shut = True
        if self._pause is not None:
            self._pause.cancel()
        elif self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
        self._listener.close()

    def _knocked(self) -> None:
        most = descriptors.for_connections(descriptors.limit())
        for _ in range(AT_ONCE):
            if self._inside() + len(self._entering) >= most:
                self._rest(f"{most} connections are open")
                return
            try:
                knocking, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # It has gone again.
            except OSError as error:  # No descriptors or no memory, here or in the whole system.
                self._rest(error.strerror or str(error))
                return
            knocking.setblocking(False)
            task = asyncio.ensure_future(self._enter(knocking))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    def _rest(self, why: str) -> None:
        """Nobody can be let in now. The listener would say again and again that somebody waits."""
        self._loop.remove_reader(self._listener.fileno())
        self._pause = self._loop.call_later(PAUSE, self.open)
        if not self._said:
            self._said = True
            self._say(
                f"no further connection can be taken ({why}; {descriptors.limit()} files may be open): who "
                "comes waits until others leave; `ulimit -n` before the start allows more"
            )

    async def _enter(self, knocking: socket.socket) -> None:
        secretly = {} if self._secure is None else {"ssl_handshake_timeout": SECRETLY}
        # What goes wrong with one connection is that one's: it has gone, or speaks no TLS.
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            try:
                await self._loop.connect_accepted_socket(
                    self._welcome, knocking, ssl=self._secure, **secretly
                )
            except BaseException:
                knocking.close()
                raise

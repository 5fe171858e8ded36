"""A link to a server elsewhere: one WebSocket after the other, until a sender has no more to say."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from envstream.push.owed import Picture
from envstream.push.sender import Message, Sender

RETRY_FOR = 60.0  # Seconds without a connection after which it is given up.
FIRST_DELAY, LONGEST_DELAY = 0.25, 5.0  # Seconds before the next attempt.
SLOWER = (
    1.3  # Times as long each time. A server that is started again is up in about 2 s; who doubles sleeps on.
)
ANSWER = 20.0  # Seconds that a server has to acknowledge the session.
SILENCE = 30.0  # Seconds without a sign of life after which a connection is taken for dead.
# Larger messages go in pieces: in between, the peer hears that we live.
PIECE = 2**17
UNSENT = 2**17  # Bytes that wait in the kernel at most, so that how much is under way is known here.
_LARGEST = 2**24  # Bytes of what a server says.
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Python names it from 3.12 on; 25 is Linux's.
_FINAL = (1008, 1009)  # WebSocket close codes: the rules were broken; a message was too large.
_LATER = (408, 425, 429)  # HTTP: try again.


def delays(random: Callable[[], float] = random.random) -> Iterator[float]:
    """Seconds to wait before each attempt: longer each time, and never all at the same moment."""
    delay = FIRST_DELAY
    while True:
        yield delay * (0.5 + 0.5 * random())
        delay = min(SLOWER * delay, LONGEST_DELAY)


class _Hopeless(Exception):
    """No further attempt can do better."""


class Link:
    """Carries a sender's messages in a thread of its own, and connects again when the connection breaks.

    The sender is to be touched with `lock` held only.

    Args:
        url: `ws://` or `wss://`, with the path.
        token: what the server wants to see; None = nothing, or it is in the URL.
        retry_for: seconds without a connection after which it is given up.
        changed: called in the link's thread whenever something was heard or the connection changed.

    Attributes:
        connected: whether there is a connection on which the server has answered.
        problem: why there is none, or was none last, a sentence.
        given_up: whether there will not be another one.
        connections: how many there were.
    """

    def __init__(
        self,
        url: str,
        sender: Sender,
        *,
        token: str | None = None,
        retry_for: float = RETRY_FOR,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.sender, self.lock = sender, threading.Condition()
        self.problem: str | None = None
        self.given_up = False
        self.connections = 0
        self._url, self._token, self._retry_for = url, token, retry_for
        self._changed = changed
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._work, name="envstream-link", daemon=True)

    # --- any thread ------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self.sender.open

    @property
    def over(self) -> bool:
        """Whether no further picture goes through."""
        return self.given_up or self._closing or self.sender.over

    def start(self) -> None:
        """Connects."""
        self._thread.start()

    def offer(self, picture: Picture, timeout: float | None = None) -> bool:
        """Has a picture sent, as soon as there is room; False: there was none for so long, or it is over."""
        until = None if timeout is None else time.monotonic() + timeout
        began = time.monotonic()
        with self.lock:
            while not self.sender.offer(picture, began):
                left = None if until is None else until - time.monotonic()
                if self.given_up or self._closing or (left is not None and left <= 0):
                    return False
                self.lock.wait(left)
        self.wake()
        return True

    def end(self) -> None:
        """There are no more pictures."""
        with self.lock:
            self.sender.end()
        self.wake()

    def wake(self) -> None:
        """The sender has something new to say."""
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            with contextlib.suppress(RuntimeError):  # It ended meanwhile.
                loop.call_soon_threadsafe(wake.set)

    def wait(self, until: Callable[[], bool], timeout: float | None = None) -> bool:
        """Waits until something is so, which is asked with `lock` held; also ends when the link does."""
        with self.lock:
            self.lock.wait_for(lambda: until() or self.given_up or self._closing, timeout)
            return until()

    def close(self, timeout: float = 5.0) -> None:
        """Ends the connection; what was not sent is not."""
        self._closing = True
        self._tell()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout)

    # --- its own thread --------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # Whatever it is, nobody is to wait for ever.
            self.problem = f"the link broke ({type(error).__name__}: {error})"
        finally:
            with self.lock:
                self.given_up = self.given_up or not (self.sender.done or self._closing)
                self.sender.open = False
            self._tell()

    def _tell(self) -> None:
        with self.lock:
            self.lock.notify_all()
        self._changed()

    async def _run(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        waits, since = delays(), time.monotonic()
        while not (self._closing or self.sender.done):
            before, had = self.connections, self.sender.counts()["acknowledged"]
            try:
                await self._talk(self._wake)
            except _Hopeless as error:
                self.problem = str(error)
                return
            except Exception as error:
                self.problem = _why(error)
            if self.connections > before:
                since = time.monotonic()
            with self.lock:
                if self.sender.counts()["acknowledged"] > had:  # A server without room takes nothing.
                    waits = delays()
                self.sender.lost()
            self._tell()
            if time.monotonic() - since >= self._retry_for:
                return
            await self._pause(min(next(waits), max(0.01, since + self._retry_for - time.monotonic())))

    async def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not (self._closing or self.sender.done) and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.1))

    async def _talk(self, wake: asyncio.Event) -> None:
        """One connection, until there is nothing more to say."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, InvalidURI

        try:
            async with connect(self._url, **self._options()) as peer:
                _keep_buffer_small(peer.transport)
                with self.lock:
                    self.sender.connected()
                await self._both(peer, wake)
        except InvalidStatus as error:
            self._turned_away(error.response.status_code, bytes(error.response.body or b""))
            raise
        except (InvalidURI, ssl.SSLCertVerificationError) as error:
            raise _Hopeless(_why(error)) from error

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "compression": None,
            "max_size": _LARGEST,
            "ping_interval": SILENCE / 3,
            "ping_timeout": SILENCE,
            "close_timeout": 2,
        }
        if self._token is not None:
            options["additional_headers"] = {"Authorization": f"Bearer {self._token}"}
        return options

    async def _both(self, peer: Any, wake: asyncio.Event) -> None:
        tasks = [asyncio.create_task(self._speak(peer, wake)), asyncio.create_task(self._listen(peer, wake))]
        try:
            done, _ = await asyncio.wait(tasks, timeout=ANSWER, return_when=asyncio.FIRST_COMPLETED)
            if not done and not self.sender.open:
                raise TimeoutError("the server does not answer, so that it may be no envstream server")
            if not done:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _speak(self, peer: Any, wake: asyncio.Event) -> None:
        while True:
            wake.clear()
            with self.lock:
                messages = self.sender.messages()
            for message in messages:
                await peer.send(message if len(message) <= PIECE else _pieces(message))
            if self._closing or self.sender.done:
                return
            if not messages:
                await wake.wait()

    async def _listen(self, peer: Any, wake: asyncio.Event) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                said = _read(await peer.recv())
                with self.lock:
                    before = self.sender.open
                    self.sender.heard(said)
                    self.connections += self.sender.open and not before
                self._tell()
                wake.set()
        except ConnectionClosed as error:
            with self.lock:
                if error.rcvd is not None and error.rcvd.code in _FINAL and not self.sender.over:
                    self.sender.refuse("refused", error.rcvd.reason or "the server ended the connection")
            if not self.sender.done:
                raise

    def _turned_away(self, status: int, body: bytes) -> None:
        """The server answered, and not with a WebSocket."""
        said = body[:300].decode(errors="replace").strip()
        if status in (401, 403):
            with self.lock:
                self.sender.refuse(
                    "refused", said or f"the server lets nobody in without its token ({status})"
                )
        elif status < 500 and status not in _LATER:
            raise _Hopeless(f"there is no envstream server that takes frames (HTTP {status} {said})".strip())


def _pieces(message: Message) -> Iterator[str | memoryview]:
    """A large message in pieces, without copying bytes."""
    whole = message if isinstance(message, str) else memoryview(message)
    return (whole[start : start + PIECE] for start in range(0, len(whole), PIECE))


def _read(text: object) -> dict[str, Any]:
    """What was said; nothing where it makes no sense."""
    with contextlib.suppress(ValueError, RecursionError, TypeError):
        said = json.loads(text)  # type: ignore[arg-type]
        if isinstance(said, dict):
            return said
    return {}


def _keep_buffer_small(transport: Any) -> None:
    connection = transport.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT)


def _why(error: Exception) -> str:
    """What went wrong with a connection, as a sentence for people."""
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return str(error) or "the server does not answer"
    if isinstance(error, socket.gaierror):
        return f"the name of the server cannot be found ({error.strerror})"
    return str(error) or type(error).__name__

"""The server: one event loop that listens, takes frames in, and sends them out, until its trainer is gone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn

from envstream import config
from envstream.config import StreamConfig
from envstream.errors import AddressError
from envstream.hub import Hub
from envstream.links import control
from envstream.links.block import Block
from envstream.links.intake import Intake
from envstream.stream import Stream
from envstream.web.asgi import Application
from envstream.web.auth import Access
from envstream.web.fanout import Fanout
from envstream.web.messages import LONGEST_MESSAGE, Board
from envstream.web.protocols import HttpProtocol, SocketProtocol

log = logging.getLogger("envstream")

PORTS_TRIED = 100  # From the wanted port upwards, when it is taken.
PATIENCE = 1.0  # Seconds in which a taken port may become free.
LAST_WORDS = 0.5  # Seconds in which viewers hear that the run has ended.

Attach = Callable[[dict[str, Any], list[int]], Block]


def bind(host: str, port: int) -> socket.socket:
    """A listening socket at `port`, or at the next free one when that is taken; 0 = any.

    Raises:
        AddressError: when `host` is no address of this machine, or no port is free.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise AddressError.cannot_bind(host, port, error) from error
    last: OSError | None = None
    for candidate in range(port, min(port + PORTS_TRIED, 65536) if port else 1):
        listener = socket.socket(family, kind)
        try:
            if sys.platform != "win32":  # There it would let two servers share a port.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address[0], candidate, *address[2:]))
            listener.listen(2048)
            return listener
        except OSError as error:
            listener.close()
            last = error
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                break
    raise AddressError.cannot_bind(host, port, last.strerror if last else "no port is free")


async def bind_patiently(host: str, port: int) -> socket.socket:
    """Like `bind`, but a run that was started again gets the port of the one that is just ending.

    Raises:
        AddressError: as `bind` does.
    """
    for _ in range(int(PATIENCE / 0.1)):
        listener = bind(host, port)
        if port in (0, listener.getsockname()[1]):
            return listener
        listener.close()
        await asyncio.sleep(0.1)
    return bind(host, port)


class Server:
    """Serves one hub over one port, fed by the control line of one trainer.

    Args:
        line: the control line's end; its first message says how to start.
        attach: how to come by a block that the trainer announced.
        up: called when it listens.
    """

    def __init__(self, line: socket.socket, attach: Attach, up: Callable[[], None] | None = None) -> None:
        line.setblocking(False)
        self._line = line
        self._attach = attach
        self._up = up
        self._incoming = control.Incoming(line)
        self._ended = asyncio.Event()
        self.uvicorn: uvicorn.Server | None = None

    async def run(self) -> None:
        """Serve until the control line ends, then say so to the viewers and stop."""
        loop = asyncio.get_running_loop()
        start = await self._first_message(loop)
        if start is None:
            return
        settings = config.read(start["settings"])
        hub = Hub(settings)
        try:
            listener = await bind_patiently(settings.videoStreamHost, start["port"])
        except AddressError as error:
            self._reply({"op": "failed", "message": str(error)})
            return
        hub.port = listener.getsockname()[1]
        scheme = "https" if settings.videoStreamTlsCert else "http"
        fanout = Fanout(hub, loop)
        self._board = Board(hub)
        access = Access(start["token"], settings.videoStreamAllowedHosts, scheme)

        def chosen(stream: Stream) -> None:  # Called from Flask's threads.
            with contextlib.suppress(RuntimeError):  # The loop has just ended.
                loop.call_soon_threadsafe(self._chosen, hub, fanout, stream)

        self._application = application = Application(hub, access, fanout, chosen)
        intake = Intake(hub, fanout.opened, fanout.arrived, lambda: self._tell(hub))
        loop.add_reader(self._line.fileno(), self._hear, intake)
        self._handle_all(intake)
        beat = asyncio.ensure_future(self._beat(hub, fanout, intake, start["pid"]))
        self.uvicorn = uvicorn.Server(uvicorn_config(application, settings))
        serving = asyncio.ensure_future(self.uvicorn.serve([listener]))
        while not self.uvicorn.started and not serving.done():
            await asyncio.sleep(0.005)
        self._listens(hub, scheme)
        ended = asyncio.ensure_future(self._ended.wait())
        await asyncio.wait({ended, serving}, return_when=asyncio.FIRST_COMPLETED)
        loop.remove_reader(self._line.fileno())
        beat.cancel()
        listener.close()
        await self._last_words(hub, intake, serving)
        hub.pool.shutdown(wait=False, cancel_futures=True)

    def _listens(self, hub: Hub, scheme: str) -> None:
        host = hub.config.videoStreamHost
        self._reply({"op": "listening", "scheme": scheme, "host": host, "port": hub.port})
        if self._up is not None:
            self._up()

    async def _first_message(self, loop: asyncio.AbstractEventLoop) -> dict[str, Any] | None:
        self._early: list[dict[str, Any]] = []
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

    def _hear(self, intake: Intake) -> None:
        self._early += self._incoming.receive()
        self._handle_all(intake)
        intake.look()
        if self._incoming.ended:
            self._ended.set()

    def _handle_all(self, intake: Intake) -> None:
        early, self._early = self._early, []
        for message in early:
            if message["op"] == "open":
                intake.open(message, self._attach(message, self._incoming.descriptors))
            elif message["op"] == "note":
                intake.note(message)
            elif message["op"] == "quality":
                intake.choose(message)

    def _chosen(self, hub: Hub, fanout: Fanout, stream: Stream) -> None:
        """Somebody chose another quality on a page: the trainer, the other pages and the pace follow."""
        name = stream.place.group if stream.place is not None else stream.name
        self._reply({"op": "quality", "name": name, "quality": stream.quality})
        fanout.revive()
        self._tell(hub)

    def _reply(self, message: dict[str, Any]) -> None:
        try:
            control.send(self._line, message)
        except OSError:
            self._ended.set()

    def _tell(self, hub: Hub) -> None:
        """Tell every viewer that wants to know how the streams are."""
        if self._application.listeners:
            text = self._board.news()
            for listener in list(self._application.listeners):
                listener(text)

    async def _beat(self, hub: Hub, fanout: Fanout, intake: Intake, trainer: int) -> None:
        """Once a second: what came without a wake-up, the status, and whether the trainer still lives."""
        local = trainer == os.getpid()
        while True:
            await asyncio.sleep(1.0)
            try:
                intake.look()
                fanout.revive()
                self._tell(hub)
            except Exception:  # One bad beat must not be the last.
                log.exception("envstream: the server's once-a-second round failed")
            # End of file says it first, unless a forked process holds the line open.
            if not local and sys.platform != "win32" and os.getppid() != trainer:
                self._ended.set()

    async def _last_words(self, hub: Hub, intake: Intake, serving: asyncio.Future[None]) -> None:
        intake.look()
        hub.finish()
        self._tell(hub)
        if self.uvicorn is not None:
            for listening in getattr(self.uvicorn, "servers", ()):
                listening.close()  # At once: a restarted trainer wants the port.
            if self._application.listeners:
                await asyncio.sleep(LAST_WORDS)
            self.uvicorn.should_exit = True
        await asyncio.wait({serving}, timeout=2)
        for connection in list(self.uvicorn.server_state.connections if self.uvicorn else ()):
            connection.transport.abort()  # One that neither reads nor goes.


def uvicorn_config(application: Application, settings: StreamConfig) -> uvicorn.Config:
    """uvicorn with our protocols, quiet, without compression of frames and without lifespan."""
    return uvicorn.Config(
        application,
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=settings.videoStreamTlsCert,
        ssl_keyfile=settings.videoStreamTlsKey,
    )


def run(line: socket.socket, attach: Attach, up: Callable[[], None] | None = None) -> None:
    """Run a server in this thread until its trainer is gone; `up` is called when it listens."""

    async def serve() -> None:
        await Server(line, attach, up).run()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    loop = new_loop()
    try:
        loop.run_until_complete(serve())
    finally:
        loop.close()
        line.close()


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop where it is installed; else asyncio's that can watch sockets."""
    try:
        import uvloop
    except ImportError:
        return asyncio.SelectorEventLoop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop

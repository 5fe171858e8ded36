"""The server: one event loop that listens, takes frames in, and sends them out, until its trainer is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
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
from envstream.takes import Takes
from envstream.web.asgi import Application
from envstream.web.auth import Access
from envstream.web.fanout import Fanout
from envstream.web.listening import bind_patiently, new_loop, uvicorn_config
from envstream.web.messages import Board
from envstream.web.player import Player
from envstream.web.recorder import Recorder

log = logging.getLogger("envstream")

LAST_WORDS = 0.5  # Seconds in which viewers hear that the run has ended.

Attach = Callable[[dict[str, Any], list[int]], Block]


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
        self._pageless = ""  # Why there is no page.
        self.uvicorn: uvicorn.Server | None = None

    async def run(self) -> None:
        """Serve until the control line ends, then say so to the viewers and stop."""
        self._loop = loop = asyncio.get_running_loop()
        start = await self._first_message(loop)
        if start is None:
            return
        settings = config.read(start["settings"])
        self._hub = hub = Hub(settings, run=start.get("run"))
        try:
            listener = await self._listener(settings, start["port"])
        except AddressError as error:
            self._reply({"op": "failed", "message": str(error)})
            return
        if listener is not None:
            hub.port = listener.getsockname()[1]
        self._fanout = fanout = Fanout(hub, loop)
        self._player = Player(hub, fanout, loop)
        fanout.watched = self._player.watched
        self._board = Board(hub)
        self._intake = intake = Intake(hub, fanout.opened, fanout.arrived, self._tell, self._takes)
        self._recorder = Recorder(hub, fanout, partial(self._from_thread, self._tell), self._say)
        serving = self._serve(settings, start["token"], listener)
        loop.add_reader(self._line.fileno(), self._hear, intake)
        self._handle_all(intake)
        beat = asyncio.ensure_future(self._beat(intake, start["pid"]))
        while not self._started and not serving.done():
            await asyncio.sleep(0.005)
        self._listens(_scheme(settings))
        ended = asyncio.ensure_future(self._ended.wait())
        await asyncio.wait((ended, serving), return_when=asyncio.FIRST_COMPLETED)
        loop.remove_reader(self._line.fileno())
        beat.cancel()
        if listener is not None:
            listener.close()
        await self._last_words(intake, serving)
        hub.close()

    async def _listener(self, settings: StreamConfig, port: int) -> socket.socket | None:
        """Where to listen; None where there are only recordings to be made.

        Raises:
            AddressError: when it cannot be listened there, and nothing is recorded that could go on without.
        """
        if not settings.videoStream:
            self._pageless = ""
            return None
        try:
            return await bind_patiently(settings.videoStreamHost, port)
        except AddressError as error:
            if not settings.videoRecord:
                raise
            self._pageless = str(error)
            return None

    def _serve(
        self, settings: StreamConfig, token: str | None, listener: socket.socket | None
    ) -> asyncio.Future[None]:
        if listener is None:
            return asyncio.get_running_loop().create_future()  # Nothing is served until the run ends.
        access = Access(token, settings.videoStreamAllowedHosts, _scheme(settings))
        self._application = Application(self._hub, access, self._fanout, self._chosen, self._recorder.command)
        self.uvicorn = uvicorn.Server(uvicorn_config(self._application, settings))
        return asyncio.ensure_future(self.uvicorn.serve([listener]))

    @property
    def _started(self) -> bool:
        return self.uvicorn is None or self.uvicorn.started

    def _takes(self) -> Takes:
        """What deals with the episodes of one trainer's block."""
        resume, begun = partial(self._from_thread, self._intake.look), self._player.begun
        return Takes(
            self._hub,
            partial(self._from_thread, self._say),
            resume,
            partial(self._from_thread, begun),
        )

    def _from_thread(self, call: Callable[..., None], *given: Any) -> None:
        with contextlib.suppress(RuntimeError):  # The loop has just ended.
            self._loop.call_soon_threadsafe(partial(call, *given))

    def _say(self, stream: Stream, message: str) -> None:
        """Something that the page and the trainer's log are to know."""
        stream.say(message, lasting=True)
        self._reply({"op": "warning", "name": stream.title, "message": message})
        self._tell()

    def _listens(self, scheme: str) -> None:
        host = self._hub.config.videoStreamHost
        if self.uvicorn is None:
            self._reply({"op": "pageless", "message": self._pageless})
        else:
            self._reply({"op": "listening", "scheme": scheme, "host": host, "port": self._hub.port})
        # What is recorded the trainer draws as quickly as it can: a server that gave way would lag behind.
        if self._up is not None and not self._hub.config.videoRecord:
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

    def _chosen(self, stream: Stream) -> None:
        """Somebody chose another quality on a page. Called from Flask's threads."""
        self._from_thread(self._follow, stream)

    def _follow(self, stream: Stream) -> None:
        """The trainer, the other pages and the pace follow what was chosen."""
        name = stream.place.group if stream.place is not None else stream.name
        self._reply({"op": "quality", "name": name, "quality": stream.quality})
        self._fanout.revive()
        self._tell()

    def _reply(self, message: dict[str, Any]) -> None:
        try:
            control.send(self._line, message)
        except OSError:
            self._ended.set()

    def _tell(self) -> None:
        """Tell every viewer that wants to know how the streams are."""
        listeners = self._listeners
        if listeners:
            text = self._board.news()
            for listener in list(listeners):
                listener(text)

    @property
    def _listeners(self) -> set[Callable[[str], None]]:
        return set() if self.uvicorn is None else self._application.listeners

    async def _beat(self, intake: Intake, trainer: int) -> None:
        """Once a second: what came without a wake-up, the status, and whether the trainer still lives."""
        local = trainer == os.getpid()
        while True:
            await asyncio.sleep(1.0)
            try:
                intake.look()
                self._fanout.revive()
                self._player.look()
                self._recorder.tidy()
                self._hub.trim()
                self._tell()
            except Exception:  # One bad beat must not be the last.
                log.exception("envstream: the server's once-a-second round failed")
            # End of file says it first, unless a forked process holds the line open.
            if not local and sys.platform != "win32" and os.getppid() != trainer:
                self._ended.set()

    async def _last_words(self, intake: Intake, serving: asyncio.Future[None]) -> None:
        intake.look()
        self._recorder.finish()
        self._hub.finish()
        self._tell()
        if self.uvicorn is not None:
            for listening in getattr(self.uvicorn, "servers", ()):
                listening.close()  # At once: a restarted trainer wants the port.
            if self._listeners:
                await asyncio.sleep(LAST_WORDS)
            self.uvicorn.should_exit = True
        await self._write_out(intake)
        if self.uvicorn is None:
            return
        await asyncio.wait({serving}, timeout=2)
        for connection in list(self.uvicorn.server_state.connections):
            connection.transport.abort()  # One that neither reads nor goes.

    async def _write_out(self, intake: Intake) -> None:
        """Finish what is being recorded: what the trainer left behind is still there."""
        while intake.pending:
            intake.look()
            await asyncio.sleep(0.005)
        intake.finish()
        self._hub.finish()  # What was left in a block may have looked like news.
        while intake.busy or self._recorder.busy:
            await asyncio.sleep(0.005)


def _scheme(settings: StreamConfig) -> str:
    return "https" if settings.videoStreamTlsCert else "http"


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

"""The server: one event loop that listens, takes frames in, and sends them out, until its trainer is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from envstream import settings as given
from envstream.bus.pages import BusPages
from envstream.config import StreamConfig
from envstream.errors import AddressError, EnvstreamError
from envstream.hub import Hub
from envstream.identity import Identity
from envstream.links.intake import Intake
from envstream.sessions.table import Sessions
from envstream.stream import Stream
from envstream.takes import Takes
from envstream.web.asgi import Application
from envstream.web.auth import Access
from envstream.web.away import Away, Nowhere, Source, away, is_bus
from envstream.web.cameras import Cameras
from envstream.web.fanout import Fanout
from envstream.web.line import Line
from envstream.web.listening import bind_patiently, new_loop
from envstream.web.lookouts import Lookouts
from envstream.web.messages import Board
from envstream.web.player import Player
from envstream.web.recorder import Recorder
from envstream.web.site import Site, scheme_of
from envstream.web.trainer import Attach, Trainer
from envstream.web.trainers import Trainers

log = logging.getLogger("envstream")

LAST_WORDS = 0.5  # Seconds in which viewers hear that the run has ended.


Call = Callable[[], None]


def _nothing() -> None:
    pass


class Server:
    """Serves one hub over one port, fed by the control lines of trainers, until the last of them is gone.

    Args:
        line: the first control line's end; its first message says how to start.
        attach: how to come by a block that the trainer announced.
        up: called when it listens.
        left: called when the trainer that began it is gone, and it goes on for others.
    """

    def __init__(
        self, line: socket.socket, attach: Attach, up: Call = _nothing, left: Call = _nothing
    ) -> None:
        self._left = left
        self._line = Line(line)
        self._attach = attach
        self._up = up
        self._pageless = ""  # Why there is no page.
        self._site: Site | None = None
        self._sessions: Sessions | None = None
        self._away: Away = Nowhere()
        self._trainers: Trainers | None = None

    async def run(self) -> None:
        """Serve until the last control line ends, then say so to the viewers and stop."""
        self._loop = asyncio.get_running_loop()
        start = await self._line.first()
        if start is None:
            return
        settings = given.read(start["settings"])
        self._hub = hub = Hub(settings, run=start.get("run"))
        hub.alone = bool(start.get("serve"))
        listener: socket.socket | None = None
        try:
            listener = await self._listener(settings, start["port"])
            trainers = self._assemble(settings, start, listener)
            # Of a server on its own, what it was told to serve is what others left in its folder as well.
            unfinished = self._sessions.recover() if self._sessions and hub.alone else 0
        except EnvstreamError as error:
            self._line.send({"op": "failed", "message": str(error)})
            self._let_go(listener)
            return
        trainers.begin(start, self._line, self._attach)
        beat = asyncio.ensure_future(self._beat(start["pid"]))
        # Where nothing is served, it goes on until the run ends.
        serving = self._loop.create_future() if self._site is None else await self._site.start()
        self._listens(unfinished)
        trainers.meet(start, self._site)
        gone = asyncio.ensure_future(trainers.gone.wait())
        await asyncio.wait((gone, serving), return_when=asyncio.FIRST_COMPLETED)
        beat.cancel()
        await self._last_words()
        hub.close()

    def _assemble(
        self, settings: StreamConfig, start: dict[str, Any], listener: socket.socket | None
    ) -> Trainers:
        """All that works on the hub."""
        hub, loop = self._hub, self._loop
        self._fanout = fanout = Fanout(hub, loop)
        self._player = Player(hub, fanout, loop)
        fanout.watched = self._player.watched
        self._lookouts = Lookouts(hub, fanout, self._from_thread, self._say)
        self._board = Board(hub)
        if listener is not None:
            hub.port = listener.getsockname()[1]
            on_loop, clock = self._from_thread, time.monotonic
            self._sessions = Sessions(hub, fanout.opened, self._arrived, loop.call_later, on_loop, clock)
        if hub.alone and is_bus(settings.videoStreamHub):
            on_loop, watches = self._from_thread, fanout.watches
            pages = BusPages(hub, fanout.opened, self._arrived, self._warn, on_loop, watches)
            self._away = Source(pages, lambda: self._listeners)
        elif not hub.alone:
            self._away = away(hub, fanout, start, self._say, self._follow, self._line.send)
        trainers = self._trainers = Trainers(start["token"], self._intake, self._left)
        self._recorder = Recorder(hub, fanout, partial(self._from_thread, self._tell), self._say)
        if listener is not None:
            access = Access(start["token"], settings.videoStreamAllowedHosts, scheme_of(settings))
            command, sessions = self._recorder.command, self._sessions
            assert sessions is not None
            cameras = Cameras(hub, sessions, self._lookouts, open=start["token"] is None)
            application = Application(hub, access, fanout, self._follow, command, sessions, cameras)
            self._site = Site(application, settings, listener)
        return trainers

    def _intake(self, identity: Identity) -> Intake:
        """What takes in the streams of one trainer."""
        intake: Intake

        def takes() -> Takes:
            resume = partial(self._from_thread, lambda: intake.look())
            say, begun = partial(self._from_thread, self._say), partial(self._from_thread, self._player.begun)
            return Takes(self._hub, say, resume, begun)

        intake = Intake(self._hub, self._opened, self._arrived, self._tell, takes, identity)
        return intake

    def _arrived(self, stream: Stream) -> None:
        """A stream has a new frame."""
        self._fanout.arrived(stream)
        self._lookouts.arrived(stream, time.monotonic())

    async def _listener(self, settings: StreamConfig, port: int) -> socket.socket | None:
        """Where to listen; None where there is no page: all is shown elsewhere, or only recorded.

        Raises:
            AddressError: when it cannot be listened there, and nothing is recorded that could go on without.
        """
        self._pageless = ""
        if not settings.videoStream or (settings.videoStreamHub is not None and not self._hub.alone):
            return None
        try:
            return await bind_patiently(settings.videoStreamHost, port)
        except AddressError as error:
            if not settings.videoRecord:
                raise
            self._pageless = str(error)
            return None

    def _let_go(self, listener: socket.socket | None) -> None:
        """It cannot be served: nothing of it stays."""
        if listener is not None:
            listener.close()
        if self._sessions is not None:
            self._sessions.close()
        self._hub.close()

    def _opened(self, stream: Stream) -> None:
        """A trainer has a stream."""
        self._fanout.opened(stream)
        self._away.opened(stream)

    def _from_thread(self, call: Callable[..., None], *given: Any) -> None:
        with contextlib.suppress(RuntimeError):  # The loop has just ended.
            self._loop.call_soon_threadsafe(partial(call, *given))

    def _say(self, stream: Stream, message: str) -> None:
        """Something that the page and the trainer's log are to know."""
        stream.say(message, lasting=True)
        self._owner(stream).line.send({"op": "warning", "name": stream.title, "message": message})
        self._tell()

    def _warn(self, message: str) -> None:
        self._line.send({"op": "warning", "name": "the hub", "message": message})

    def _owner(self, stream: Stream) -> Trainer:
        """Whose stream it is; of one that no trainer has, the first is told."""
        assert self._trainers is not None
        return self._trainers.owner(stream)

    def _listens(self, unfinished: int) -> None:
        if self._site is None:
            self._line.send({"op": "pageless", "message": self._pageless})
        else:
            self._line.send({"op": "listening", **self._site.address, "unfinished": unfinished})
        # What is recorded the trainer draws as quickly as it can: a server that gave way would lag behind.
        if not self._hub.config.videoRecord:
            self._up()

    def _follow(self, stream: Stream) -> None:
        """Somebody chose another quality: the trainer, the other pages and the pace follow."""
        self._owner(stream).chosen(stream)
        self._fanout.revive()
        self._tell()

    def _tell(self) -> None:
        """Tell every viewer that wants to know how the streams are."""
        listeners = self._listeners
        if listeners:
            text = self._board.news()
            for listener in list(listeners):
                listener(text)

    @property
    def _listeners(self) -> set[Callable[[str], None]]:
        return set() if self._site is None else self._site.listeners

    async def _beat(self, trainer: int) -> None:
        """Once a second: what came without a wake-up, the status, and whether the trainer still lives."""
        local = trainer == os.getpid()
        while True:
            await asyncio.sleep(1.0)
            try:
                self._look(time.monotonic())
            except Exception:  # One bad beat must not be the last.
                log.exception("envstream: the server's once-a-second round failed")
            # End of file says it first, unless a forked process holds the line open.
            if not local and sys.platform != "win32" and os.getppid() != trainer:
                self._line.ended.set()

    def _look(self, now: float) -> None:
        assert self._trainers is not None
        self._trainers.look()
        self._fanout.revive()
        self._player.look()
        self._recorder.tidy()
        self._hub.trim()
        self._lookouts.tidy()
        if self._sessions is not None:
            self._sessions.tidy(now)
        self._away.look()
        self._tell()

    async def _last_words(self) -> None:
        trainers, site = self._trainers, self._site
        assert trainers is not None
        trainers.close()
        if site is not None:
            site.release()
        trainers.look()
        self._recorder.finish()
        self._lookouts.close()
        await self._away.finish(LAST_WORDS)
        self._hub.finish()
        self._tell()
        if self._listeners:
            await asyncio.sleep(LAST_WORDS)
        stopped = asyncio.ensure_future(site.stop()) if site is not None else None
        await trainers.finish()  # What is being recorded: what they left behind is still there.
        self._hub.finish()  # What was left in a block may have looked like news.
        while self._recorder.busy:
            await asyncio.sleep(0.005)
        if stopped is not None:
            await stopped
        if self._sessions is not None:  # Not before nobody sends any more.
            self._sessions.close()


def run(line: socket.socket, attach: Attach, up: Call = _nothing, left: Call = _nothing) -> None:
    """Run a server in this thread until the last trainer is gone; see `Server`."""

    async def serve() -> None:
        await Server(line, attach, up, left).run()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    loop = new_loop()
    try:
        loop.run_until_complete(serve())
    finally:
        loop.close()
        line.close()

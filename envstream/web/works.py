"""Works: all that works on one hub, and who is told what."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from envstream import private
from envstream.bus.pages import BusPages
from envstream.entrance import Keys
from envstream.hub import Hub
from envstream.identity import Identity
from envstream.links.intake import Intake
from envstream.sessions.table import Sessions
from envstream.stream import Stream
from envstream.takes import Takes
from envstream.web.asgi import Application
from envstream.web.asking import on
from envstream.web.auth import Access
from envstream.web.away import Away, Nowhere, Source, away, is_bus
from envstream.web.backend import Backend
from envstream.web.cameras import Cameras
from envstream.web.fanout import Fanout
from envstream.web.gate import Gate
from envstream.web.health import Readiness
from envstream.web.limits import Limits
from envstream.web.line import Line
from envstream.web.lookouts import Lookouts
from envstream.web.messages import Board
from envstream.web.metrics import Metrics
from envstream.web.player import Player
from envstream.web.pulse import Pulse
from envstream.web.recorder import Recorder
from envstream.web.site import Site, scheme_of
from envstream.web.trainer import Trainer
from envstream.web.trainers import Trainers

LAST_WORDS = 0.5  # Seconds in which viewers hear that the run has ended.
LAST_FILES = 15.0  # Seconds that files may take that were recorded on pages.


class Works:
    """What a server does with its hub. Lives on the event loop.

    Args:
        start: the first trainer's message, which says how to start.
        line: its control line.
        listener: where to listen; None: there is no page.
        left: called when the trainer that began it is gone, and the server goes on for others.

    Attributes:
        trainers: whose streams these are.
        site: what answers on the port; None where there is no page.
        sessions: what publishers send; None where there is no page.
        unfinished: how many of those were left behind in the folder, by a server before this one.

    Raises:
        EnvstreamError: when it cannot be served as the settings say; nothing of it stays then.
    """

    def __init__(
        self,
        hub: Hub,
        start: dict[str, Any],
        line: Line,
        listener: socket.socket | None,
        left: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._line = line
        self._loop = loop = asyncio.get_running_loop()
        self.site: Site | None = None
        self.sessions: Sessions | None = None
        self.unfinished = 0
        self._fanout = fanout = Fanout(hub, loop)
        self._player = Player(hub, fanout, loop)
        fanout.watched = self._player.watched
        self._lookouts = Lookouts(hub, fanout, self._from_thread, self._say)
        self._board = Board(hub)
        self._pulse = Pulse(loop)
        self._pages: BusPages | None = None
        keys = Keys(start["token"], start.get("roles") or {})
        self.trainers = Trainers(keys, start.get("asked"), self._intake, left)
        self._recorder = Recorder(hub, fanout, partial(self._from_thread, self._tell), self._say)
        try:
            if listener is not None:
                self._open(keys, listener, bool(start.get("notebook")))
            self._away = self._elsewhere(start)
        except BaseException:
            self.close()
            raise

    def _open(self, keys: Keys, listener: socket.socket, notebook: bool) -> None:
        """What there is where there is a page."""
        hub, fanout, settings = self._hub, self._fanout, self._hub.config
        hub.port = listener.getsockname()[1]
        later, clock = self._loop.call_later, time.monotonic
        self.sessions = Sessions(hub, fanout.opened, self._arrived, later, self._from_thread, clock)
        hosts, scheme = settings.videoStreamAllowedHosts, scheme_of(settings)
        closed = keys.token is not None or bool(keys.roles)
        access = Access(keys.token, hosts, scheme, keys.roles, private.key("cookies") if closed else b"")
        cameras = Cameras(hub, self.sessions, self._lookouts, open=not closed)
        backend = Backend(
            chosen=self._follow,
            may_steer=access.may_steer,
            command=self._recorder.command,
            stats=self.sessions.stats,
            end=self.sessions.end,
            cameras=cameras,
            ask=on(self._loop),
            metrics=Metrics(hub, self._pulse, self._connections, self.sessions.counts),
            readiness=self._readiness(self.sessions),
        )
        limits = Limits(settings.videoStreamMaxHandshakes, settings.videoStreamTrustedProxies)
        gate = Gate(access, limits, cameras.opened_by, clock)
        application, say = Application(hub, gate, fanout, self.sessions, backend), self._warn
        self.site = Site(application, settings, listener, partial(say, of="the server"), notebook=notebook)
        if hub.alone:  # What a server on its own was told to serve is what others left in its folder as well.
            self.unfinished = self.sessions.recover()
        self._pulse.start()

    def _connections(self) -> int:
        return 0 if self.site is None else self.site.connections

    def _readiness(self, sessions: Sessions) -> Readiness:
        """What `/health/ready` looks at."""
        return Readiness(
            self._hub,
            self._pulse,
            listening=lambda: self.site is not None and self.site.listening,
            trainers=lambda: self.trainers.connected,
            room=lambda: sessions.depot.has_room,
            bus=lambda: None if self._pages is None else self._pages.up,
        )

    def _elsewhere(self, start: dict[str, Any]) -> Away:
        """How its streams get elsewhere, or those of others here."""
        hub, fanout = self._hub, self._fanout
        if not hub.alone:
            return away(hub, fanout, start, self._say, self._follow, self._line.send)
        if not is_bus(hub.config.videoStreamHub):
            return Nowhere()
        on_loop, watches = self._from_thread, fanout.watches
        self._pages = pages = BusPages(hub, fanout.opened, self._arrived, self._warn, on_loop, watches)
        return Source(pages, lambda: self._listeners)

    def _intake(self, identity: Identity) -> Intake:
        """What takes in the streams of one trainer."""
        intake: Intake

        def takes() -> Takes:
            resume = partial(self._from_thread, lambda: intake.look())
            say, begun = partial(self._from_thread, self._say), partial(self._from_thread, self._player.begun)
            return Takes(self._hub, say, resume, begun)

        intake = Intake(self._hub, self._opened, self._arrived, self._tell, takes, identity)
        return intake

    def _opened(self, stream: Stream) -> None:
        """A trainer has a stream."""
        self._fanout.opened(stream)
        self._away.opened(stream)

    def _arrived(self, stream: Stream) -> None:
        """A stream has a new frame."""
        self._fanout.arrived(stream)
        self._lookouts.arrived(stream, time.monotonic())

    def _from_thread(self, call: Callable[..., None], *given: Any) -> None:
        with contextlib.suppress(RuntimeError):  # The loop has just ended.
            self._loop.call_soon_threadsafe(partial(call, *given))

    # Who is told what.

    def _say(self, stream: Stream, message: str, by: str) -> None:
        """Something that the page and the trainer's log are to know; an empty message takes it back."""
        if not stream.notices.say(message, by, lasting=True):
            return
        if message:
            self._owner(stream).line.send({"op": "warning", "name": stream.title, "message": message})
        self._tell()

    def _warn(self, message: str, of: str = "the hub") -> None:
        self._line.send({"op": "warning", "name": of, "message": message})

    def _owner(self, stream: Stream) -> Trainer:
        """Whose stream it is; of one that no trainer has, the first is told."""
        return self.trainers.owner(stream)

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
        return set() if self.site is None else self.site.listeners

    def look(self, now: float) -> None:
        """Once a second: what came without a wake-up, what is over, and the status."""
        self.trainers.look()
        self._fanout.revive()
        self._player.look()
        self._recorder.tidy()
        self._hub.trim()
        self._lookouts.tidy()
        if self.sessions is not None:
            self.sessions.tidy(now)
        self._away.look()
        self._tell()

    # The end.

    async def finish(self) -> None:
        """The last trainer is gone: viewers hear so, and what is being recorded is finished."""
        trainers, site = self.trainers, self.site
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
        until = time.monotonic() + LAST_FILES
        while self._recorder.busy and time.monotonic() < until:
            await asyncio.sleep(0.005)
        if stopped is not None:
            await stopped
        self.close()

    def close(self) -> None:
        """Let go of what publishers sent; not before nobody sends any more."""
        self._pulse.stop()
        if self.sessions is not None:
            self.sessions.close()

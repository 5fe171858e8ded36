"""A worker's end of the bus: what it shows, put where page servers find it, as far as they ask for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from envstream.bus import layout
from envstream.bus.address import BusAddress
from envstream.bus.clock import Clock, seconds
from envstream.bus.connection import Connection, Problem, answered, connections, ping, redis_package
from envstream.bus.demand import Demand, Want
from envstream.bus.layout import Keys, stream_id
from envstream.bus.postbox import Postbox, Posted
from envstream.bus.register import Register
from envstream.bus.teller import Teller
from envstream.bus.tries import keep, stop, together
from envstream.encoder import Rung
from envstream.errors import MessageError, SessionError, SettingError
from envstream.hub import Hub
from envstream.identity import Identity
from envstream.stream import Say, Stream
from envstream.viewer import Viewer, Watch
from envstream.web.answers import shown
from envstream.web.fanout import Fanout
from envstream.web.seat import Seat

BEAT = 2.0  # Seconds between two signs of life.
LOOKED = 3.5  # Seconds that pages count as open after a page server said so.
REFUSED_PAUSE = 1.0  # Seconds until another picture goes where one was refused.
QUIET = 60.0  # Seconds without a problem after which one of the same kind is worth another warning.
TOLD_AGAIN = 1.0  # Seconds in which everything lets go, once it is to end.
MOST_LOOKING = 256  # Page servers.


class BusUplinks:
    """All streams of a run on their way to a bus. Lives on the event loop; reconnects by itself.

    Args:
        identity: who makes the pictures.
        say: called with what the page and the trainer's log are to know.
        chosen: called when another quality was chosen on a page elsewhere.
        send: tells the trainer something; here, where its pictures are to be seen.

    Raises:
        EnvstreamError: the address cannot be meant, or the package `redis` is missing.
    """

    def __init__(
        self,
        hub: Hub,
        fanout: Fanout,
        identity: Identity,
        say: Say,
        chosen: Callable[[Stream], None],
        send: Callable[[dict[str, Any]], None],
    ) -> None:
        self.address = BusAddress.read(hub.config.videoStreamHub or "")
        redis_package()
        self._fanout = fanout
        self._say, self._chosen, self._send = say, chosen, send
        self._keys = Keys(self.address.prefix)
        self._register = Register(self._keys, hub.run, identity)
        self.worker = self._register.worker
        self._clock, self._demand, self._teller = Clock(), Demand(), Teller()
        self._box = Postbox(self._keys, self.worker, self._clock)
        self._seat = Seat(Viewer(), self._box)
        self._streams: dict[str, Stream] = {}  # By id.
        self._watched: dict[str, Want] = {}
        self._looking: dict[str, float] = {}  # Page servers with open pages, and until when.
        self._stir = asyncio.Event()  # There is something to be said before the next beat.
        self._stands = self._is_up = self._ending = False
        self._told: dict[
            str, float
        ] = {}  # Kinds of problems that were told of, and when they were last there.
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Future[None] | None = None

    def opened(self, stream: Stream) -> None:
        """A stream has begun, perhaps one of a name that was there before."""
        if len(self._streams) >= layout.MOST_STREAMS and stream_id(stream.name) not in self._streams:
            self._warn("streams", f"only {layout.MOST_STREAMS} streams of one run are shown elsewhere")
            return
        self._streams[stream_id(stream.name)] = stream
        self._changed()
        self._follow()
        if self._task is None:
            self._task = asyncio.ensure_future(keep(self._talk, self._troubled, lambda: self._ending))

    def look(self) -> None:
        """Called about once a second."""
        ended = [name for name, stream in self._streams.items() if stream.ended]
        if ended:
            for name in ended:
                del self._streams[name]
            self._changed()
        now = time.monotonic()
        self._looking = {server: until for server, until in self._looking.items() if until > now}
        if self._stands and (self._looking or self._watched):
            for some in self._teller.news(list(self._streams.values()), now):
                self._box.status(some)

    async def finish(self, seconds: float) -> None:
        """The run has ended: page servers are told, if that takes no longer than so many seconds."""
        self.look()
        self._ending = True
        self._stir.set()
        if self._task is None:
            return
        if self._stands:
            await asyncio.wait([self._task], timeout=seconds)
        await stop(self._task, again=TOLD_AGAIN)

    def _changed(self) -> None:
        """There are other streams than before."""
        self._register.changed(self._streams)
        self._stir.set()

    # While a connection stands.

    async def _talk(self) -> None:
        async with connections(self.address, 2) as (line, ear):
            self._clock.forget()
            self._box.empty()
            for _ in range(3):
                await self._renew_clock(line)
            channels = (self._keys.demand(self.worker), self._keys.quality(self.worker), self._keys.looking)
            await ear.tell(("SUBSCRIBE", *channels))
            self._register.forget()
            await self._renew(line)
            if not self._fanout.join(self._seat):
                raise Problem("seats", "all seats are taken here; raise videoStreamMaxViewers", lasting=True)
            try:
                pump = self._box.pump(line.ask, self._landed)
                await together(self._beat(line), pump, self._listen(ear), ping(ear))
            finally:
                self._stands = False
                self._demand.forget()
                self._looking.clear()
                self._watched = {}
                self._fanout.leave(self._seat)

    def _stand(self) -> None:
        """The bus is there and takes what it is given."""
        self._stands = True
        for stream in self._streams.values():
            stream.notices.say("", "bus")
        if not self._is_up:
            self._is_up = True
            self._send({"op": "shown", "where": self.address.shown})

    async def _renew_clock(self, line: Connection) -> None:
        asked = time.monotonic()
        (there,) = answered(await line.ask(("TIME",)))
        self._clock.look(asked, seconds(there), time.monotonic())

    async def _beat(self, line: Connection) -> None:
        """Signs of life, until the run ends."""
        while not self._ending:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stir.wait(), BEAT)
            self._stir.clear()
            await self._renew_clock(line)
            await self._renew(line)
        await line.ask(*self._box.texts(), *self._register.farewell())

    async def _renew(self, line: Connection) -> None:
        """Say that we are alive; where that is taken, the bus is as it should be."""
        now = self._clock.there(time.monotonic())
        if now is None:
            raise Problem("silent", f"{self.address.shown} does not answer in time")
        problem = await self._register.renew(line, now)
        if problem is not None:
            self._troubled(problem)
        elif not self._stands:
            self._stand()

    def _landed(self, posted: Posted, problem: Problem | None) -> None:
        """A picture has gone out, or was refused: then another one may, but not at the rate of pictures."""
        if problem is not None:
            self._stands = False
            self._troubled(problem)
            asyncio.get_running_loop().call_later(REFUSED_PAUSE, self._landed, posted, None)
            return
        try:
            self._fanout.acknowledged(self._seat, posted.stream, posted.frame)
        except MessageError:
            pass  # From before the stream began anew.

    # What page servers say.

    async def _listen(self, ear: Connection) -> None:
        channels: dict[str, Callable[[bytes], None]] = {
            self._keys.demand(self.worker): self._demanded,
            self._keys.quality(self.worker): self._choose,
            self._keys.looking: self._looked,
        }
        while True:
            channel, data = await ear.hear()
            with contextlib.suppress(SessionError):  # Others may write there as well.
                if channel in channels:
                    channels[channel](data)

    def _demanded(self, data: bytes) -> None:
        server, wanted = layout.read_demand(data)
        self._demand.heard(server, wanted, time.monotonic())
        self._follow()

    def _looked(self, data: bytes) -> None:
        server = layout.read_server(data)
        if server not in self._looking:
            if len(self._looking) >= MOST_LOOKING:
                return
            self._teller.forget()
        self._looking[server] = time.monotonic() + LOOKED

    def _choose(self, data: bytes) -> None:
        name, quality = layout.read_quality(data)
        stream = self._streams.get(name)
        if stream is not None and quality != stream.quality:
            with contextlib.suppress(SettingError):  # A quality of another edition of the server.
                stream.choose(quality)
                self._chosen(stream)

    def _follow(self) -> None:
        """Watch what is asked for: nothing else is rendered, compressed or sent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._seat not in self._fanout.seats:
            return
        now = time.monotonic()
        wanted = self._demand.wanted(now)
        wanted = {self._streams[name].name: want for name, want in wanted.items() if name in self._streams}
        if wanted != self._watched:
            self._watched = wanted
            self._seat.viewer.watch(
                {name: Watch(Rung("auto", None, want.width), want.fps) for name, want in wanted.items()}
            )
            self._fanout.changed(self._seat)
        ends_at = self._demand.ends_at
        if ends_at is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, ends_at - now) + 0.01, self._follow)

    # What goes wrong.

    def _troubled(self, problem: Problem) -> None:
        self._warn(problem.kind, f"{problem}; training goes on, and it is tried again by itself")

    def _warn(self, kind: str, sentence: str) -> None:
        """Tell of a problem, once while it lasts."""
        now = time.monotonic()
        last = self._told.get(kind)
        self._told[kind] = now
        stream = next(iter(self._streams.values()), None)
        if stream is not None and (last is None or now - last > QUIET):
            self._say(stream, shown(sentence, layout.LONGEST_SENTENCE), "bus")

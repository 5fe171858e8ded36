"""A page server's end of the bus: workers' streams in its hub, fetched as far as they are watched."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial

from envstream.bus import layout
from envstream.bus.address import BusAddress
from envstream.bus.clock import Clock, seconds
from envstream.bus.connection import Command, Connection, Problem, answered, connections, ping, redis_package
from envstream.bus.crew import Crew, OnLoop
from envstream.bus.layout import Keys, demand_text, read_picture, read_status, worker_of
from envstream.bus.remote import FROM_THE_START, Remote, Watches
from envstream.bus.tries import keep, stop, together
from envstream.errors import SessionError
from envstream.hub import Hub
from envstream.stream import Stream
from envstream.wire import compact

ROUND = 1.0  # Seconds between two looks at who lives, and two words of what is wanted.
ROLL_EVERY = 10  # Rounds between two looks at all workers: news may get lost.
GRACE = 5.0  # Seconds in which workers say that they live, where a server was started anew.
LATELY = 30.0  # Seconds that those who died may come back unasked, and are looked for.
BLOCK = 2000  # Milliseconds that the server lets us wait for a picture.
WAKE_KEPT = 60  # Seconds.
TOGETHER = 0.0002  # Seconds for each stream that is watched, that pictures are waited for to come at once.
LONGEST_TOGETHER = 0.02
MOST_MISSED = 256
AT_ONCE = 64  # Workers that are asked who they are, in one round trip.
QUIET = 60.0  # Seconds without a problem after which one of the same kind is worth another word.
TOLD_AGAIN = 1.0  # Seconds in which everything lets go, once it is to end.
MOST_KINDS = 64  # Of problems that are told of.


class BusPages:
    """What many workers show, on this server. Lives on the event loop; reconnects by itself.

    Args:
        opened: called with each new stream, `arrived` when one has a new frame.
        say: called with a sentence that whoever runs the server is to know.
        on_loop: has something called on the event loop, from any thread.
        watches: what the viewers of a stream want of it; None = that is not known.

    Raises:
        EnvstreamError: the address cannot be meant, or the package `redis` is missing.

    Attributes:
        looking: whether any page is open; only then workers say how they are. Set by the server.
        up: whether the bus is there.
    """

    def __init__(
        self,
        hub: Hub,
        opened: Callable[[Stream], None],
        arrived: Callable[[Stream], None],
        say: Callable[[str], None],
        on_loop: OnLoop,
        watches: Watches | None = None,
    ) -> None:
        self.address = BusAddress.read(hub.config.videoStreamHub or "")
        redis_package()
        self.server = ""
        self.looking = self.up = False
        self._say, self._watches, self._on_loop = say, watches, on_loop
        self._most = int(hub.config.videoStreamMaxMessage * 1_000_000)
        self._keys = Keys(self.address.prefix)
        self._clock = Clock()
        self.crew = Crew(hub, opened, arrived, self._demanded, self._warn, on_loop, self._clock)
        self._missed: dict[str, float] = {}  # Workers that were taken for dead, and when.
        self._due: set[str] = set()  # Workers of whose streams others are looked at than before.
        self._news: set[str] = set()  # Workers that came, changed or went.
        self._stir = asyncio.Event()  # There is something to be said before the next round.
        self._stood_at = 0.0
        self._woken_by = FROM_THE_START
        self._told: dict[
            str, float
        ] = {}  # Kinds of problems that were told of, and when they were last there.
        self._task: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.ensure_future(keep(self._talk, self._troubled))

    def look(self) -> None:
        """Called about once a second."""
        now = time.monotonic()
        self._told = {kind: at for kind, at in self._told.items() if now - at < QUIET}

    async def finish(self, seconds: float) -> None:
        """The server ends. Workers notice when nobody asks them any more."""
        if self._task is not None:
            await asyncio.wait([asyncio.ensure_future(stop(self._task, again=TOLD_AGAIN))], timeout=seconds)

    # While a connection stands.

    async def _talk(self) -> None:
        async with connections(self.address, 3) as (line, ear, eye):
            self._clock.forget()
            self.server = secrets.token_hex(6)  # Who is new is told everything.
            for _ in range(3):
                await self._renew_clock(line)
            await ear.tell(("SUBSCRIBE", self._keys.news, self._keys.status))
            self._woken_by = FROM_THE_START
            await self._wake(line)  # First, as it shows whether we may do what we need.
            self._stood_at = time.monotonic()
            self.crew.found()
            self.up = True
            self._due.update(self.crew.workers)
            await together(self._rounds(line), self._listen(ear), self._watch(eye), ping(ear))

    async def _renew_clock(self, line: Connection) -> None:
        asked = time.monotonic()
        (there,) = answered(await line.ask(("TIME",)))
        self._clock.look(asked, seconds(there), time.monotonic())

    async def _rounds(self, line: Connection) -> None:
        """Who lives, what is wanted: once a second, and at once where it changes."""
        rounds, next_at = 0, time.monotonic()
        while True:
            now = time.monotonic()
            if now >= next_at:
                next_at = now + ROUND
                await self._renew_clock(line)
                await self._call(line, everybody=rounds % ROLL_EVERY == 0)
                if self.looking:
                    await line.ask(("PUBLISH", self._keys.looking, compact({"server": self.server})))
                await self._ask_for(line, self.crew.workers)
                rounds += 1
            await self._meet(line)
            await self._ask_for(line, [worker for worker in self._due if worker in self.crew.workers])
            if not self._due and not self._news:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stir.wait(), max(0.0, next_at - time.monotonic()))
            self._stir.clear()

    async def _call(self, line: Connection, everybody: bool) -> None:
        """See who lives: everybody, or only who died of late."""
        now = self._clock.there(time.monotonic())
        if now is None:
            raise Problem("silent", f"{self.address.shown} does not answer in time")
        commands: list[Command] = [("ZRANGEBYSCORE", self._keys.workers, now - LATELY, now)]
        if everybody:
            most = ("LIMIT", 0, layout.MOST_WORKERS)
            commands.append(("ZRANGEBYSCORE", self._keys.workers, now, "+inf", *most))
        missed = list(self._missed)
        back = (("ZSCORE", self._keys.workers, worker) for worker in missed)
        answers = answered(await line.ask(*commands, *back))
        dead, *alive = answers[: len(commands)]
        scores = zip(missed, answers[len(commands) :], strict=True)
        self._news.update(worker for worker, score in scores if score and float(score) > now)
        patient = time.monotonic() - self._stood_at < GRACE
        gone = [name for name in map(worker_of, dead) if name in self.crew.workers]
        if alive:
            living = {name for name in map(worker_of, alive[0]) if name is not None}
            self._news.update(living - set(self.crew.workers))
            gone += [name for name in self.crew.workers if name not in living]
        for name in gone:
            if name is not None and not patient:
                await self.crew.left(name)
                self._missed[name] = now
        for name, at in list(self._missed.items()):
            if now - at > LATELY or name in self.crew.workers or len(self._missed) > MOST_MISSED:
                del self._missed[name]

    async def _meet(self, line: Connection) -> None:
        """Ask those who are new, or of whom there is news, who they are."""
        news = [self._news.pop() for _ in range(min(AT_ONCE, len(self._news)))]
        if not news:
            return
        answers = answered(await line.ask(*(("GET", self._keys.about(worker)) for worker in news)))
        for worker, data in zip(news, answers, strict=True):
            if data is None:
                await self.crew.left(worker)
            else:
                await self.crew.met(worker, data)

    async def _ask_for(self, line: Connection, workers: Iterable[str]) -> None:
        """Say what is wanted of these workers, where that is something, or was."""
        commands: list[Command] = []
        others = False
        for worker in list(workers):
            self._due.discard(worker)
            wanted, before = {}, False
            for id, remote in self.crew.workers[worker].items():
                want, asked = remote.want(self._watches), remote.asked
                if want is not None:
                    wanted[id] = want
                before = before or asked is not None
                others = others or (want is None) != (asked is None)
                remote.asked = want
                if remote.quality != remote.stream.quality:
                    remote.quality = remote.stream.quality
                    chosen = compact({"stream": id, "quality": remote.quality})
                    commands.append(("PUBLISH", self._keys.quality(worker), chosen))
            if wanted or before:
                text = demand_text(self.server, wanted)
                commands.append(("PUBLISH", self._keys.demand(worker), text))
        self._due &= set(self.crew.workers)
        if commands:
            answered(await line.ask(*commands))
        if others:
            await self._wake(line)

    async def _wake(self, line: Connection) -> None:
        """Have the connection that waits for pictures wait for those of other streams."""
        key = self._keys.wake(self.server)
        added = ("XADD", key, "MAXLEN", "=", 1, "*", "w", 1)
        for problem in answered(await line.ask(added, ("EXPIRE", key, WAKE_KEPT))):
            if isinstance(problem, Problem):  # It goes on by itself, only later.
                self._warn(problem.kind, str(problem))

    async def _watch(self, eye: Connection) -> None:
        """Fetch pictures: of each stream that is watched the newest, as it comes."""
        wake = self._keys.wake(self.server)
        while True:
            watched = {
                self._keys.frames(worker, id).encode(): remote
                for worker, id, remote in self.crew
                if remote.asked is not None
            }
            ids = [self._woken_by, *(remote.last for remote in watched.values())]
            read: Command = ("XREAD", "COUNT", 8, "BLOCK", BLOCK, "STREAMS", wake, *watched, *ids)
            (found,) = answered(await eye.ask(read))
            for key, entries in found or ():
                if key in watched:
                    self._picture(watched[key], *entries[-1])
                else:
                    self._woken_by = entries[-1][0]
            # Many pictures at once cost no more than one.
            await asyncio.sleep(min(LONGEST_TOGETHER, TOGETHER * (len(watched) - 1)))

    def _picture(self, remote: Remote, id: bytes, fields: list[bytes]) -> None:
        remote.last = id
        try:
            remote.take(read_picture(fields, self._most), time.monotonic())
        except SessionError as error:
            self._warn("picture", f"a picture of {remote.stream.name} cannot be shown: {error}")

    async def _listen(self, ear: Connection) -> None:
        while True:
            channel, data = await ear.hear()
            if channel == self._keys.news:
                worker = worker_of(data)
                if worker is not None and len(self._news) < layout.MOST_WORKERS:
                    self._news.add(worker)
                    self._stir.set()
            elif channel == self._keys.status:
                self._status(data)

    def _status(self, data: bytes) -> None:
        """A worker says how its streams are."""
        now = time.monotonic()
        with contextlib.suppress(SessionError):  # Others may write there as well.
            worker, streams = read_status(data)
            for id, values in streams.items():
                remote = self.crew.get(worker, id)
                if remote is not None:
                    remote.told(values, now)

    # What pages do, and what goes wrong.

    def _demanded(self, worker: str) -> None:
        """Others look, or at another quality. Called from any thread."""
        self._on_loop(partial(self._stirred, worker))

    def _stirred(self, worker: str) -> None:
        self._due.add(worker)
        self._stir.set()

    def _troubled(self, problem: Problem) -> None:
        self.up = False
        self.crew.lost(f"{problem}; it is tried again by itself")
        self._warn(problem.kind, f"{problem}; it is tried again by itself")

    def _warn(self, kind: str, sentence: str) -> None:
        """Tell of a problem, once while it lasts."""
        known = kind in self._told
        if known or len(self._told) < MOST_KINDS:
            self._told[kind] = time.monotonic()
            if not known:
                self._say(sentence)

"""The crew: all workers that a page server knows of, and their streams in its hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial

from envstream.bus.clock import Clock
from envstream.bus.layout import MOST_WORKERS, Entry, read_about
from envstream.bus.names import Names
from envstream.bus.remote import Remote
from envstream.errors import SessionError, SettingError
from envstream.hub import MOST_ENDED, Hub
from envstream.identity import Identity
from envstream.lane import Lane
from envstream.sessions.showing import Showing
from envstream.stream import Place, Stream

MOST_STREAMS = 20_000  # On one page server, of all workers together.

OnLoop = Callable[[Callable[[], None]], None]


class Crew:
    """Workers and their streams. Lives on the event loop.

    Args:
        opened: called with each new stream, `arrived` when one has a new frame.
        demanded: called when others look at a worker's streams than before, from any thread.
        say: called with what is wrong: its kind, and a sentence.

    Attributes:
        workers: the streams of each worker that lives, by their ids.
    """

    def __init__(
        self,
        hub: Hub,
        opened: Callable[[Stream], None],
        arrived: Callable[[Stream], None],
        demanded: Callable[[str], None],
        say: Callable[[str, str], None],
        on_loop: OnLoop,
        clock: Clock,
    ) -> None:
        self._hub = hub
        self._opened, self._arrived, self._demanded = opened, arrived, demanded
        self._say, self._on_loop, self._clock = say, on_loop, clock
        self._names = Names(lambda name: name in hub.streams)
        self._count = 0
        self._gone: dict[tuple[str, str], Remote] = {}  # As long as their streams can still be looked at.
        self.workers: dict[str, dict[str, Remote]] = {}

    async def met(self, worker: str, data: bytes) -> None:
        """A worker says who it is, for the first time or again. Others have their turn meanwhile."""
        try:
            about = read_about(worker, data)
        except SessionError as error:
            self._say(f"about {error.code}", str(error))
            return
        if worker not in self.workers and len(self.workers) >= MOST_WORKERS:
            self._say("workers", f"no more than {MOST_WORKERS} workers are shown; others are left out")
            return
        streams = self.workers.setdefault(worker, {})
        for id in [id for id in streams if id not in about.streams]:
            self._end(worker, id, streams.pop(id))
        for id, entry in about.streams.items():
            await asyncio.sleep(0)
            if id in streams:
                streams[id].again(entry, entry.identity or about.identity)
            elif self._count < MOST_STREAMS:
                streams[id] = self._appears(worker, entry, entry.identity or about.identity)
            else:
                self._say("streams", f"no more than {MOST_STREAMS} streams are shown; others are left out")
        self._demanded(worker)

    async def left(self, worker: str) -> None:
        """A worker is gone. Others have their turn meanwhile."""
        for id, remote in self.workers.pop(worker, {}).items():
            self._end(worker, id, remote)
            await asyncio.sleep(0)

    def lost(self, sentence: str) -> None:
        """The bus is not there."""
        for _, _, remote in self:
            remote.lost(sentence)

    def found(self) -> None:
        """The bus is there again, perhaps without memory."""
        for _, _, remote in self:
            remote.found()

    def __iter__(self) -> Iterator[tuple[str, str, Remote]]:
        """Worker, id and stream of each."""
        return (
            (worker, id, each) for worker, streams in self.workers.items() for id, each in streams.items()
        )

    def get(self, worker: str, id: str) -> Remote | None:
        """A worker's stream."""
        return self.workers.get(worker, {}).get(id)

    def _appears(self, worker: str, entry: Entry, identity: Identity) -> Remote:
        self._count += 1
        before = self._gone.pop((worker, entry.id), None)
        if before is not None and self._hub.streams.get(before.stream.name) is before.stream:
            before.again(entry, identity)
            return before
        stream = self._open(worker, entry, identity)
        showing = Showing(stream, Lane(self._hub.pool), self._on_loop, self._arrived)
        remote = Remote(showing, entry, identity, self._clock)
        stream.demanded = partial(self._demanded, worker)
        self._opened(stream)
        return remote

    def _open(self, worker: str, entry: Entry, identity: Identity) -> Stream:
        config = self._hub.config
        if entry.quality is not None:
            try:
                config = config.with_quality(entry.quality)
            except SettingError:
                pass  # Of another edition of envstream.
        name, group = (give(worker, entry, identity) for give in (self._names.stream, self._names.group))
        assert name is not None
        place = Place(group, entry.env) if group is not None and entry.env is not None else None
        return self._hub.open(name, entry.title, config, place=place)

    def _end(self, worker: str, id: str, remote: Remote) -> None:
        self._count -= 1
        remote.end(time.monotonic())
        self._gone[worker, id] = remote
        while len(self._gone) > MOST_ENDED:  # The hub keeps no more of them either.
            del self._gone[next(iter(self._gone))]

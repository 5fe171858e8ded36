"""The server's end of the links: takes what trainers wrote and puts it into the hub's streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from envstream import settings as given
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.identity import Identity
from envstream.links.block import Block
from envstream.links.reader import Capture, Reader
from envstream.pace import Budget
from envstream.stream import Place, Stream
from envstream.takes import Takes


class Feed:
    """One block and the streams that come out of it: one, or one for each sub-env that can be shown."""

    def __init__(self, reader: Reader, streams: list[Stream], takes: Takes) -> None:
        self.reader = reader
        self.streams = streams
        self.takes = takes
        # Seconds given to captures of which nothing came yet; below zero: of such as came before the seconds.
        self._unpaid = 0.0
        reader.due[0] = 0
        for part, stream in enumerate(streams):
            stream.due = reader.demand(part, len(streams))
            stream.due[0] = 0
            stream.bell = reader.due
            stream.screening.order = partial(reader.stage, part)

    def empty(self, now: float) -> list[Stream]:
        """Take what is there; the streams that have a new frame.

        Raises:
            ValueError: when what is there cannot be read.
        """
        reader, streams = self.reader, self.streams
        for number, steps, total, part in reader.episodes():
            streams[part].episodes.add(number, steps, total)
        if len(streams) == 1:  # Those included that were overwritten before they were read.
            streams[0].episodes.seen = reader.episodes_ended
        self._unpaid += reader.spent()
        arrived: dict[str, Stream] = {}
        for capture in reader.captures(self.takes.ready):
            stream = streams[capture.part]
            self._unpaid -= capture.cost
            make = partial(_frame, capture) if capture.picture is not None else None
            if capture.take:
                self.takes.put(stream, capture.take, make, capture.info)
            if make is not None and (stream.asked or not capture.take):
                stream.put(make(), now)
                arrived[stream.name] = stream
            elif capture.cost:
                stream.spent(now, capture.cost)
        if self._unpaid > 1e-9 and not reader.pending:  # Captures that gave no picture are paid for as well.
            next(self._watched(), streams[0]).spent(now, self._unpaid)
            self._unpaid = 0.0
        for stream in streams:
            stream.note_steps(now, reader.total_steps)
            stream.missed(reader.failures)
            stream.cost.counting = reader.counting
        return list(arrived.values())

    def finish(self) -> None:
        """The trainer closed the env."""
        self.takes.finish()
        for stream in self.streams:
            stream.finish()

    def _watched(self) -> Iterator[Stream]:
        return (stream for stream in self.streams if stream.viewers)


def _frame(capture: Capture) -> Frame:
    info = {key: value for key, value in capture.info.items() if key not in ("begin", "end")}
    return Frame(capture.pixels, capture.number, capture.captured, capture.cost, info)


class Intake:
    """Opens streams as the trainer announces them, and empties their blocks. Runs on the event loop.

    Args:
        opened: called with each new stream.
        arrived: called with a stream that has a new frame.
        changed: called when a status changed that the pages should hear of at once.
        takes: makes what deals with the episodes that come through one block.
        identity: whose streams these are.
    """

    def __init__(
        self,
        hub: Hub,
        opened: Callable[[Stream], None],
        arrived: Callable[[Stream], None],
        changed: Callable[[], None],
        takes: Callable[[], Takes],
        identity: Identity = Identity(),  # noqa: B008 - immutable
    ) -> None:
        self._hub = hub
        self._identity = identity
        self._opened = opened
        self._arrived = arrived
        self._changed = changed
        self._takes = takes
        self._feeds: dict[str, Feed] = {}
        self._budgets: dict[float, Budget] = {}
        self._ended: list[Takes] = []  # Of envs that were closed, and whose files are not yet whole.

    def open(self, message: dict[str, Any], block: Block) -> str:
        """A trainer announced a stream, or those of a vector env, whose pictures come through `block`.

        Returns:
            The name under which it is shown: others may have one of its name.
        """
        settings = given.read(message["settings"])
        title, envs = message["title"], message.get("envs")
        name = self._free_name(message.get("as") or self._own_name(message["name"]), envs is not None)
        share = settings.videoStreamMaxOverhead
        # One share of the trainer's time for everything it shows.
        budget = self._budgets.setdefault(share, Budget(share))
        if envs is None:
            streams = [self._hub.open(name, title, settings, budget)]
        else:
            places = [Place(name, env) for env in envs]
            streams = [
                self._hub.open(f"{name}/{place.env}", title, settings, budget, place) for place in places
            ]
        self._feeds[message["name"]] = feed = Feed(Reader(block), streams, self._takes())
        feed.takes.known = {int(take): about for take, about in message.get("takes", {}).items()}
        for stream in streams:
            screening = stream.screening
            screening.natural_fps = message.get("fps") or settings.videoFps
            screening.together = message.get("together") or 1
            screening.possible = message.get("episodes", False)
            stream.identity = self._identity
            self._opened(stream)
        self.look()
        return name

    def _own_name(self, name: str) -> str:
        rank = self._identity.rank
        return name if rank is None else f"{name} · rank {rank}"

    def _free_name(self, wanted: str, several: bool) -> str:
        """A name that no running stream has, but for one of this very trainer that it begins anew."""
        mine = {stream for feed in self._feeds.values() for stream in feed.streams}
        others = [one for one in self._hub.streams.values() if not one.ended and one not in mine]
        taken = {one.place.group if several and one.place is not None else one.name for one in others}
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}-{number}", number + 1
        return name

    def note(self, message: dict[str, Any]) -> None:
        """A trainer has a sentence to show about one of its envs."""
        feed = self._feeds.get(message["name"])
        for stream in feed.streams if feed is not None else ():
            stream.notices.say(message["message"], "training", lasting=message.get("lasting", False))
        self._changed()

    def choose(self, message: dict[str, Any]) -> None:
        """A trainer chose another quality for one of its envs."""
        feed = self._feeds.get(message["name"])
        for stream in feed.streams if feed is not None else ():
            stream.choose(message["quality"])
        if feed is not None:
            self._changed()

    def channel(self, stream: Stream) -> str | None:
        """The name of the channel that a stream comes through; None: it is no stream of this trainer."""
        return next((name for name, feed in self._feeds.items() if stream in feed.streams), None)

    def end(self) -> None:
        """The trainer is gone: its streams have ended."""
        for feed in self._feeds.values():
            for stream in feed.streams:
                stream.finish()

    @property
    def pending(self) -> bool:
        """Whether a trainer wrote something that was not yet taken."""
        return any(feed.reader.pending for feed in self._feeds.values())

    @property
    def busy(self) -> bool:
        """Whether something is still to be written to disk."""
        return any(takes.busy for takes in (*self._ended, *(feed.takes for feed in self._feeds.values())))

    def finish(self) -> None:
        """The trainer is gone: what it began is finished."""
        for feed in self._feeds.values():
            feed.takes.finish()

    def look(self) -> None:
        """Take what is there. Called at every wake-up, and now and then for what came without one."""
        now = time.monotonic()
        for feed in list(self._feeds.values()):
            try:
                for stream in feed.empty(now):
                    self._arrived(stream)
            except Exception as error:  # What one trainer wrote must not keep others unheard.
                feed.streams[0].notices.say(f"what came from the training cannot be read: {error}", "intake")
        closed = [
            name for name, feed in self._feeds.items() if feed.reader.closed and not feed.reader.pending
        ]
        for name in closed:
            feed = self._feeds.pop(name)
            feed.finish()
            self._ended.append(feed.takes)
        self._ended = [takes for takes in self._ended if takes.busy]
        if closed:
            self._changed()

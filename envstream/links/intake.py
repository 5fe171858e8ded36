"""The server's end of the links: takes what trainers wrote and puts it into the hub's streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from envstream import config
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.links.block import Block
from envstream.links.ends import Reader
from envstream.pace import Budget
from envstream.stream import Episode, Place, Stream


class Feed:
    """One block and the streams that come out of it: one, or one for each sub-env that can be shown."""

    def __init__(self, reader: Reader, streams: list[Stream]) -> None:
        self.reader = reader
        self.streams = streams
        reader.due[0] = 0
        for part, stream in enumerate(streams):
            stream.due = reader.demand(part, len(streams))
            stream.due[0] = 0
            stream.bell = reader.due

    def empty(self, now: float) -> list[Stream]:
        """Take what is there; the streams that have a new frame.

        Raises:
            ValueError: when what is there cannot be read.
        """
        reader, streams = self.reader, self.streams
        for number, steps, total, part in reader.episodes():
            stream = streams[part]
            stream.episodes.append(Episode(number, steps, total))
            stream.episodes_seen += 1
        if len(streams) == 1:  # Those included that were overwritten before they were read.
            streams[0].episodes_seen = reader.episodes_ended
        seconds = reader.spent()
        arrived: dict[str, Stream] = {}
        for capture in reader.captures():
            frame = Frame(capture.pixels, capture.number, capture.captured, capture.cost, capture.info)
            stream = streams[capture.part]
            stream.put(frame, now)
            seconds -= capture.cost
            arrived[stream.name] = stream
        if seconds > 1e-9:  # Captures that gave no picture are paid for as well.
            next(self._watched(), streams[0]).spent(now, seconds)
        for stream in streams:
            stream.note_steps(now, reader.total_steps)
            stream.missed(reader.failures)
        return list(arrived.values())

    def finish(self) -> None:
        """The trainer closed the env."""
        for stream in self.streams:
            stream.finish()

    def _watched(self) -> Iterator[Stream]:
        return (stream for stream in self.streams if stream.viewers)


class Intake:
    """Opens streams as the trainer announces them, and empties their blocks. Runs on the event loop.

    Args:
        opened: called with each new stream.
        arrived: called with a stream that has a new frame.
        changed: called when a status changed that the pages should hear of at once.
    """

    def __init__(
        self,
        hub: Hub,
        opened: Callable[[Stream], None],
        arrived: Callable[[Stream], None],
        changed: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._opened = opened
        self._arrived = arrived
        self._changed = changed
        self._feeds: dict[str, Feed] = {}
        self._budgets: dict[float, Budget] = {}

    def open(self, message: dict[str, Any], block: Block) -> None:
        """A trainer announced a stream, or those of a vector env, whose pictures come through `block`."""
        settings = config.read(message["settings"])
        name, title, envs = message["name"], message["title"], message.get("envs")
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
        self._feeds[name] = Feed(Reader(block), streams)
        for stream in streams:
            self._opened(stream)
        self.look()

    def note(self, message: dict[str, Any]) -> None:
        """A trainer has a sentence to show about one of its envs."""
        feed = self._feeds.get(message["name"])
        for stream in feed.streams if feed is not None else ():
            stream.say(message["message"], lasting=message.get("lasting", False))
        self._changed()

    def choose(self, message: dict[str, Any]) -> None:
        """A trainer chose another quality for one of its envs."""
        feed = self._feeds.get(message["name"])
        for stream in feed.streams if feed is not None else ():
            stream.choose(message["quality"])
        if feed is not None:
            self._changed()

    def look(self) -> None:
        """Take what is there. Called at every wake-up, and now and then for what came without one."""
        now = time.monotonic()
        for feed in list(self._feeds.values()):
            try:
                for stream in feed.empty(now):
                    self._arrived(stream)
            except (ValueError, IndexError) as error:  # What one trainer wrote must not keep others unheard.
                feed.streams[0].say(f"what came from the training cannot be read: {error}")
            if feed.reader.closed:
                feed.finish()
        closed = [name for name, feed in self._feeds.items() if feed.reader.closed]
        for name in closed:
            del self._feeds[name]
        if closed:
            self._changed()

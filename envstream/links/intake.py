"""The server's end of the links: takes what trainers wrote and puts it into the hub's streams."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from envstream import config
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.links.block import Block, Reader
from envstream.stream import Episode, Stream


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
        self._sources: list[tuple[Stream, Reader]] = []

    def open(self, message: dict[str, Any], block: Block) -> None:
        """A trainer announced a stream whose pictures come through `block`."""
        stream = self._hub.open(message["name"], message["title"], config.read(message["settings"]))
        reader = Reader(block)
        reader.due[0] = 0
        stream.due = reader.due
        self._sources.append((stream, reader))
        self._opened(stream)
        self.look()

    def note(self, message: dict[str, Any]) -> None:
        """A trainer has a sentence to show about one of its streams."""
        stream = self._hub.streams.get(message["name"])
        if stream is not None:
            stream.say(message["message"], lasting=message.get("lasting", False))
            self._changed()

    def look(self) -> None:
        """Take what is there. Called at every wake-up, and now and then for what came without one."""
        now = time.monotonic()
        closed = False
        for stream, reader in self._sources:
            try:
                self._empty(stream, reader, now)
            except ValueError as error:  # What one trainer wrote must not keep the others from being heard.
                stream.say(f"what came from the training cannot be read: {error}")
            if reader.closed:
                stream.finish()
                closed = True
        if closed:
            self._sources = [(stream, reader) for stream, reader in self._sources if not reader.closed]
            self._changed()

    def _empty(self, stream: Stream, reader: Reader, now: float) -> None:
        stream.episodes.extend(Episode(*episode) for episode in reader.episodes())
        stream.episodes_seen = reader.episodes_ended
        seconds = reader.spent()
        arrived = False
        for capture in reader.captures():
            frame = Frame(capture.pixels, capture.number, capture.captured, capture.cost, capture.info)
            stream.put(frame, now)
            seconds -= capture.cost
            arrived = True
        if seconds > 1e-9:  # Captures that gave no picture are paid for as well.
            stream.spent(now, seconds)
        stream.note_steps(now, reader.total_steps)
        stream.missed(reader.failures)
        if arrived:
            self._arrived(stream)

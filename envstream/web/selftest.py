"""The self-test: a test stream of its own for each page that measures its way, while it measures."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from envstream.frame import Frame
from envstream.hub import Hub
from envstream.replay import Replay
from envstream.stream import Stream
from envstream.testcard import Card

MOST = 8  # Pages that measure at one time.


class Bell(bytearray):
    """A byte of demand that rings when it is set: the test stream's `step()`."""

    rings: Callable[[], None]

    def __setitem__(self, place: object, value: object) -> None:
        super().__setitem__(place, value)  # type: ignore[call-overload]
        if value:
            self.rings()


class SelfTests:
    """Test streams. Lives on the event loop.

    They are in nobody's list, and each is for the one page that began it. A picture is made when one is
    asked for, so that they go the way of any other stream: pace, quality, encoder and acknowledgements.
    """

    def __init__(self, hub: Hub, arrived: Callable[[Stream], None]) -> None:
        self._hub = hub
        self._arrived = arrived
        self._card = Card()
        self._numbers = itertools.count(1)
        self._running = 0

    @property
    def full(self) -> bool:
        """Whether no further page can measure now."""
        return self._running >= MOST

    @contextmanager
    def stream(self) -> Iterator[Stream]:
        """A test stream for as long as the block lasts."""
        hub, name = self._hub, f"selftest {next(self._numbers)}"
        stream = Stream(name, "Self-test", hub.config, hub.pool, cache=hub.cache)
        stream.replay = Replay(0, 0)
        stream.processors = []  # What is burned into pictures would lie over their number.
        stream.due = stream.bell = bell = Bell(1)
        loop = asyncio.get_running_loop()

        def ring() -> None:
            loop.call_soon(self._show, stream)  # Not at once: who asks is in the midst of sending.

        bell.rings = ring
        hub.hidden[name] = stream
        self._running += 1
        try:
            yield stream
        finally:
            self._running -= 1
            del hub.hidden[name]
            stream.finish()
            stream.encoder.clear_cache()

    def _show(self, stream: Stream) -> None:
        """A picture was asked for."""
        if stream.ended or not stream.due[0]:
            return
        stream.due[0] = 0
        captured = time.monotonic()
        number = stream.buffer.received + 1
        stream.put(Frame(self._card.picture(number), number, captured), captured)
        self._arrived(stream)

"""The postbox: a pipe to the bus, in which the newest picture of each stream waits until it can go."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from envstream.bus.clock import Clock
from envstream.bus.connection import Command, Problem, answered
from envstream.bus.layout import Keys, picture_text, stream_id
from envstream.web.pipes import Parcel
from envstream.wire import brief, compact

KEPT = 10_000  # Milliseconds that a picture stays where nothing follows.
MOST_AT_ONCE, MOST_BYTES = 64, 2_000_000  # Of pictures in one round trip: others wait behind it.
MOST_TEXTS = 4096

Ask = Callable[..., Awaitable[list[Any]]]


class Posted(NamedTuple):
    """A picture that waits: the stream's name, the frame's number there, and how it is put on the bus."""

    stream: str
    frame: int
    commands: tuple[Command, Command]


class Postbox:
    """A pipe to the bus. Of each stream one picture is under way, and the newest waits behind it.

    Attributes:
        number: of the newest picture, whichever stream's it is.
    """

    acknowledges = True
    free = True  # Credit is given by stream.

    def __init__(self, keys: Keys, worker: str, clock: Clock) -> None:
        self._keys = keys
        self._worker = worker
        self._clock = clock
        self._pictures: dict[str, Posted] = {}
        self._texts: deque[Command] = deque(maxlen=MOST_TEXTS)
        self._filled = asyncio.Event()
        self.number = 0

    def post(self, parcel: Parcel) -> None:
        """Send a picture; one that still waits is left out for it."""
        picture, frame = parcel.picture, parcel.picture.frame
        self.number += 1
        sent = picture.format, picture.width, picture.height
        about = picture_text(self.number, self._clock.there(frame.captured), sent, brief(dict(frame.info)))
        key = self._keys.frames(self._worker, stream_id(picture.stream))
        add = ("XADD", key, "MAXLEN", "=", 1, "*", "m", about, "d", picture.data)
        self._pictures[picture.stream] = Posted(picture.stream, frame.number, (add, ("PEXPIRE", key, KEPT)))
        self._filled.set()

    def tell(self, text: str) -> None:
        """What viewers are told: passed on is that the picture is still what there is."""
        message = json.loads(text)
        if message["type"] == "still":
            captured = self._clock.there(message["timestamp"])
            self.status({stream_id(message["stream"]): {"still": captured}})

    def status(self, streams: dict[str, dict[str, Any]]) -> None:
        """Tell page servers how streams are."""
        self.say("PUBLISH", self._keys.status, compact({"worker": self._worker, "streams": streams}))

    def say(self, *command: str) -> None:
        """Have a command sent, whatever the answer."""
        self._texts.append(command)
        self._filled.set()

    def empty(self) -> None:
        """Forget what waits: the connection is another one."""
        self._pictures.clear()
        self._texts.clear()

    def texts(self) -> list[Command]:
        """Take the commands that wait."""
        texts = list(self._texts)
        self._texts.clear()
        return texts

    async def pump(self, ask: Ask, landed: Callable[[Posted, Problem | None], None]) -> None:
        """Send what there is to be sent, for ever; `landed` is called with each picture that went out.

        Raises:
            Problem: the connection does not work any more, or may not be used so.
        """
        while True:
            texts, pictures = self.texts(), self._batch()
            if not texts and not pictures:
                self._filled.clear()
                await self._filled.wait()
                continue
            commands = [command for posted in pictures for command in posted.commands]
            answers = answered(await ask(*texts, *commands))[len(texts) :]
            for posted, answer in zip(pictures, answers[::2], strict=True):
                landed(posted, answer if isinstance(answer, Problem) else None)

    def _batch(self) -> list[Posted]:
        """Take some of the pictures that wait, those that wait longest first."""
        batch: list[Posted] = []
        size = 0
        for name, posted in list(self._pictures.items())[:MOST_AT_ONCE]:
            if batch and size >= MOST_BYTES:
                break
            batch.append(self._pictures.pop(name))
            size += len(posted.commands[0][-1])  # type: ignore[arg-type]
        return batch

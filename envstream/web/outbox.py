"""The outbox: a seat whose viewer is a server elsewhere; what is posted there goes out as a publisher's."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from envstream.web.pipes import Parcel
from envstream.wire import brief, compact

LONGEST_TRIP = 10.0  # Seconds; a clock that was read over a longer way says nothing.
_LOOKS = 6  # At the other side's clock, of which the quickest counts.

Send = Callable[[str | bytes], Awaitable[None]]


class Outbox:
    """A pipe to the server elsewhere: a picture is a message that says what it is, and its bytes.

    Args:
        first: the number that the other side expects next.

    Attributes:
        number: of the newest picture, as the other side counts.
        offset: the other side's clock less ours; None = not known yet.
        free: whether what was put in has gone out.
    """

    acknowledges = True

    def __init__(self, first: int) -> None:
        self._waiting: deque[str | bytes] = deque()
        self._filled = asyncio.Event()
        self._sent: dict[int, int] = {}  # Number over there → number of the frame here.
        self._looks: deque[tuple[float, float]] = deque(maxlen=_LOOKS)
        self.number = first - 1
        self.offset: float | None = None
        self.free = True

    def post(self, parcel: Parcel) -> None:
        """Send a picture. Numbers are without gaps, so that the other side sees what builds on what."""
        picture, frame = parcel.picture, parcel.picture.frame
        self.number += 1
        self._sent[self.number] = frame.number
        message = {
            "type": "frame",
            "number": self.number,
            "timestamp": frame.captured,
            "size": len(picture.data),
            "encoding": picture.format,
            "width": picture.width,
            "height": picture.height,
            "key": bool(picture.link.get("key", True)),
            "captured": self._there(frame.captured),
            "info": brief(dict(frame.info)),
        }
        self.free = False
        self._put(compact(message), picture.data)

    def tell(self, text: str) -> None:
        """What viewers are told: passed on is that the picture is still what there is."""
        message = json.loads(text)
        if message["type"] == "still" and self.number:
            still = {"number": self.number, "captured": self._there(message["timestamp"])}
            self.say({"type": "status", "still": still})

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message."""
        self._put(compact(message))

    def landed(self, number: int) -> int | None:
        """The other side has all up to its `number`: the frame that this was here; None = no news."""
        done = [each for each in self._sent if each <= number]
        return max(self._sent.pop(each) for each in done) if done else None

    def clock(self, asked: float, there: float, now: float) -> None:
        """The other side's clock showed `there` at some time between `asked` and `now`."""
        if 0 <= now - asked <= LONGEST_TRIP:
            # What took long waited behind pictures, on one way and not on the other.
            self._looks.append((now - asked, there - (asked + now) / 2))
            self.offset = min(self._looks)[1]

    async def pump(self, send: Send, drained: Callable[[], None]) -> None:
        """Send what there is to be sent, for ever; `drained` is called when pictures have gone out."""
        while True:
            while self._waiting:
                await send(self._waiting.popleft())
            if not self.free:
                self.free = True
                drained()
            self._filled.clear()
            if not self._waiting:
                await self._filled.wait()

    def _put(self, *messages: str | bytes) -> None:
        self._waiting.extend(messages)
        self._filled.set()

    def _there(self, moment: float) -> float | None:
        return None if self.offset is None else moment + self.offset

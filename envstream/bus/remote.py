"""A remote stream: one of a worker's, as a page server shows it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Any

from envstream.bus.clock import Clock
from envstream.bus.demand import Want, of_watches
from envstream.bus.layout import LONGEST_NAME, LONGEST_SENTENCE, Entry, Sent
from envstream.episodes import RECENT
from envstream.errors import SessionError, SettingError
from envstream.identity import Identity
from envstream.sessions import headers
from envstream.sessions.arrival import Arrival
from envstream.sessions.fields import Fields, cost_in
from envstream.sessions.showing import Showing
from envstream.stream import Stream
from envstream.viewer import Watch
from envstream.web.answers import shown

FROM_THE_START = b"0-0"  # An entry's id that is before all others.
SLACK = 1.1  # Two who keep to one pace, one behind the other, would now and then miss each other by a period.
OF_PICTURES = ("episode", "step", "return", "totalSteps")  # What pictures say, and say better.
_CODE = "bad_message"

Watches = Callable[[Stream], Iterable[Watch]]


class Remote:
    """Lives on the event loop.

    Args:
        entry: what its worker says of it.
        clock: of the bus.

    Attributes:
        last: the id of the newest entry that was read of its pictures.
        quality: the one that is in force at its worker, as far as we know.
        asked: what was asked for last.
    """

    def __init__(self, showing: Showing, entry: Entry, identity: Identity, clock: Clock) -> None:
        self._showing = showing
        self._clock = clock
        self._number = 0  # Of the newest picture: here they are counted anew, as workers begin again.
        self._seen: int | None = None  # Episodes that were told of.
        self.stream = showing.stream
        self.last = FROM_THE_START
        self.asked: Want | None = None
        self.quality = self.stream.quality
        self.again(entry, identity)

    def again(self, entry: Entry, identity: Identity) -> None:
        """Its worker says what it is, perhaps as another one than before, or after it was taken for dead."""
        stream = self.stream
        stream.identity = identity
        stream.screening.natural_fps = entry.fps
        stream.screening.possible = False  # Its episodes are not to be had one by one.
        if stream.ended:
            stream.ended = False
            stream.watched(stream.viewers)

    def want(self, watches: Watches | None) -> Want | None:
        """What is to be asked for; None = nothing."""
        stream = self.stream
        if not stream.looked_at:
            return None
        want = of_watches(watches(stream)) if watches is not None else None
        fps = stream.pace.fps if want is None or want.fps is None else min(want.fps, stream.pace.fps)
        return Want(min(max(round(SLACK * fps, 3), 0.01), 1000.0), want.width if want is not None else None)

    def take(self, sent: Sent, now: float) -> None:
        """A picture came."""
        self._number += 1
        captured = self._clock.here(sent.captured)
        what = sent.encoding, sent.width, sent.height, True
        arrival = Arrival(self._number, 0.0, *what, captured, sent.info, sent.data)
        try:
            headers.check(arrival, self.stream.config.max_pixels)
        except SessionError as error:
            self.stream.notices.say(f"a picture cannot be shown ({shown(str(error), 200)})", "pictures")
            return
        for key in OF_PICTURES:
            self.stream.said.pop(key, None)
        self._showing.take(arrival, now)

    def told(self, values: dict[str, Any], now: float) -> None:
        """How the stream is, as far as that is news.

        Raises:
            SessionError: it is not what was expected; of it, what stands before was taken.
        """
        stream, said = self.stream, Fields(values, _CODE, "status")
        if "totalSteps" in said:
            total = said.whole("totalSteps")
            stream.note_steps(now, total)
            if not stream.looked_at:
                stream.said["totalSteps"] = total
        for key in ("bestReturn", "fps"):
            if key in said:
                stream.said[key] = said.number(key, -1e300, 1e300)
        stream.said |= cost_in(said)
        if "episodes" in said:
            self._count(said)
        if "message" in values:
            message = said.text("message", LONGEST_SENTENCE) if "message" in said else ""
            stream.notices.say(message, "worker", lasting=True)
        if "still" in values:
            moment = said.number("still", -1e12, 1e12) if "still" in said else None
            self._showing.again(self._clock.here(moment), now)
        self._follow(values.get("quality"))

    def lost(self, sentence: str) -> None:
        """The bus is not there."""
        self.stream.notices.say(sentence, "bus", lasting=True)

    def found(self) -> None:
        """The bus is there again, perhaps another one: nothing of it was read yet."""
        self.last, self.asked = FROM_THE_START, None
        self.stream.notices.say("", "bus")

    def end(self, now: float) -> None:
        """Its worker is gone, or has closed it."""
        self.asked = None
        if not self.stream.ended:
            self.stream.notices.say("", "bus")
            self._showing.finish(now)

    def _count(self, said: Fields) -> None:
        """Episodes have ended; some may have been told of before, to somebody else as well."""
        stream, seen = self.stream, said.whole("seen")
        episodes = [_episode(each) for each in said.many("episodes", RECENT)]
        fresh = len(episodes) if self._seen is None or seen < self._seen else seen - self._seen
        for number, steps, total in episodes[max(0, len(episodes) - fresh) :]:
            stream.episodes.add(number, steps, total)
        stream.episodes.seen = self._seen = seen
        if episodes and not stream.looked_at:
            number, steps, total = episodes[-1]
            stream.said |= {"episode": number, "step": steps, "return": total}

    def _follow(self, quality: object) -> None:
        """A quality was chosen elsewhere."""
        if isinstance(quality, bool) or not isinstance(quality, (int, str)) or quality == self.quality:
            return
        if isinstance(quality, str) and len(quality) > LONGEST_NAME:
            return
        self.quality = quality  # First, so that it is not taken for a choice that was made here.
        with contextlib.suppress(SettingError):  # Of another edition of envstream.
            self.stream.choose(quality)
        self.quality = self.stream.quality


def _episode(value: object) -> tuple[int, int, float]:
    values = value if isinstance(value, list) and len(value) == 3 else [None] * 3
    said = Fields(dict(zip(("number", "steps", "total"), values, strict=True)), _CODE, "episode")
    total = said.number("total", -1e300, 1e300) if "total" in said else math.nan
    return said.whole("number"), said.whole("steps"), total

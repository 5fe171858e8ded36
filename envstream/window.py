"""Window: how many frames of a stream may be under way to one viewer: the link full, and nothing queued."""

from __future__ import annotations

import math

SMALLEST, LARGEST = 2, 32
ROOM = 0.5  # Frames that wait in the link, as far as round trips say: with fewer, another one may go.
CROWDED = 1.8  # With more, fewer may go.
GROWING = 1.25  # By how much round trips get longer within one where a queue grows.
LOOK_EVERY = 10.0  # Seconds between two looks at how low round trips can be.


class Floor:
    """The lowest round trip of one connection: what it takes where nothing waits before it.

    A queue of our own looks like a long way. So the lowest round trip may sink at any time, and rises only by
    a look: every window of the connection is 1 until the queue has run empty and a frame has gone alone; what
    that took is the new floor.
    """

    def __init__(self) -> None:
        self.lowest = math.inf  # Seconds.
        self.looked_at = -math.inf
        self.looking = False
        self._since = math.inf  # A frame that was sent from then on went alone.

    def look(self, now: float) -> None:
        """Round trips are long: have a look whether that is the way, or a queue."""
        if not self.looking and now - self.looked_at >= LOOK_EVERY:
            self.looking, self._since = True, now

    def saw(self, now: float, took: float) -> None:
        """A frame was acknowledged, `took` seconds after it was sent."""
        if self.lowest == math.inf:
            self.looked_at = now - took  # The first one went alone.
        if took < self.lowest:
            self.lowest = took
        if self.looking and now - took >= self._since:
            self.lowest, self.looked_at, self.looking = took, now, False


class Window:
    """How many frames of one stream may be unacknowledged at one viewer. Pure: time is passed in.

    Vegas, in frames: of `size` frames under way, `size * (1 - lowest / recent)` wait in the link, for the
    lowest round trip and a recent one. It grows where a viewer is held up by it and nothing waits, and
    shrinks where frames wait. It is never more than what fills the way at the stream's rate, plus one.

    Args:
        floor: of the connection, where it carries more than this stream; None = one of its own.
    """

    def __init__(self, floor: Floor | None = None) -> None:
        self.floor = floor or Floor()
        self._size = SMALLEST
        self._free = True  # Nothing waited in the link yet.
        self._room = True
        self._excused = False
        self._held = False
        # Round trips are judged over one round trip at a time, of frames that were sent into a full window:
        self._from = -math.inf  # sent before: into another window.
        self._until: float | None = None  # Sent from then on: the next round trip. None = none has come yet.
        self._least = math.inf
        self._count = 0

    @property
    def size(self) -> int:
        """Frames that may be under way."""
        return 1 if self.floor.looking else self._size

    def held_up(self) -> bool:
        """A frame was due, and had to wait because `size` were under way.

        Returns:
            True where that is no sign of a slow link: nothing waits in it, or that is not known yet.
        """
        excused, self._excused = self._excused, self.floor.looking
        self._held = True
        return self._room or excused

    def acknowledged(self, now: float, took: float, fps: float) -> None:
        """A frame, or several at once, were acknowledged.

        Args:
            took: seconds since the newest of them was sent.
            fps: frames a second that the viewer is to have.
        """
        floor, took = self.floor, max(took, 1e-6)
        sent = now - took
        if floor.looking:
            self._excused = True
        floor.saw(now, took)
        if self._from < floor.looked_at:
            self._begin(floor.looked_at)
        if floor.looking or sent < self._from:
            return
        if self._until is None:
            self._until = now  # The first frame after a change does not see the new window full.
            return
        if took < self._least:
            self._least = took
        self._count += 1
        waiting = self._size * (1 - floor.lowest / self._least)
        if sent >= self._until or (self._count >= 3 and waiting > CROWDED):
            self._judge(now, fps, waiting, took < GROWING * self._least)

    def _judge(self, now: float, fps: float, waiting: float, steady: bool) -> None:
        before = self._size
        self._room = waiting < min(ROOM, before / 5)
        if self._held:
            if self._room:
                self._free = self._free and waiting < before / 10
                self._size += before if self._free else before // 2
            else:
                self._free = False
                if steady:  # One trip longer than the one before is a queue that grows: the link got slower.
                    self.floor.look(now)
                if waiting > CROWDED:
                    self._size -= max(1, int(waiting - ROOM))
        enough = math.ceil(min(LARGEST, self.floor.lowest * fps)) + 1
        self._size = max(SMALLEST, min(self._size, enough, LARGEST))
        if self._size == before:
            self._begin(self._from, now)
        else:
            self._begin(now)

    def _begin(self, start: float, until: float | None = None) -> None:
        """Another round trip to be judged."""
        self._from, self._until = start, until
        self._least, self._held, self._count = math.inf, False, 0

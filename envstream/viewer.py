"""A viewer: one watcher's credits, place on the ladder, and counts. No socket, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from envstream.encoder import Rung
from envstream.errors import MessageError
from envstream.ladder import Ladder, Point
from envstream.pace import Rate
from envstream.window import Floor, Window

DECIDES_EVERY = 0.25  # Seconds between two looks at whether another point of the ladder fits better.
MOST_REMEMBERED = 256  # Streams whose last number is known after they are watched no more.


class Sending(NamedTuple):
    """A frame that is on its way."""

    size: int
    sent_at: float
    captured: float


@dataclass
class Watch:
    """What a viewer wants of one stream, and how far it has got.

    Attributes:
        rung: format and greatest width that are wanted; what it leaves open is the ladder's to fill in.
        fps: pictures a second at most; None = as many as there are.
        quality: fixed by hand, as a JPEG quality; None = what the ladder says.
        video: whether H.264 can be decoded there.
        window: how many frames may be on their way; a number fixes that.
        sent: number of the newest frame that was reserved for sending.
        shown: number of the newest content that was sent, and `shown_quality` in which quality.
        linked: the chain whose pictures it has, and how many of them.
        refused_at: since when a frame waits for credit.
    """

    rung: Rung
    fps: float | None = None
    quality: int | None = None
    video: bool = False
    window: int | None = None
    sent: int = 0
    posted: int = 0
    acknowledged: int = 0
    shown: int = 0
    shown_quality: int = 0
    told_at: float = float("-inf")
    next_at: float = float("-inf")
    linked: tuple[int, int] | None = None
    ladder: Ladder | None = None
    credit: Window = field(default_factory=Window)
    taken_at: float = float("-inf")
    refused_at: float = float("inf")
    in_flight: dict[int, Sending] = field(default_factory=dict)
    decided_at: float = float("-inf")
    said: tuple[object, ...] | None = None

    def go_on(self, before: Watch) -> None:
        """Take over how far the one before had got."""
        self.sent, self.posted, self.acknowledged = before.sent, before.posted, before.acknowledged
        self.in_flight, self.credit, self.linked = before.in_flight, before.credit, before.linked
        self.ladder = before.ladder
        if (self.rung, self.quality) == (before.rung, before.quality):
            self.shown, self.shown_quality = before.shown, before.shown_quality

    def begin_anew(self) -> None:
        """The stream's frames are numbered from 1 again."""
        self.sent = self.posted = self.acknowledged = self.shown = self.shown_quality = 0
        self.in_flight = {}
        self.linked = None

    def keep_time(self, fps: float, now: float) -> None:
        """The next frame comes a period later, in step with the ones before."""
        self.next_at = max(self.next_at, now - 0.5 / fps) + 1.0 / fps

    @property
    def room(self) -> bool:
        """Whether a further frame may be under way."""
        return len(self.in_flight) < (self.window or self.credit.size)

    def climb(self, points: tuple[Point, ...], target: float | None) -> Ladder:
        """The ladder over these points, begun anew where they are others than before."""
        if self.ladder is None or self.ladder.points != points:
            self.ladder = Ladder(points, target)
            self.shown = 0  # In that quality nothing was sent yet.
        return self.ladder


class Viewer:
    """Decides which frames one watcher may be sent. Pure: time is passed in.

    Only so many frames of a stream are under way, unacknowledged, as the round trip needs: a slow viewer
    skips frames, it never falls behind.
    """

    def __init__(self) -> None:
        self._floor = Floor()  # Of round trips: all streams go the same way.
        self.watches: dict[str, Watch] = {}
        self._ever_sent: dict[str, int] = {}  # Stream → highest number ever sent, for late acknowledgements.
        self.frames_sent = 0
        self.frames_skipped = 0
        self.bytes_sent = 0
        self.rate = Rate()

    def watch(self, wanted: dict[str, Watch]) -> None:
        """Replace what is watched. The place in a stream that stays watched is kept."""
        for name, watch in wanted.items():
            before = self.watches.get(name)
            if before is not None:
                watch.go_on(before)
            else:
                watch.credit = Window(self._floor)
        self.watches = wanted

    def ready_at(self, stream: str) -> float | None:
        """When the next frame of `stream` may be sent; None = not before an acknowledgement."""
        watch = self.watches.get(stream)
        return watch.next_at if watch is not None and watch.room else None

    def take(
        self, stream: str, number: int, now: float, *, captured: float = 0.0, fps: float | None = None
    ) -> bool:
        """Reserve frame `number` for sending; False when it is not this viewer's turn or not news.

        Args:
            captured: when the frame was taken.
            fps: pictures a second that it is to have at most; None = any.
        """
        watch = self.watches.get(stream)
        if watch is None or number <= watch.sent or watch.next_at > now or not self.has_room(watch, now):
            return False
        self.reserve(stream, number, captured, now)
        if fps is not None:
            watch.keep_time(fps, now)
        return True

    def has_room(self, watch: Watch, now: float, free: bool = True) -> bool:
        """Whether a frame that is there for a watch may go out; `free`: its connection takes more now."""
        if free and watch.room:
            return True
        watch.refused_at = min(watch.refused_at, now)
        return False

    def reserve(self, stream: str, number: int, captured: float, now: float) -> None:
        """Frame `number` goes to this viewer."""
        watch = self.watches[stream]
        if watch.sent and number > watch.sent:
            self.frames_skipped += number - watch.sent - 1
        watch.sent = number
        watch.in_flight[number] = Sending(0, now, captured)
        watch.taken_at, watch.refused_at = now, float("inf")
        if watch.ladder is not None:
            watch.ladder.taken(now)
        known = self._ever_sent
        known[stream] = max(number, known.get(stream, 0))
        if len(known) > MOST_REMEMBERED:
            for name in [name for name in known if name not in self.watches][: MOST_REMEMBERED // 2]:
                del known[name]

    def sent(self, stream: str, number: int, size: int, now: float) -> None:
        """Frame `number` was handed to the connection."""
        self.frames_sent += 1
        self.bytes_sent += size
        self.rate.add(now)
        watch = self.watches.get(stream)
        flying = watch.in_flight.get(number) if watch is not None else None
        if watch is not None and flying is not None:
            watch.in_flight[number] = Sending(size, now, flying.captured)

    def acknowledge(
        self,
        stream: str,
        number: int,
        now: float,
        fps: float,
        transfer: float | None = None,
        could_at: float = float("inf"),
    ) -> Watch | None:
        """The frame was painted; so were, or were skipped by the viewer, all before it.

        Args:
            fps: pictures a second that it could have at most.
            transfer: seconds that its bytes took to arrive, as the viewer says.
            could_at: when the next frame could have been had, had there been credit.

        Returns:
            The watch, where this was news about what is watched now.

        Raises:
            MessageError: for a frame that was never sent.
        """
        newest = self._ever_sent.get(stream, 0)
        if number > newest:
            raise MessageError(
                f"acknowledgement of frame {number} of {stream!r}, but the newest one sent is {newest}"
            )
        watch = self.watches.get(stream)
        if watch is None or number > watch.sent:
            return None  # From before the stream was watched anew, or began anew: it was still under way.
        watch.acknowledged = max(watch.acknowledged, number)
        full = not watch.room
        landed = [watch.in_flight.pop(flying) for flying in list(watch.in_flight) if flying <= number]
        if not landed or not landed[-1].size:
            return None
        took = now - landed[-1].sent_at
        watch.credit.acknowledged(now, took, fps)
        if watch.ladder is not None:
            size = sum(sending.size for sending in landed)
            watch.ladder.acknowledged(now, size, took, transfer, len(landed))
            if full and watch.room:
                self._held_up(watch, now, fps, could_at)
        return watch

    def _held_up(self, watch: Watch, now: float, fps: float, could_at: float) -> None:
        """There was no credit, and now there is: had a frame to wait for it?"""
        assert watch.ladder is not None
        due = max(watch.taken_at + 1 / (fps * watch.ladder.point.rate), could_at)
        waited = now - min(due, watch.refused_at)
        if waited > 0:
            watch.ladder.held_up(now, waited, watch.credit.held_up() and watch.window is None)

    def due_to_be_sent(self, stream: str, number: int) -> bool:
        """Frame `number` is ready; False when a later one was sent meanwhile, or nobody wants it now."""
        watch = self.watches.get(stream)
        if watch is None or number not in watch.in_flight:
            return False
        if number < watch.posted:
            self.give_back(stream, number)
            return False
        watch.posted = number
        return True

    def give_back(self, stream: str, number: int) -> None:
        """Frame `number` was reserved and will not be sent."""
        watch = self.watches.get(stream)
        if watch is not None:
            watch.in_flight.pop(number, None)

    def restart(self, stream: str) -> None:
        """The stream began anew: its frames are numbered from 1 again."""
        watch = self.watches.get(stream)
        if watch is not None:
            watch.begin_anew()

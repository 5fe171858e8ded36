"""A viewer: one watcher's credits, place on the ladder, and how far it has got. No socket, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from envstream.encoder import Rung
from envstream.errors import MessageError
from envstream.ladder import Ladder
from envstream.pace import Pace
from envstream.points import Point
from envstream.window import Floor, Window

DECIDES_EVERY = 0.25  # Seconds between two looks at whether another point of the ladder fits better.
MOST_REMEMBERED = 256  # Streams whose last number is known after they are watched no more.

NEVER, ALWAYS = float("inf"), float("-inf")


# A thousand of these are gone through for each frame: attributes without a dictionary, and few calls.
@dataclass(slots=True)
class Watch:
    """What a viewer wants of one stream, and how far it has got.

    Attributes:
        rung: format and greatest width that are wanted; what it leaves open is the ladder's to fill in.
        fps: pictures a second at most; None = as many as there are.
        quality: fixed by hand, as a JPEG quality; None = what the ladder says.
        boxes: whether what was found in pictures is told as well.
        video: whether H.264 can be decoded there, `full_colour` whether that with 4:4:4 can.
        window: how many frames may be on their way; a number fixes that. At `least` so many always may:
            of an episode that is played none is to be missed, and it matters little how late one is.
        sent: number of the newest frame that was reserved for sending, `posted` of the newest that was sent.
        shown: number of the newest content that was reserved, and `shown_quality` in which quality.
        linked: the chain whose pictures it has, and how many of them.
        in_flight: frames under way, oldest first: the bytes of each, and when they were sent; 0 = not yet.
        refused_at: since when a frame waits for credit.
        aim: what it is sent at present; whoever sends it keeps that here, and looks anew when it is None.
    """

    rung: Rung
    fps: float | None = None
    quality: int | None = None
    video: bool = False
    full_colour: bool = False
    boxes: bool = False
    window: int | None = None
    least: int = 1
    sent: int = 0
    posted: int = 0
    shown: int = 0
    shown_quality: int = 0
    told_at: float = ALWAYS
    next_at: float = ALWAYS
    linked: tuple[int, int] | None = None
    ladder: Ladder | None = None
    credit: Window = field(default_factory=Window)
    taken_at: float = ALWAYS
    refused_at: float = NEVER
    in_flight: dict[int, tuple[int, float]] = field(default_factory=dict)
    decided_at: float = ALWAYS
    aim: object = None
    said: object = None

    def go_on(self, before: Watch) -> None:
        """Take over how far the one before had got."""
        self.sent, self.posted = before.sent, before.posted
        self.in_flight, self.credit, self.linked = before.in_flight, before.credit, before.linked
        self.ladder = before.ladder
        if (self.rung, self.quality) == (before.rung, before.quality):
            self.shown, self.shown_quality = before.shown, before.shown_quality

    def begin_anew(self) -> None:
        """The stream's frames are numbered from 1 again."""
        self.sent = self.posted = self.shown = self.shown_quality = 0
        self.in_flight = {}
        self.linked = self.aim = None

    @property
    def room(self) -> bool:
        """Whether a further frame may be under way."""
        under_way = len(self.in_flight)
        return under_way < self.least or under_way < (self.window or self.credit.size)

    def has_room(self, now: float, free: bool = True) -> bool:
        """Whether a frame that is there may go out; `free`: its connection takes more now."""
        if free and (not self.in_flight or self.room):
            return True
        self.refused_at = min(self.refused_at, now)
        return False

    def reserve(self, number: int, now: float, fps: float | None = None) -> None:
        """Frame `number` goes to this viewer; with `fps` the next a period later, in step with the others."""
        self.sent = number
        self.in_flight[number] = 0, now
        self.taken_at, self.refused_at = now, NEVER
        if self.ladder is not None:
            self.ladder.taken(now)
        if fps is not None:
            self.next_at = max(self.next_at, now - 0.5 / fps) + 1.0 / fps

    def post(self, number: int, size: int, now: float) -> bool:
        """Frame `number` goes out now; False when a later one did meanwhile, or nobody wants it any more."""
        if number not in self.in_flight or number < self.posted:
            self.in_flight.pop(number, None)
            self.linked = None  # Of a chain it has missed one now.
            return False
        self.posted = number
        self.in_flight[number] = size, now
        return True

    def give_back(self, number: int) -> None:
        """Frame `number` was reserved and will not be sent."""
        self.in_flight.pop(number, None)

    def landed(self, number: int) -> tuple[int, int, float]:
        """Frame `number` and those before arrived: how many, their bytes, when it was sent; 0 = not yet."""
        count, size, sent_at = 0, 0, 0.0
        while self.in_flight:
            oldest = next(iter(self.in_flight))
            if oldest > number:
                break
            more, sent_at = self.in_flight.pop(oldest)
            count, size = count + 1, size + more
            if not more:
                sent_at = 0.0  # Still being compressed: acknowledged was an earlier sending of that number.
        return count, size, sent_at

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
        self._ever_sent: dict[
            str, int
        ] = {}  # Stream → highest number sent before, for late acknowledgements.

    def watch(self, wanted: dict[str, Watch]) -> None:
        """Replace what is watched. The place in a stream that stays watched is kept."""
        for name, before in self.watches.items():
            if name in wanted:
                wanted[name].go_on(before)
            else:
                self._remember(name, before.sent)
        for name, watch in wanted.items():
            if name not in self.watches:
                watch.credit = Window(self._floor)
        self.watches = wanted

    def restart(self, stream: str) -> None:
        """The stream began anew: its frames are numbered from 1 again."""
        watch = self.watches.get(stream)
        if watch is not None:
            self._remember(stream, watch.sent)
            watch.begin_anew()

    def ready_at(self, stream: str) -> float | None:
        """When the next frame of `stream` may be sent; None = not before an acknowledgement."""
        watch = self.watches.get(stream)
        return watch.next_at if watch is not None and watch.room else None

    def acknowledge(
        self,
        stream: str,
        number: int,
        now: float,
        pace: Pace | None,
        transfer: float | None = None,
    ) -> Watch | None:
        """The frame was painted; so were, or were skipped by the viewer, all before it.

        Args:
            pace: when the stream has pictures; None = it is gone.
            transfer: seconds that its bytes took to arrive, as the viewer says.

        Returns:
            The watch, where this was news about what is watched now.

        Raises:
            MessageError: for a frame that was never sent.
        """
        watch = self.watches.get(stream)
        if watch is None or number > watch.sent:
            newest = max(self._ever_sent.get(stream, 0), watch.sent if watch is not None else 0)
            if number > newest:
                raise MessageError(
                    f"acknowledgement of frame {number} of {stream!r}, but the newest one sent is {newest}"
                )
            return None  # From before the stream was watched anew, or began anew: it was still under way.
        if not watch.in_flight:
            return None
        ladder = watch.ladder
        full = ladder is not None and not watch.room
        count, size, sent_at = watch.landed(number)
        if not sent_at or pace is None:
            return None
        took = now - sent_at
        watch.credit.acknowledged(now, took, pace.fps)
        if ladder is not None:
            ladder.acknowledged(now, size, took, transfer, count)
            if full and watch.room:
                due = max(watch.taken_at + 1 / (pace.fps * ladder.point.rate), pace.next_at)
                waited = now - min(due, watch.refused_at)
                if waited > 0:
                    ladder.held_up(now, waited, watch.credit.held_up() and watch.window is None)
        return watch

    def _remember(self, stream: str, number: int) -> None:
        known = self._ever_sent
        known[stream] = max(number, known.get(stream, 0))
        if len(known) > MOST_REMEMBERED:
            for name in [name for name in known if name not in self.watches][: MOST_REMEMBERED // 2]:
                del known[name]

"""A viewer: one watcher's credits and counts. No socket, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from envstream.encoder import Rung
from envstream.errors import MessageError
from envstream.pace import Rate


@dataclass
class Watch:
    """What a viewer wants of one stream, and how far it has got."""

    rung: Rung
    fps: float | None = None
    sent: int = 0
    posted: int = 0
    acknowledged: int = 0
    in_flight: list[int] = field(default_factory=list)
    next_at: float = float("-inf")


class Viewer:
    """Decides which frames one watcher may be sent. Pure: time is passed in.

    At most `window` frames of a stream are under way, unacknowledged: a slow viewer skips frames, it
    never falls behind.
    """

    def __init__(self, window: int = 2) -> None:
        self.window = window
        self.watches: dict[str, Watch] = {}
        self._ever_sent: dict[str, int] = {}  # Stream → highest number ever sent, for late acknowledgements.
        self.frames_sent = 0
        self.frames_skipped = 0
        self.bytes_sent = 0
        self.rate = Rate()
        self.reported: dict[str, float] = {}

    def watch(self, wanted: dict[str, Watch]) -> None:
        """Replace what is watched. The place in a stream that stays watched is kept."""
        for name, watch in wanted.items():
            before = self.watches.get(name)
            if before is not None:
                watch.sent, watch.posted, watch.acknowledged = before.sent, before.posted, before.acknowledged
                watch.in_flight = before.in_flight
        self.watches = wanted

    def ready_at(self, stream: str) -> float | None:
        """When the next frame of `stream` may be sent; None = not before an acknowledgement."""
        watch = self.watches.get(stream)
        if watch is None or len(watch.in_flight) >= self.window:
            return None
        return watch.next_at

    def take(self, stream: str, number: int, now: float) -> bool:
        """Reserve frame `number` for sending; False when it is not this viewer's turn or not news."""
        ready_at = self.ready_at(stream)
        if ready_at is None or ready_at > now:
            return False
        watch = self.watches[stream]
        if number <= watch.sent:
            return False
        if watch.sent:
            self.frames_skipped += number - watch.sent - 1
        watch.sent = number
        self._ever_sent[stream] = max(number, self._ever_sent.get(stream, 0))
        watch.in_flight.append(number)
        if watch.fps is not None:
            watch.next_at = max(watch.next_at, now - 0.5 / watch.fps) + 1.0 / watch.fps
        return True

    def sent(self, size: int, now: float) -> None:
        """A frame of `size` bytes was handed to the connection."""
        self.frames_sent += 1
        self.bytes_sent += size
        self.rate.add(now)

    def acknowledge(self, stream: str, number: int) -> None:
        """The frame was painted; so were, or were skipped by the viewer, all before it.

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
            return  # From before the stream was watched anew, or began anew: it was still under way.
        watch.acknowledged = max(watch.acknowledged, number)
        watch.in_flight = [pending for pending in watch.in_flight if pending > number]

    def due_to_be_sent(self, stream: str, number: int) -> bool:
        """Frame `number` is ready; False when a later one was sent meanwhile, or nobody wants it now."""
        watch = self.watches.get(stream)
        if watch is None or number == watch.posted:
            return False
        if number < watch.posted:
            self.give_back(stream, number)
            return False
        watch.posted = number
        return True

    def give_back(self, stream: str, number: int) -> None:
        """Frame `number` was reserved and will not be sent."""
        watch = self.watches.get(stream)
        if watch is not None and number in watch.in_flight:
            watch.in_flight.remove(number)

    def restart(self, stream: str) -> None:
        """The stream began anew: its frames are numbered from 1 again."""
        watch = self.watches.get(stream)
        if watch is not None:
            watch.sent, watch.posted, watch.acknowledged, watch.in_flight = 0, 0, 0, []

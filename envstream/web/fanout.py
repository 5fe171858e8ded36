"""The fan-out: which frame goes to which viewer, when, and when the trainer is asked for the next one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from envstream.hub import BOXES, EPISODES, Hub
from envstream.stream import Stream
from envstream.viewer import DECIDES_EVERY, Watch
from envstream.web.delivery import Delivery
from envstream.web.seat import Seat

SOON = 0.005  # Seconds within which a new frame is worth waiting for.


class Fanout:
    """Joins streams and seats. Lives on the event loop: nothing here is called from another thread."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self.loop = loop
        self.seats: set[Seat] = set()
        # In the order in which they came: an order by chance is the same all the time, for who is last in it.
        self._watching: dict[str, dict[Seat, None]] = {}
        self._timers: dict[str, tuple[float, asyncio.Handle]] = {}
        self._delivery = Delivery(hub, self._from_thread, self.drained)
        self.watched: Callable[[Stream], None] = lambda stream: None  # Others watch its episodes than before.

    # Seats come, change and go.

    def join(self, seat: Seat) -> bool:
        """Take a seat; False when all are taken."""
        if len(self.seats) >= self._hub.config.videoStreamMaxViewers:
            self._hub.refused += 1
            return False
        self.seats.add(seat)
        self._hub.viewers = len(self.seats)
        return True

    def leave(self, seat: Seat) -> None:
        seat.viewer.watch({})
        self.changed(seat)
        self.seats.discard(seat)
        self._hub.viewers = len(self.seats)

    def changed(self, seat: Seat) -> None:
        """The seat watches other streams than before."""
        wanted = seat.viewer.watches
        for name in [name for name, seats in self._watching.items() if seat in seats and name not in wanted]:
            del self._watching[name][seat]
            self._count(name)
        for name in wanted:
            self._watching.setdefault(name, {})[seat] = None
            self._count(name)
            stream = self._hub.get(name)
            if stream is not None:
                self.serve(stream, seat)

    def _count(self, name: str) -> None:
        seats = self._watching[name]
        if not seats:
            del self._watching[name]
        stream = self._hub.get(name)
        if stream is not None:
            stream.watched(len(seats))
            if not seats:
                self._cancel(name)
                self._unask(stream)
            if stream.plays is not None:
                self.watched(stream.plays)

    def _unask(self, stream: Stream) -> None:
        """Nobody waits for a picture of a stream any more; somebody may for the same with what was found."""
        stream.unask()
        base = self._hub.streams.get(stream.name.removesuffix(BOXES))
        for other in () if base is None else (base, base.drawn):
            if other is not None and other is not stream and other.asked:
                other.due[0] = other.bell[0] = 1

    # Frames come.

    def opened(self, stream: Stream) -> None:
        """A stream has begun, perhaps one of a name that was there before."""
        self._cancel(stream.name)
        self._delivery.forget(stream.name)
        seats = self._watching.get(stream.name, ())
        stream.watched(len(seats))
        stream.stages.begin_anew()
        for seat in seats:
            seat.viewer.restart(stream.name)
            self.serve(stream, seat)
        if stream.name + EPISODES in self._watching:
            played = self._hub.get(stream.name + EPISODES)
            if played is not None:
                self.opened(played)
                self.watched(stream)

        drawn = self._hub.get(stream.name + BOXES) if stream.name + BOXES in self._watching else None
        if drawn is not None:
            drawn.demanded = lambda: stream.demanded()  # Its publisher may say only later how to tell it.
            self.opened(drawn)

    def arrived(self, stream: Stream) -> None:
        """A stream has a new frame: everybody who has credit gets it."""
        frame = stream.buffer.newest()
        if frame is None:
            return
        now = time.monotonic()
        self._delivery.give(stream, frame, self._watching.get(stream.name, ()), now)
        self._ask_for_anyone(stream, now)

    def watches(self, stream: Stream) -> list[Watch]:
        """What those who watch a stream want of it, as it is or with what was found in it."""
        names = stream.name, stream.name + BOXES
        return [seat.viewer.watches[name] for name in names for seat in self._watching.get(name, ())]

    def tell(self, stream: Stream, text: str) -> None:
        """A text about a stream's pictures, for those who want to know what was found in them."""
        for seat in self._watching.get(stream.name, ()):
            if seat.viewer.watches[stream.name].boxes:
                seat.tell(text)

    def serve(self, stream: Stream, seat: Seat) -> None:
        """One seat may have become ready: send it what is new, or have a new frame taken."""
        watch = seat.viewer.watches.get(stream.name)
        if watch is not None:
            self._serve(stream, seat, watch, time.monotonic())

    def _serve(self, stream: Stream, seat: Seat, watch: Watch, now: float) -> None:
        frame = stream.buffer.newest()
        if frame is not None and frame.number > watch.sent and not self._about_to_come(stream, now):
            self._delivery.give(stream, frame, (seat,), now)
        if not stream.asked and watch.room:
            self._ask(stream, now, watch.next_at)

    def _about_to_come(self, stream: Stream, now: float) -> bool:
        """Whether a newer frame comes at once, for many: to compress an older one for one would delay it."""
        if len(self._watching.get(stream.name, ())) < 2:
            return False
        waiting = stream.waiting(now)
        return waiting < SOON if waiting is not None else 0 <= stream.pace.next_at - now < SOON

    def acknowledged(self, seat: Seat, name: str, number: int, transfer: float | None = None) -> None:
        """A viewer has painted a frame; `transfer`: seconds that its bytes took to arrive, as it says.

        Raises:
            MessageError: for a frame that was never sent.
        """
        now = time.monotonic()
        stream = self._hub.get(name)
        if stream is not None and not number % stream.stages.every:
            self._time(stream, seat, number, now, transfer)
        watch = seat.viewer.acknowledge(name, number, now, stream.pace if stream else None, transfer)
        if watch is None or stream is None:
            return
        if watch.ladder is not None and now - watch.decided_at >= DECIDES_EVERY:
            watch.decided_at = now
            why = watch.ladder.why
            if watch.ladder.decide(now) or watch.ladder.why != why:
                watch.aim = None
        self._serve(stream, seat, watch, now)

    def _time(self, stream: Stream, seat: Seat, number: int, now: float, transfer: float | None) -> None:
        """How long a picture took to a viewer, and until it was painted there; by what that one says."""
        watch = seat.viewer.watches.get(stream.name)
        size, sent_at = (0, 0.0) if watch is None else watch.in_flight.get(number, (0, 0.0))
        if size:
            took = now - sent_at
            stream.stages.acknowledged(number, took, transfer, now)
            timing = stream.timing
            if timing is None:
                return
            told = transfer is not None and 0 <= transfer <= took
            delivery = transfer if transfer is not None and told else took
            timing.add("delivery", delivery)
            if told:
                timing.add("paint", took - delivery)

    def drained(self, stream: Stream, seats: Iterable[Seat]) -> None:
        """Connections that do not acknowledge have taken what they were sent, or may have."""
        now, name = time.monotonic(), stream.name
        frame = stream.buffer.newest()
        behind, ready_at = [], None
        for seat in seats:
            watch = seat.viewer.watches.get(name)
            if watch is None or not watch.in_flight or not seat.pipe.free:
                continue
            watch.landed(watch.sent)
            if frame is not None and frame.number > watch.sent:
                behind.append(seat)
            ready_at = watch.next_at if ready_at is None else min(ready_at, watch.next_at)
        if frame is not None and behind:
            self._delivery.give(stream, frame, behind, now)
        if ready_at is not None:
            self._ask(stream, now, ready_at)

    def _from_thread(self, call: Callable[[], None]) -> None:
        try:
            self.loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # The loop has ended, and every seat with it.

    # Frames are asked for.

    def _ask_for_anyone(self, stream: Stream, now: float) -> None:
        earliest = None
        for seat in self._watching.get(stream.name, ()):
            at = seat.viewer.ready_at(stream.name)
            if at is not None and (earliest is None or at < earliest):
                earliest = at
                if at <= now:
                    break  # Nobody is readier than ready.
        if earliest is not None:
            self._ask(stream, now, earliest)

    def _ask(self, stream: Stream, now: float, ready_at: float) -> None:
        """Have a picture taken as soon as pace and the readiest viewer allow."""
        if stream.ended or stream.asked:
            return
        at = max(stream.pace.next_at, ready_at)
        if at <= now:
            self._cancel(stream.name)
            stream.ask(now)
            return
        # The moment is kept beside the timer: uvloop's timers for the next instant do not know theirs.
        planned = self._timers.get(stream.name)
        if planned is not None and planned[0] <= at + 1e-4:
            return
        self._cancel(stream.name)
        self._timers[stream.name] = at, self.loop.call_later(at - now, self._tick, stream)

    def _tick(self, stream: Stream) -> None:
        self._timers.pop(stream.name, None)
        if self._hub.get(stream.name) is stream:
            self._ask_for_anyone(stream, time.monotonic())

    def _cancel(self, name: str) -> None:
        planned = self._timers.pop(name, None)
        if planned is not None:
            planned[1].cancel()

    def revive(self) -> None:
        """Ask again where a capture was begun and gave nothing. Called about once a second."""
        now = time.monotonic()
        for name, seats in list(self._watching.items()):
            stream = self._hub.get(name)
            if stream is not None:
                frame = stream.buffer.newest()
                if frame is not None:  # For who waited for one that did not come.
                    self._delivery.give(stream, frame, seats, now)
                self._ask_for_anyone(stream, now)
                self._delivery.refine(stream, seats, now)
        self._delivery.tidy(now)

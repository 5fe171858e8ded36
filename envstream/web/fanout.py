"""The fan-out: which frame goes to which viewer, when, and when the trainer is asked for the next one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from envstream.encoder import Picture, Rung
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.stream import Stream
from envstream.viewer import Viewer


class Seat:
    """One connection's place: a viewer and the mailbox from which its connection sends."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.wants_status = False
        self._pictures: deque[Picture] = deque()
        self._texts: deque[str] = deque(maxlen=64)
        self._filled = asyncio.Event()

    def post(self, picture: Picture) -> None:
        self._pictures.append(picture)
        self._filled.set()

    def tell(self, text: str) -> None:
        self._texts.append(text)
        self._filled.set()

    async def collect(self) -> tuple[list[str], list[Picture]]:
        """What has come since the last call; waits until there is something."""
        await self._filled.wait()
        self._filled.clear()
        texts, pictures = list(self._texts), list(self._pictures)
        self._texts.clear()
        self._pictures.clear()
        return texts, pictures


class Fanout:
    """Joins streams and seats. Lives on the event loop: nothing here is called from another thread."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._loop = loop
        self.seats: set[Seat] = set()
        self._watching: dict[str, set[Seat]] = {}
        self._timers: dict[str, tuple[float, asyncio.Handle]] = {}

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
            self._watching[name].discard(seat)
            self._count(name)
        for name in wanted:
            self._watching.setdefault(name, set()).add(seat)
            self._count(name)
            stream = self._hub.streams.get(name)
            if stream is not None:
                self.serve(stream, seat)

    def _count(self, name: str) -> None:
        seats = self._watching[name]
        if not seats:
            del self._watching[name]
        stream = self._hub.streams.get(name)
        if stream is not None:
            stream.watched(len(seats))
            if not seats:
                self._cancel(name)
                stream.unask()

    # Frames come.

    def opened(self, stream: Stream) -> None:
        """A stream has begun, perhaps one of a name that was there before."""
        self._cancel(stream.name)
        seats = self._watching.get(stream.name, set())
        stream.watched(len(seats))
        for seat in seats:
            seat.viewer.restart(stream.name)
            self.serve(stream, seat)

    def arrived(self, stream: Stream) -> None:
        """A stream has a new frame: everybody who has credit gets it."""
        frame = stream.buffer.newest()
        if frame is None:
            return
        now = time.monotonic()
        groups: dict[Rung, list[Seat]] = {}
        for seat in self._watching.get(stream.name, ()):
            if seat.viewer.take(stream.name, frame.number, now):
                rung = seat.viewer.watches[stream.name].rung
                groups.setdefault(rung, []).append(seat)
        for rung, seats in groups.items():
            self._deliver(stream, frame, rung, seats)
        self._ask_for_anyone(stream, now)

    def serve(self, stream: Stream, seat: Seat) -> None:
        """One seat may have become ready: send it what is new, or have a new frame taken."""
        watch = seat.viewer.watches.get(stream.name)
        if watch is None:
            return
        now = time.monotonic()
        frame = stream.buffer.newest()
        if frame is not None and seat.viewer.take(stream.name, frame.number, now):
            self._deliver(stream, frame, watch.rung, [seat])
        ready_at = seat.viewer.ready_at(stream.name)
        if ready_at is not None:
            self._ask(stream, now, ready_at)

    def _deliver(self, stream: Stream, frame: Frame, rung: Rung, seats: list[Seat]) -> None:
        future = stream.encoder.picture(frame, rung)
        if future.done():
            self._post(stream, frame.number, future, seats)
        else:
            future.add_done_callback(
                lambda done: self._from_thread(lambda: self._post(stream, frame.number, done, seats))
            )

    def _from_thread(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # The loop has ended, and every seat with it.

    def _post(self, stream: Stream, number: int, future: Future[Picture], seats: list[Seat]) -> None:
        if self._hub.streams.get(stream.name) is not stream:
            return  # Begun anew meanwhile: its frames are other frames now.
        failed = future.cancelled() or future.exception() is not None
        if failed and not future.cancelled():
            stream.say(f"a picture could not be compressed: {future.exception()}")
        for seat in seats:
            if failed:
                seat.viewer.give_back(stream.name, number)
            elif seat.viewer.due_to_be_sent(stream.name, number):
                seat.post(future.result())

    # Frames are asked for.

    def _ask_for_anyone(self, stream: Stream, now: float) -> None:
        times = (seat.viewer.ready_at(stream.name) for seat in self._watching.get(stream.name, ()))
        earliest = min((at for at in times if at is not None), default=None)
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
        self._timers[stream.name] = at, self._loop.call_later(at - now, self._tick, stream)

    def _tick(self, stream: Stream) -> None:
        self._timers.pop(stream.name, None)
        if self._hub.streams.get(stream.name) is stream:
            self._ask_for_anyone(stream, time.monotonic())

    def _cancel(self, name: str) -> None:
        planned = self._timers.pop(name, None)
        if planned is not None:
            planned[1].cancel()

    def revive(self) -> None:
        """Ask again where a capture was begun and gave nothing. Called about once a second."""
        now = time.monotonic()
        for name in list(self._watching):
            stream = self._hub.streams.get(name)
            if stream is not None:
                self._ask_for_anyone(stream, now)

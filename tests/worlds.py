"""A fan-out without sockets: time, compression and viewers are played by the test."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from envstream.config import StreamConfig
from envstream.encoder import Rung
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.viewer import Viewer, Watch
from envstream.web.fanout import Fanout
from envstream.web.seat import Seat
from fakes import Mailbox

MakeFrame = Callable[..., Frame]


class Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """An event loop whose time is moved by the test."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.closed = False
        self._timers: list[Timer] = []
        self._soon: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[..., None], *args: Any) -> Timer:
        self._timers.append(Timer(self.now + delay, lambda: call(*args)))
        return self._timers[-1]

    def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self._soon.append(call)

    @property
    def timers(self) -> list[Timer]:
        return sorted((timer for timer in self._timers if not timer.cancelled), key=Timer.when)

    def advance(self, seconds: float = 0.0) -> None:
        end = self.now + seconds
        while self.timers and self.timers[0].at <= end:
            timer = self.timers[0]
            self._timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.call()
        self.now = end
        soon, self._soon = self._soon, []
        for call in soon:
            call()


class HandPool(ThreadPoolExecutor):
    """A pool whose work is done when the test says so, in the order it says."""

    def __init__(self) -> None:
        super().__init__(1)
        self.jobs: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.jobs.append((Future(), lambda: fn(*args, **kwargs)))
        return self.jobs[-1][0]

    def finish(self, index: int = 0) -> None:
        future, work = self.jobs.pop(index)
        future.set_result(work())


class World:
    """One hub with one stream, its fan-out, and viewers that the test plays."""

    def __init__(self, loop: Loop, frame: MakeFrame, **settings: Any) -> None:
        self.loop = loop
        self.pool = HandPool()
        self.hub = Hub(StreamConfig(videoFps=10, **settings), self.pool)
        self.fanout = Fanout(self.hub, loop)  # type: ignore[arg-type]
        self.stream = self.hub.open("env", "env", self.hub.config)
        self.fanout.opened(self.stream)
        self._frame = frame

    def seat(self, *names: str, window: int = 2, fps: float | None = None, rung: Rung = Rung()) -> Seat:  # noqa: B008
        seat = Seat(Viewer(), Mailbox())
        assert self.fanout.join(seat)
        self.watch(seat, *(names or ("env",)), fps=fps, rung=rung, window=window)
        return seat

    def watch(
        self,
        seat: Seat,
        *names: str,
        fps: float | None = None,
        rung: Rung = Rung(),  # noqa: B008
        window: int = 2,
    ) -> None:
        seat.viewer.watch({name: Watch(rung, fps, window=window) for name in names})
        self.fanout.changed(seat)

    def frame(self, number: int, cost: float = 0.0) -> None:
        """Frame `number` comes from the trainer; it is not compressed yet."""
        self.stream.put(self._frame(number, cost=cost), self.loop.now)
        self.stream.due[0] = 0
        self.fanout.arrived(self.stream)

    def show(self, number: int) -> None:
        """Frame `number` comes, and is compressed and handed out."""
        self.frame(number)
        self.compress()

    def compress(self) -> None:
        self.loop.advance()
        while self.pool.jobs:
            self.pool.finish()
            self.loop.advance()  # What comes of it may be more to compress.

    def acknowledge(self, seat: Seat, number: int) -> None:
        self.fanout.acknowledged(seat, "env", number)


def received(seat: Seat) -> list[int]:
    assert isinstance(seat.pipe, Mailbox)
    return seat.pipe.numbers()

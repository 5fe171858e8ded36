"""Links in a test's own time: a bottleneck with a buffer, pictures for it, and a server that sends them."""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from envstream.ladder import Ladder
from envstream.points import Point
from envstream.window import Floor, Window

Trace = list[tuple[float, float]]  # From when on, and what then holds.

MEGA = 1e6

# Bytes of a picture by its JPEG quality, relative to quality 85, measured: a drawn cart with a pole, a robot
# rendered over a chequered floor, and noise with the spectrum of photographs.
QUALITIES = (10, 30, 50, 60, 70, 75, 85, 90, 92, 95)
FLAT = (0.82, 0.89, 0.91, 0.92, 0.94, 0.96, 1.0, 1.05, 1.06, 1.13)
RENDERED = (0.29, 0.48, 0.60, 0.66, 0.75, 0.80, 1.0, 1.20, 1.30, 1.64)
PHOTO = (0.13, 0.29, 0.43, 0.50, 0.61, 0.68, 1.0, 1.34, 1.50, 2.03)


class Content:
    """How large the pictures of a stream are.

    Args:
        size: bytes of a picture at quality 85, on average.
        kind: how that follows quality.
        noise: how much pictures differ from each other (standard deviation of the logarithm).
        scenes: how much scenes do (half the range of the logarithm); one lasts 4 to 20 s.
        key: how many times larger the first picture of each point is, as of a video.
    """

    def __init__(
        self,
        size: float = 25_000,
        kind: tuple[float, ...] = RENDERED,
        *,
        noise: float = 0.05,
        scenes: float = 0.1,
        key: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.size, self.kind, self.noise, self.scenes, self.key = size, kind, noise, scenes, key
        self._random = random.Random(seed)
        self._scene, self._until = 0.0, 0.0
        self._before: tuple[int, float] | None = None

    def mean(self, point: Point) -> float:
        """Bytes of a picture at a point, on average."""
        kinds = pairwise(zip(QUALITIES, self.kind, strict=True))
        (q0, r0), (q1, r1) = next(pair for pair in kinds if pair[0][0] <= point.quality <= pair[1][0])
        share = (point.quality - q0) / (q1 - q0)
        return self.size * r0 ** (1 - share) * r1**share * point.size**1.6

    def picture(self, now: float, point: Point) -> int:
        """Bytes of the picture of this moment."""
        if now >= self._until:
            self._scene = self._random.uniform(-self.scenes, self.scenes)
            self._until = now + self._random.uniform(4, 20)
        key = 1.0 if self._before == (point.quality, point.size) else self.key
        self._before = point.quality, point.size
        return max(
            200, int(self.mean(point) * key * math.exp(self._scene + self._random.gauss(0, self.noise)))
        )


class Link:
    """A bottleneck behind a buffer that drops nothing, first in, first out.

    Args:
        bits: bits a second; or from when on how many.
        round_trip: seconds without anything in the way; or from when on how many.
        jitter: seconds that each way may take longer. What comes later never overtakes.
        paint: seconds that a page may take until it paints.
    """

    def __init__(
        self,
        bits: float | Trace,
        round_trip: float | Trace = 0.04,
        *,
        jitter: float = 0.0,
        paint: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.bits: Trace = bits if isinstance(bits, list) else [(0.0, bits)]
        self.round_trip: Trace = round_trip if isinstance(round_trip, list) else [(0.0, round_trip)]
        self.jitter, self.paint = jitter, paint
        self._random = random.Random(seed)
        self._free = self._arrived = self._answered = 0.0

    def send(self, now: float, size: int) -> tuple[float, float, float]:
        """When a picture is painted, when its acknowledgement is there, and how long its bytes took."""
        begun = at = max(now, self._free)
        left = 8.0 * size
        for end in [start for start, _ in self.bits[bisect_right(self.bits, (at, math.inf)) :]] + [math.inf]:
            bits = holds(self.bits, at)
            if left <= bits * (end - at):
                break
            left, at = left - bits * (end - at), end
        self._free = at = at + left / bits
        self._arrived = max(self._arrived, at + self._way(at))
        painted = self._arrived + self._random.uniform(0, self.paint)
        self._answered = max(self._answered, painted + self._way(painted))
        return painted, self._answered, at - begun

    def _way(self, now: float) -> float:
        return holds(self.round_trip, now) / 2 + self._random.uniform(0, self.jitter)


def holds(trace: Trace, now: float) -> float:
    """What holds at a moment."""
    return trace[bisect_right(trace, (now, math.inf)) - 1][1]


def wandering(seed: int, seconds: float, around: float, least: float = 0.3 * MEGA) -> Trace:
    """Bits a second as on a mobile phone: a random walk in steps of a quarter of a second."""
    chance, far, trace = random.Random(seed), 0.0, []
    for step in range(int(4 * seconds)):
        far = 0.97 * far + chance.gauss(0, 0.2)
        trace.append((step / 4, max(least, around * math.exp(far))))
    return trace


Hint = Callable[[float], "float | None"]


def honest(transfer: float) -> float | None:
    """What a page says of how long bytes took: how long they took."""
    return transfer


def silent(transfer: float) -> float | None:
    """A page that does not say."""
    return None


def boasting(transfer: float) -> float | None:
    """A page that says there was no time at all, as behind a tunnel that hands on whole pictures."""
    return 0.0


class Painted(NamedTuple):
    """A frame on a page: when it was painted, how old it was then, and its bytes."""

    at: float
    age: float
    size: int


@dataclass
class Viewer:
    """One stream on its way to one viewer, and what became of it."""

    ladder: Ladder
    content: Content
    window: Window = field(default_factory=Window)
    fps: float = 30.0
    hint: Hint = silent
    pauses: tuple[float, float] = (1.0, 0.0)  # Seconds that there are frames, and then that there are none.
    changes: list[tuple[float, int]] = field(default_factory=list)
    painted: list[Painted] = field(default_factory=list)
    sizes: list[tuple[float, int]] = field(default_factory=list)  # Of the window.
    flying: dict[int, tuple[float, int, float]] = field(default_factory=dict)
    taken_at: float = -math.inf
    next_at: float = 0.0
    decided_at: float = 0.0

    def due_at(self) -> float:
        """When there is another frame for it."""
        due = self.taken_at + 1 / (self.fps * self.ladder.point.rate)
        moving, still = self.pauses
        within = due % (moving + still) if math.isfinite(due) else 0.0
        return due if within < moving else due - within + moving + still

    def mean_fps(self, begin: float, end: float) -> float:
        """Frames a second that were painted."""
        return sum(begin <= frame.at < end for frame in self.painted) / (end - begin)

    def bitrate(self, begin: float, end: float) -> float:
        """Bits a second that came."""
        return 8 * sum(frame.size for frame in self.painted if begin <= frame.at < end) / (end - begin)

    def oldest(self, begin: float, end: float) -> float:
        """The greatest age of a frame when it was painted."""
        return max(frame.age for frame in self.painted if begin <= frame.at < end)

    def index(self, at: float) -> int:
        """Where on the ladder it stood."""
        return next((index for changed, index in reversed(self.changes) if changed <= at), 0)

    def changed(self, begin: float, end: float) -> list[float]:
        """When it changed its place."""
        return [at for at, _ in self.changes if begin <= at < end]


def run(link: Link, viewers: Iterable[Viewer], seconds: float) -> None:
    """Send to viewers that share a link, as the server does: each frame is made when one may go."""
    everyone = list(viewers)
    events = [(0.0, who, 0) for who in range(len(everyone))]  # Number 0: look whether a frame may go.
    while events and events[0][0] < seconds:
        now, who, number = heapq.heappop(events)
        viewer = everyone[who]
        if number:
            _answer(viewer, number, now)
        if len(viewer.flying) >= viewer.window.size:
            continue
        if now >= viewer.next_at:
            heapq.heappush(events, (_send(viewer, link, now), who, len(viewer.painted)))
        heapq.heappush(events, (viewer.next_at, who, 0))


def _answer(viewer: Viewer, number: int, now: float) -> None:
    full = len(viewer.flying) >= viewer.window.size
    sent, size, transfer = viewer.flying.pop(number)
    viewer.window.acknowledged(now, now - sent, viewer.fps)
    viewer.sizes.append((now, viewer.window.size))
    viewer.ladder.acknowledged(now, size, now - sent, viewer.hint(transfer))
    waited = now - viewer.due_at()
    if full and len(viewer.flying) < viewer.window.size and waited > 0:
        viewer.ladder.held_up(now, waited, viewer.window.held_up())
    if now - viewer.decided_at >= 0.25:
        viewer.decided_at = now
        if viewer.ladder.decide(now):
            viewer.changes.append((now, viewer.ladder.index))


def _send(viewer: Viewer, link: Link, now: float) -> float:
    viewer.ladder.taken(now)
    size = viewer.content.picture(now, viewer.ladder.point)
    painted, answered, transfer = link.send(now, size)
    viewer.painted.append(Painted(painted, painted - now, size))
    viewer.flying[len(viewer.painted)] = now, size, transfer
    period = 1 / (viewer.fps * viewer.ladder.point.rate)
    on_beat = max(viewer.next_at, now - period / 2) + period
    viewer.taken_at = now
    viewer.next_at = max(on_beat, viewer.due_at()) if viewer.due_at() > now + 1.01 * period else on_beat
    return answered


def watch(
    link: Link,
    points: tuple[Point, ...],
    content: Content | None = None,
    *,
    seconds: float = 60.0,
    target: float | None = None,
    hint: Hint = silent,
    fps: float = 30.0,
) -> Viewer:
    """One viewer of one stream, alone on a link."""
    viewer = Viewer(Ladder(points, target), content or Content(), fps=fps, hint=hint)
    run(link, [viewer], seconds)
    return viewer


def sharing(count: int, points: tuple[Point, ...], content: Callable[[int], Content]) -> list[Viewer]:
    """Several streams on one page: one connection."""
    floor = Floor()
    return [Viewer(Ladder(points), content(number), Window(floor)) for number in range(count)]

"""Delivery: which picture of a frame each seat is sent: at what quality, as JPEG or H.264, or none at all."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple

from envstream import codec
from envstream.chain import Chain, ChainKey
from envstream.encoder import Picture, Rung
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.points import Point
from envstream.stream import Stream
from envstream.track import Track
from envstream.viewer import Watch
from envstream.web.messages import rung_text, still_text
from envstream.web.pipes import Parcel
from envstream.web.seat import Seat

STILL_AFTER = 0.7  # Seconds that a picture has to stand before it is sent once more, at best quality.
HEARTBEAT = 0.5  # Seconds between two words that the picture on show is still what there is.
IDLE_CHAIN = 5.0  # Seconds after which an encoder that nobody uses is let go of.
MOST_AIMS = 1024  # Kept so that viewers share them: what they may choose is bounded, how often is not.

Settled = Callable[[Stream, list[Seat]], None]  # A picture went out to who do not acknowledge; see Fanout.
OnLoop = Callable[[Callable[[], None]], None]  # Has something called on the event loop, from any thread.


class Aim(NamedTuple):
    """What a viewer is sent of a stream at present: the same object for all who are sent the same.

    Attributes:
        fps: pictures a second that it is to have at most; None = all there are.
        chain: whose H.264 pictures it gets; None = pictures that stand for themselves.
        point, auto, why: its place on the ladder, whether that is the ladder's doing, and what limits it.
        edition, width, height: the stream's, when this was found.
    """

    rung: Rung
    fps: float | None
    chain: ChainKey | None
    point: Point
    auto: bool
    why: str | None
    edition: int
    width: int
    height: int


class Line:
    """One H.264 encoder with the chain of its pictures."""

    def __init__(self, chain: Chain, track: Track) -> None:
        self.chain = chain
        self.track = track


class Delivery:
    """Hands frames to seats. Lives on the event loop; encoding is the pool's business."""

    def __init__(self, hub: Hub, on_loop: OnLoop, settled: Settled) -> None:
        self._hub = hub
        self._on_loop = on_loop
        self._settled = settled
        self._lines: dict[str, dict[ChainKey, Line]] = {}
        self._numbers = itertools.count(1)
        self._aims: dict[Aim, Aim] = {}

    def give(self, stream: Stream, frame: Frame, seats: Iterable[Seat], now: float) -> None:
        """A frame for those of the seats whose turn it is."""
        name, number, content = stream.name, frame.number, frame.content
        edition, width, height = stream.edition, frame.width, frame.height
        groups: dict[int, tuple[Aim, list[Seat]]] = {}  # By identity: aims are shared, and long to compare.
        still: str | None = None
        for seat in seats:
            watch = seat.viewer.watches[name]
            if number <= watch.sent:
                continue
            aim: Any = watch.aim
            if aim is None or aim.edition != edition or aim.width != width or aim.height != height:
                aim = watch.aim = self._aim(stream, frame, watch)
            if content <= watch.shown:
                if now - watch.told_at >= HEARTBEAT:
                    watch.told_at = now
                    still = still or still_text(stream.name, frame)
                    seat.tell(still)
                continue
            if aim.chain is None:
                if watch.next_at > now or not watch.has_room(now, seat.pipe.free):
                    continue
                watch.reserve(number, now, aim.fps)
                watch.shown, watch.linked = content, None
            group = groups.get(id(aim))
            if group is None:
                groups[id(aim)] = aim, [seat]
            else:
                group[1].append(seat)
        rungs: dict[Rung, list[Seat]] = {}
        chained: dict[ChainKey, list[Seat]] = {}
        for aim, group_seats in groups.values():
            if aim.chain is not None:
                chained.setdefault(aim.chain, []).extend(group_seats)
            else:
                rungs.setdefault(aim.rung, []).extend(group_seats)
        for key, group_seats in chained.items():
            self._link(stream, frame, key, group_seats, now)
        # The largest first: who is alone on a rung is not waited for.
        self._send_in_turn(stream, frame, sorted(rungs.items(), key=lambda group: -len(group[1])))

    def refine(self, stream: Stream, seats: Iterable[Seat], now: float) -> None:
        """Where nothing moves any more: the picture on show once more, as good as it can be."""
        frame = stream.buffer.newest()
        if frame is None or now - stream.moved_at < STILL_AFTER:
            return
        best = stream.config.videoStreamMaxQuality
        rungs: dict[Rung, list[Seat]] = {}
        for seat in seats:
            watch = seat.viewer.watches[stream.name]
            wants = watch.quality is None and seat.pipe.acknowledges and stream.config.videoStreamAdaptive
            seen = watch.shown >= frame.content and not watch.in_flight and watch.shown_quality < best
            if wants and seen and seat.pipe.free:
                watch.shown_quality = best  # Also where it fails: it is tried once.
                watch.reserve(frame.number, now)
                watch.shown = frame.content
                rungs.setdefault(watch.rung._replace(quality=best), []).append(seat)
        self._send_in_turn(stream, frame, list(rungs.items()))

    def forget(self, name: str) -> None:
        """A stream has ended or begun anew: its encoders are let go of."""
        for line in self._lines.pop(name, {}).values():
            line.track.close()

    def tidy(self, now: float) -> None:
        """Let go of encoders that nobody has used for a while."""
        for name, lines in list(self._lines.items()):
            for key, line in list(lines.items()):
                if now - line.chain.used_at > IDLE_CHAIN:
                    lines.pop(key).track.close()
            if not lines:
                del self._lines[name]

    def _link(self, stream: Stream, frame: Frame, key: ChainKey, seats: list[Seat], now: float) -> None:
        """The next picture of a chain: for those who have all before it, or, a key picture, for all."""
        lines = self._lines.setdefault(stream.name, {})
        line = lines.get(key)
        if line is None:
            number = next(self._numbers)
            quality = key.rung.quality or stream.config.preset.compression
            track = Track(number, self._hub.pool, key.fps, quality, key.full_colour)
            line = lines[key] = Line(Chain(number, key.fps, used_at=now), track)
        chain = line.chain
        if not chain.due(now):
            return
        name = stream.name
        able = [s for s in seats if s.viewer.watches[name].has_room(now, s.pipe.free)]
        linked = [seat for seat in able if seat.viewer.watches[name].linked == chain.here]
        begins = len(linked) < len(able) and chain.may_begin_anew(now)
        takers = able if begins else linked
        if not takers:
            return
        chain.go_on(now, begins)
        here = chain.here
        for seat in takers:
            watch = seat.viewer.watches[name]
            watch.reserve(frame.number, now)
            watch.shown, watch.linked = frame.content, here
        future = stream.encoder.next_of(line.track, frame, key.rung, begins, len(takers))
        self._post_when_made(stream, frame, future, takers)

    def _send_in_turn(self, stream: Stream, frame: Frame, groups: Sequence[tuple[Rung, list[Seat]]]) -> None:
        """Compress and send for one group after the other: meanwhile nothing else is compressed."""
        if groups:
            (rung, seats), *others = groups
            future = stream.encoder.picture(frame, rung, len(seats))
            self._post_when_made(
                stream, frame, future, seats, lambda: self._send_in_turn(stream, frame, others)
            )

    def _post_when_made(
        self,
        stream: Stream,
        frame: Frame,
        future: Future[Picture],
        seats: list[Seat],
        after: Callable[[], None] | None = None,
    ) -> None:
        def post(made: Future[Picture]) -> None:
            self._post(stream, frame, made, seats)
            if after is not None:
                after()

        if future.done():
            post(future)
        else:  # A future keeps what it calls: were it held by that, both would wait for the collector.
            future.add_done_callback(lambda done: self._on_loop(partial(post, done)))

    def _post(self, stream: Stream, frame: Frame, future: Future[Picture], seats: list[Seat]) -> None:
        if self._hub.get(stream.name) is not stream:
            return  # Begun anew meanwhile: its frames are other frames now.
        if future.cancelled() or future.exception() is not None:
            self._failed(stream, frame, future, seats)
            return
        now = time.monotonic()
        picture = future.result().of(frame)
        parcel = Parcel(picture, now)
        name, number, size = stream.name, frame.number, len(picture.data)
        quality = picture.quality or 100  # Without loss there is none better.
        sent, settled = 0, []
        for seat in seats:
            watch = seat.viewer.watches.get(name)
            if watch is None or not watch.post(number, size, now):
                continue
            watch.shown_quality = quality
            seat.pipe.post(parcel)
            sent += 1
            if watch.said != (watch.aim, picture.format):
                self._say_rung(stream, seat, watch, picture)
            if not seat.pipe.acknowledges:
                settled.append(seat)
        if sent:
            stream.shown(picture, now, sent)
            self._remember(stream, picture)
        if settled:
            self._settled(stream, settled)

    def _remember(self, stream: Stream, picture: Picture) -> None:
        """Keep what was shown for replay. What builds on other pictures is kept as one that does not."""
        if stream.plays is not None:
            return  # Its episodes are kept as they are.
        if picture.format != "h264":
            stream.replay.add(picture)
        elif stream.replay.lacks(picture.frame.number):
            rung = Rung("auto", picture.quality or stream.points[0].quality, None, 1)
            made = stream.encoder.picture(picture.frame, rung)
            made.add_done_callback(lambda done: self._on_loop(lambda: _kept(stream, done)))

    def _failed(self, stream: Stream, frame: Frame, future: Future[Picture], seats: list[Seat]) -> None:
        for seat in seats:
            watch = seat.viewer.watches.get(stream.name)
            if watch is not None:
                watch.give_back(frame.number)
                watch.linked, watch.shown = None, 0
        if future.cancelled():
            return
        if any(line.track.failed for line in self._lines.get(stream.name, {}).values()):
            stream.give_up_video()
            self.forget(stream.name)
            why = f"H.264 cannot be made here ({future.exception()}); JPEG is sent instead"
            stream.notices.say(why, "delivery", lasting=True)
        else:
            stream.notices.say(f"a picture could not be compressed: {future.exception()}", "delivery")

    def _say_rung(self, stream: Stream, seat: Seat, watch: Watch, picture: Picture) -> None:
        """Tell a viewer its place on the ladder, when that is another than before."""
        aim: Any = watch.aim
        if aim is None or (picture.quality or 0) > aim.point.quality:
            return  # The one picture of what stands still: no place on the ladder.
        watch.said = aim, picture.format
        window = watch.window or watch.credit.size
        fps = aim.fps or stream.pace.fps
        seat.tell(rung_text(stream.name, picture, fps, aim.point.size, aim.auto, aim.why, window))

    def _aim(self, stream: Stream, frame: Frame, watch: Watch) -> Aim:
        """What a viewer is to be sent."""
        fixed, why, ladder = watch.quality, None, None
        if fixed is not None:
            point = Point(fixed, 1.0, 1.0)
        else:
            ladder = watch.climb(stream.points, stream.target)
            point, why = ladder.point, ladder.why
        fps = watch.fps
        if point.rate != 1:
            fps = min(fps or stream.pace.fps, stream.pace.fps * point.rate)
        width, height = frame.width, frame.height
        widest = watch.rung.max_width
        if point.size != 1:
            widest = min(widest or width, max(16, round(width * point.size)))
        rung = watch.rung._replace(quality=point.quality, max_width=widest)
        chain = None
        # What came as it is wanted is there sooner as it is, for as long as the link carries it.
        as_it_came = ladder is not None and not ladder.fell and stream.encoder.has(frame, rung)
        if watch.video and rung.format == "auto" and stream.video and not as_it_came:
            full = watch.full_colour and frame.source is None and codec.is_pixel_art(frame.pixels)
            chain = ChainKey(rung._replace(format="h264"), fps or stream.pace.fps, width, height, full)
        aim = Aim(rung, fps, chain, point, fixed is None, why, stream.edition, width, height)
        if len(self._aims) >= MOST_AIMS:
            self._aims.clear()
        return self._aims.setdefault(aim, aim)


def _kept(stream: Stream, made: Future[Picture]) -> None:
    if not made.cancelled() and made.exception() is None:
        stream.replay.add(made.result())

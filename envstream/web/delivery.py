"""Delivery: which picture of a frame each seat is sent: at what quality, as JPEG or H.264, or none at all."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from envstream.chain import Chain, ChainKey
from envstream.encoder import Picture, Rung
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.ladder import Point
from envstream.stream import Stream
from envstream.track import Track
from envstream.viewer import Watch
from envstream.web.pipes import Parcel
from envstream.web.seat import Seat
from envstream.wire import compact

STILL_AFTER = 0.7  # Seconds that a picture has to stand before it is sent once more, at best quality.
HEARTBEAT = 0.5  # Seconds between two words that the picture on show is still what there is.
IDLE_CHAIN = 5.0  # Seconds after which an encoder that nobody uses is let go of.

Settled = Callable[[Stream, Seat], None]  # A picture went out to who does not acknowledge; see Fanout.
OnLoop = Callable[[Callable[[], None]], None]  # Has something called on the event loop, from any thread.


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

    def give(self, stream: Stream, frame: Frame, seats: Iterable[Seat], now: float) -> None:
        """A frame for those of the seats whose turn it is."""
        name = stream.name
        rungs: dict[Rung, list[Seat]] = {}
        chained: dict[ChainKey, list[Seat]] = {}
        known: dict[tuple[Rung, Point], Rung] = {}
        still: str | None = None
        for seat in seats:
            watch = seat.viewer.watches[name]
            if frame.number <= watch.sent:
                continue
            point = place(stream, watch)
            if frame.content <= watch.shown:
                if now - watch.told_at >= HEARTBEAT:
                    watch.told_at = now
                    still = still or _still(stream, frame)
                    seat.tell(still)
                continue
            fps = _rate(stream, watch, point)
            rung = known.get((watch.rung, point))
            if rung is None:
                rung = known[watch.rung, point] = _rung(frame, watch, point)
            if watch.video and watch.rung.format == "auto" and stream.video:
                key = ChainKey(
                    rung._replace(format="h264"), fps or stream.pace.fps, frame.width, frame.height
                )
                chained.setdefault(key, []).append(seat)
            elif watch.next_at <= now and seat.viewer.has_room(watch, now, seat.pipe.free):
                seat.viewer.reserve(name, frame.number, frame.captured, now)
                watch.linked = None
                if fps is not None:
                    watch.keep_time(fps, now)
                rungs.setdefault(rung, []).append(seat)
        for rung, group in rungs.items():
            self._send(stream, frame, stream.encoder.picture(frame, rung, len(group)), group)
        for key, group in chained.items():
            self._link(stream, frame, key, group, now)

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
                seat.viewer.reserve(stream.name, frame.number, frame.captured, now)
                rungs.setdefault(watch.rung._replace(quality=best), []).append(seat)
        for rung, group in rungs.items():
            self._send(stream, frame, stream.encoder.picture(frame, rung, len(group)), group)

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
            track = Track(number, self._hub.pool, key.fps, quality)
            line = lines[key] = Line(Chain(number, key.fps, used_at=now), track)
        chain = line.chain
        if not chain.due(now):
            return
        name = stream.name
        able = [s for s in seats if s.viewer.has_room(s.viewer.watches[name], now, s.pipe.free)]
        linked = [seat for seat in able if seat.viewer.watches[name].linked == chain.here]
        begins = len(linked) < len(able) and chain.may_begin_anew(now)
        takers = able if begins else linked
        if not takers:
            return
        chain.go_on(now, begins)
        for seat in takers:
            seat.viewer.reserve(name, frame.number, frame.captured, now)
            seat.viewer.watches[name].linked = chain.here
        future = stream.encoder.next_of(line.track, frame, key.rung, begins, len(takers))
        self._send(stream, frame, future, takers)

    def _send(self, stream: Stream, frame: Frame, future: Future[Picture], seats: list[Seat]) -> None:
        for seat in seats:
            seat.viewer.watches[stream.name].shown = frame.content
        if future.done():
            self._post(stream, frame, future, seats)
        else:
            future.add_done_callback(
                lambda done: self._on_loop(lambda: self._post(stream, frame, done, seats))
            )

    def _post(self, stream: Stream, frame: Frame, future: Future[Picture], seats: list[Seat]) -> None:
        if self._hub.streams.get(stream.name) is not stream:
            return  # Begun anew meanwhile: its frames are other frames now.
        if future.cancelled() or future.exception() is not None:
            self._failed(stream, frame, future, seats)
            return
        now = time.monotonic()
        picture = future.result().of(frame)
        parcel = Parcel(picture, now)
        size = len(picture.data)
        for seat in seats:
            if not seat.viewer.due_to_be_sent(stream.name, frame.number):
                continue
            watch = seat.viewer.watches[stream.name]
            watch.shown_quality = (
                max(watch.shown_quality, 100) if picture.quality is None else picture.quality
            )
            seat.pipe.post(parcel)
            seat.viewer.sent(stream.name, frame.number, size, now)
            stream.shown(picture, now)
            self._say_rung(stream, seat, watch, picture)
            if not seat.pipe.acknowledges:
                self._settled(stream, seat)

    def _failed(self, stream: Stream, frame: Frame, future: Future[Picture], seats: list[Seat]) -> None:
        for seat in seats:
            watch = seat.viewer.watches.get(stream.name)
            if watch is not None:
                seat.viewer.give_back(stream.name, frame.number)
                watch.linked, watch.shown = None, 0
        if future.cancelled():
            return
        if any(line.track.failed for line in self._lines.get(stream.name, {}).values()):
            stream.video = False
            self.forget(stream.name)
            stream.say(
                f"H.264 cannot be made here ({future.exception()}); JPEG is sent instead", lasting=True
            )
        else:
            stream.say(f"a picture could not be compressed: {future.exception()}")

    def _say_rung(self, stream: Stream, seat: Seat, watch: Watch, picture: Picture) -> None:
        """Tell a viewer its place on the ladder, when that is another than before."""
        ladder = watch.ladder if watch.quality is None else None
        if ladder is not None and picture.quality is not None and picture.quality > ladder.points[0].quality:
            return  # The one picture of what stands still: no place on the ladder.
        point = place(stream, watch)
        fps = _rate(stream, watch, point) or stream.pace.fps
        why = ladder.why if ladder is not None else None
        said = (picture.format, picture.quality, round(fps, 2), point.size, why, watch.quality is None)
        if said == watch.said:
            return
        watch.said = said
        message = {
            "type": "rung",
            "stream": stream.name,
            "quality": picture.quality,
            "fps": round(fps, 2),
            "size": point.size,
            "auto": watch.quality is None,
            "why": why,
            "codec": picture.format,
            "window": watch.window or watch.credit.size,
        }
        seat.tell(compact(message))


def place(stream: Stream, watch: Watch) -> Point:
    """Where on the ladder a viewer stands, or what it fixed by hand."""
    if watch.quality is not None:
        return Point(watch.quality, 1.0, 1.0)
    return watch.climb(stream.points, stream.target).point


def _rate(stream: Stream, watch: Watch, point: Point) -> float | None:
    """Pictures a second that a viewer is to have at most; None = all there are."""
    fps = None if point.rate == 1 else stream.pace.fps * point.rate
    if watch.fps is None or fps is None:
        return watch.fps or fps
    return min(watch.fps, fps)


def _rung(frame: Frame, watch: Watch, point: Point) -> Rung:
    width = watch.rung.max_width
    if point.size != 1:
        width = min(width or frame.width, max(16, round(frame.width * point.size)))
    return watch.rung._replace(quality=point.quality, max_width=width)


def _still(stream: Stream, frame: Frame) -> str:
    about = {"stream": stream.name, "frameNumber": frame.number, "timestamp": frame.captured}
    return compact({"type": "still", **about, **frame.info})

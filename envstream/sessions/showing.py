"""Showing: what a publisher sends, as pictures on the page; decoded only while somebody looks."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from envstream.decoder import VideoDecoder, pixels_of
from envstream.frame import Frame, Pixels, Source
from envstream.lane import Lane
from envstream.sent import SentFrame
from envstream.sessions import jpeg
from envstream.sessions.arrival import Arrival
from envstream.stream import Stream

MOST_WAITING = 4  # Pictures that wait to be decoded; of more, the newest are left out.
OLDEST = 3600.0  # Seconds before now that a publisher may say a picture was taken.
SKEW = 0.1  # Seconds by which a publisher may take our clock for later than it is.


class Showing:
    """Turns what arrives into the frames of a stream. Lives on the event loop; a lane does the decoding.

    Shown are the first picture, the last, and between them what viewers are sent. A JPEG is passed on as it
    came, others are decoded. Those of H.264 build on each other: there, while somebody watches, each is
    decoded from a key picture on.

    Args:
        shown: called on the event loop when the stream has a new frame.
        on_loop: has something called on the event loop, from any thread.
        clock: seconds, as in what is passed as `now`.
    """

    def __init__(
        self,
        stream: Stream,
        lane: Lane,
        on_loop: Callable[[Callable[[], None]], None],
        shown: Callable[[Stream], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream
        self._lane = lane
        self._on_loop = on_loop
        self._shown = shown
        self._clock = clock
        self._decoder: VideoDecoder | None = None
        self._next = 0  # The number that the decoder goes on with.
        self._newest = 0  # Of the newest picture that came.
        self._decoding = 0  # Pictures that are still to be put.
        self._last: Arrival | None = None  # The newest one, where it was not decoded.

    def take(self, arrival: Arrival, now: float) -> None:
        """A picture came."""
        total = arrival.info.get("totalSteps")
        if isinstance(total, int) and not isinstance(total, bool):
            self.stream.note_steps(now, total)
        if arrival.number <= self._newest:
            return  # Late: a newer one came before.
        self._newest = arrival.number
        self._time(arrival, now)
        if arrival.encoding == "h264":
            self._follow(arrival, now)
            return
        if arrival.number == self._next:
            self._next += 1  # H.264 goes on behind it.
        if self._wanted(now) and len(self._lane) < MOST_WAITING:
            self._show(arrival, now)
        else:
            self._last = arrival

    def _time(self, arrival: Arrival, now: float) -> None:
        """How long a picture took until it was here, where somebody wants to know."""
        timing, took = self.stream.timing, arrival.info.get("captureMs", 0)
        if timing is None or isinstance(took, bool) or not isinstance(took, (int, float)):
            return
        capture = took / 1000
        if "captureMs" in arrival.info:
            timing.add("capture", capture)
        if arrival.captured is not None:
            upload = now - arrival.captured - capture
            timing.add("upload", max(0.0, upload) if upload > -SKEW else upload)

    def told(self, message: Mapping[str, Any], now: float) -> None:
        """What a live publisher says beside its pictures: see `status` in the protocol."""
        stream, total, still = self.stream, message.get("totalSteps"), message.get("still")
        if total is not None:
            stream.note_steps(now, total)
        for number, steps, total_return in message.get("episodes", ()):
            stream.episodes.add(number, steps, total_return)
        if "trainerCost" in message:
            stream.said["trainerCost"] = message["trainerCost"]
        if "message" in message:
            stream.notices.say(message["message"] or "", "publisher", lasting=True)
        if still is not None:
            self.again(still.get("captured"), now)

    @property
    def demand(self) -> dict[str, Any]:
        """What is looked at, as a live publisher is told of it."""
        stream = self.stream
        about = {"fps": stream.pace.fps, "width": None, "quality": stream.quality}
        return {"type": "demand", "watched": stream.looked_at > 0, **about}

    def again(self, captured: float | None, now: float) -> None:
        """The publisher's picture is still what there is."""
        frame = self.stream.buffer.newest()
        if frame is not None and self.stream.looked_at:
            stream = self.stream
            stream.put(frame.again(stream.buffer.received + 1, when(captured, now)), now)
            self._shown(stream)

    def finish(self, now: float) -> None:
        """No further picture comes; the last one stays."""
        last, self._last, self._decoder = self._last, None, None
        if last is not None:
            self._show(last, now)
        self._lane.submit(lambda: None).add_done_callback(lambda done: self._on_loop(self.stream.finish))

    def _wanted(self, now: float) -> bool:
        """Whether the next picture is to be decoded: the first, and then as many as viewers get."""
        stream = self.stream
        if stream.buffer.newest() is None and not len(self._lane):
            return True
        return stream.looked_at > 0 and (stream.asked or stream.pace.next_at <= now)

    def _follow(self, arrival: Arrival, now: float) -> None:
        """The next H.264 picture: decoded while somebody watches, and where nothing before it is missing."""
        goes_on = self._decoder is not None and arrival.number == self._next
        first = self.stream.buffer.newest() is None
        if not (self.stream.looked_at or first) or len(self._lane) >= 8 * MOST_WAITING:
            self._decoder = None
            return
        if not goes_on:
            self._decoder = VideoDecoder() if arrival.key else None
        if self._decoder is not None:
            self._next = arrival.number + 1
            self._submit(partial(self._decoder.decode, arrival.data), arrival, now)

    def _show(self, arrival: Arrival, now: float) -> None:
        """Show a picture that stands for itself: as it came, where it can be passed on so."""
        source = None
        # Not past those that are still decoded; and processors want pixels.
        if arrival.encoding == "jpeg" and not self._decoding and not self.stream.processors:
            source = source_of(arrival.data)
        if source is None:
            self._submit(partial(pixels_of, arrival), arrival, now)
            return
        self._taken(now)
        number, captured = self.stream.buffer.received + 1, when(arrival.captured, now)
        size = arrival.width, arrival.height
        self._put(SentFrame(source, *size, number, captured, arrival.info), now, self._clock())

    def _submit(self, make: Callable[[], Pixels | None], arrival: Arrival, now: float) -> None:
        self._taken(now)
        self._decoding += 1
        future = self._lane.submit(make)
        moment, info = when(arrival.captured, now), arrival.info
        future.add_done_callback(lambda done: self._on_loop(partial(self._made, done, moment, info, now)))

    def _taken(self, now: float) -> None:
        """A picture is on its way to be shown."""
        self._last = None
        if not self.stream.asked:
            self.stream.pace.asked(now)

    def _made(
        self, done: Future[Pixels | None], captured: float, info: Mapping[str, Any], now: float
    ) -> None:
        self._decoding -= 1
        error = done.exception()
        if error is not None:
            self.stream.notices.say(f"a picture of the publisher cannot be decoded ({error})", "showing")
            return
        pixels, number = done.result(), self.stream.buffer.received + 1
        if pixels is not None:
            self._put(Frame(pixels, number, captured, 0.0, info), now, self._clock())

    def _put(self, frame: Frame, came: float, now: float) -> None:
        if self.stream.timing is not None:
            self.stream.timing.add("queue", now - came)
        self.stream.put(frame, came)
        self._shown(self.stream)


def source_of(data: bytes) -> Source | None:
    """A JPEG that can be passed on as it is; None: it is to be decoded."""
    try:
        quality = jpeg.quality(data)
    except (ValueError, struct.error):
        return None
    return None if quality is None else Source(data, quality)


def when(captured: float | None, now: float) -> float:
    """When a picture was taken, on this machine's clock: what the publisher says where that can be."""
    return now if captured is None or not now - OLDEST <= captured <= now else captured

"""Lookouts: what is found in the pictures of streams that somebody looks at, as data and drawn into them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from envstream.config import StreamConfig
from envstream.detection.adaption import Adaption, within
from envstream.detection.boxes import Box
from envstream.detection.detector import Detector, Lookout
from envstream.detection.drawing import draw
from envstream.detection.models import SHIPPED, load
from envstream.errors import PictureError
from envstream.frame import Frame, Pixels
from envstream.hub import Hub
from envstream.lane import Lane
from envstream.stream import Say, Stream
from envstream.web.fanout import Fanout
from envstream.wire import compact

MOST = 8  # Streams that are looked into at one time: each has a model of its own.
# Pictures whose time is known until what is in them is found; a model may take many seconds.
REMEMBERED = 4096
FRESH = 1.0  # Seconds after which what was found is drawn no more.
PATIENCE = 2.0  # Seconds that pictures with what was found wait until something was looked for at all.
FULL = f"{MOST} streams are looked into already; in the pictures of others nothing is looked for"


class Watching:
    """One stream that is looked into."""

    def __init__(self, stream: Stream, lane: Lane, now: float) -> None:
        self.stream = stream
        self.lane = lane  # Draws.
        self.begun = now
        self.lookout: Lookout | None = None
        self.problem: str | None = None
        self.offered: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)
        self.boxes: list[Box] = []
        self.captured = float("-inf")  # When the picture was taken that they are in.
        self.count = 0
        self.closed = False

    def waits(self, now: float) -> bool:
        """Whether the first look is still to be waited for."""
        return not self.count and self.problem is None and now - self.begun < PATIENCE

    def offer(self, frame: Frame) -> None:
        """The newest frame."""
        if self.lookout is not None:
            self.offered.append((frame.number, frame.captured))
            self.lookout.offer(frame)

    def taken(self, number: int) -> float | None:
        """When a frame was taken that was offered; it and those before it are forgotten."""
        while self.offered and self.offered[0][0] < number:
            self.offered.popleft()
        return self.offered.popleft()[1] if self.offered and self.offered[0][0] == number else None


class Lookouts:
    """Has streams looked into while somebody watches. Lives on the event loop.

    Args:
        say: tells of a problem with a stream.
    """

    def __init__(
        self,
        hub: Hub,
        fanout: Fanout,
        on_loop: Callable[[Callable[[], None]], None],
        say: Say,
    ) -> None:
        self._hub = hub
        self._fanout = fanout
        self._on_loop = on_loop
        self._say = say
        self._watching: dict[Stream, Watching] = {}
        self._broken: dict[str, str] = {}  # What was to be used, and why it cannot be.
        self._closed = False

    def arrived(self, stream: Stream, now: float) -> None:
        """A stream has a new frame."""
        frame = stream.buffer.newest() if stream.looked_at else None
        if frame is None:
            return
        watching = self._watching.get(stream) or self._begin(stream, now)
        if watching is not None:
            watching.offer(frame)
        if watching is None or not watching.waits(now):
            self._show(stream, frame, watching, now)

    def said(self, stream: Stream) -> dict[str, Any] | None:
        """How it goes with a stream, for JSON; None where nothing is looked for."""
        watching, wanted = self._watching.get(stream), stream.config.videoStreamDetect
        if watching is not None and watching.lookout is not None:
            return {**watching.lookout.detector.said(), "problem": watching.problem}
        problem = self._broken.get(wanted or "")
        if watching is None and wanted is not None and stream.looked_at and len(self._watching) >= MOST:
            problem = problem or FULL
        return None if problem is None else {"problem": problem}

    def tidy(self) -> None:
        """Let go of what nobody looks at. Called about once a second."""
        for stream in list(self._watching):
            if stream.ended or not stream.looked_at or self._hub.streams.get(stream.name) is not stream:
                self._end(self._watching.pop(stream))
                self._say(stream, "", "lookouts")  # The next model may work.
        for stream in list(self._hub.streams.values()):
            drawn = stream.drawn
            if drawn is not None and self._hub.get(drawn.name) is drawn:  # It asks where its stream does now.
                drawn.missed(stream.failures)

    def close(self) -> None:
        """The server ends."""
        self._closed = True
        for watching in self._watching.values():
            self._end(watching)
        self._watching.clear()

    # Models.

    def _begin(self, stream: Stream, now: float) -> Watching | None:
        wanted = stream.config.videoStreamDetect
        if wanted is None or self._closed or len(self._watching) >= MOST:
            return None
        watching = self._watching[stream] = Watching(stream, Lane(self._hub.pool), now)
        if wanted in self._broken:
            self._break(watching, wanted)
            return watching
        made = self._hub.makers.submit(detector_of, stream.config)  # To load a model takes a while.
        made.add_done_callback(lambda done: self._on_loop(partial(self._made, done, watching, wanted)))
        return watching

    def _made(self, done: Future[Detector], watching: Watching, wanted: str) -> None:
        error = done.exception()
        if error is not None:
            self._broken[wanted] = str(error) or type(error).__name__
            self._break(watching, wanted)
            self._show_newest(watching)
        if error is not None or watching.closed:
            return
        found = partial(self._from_lookout, watching)
        failed = partial(self._on_loop_failed, watching)
        watching.lookout = Lookout(done.result(), found, failed, "envstream-lookout")
        frame = watching.stream.buffer.newest()
        if frame is not None:  # There may be no other for a while.
            watching.offer(frame)

    def _break(self, watching: Watching, wanted: str) -> None:
        """Nothing can be found, as what was to be used cannot be."""
        watching.problem, stream = self._broken[wanted], watching.stream
        if not watching.closed:
            self._say(stream, f"nothing is looked for: {watching.problem}", "lookouts")

    def _end(self, watching: Watching) -> None:
        watching.closed = True
        if watching.lookout is not None:
            self._hub.makers.submit(watching.lookout.close)  # It waits for the picture that is looked at.

    # What is found.

    def _from_lookout(self, watching: Watching, number: int, boxes: list[Box], seconds: float) -> None:
        self._on_loop(partial(self._found, watching, number, boxes, seconds))

    def _on_loop_failed(self, watching: Watching, sentence: str) -> None:
        self._on_loop(partial(self._failed, watching, sentence))

    def _failed(self, watching: Watching, sentence: str) -> None:
        if watching.closed:
            return
        watching.problem = sentence
        self._say(watching.stream, f"the model failed: {sentence}", "lookouts")
        self._show_newest(watching)

    def _found(self, watching: Watching, number: int, boxes: list[Box], seconds: float) -> None:
        """What is in a picture is known."""
        stream, captured = watching.stream, watching.taken(number)
        if captured is None or watching.closed or self._watching.get(stream) is not watching:
            return
        watching.boxes, watching.captured = boxes, captured
        watching.count += 1
        if watching.problem is not None:  # It works again.
            watching.problem = None
            self._say(stream, "", "lookouts")
        if stream.timing is not None:
            stream.timing.add("inference", seconds)
        self._fanout.tell(
            stream, boxes_text(stream.name, number, captured, boxes, seconds, self.said(stream))
        )
        if watching.count == 1:
            self._show_newest(watching)

    # What is shown of it.

    def _show_newest(self, watching: Watching) -> None:
        """Pictures with what was found were waited for, and need not be any longer."""
        frame = watching.stream.buffer.newest()
        if frame is not None and not watching.closed:
            self._show(watching.stream, frame, watching, time.monotonic())

    def _show(self, stream: Stream, frame: Frame, watching: Watching | None, now: float) -> None:
        drawn = stream.drawn
        if drawn is None or not drawn.viewers:
            return
        try:
            pixels = frame.pixels  # Made of what came, when they are first asked for.
        except PictureError:
            return  # It came damaged; the next one is shown.
        if watching is None:
            self._put(drawn, frame, pixels, now)
        elif not len(watching.lane):
            boxes = watching.boxes if frame.captured - watching.captured < FRESH else []
            made = watching.lane.submit(partial(draw, pixels, boxes))
            made.add_done_callback(lambda done: self._on_loop(partial(self._drawn, done, drawn, frame, now)))
            made.add_done_callback(lambda done: self._on_loop(partial(self._catch_up, watching, frame)))

    def _drawn(self, done: Future[Pixels], drawn: Stream, frame: Frame, now: float) -> None:
        self._put(drawn, frame, frame.pixels if done.exception() is not None else done.result(), now)

    def _catch_up(self, watching: Watching, frame: Frame) -> None:
        """A picture came while this one was drawn: there may be no other for a while."""
        newest = watching.stream.buffer.newest()
        if newest is not None and newest.number > frame.number:
            self._show_newest(watching)

    def _put(self, drawn: Stream, frame: Frame, pixels: Pixels, now: float) -> None:
        before = drawn.buffer.newest()
        if self._hub.get(drawn.name) is not drawn or (before is not None and before.number >= frame.number):
            return  # Begun anew meanwhile, or a newer one was quicker.
        drawn.processors = []  # They saw the picture already.
        drawn.put(Frame(pixels, frame.number, frame.captured, 0.0, frame.info), now)
        self._fanout.arrived(drawn)


def detector_of(config: StreamConfig) -> Detector:
    """A detector as the settings want it.

    Raises:
        EnvstreamError: there is no such model, or what runs it is not installed.
    """
    wanted = config.videoStreamDetect
    model = load(SHIPPED if wanted in (None, "shapes") else str(wanted))
    least, most = config.videoStreamDetectSize
    sizes = within(model.sizes, least, most)
    confidence = (config.videoStreamDetectConfidence[0], config.videoStreamDetectConfidence[1])
    rate = (config.videoStreamDetectFps[0], config.videoStreamDetectFps[1])
    return Detector(model, Adaption(sizes, confidence, rate, config.videoStreamDetectBudget))


def boxes_text(
    stream: str,
    number: int,
    captured: float,
    boxes: list[Box],
    seconds: float,
    said: Mapping[str, Any] | None,
) -> str:
    """The `boxes` message: what was found in a picture."""
    about = said or {}
    return compact(
        {
            "type": "boxes",
            "stream": stream,
            "frameNumber": number,
            "timestamp": captured,
            "boxes": [box.said() for box in boxes],
            "inferenceMs": round(1000 * seconds, 2),
            "size": about.get("inference_size"),
            "confidence": about.get("confidence_threshold"),
            "fps": about.get("target_fps"),
        }
    )

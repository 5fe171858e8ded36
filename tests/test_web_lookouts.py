"""Lookouts: streams are looked into while somebody watches, and pictures never wait for a model."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detectors
from envstream.config import StreamConfig
from envstream.detection.boxes import Box
from envstream.detection.detector import Detector
from envstream.detection.layouts import Layout
from envstream.encoder import Rung
from envstream.errors import EnvstreamError
from envstream.frame import Frame
from envstream.hub import BOXES, Hub
from envstream.stream import Stream
from envstream.timing import Timing
from envstream.viewer import Viewer, Watch
from envstream.web import lookouts as module
from envstream.web.fanout import Fanout
from envstream.web.lookouts import FULL, MOST, Lookouts, boxes_text, detector_of
from envstream.web.seat import Seat
from fakes import Mailbox
from serving import until
from worlds import Loop

SIDE = 64


class Slow:
    """A model that sees one thing in the middle of each picture, when the test lets it."""

    names, sizes, gpu = ["thing"], [320], False
    layout = Layout("yolov10", None, (0,), distinct=True)

    def __init__(self) -> None:
        self.go, self.begun = threading.Semaphore(0), threading.Semaphore(0)
        self.error: Exception | None = None
        self.runs = 0

    def run(self, batch: Any) -> Sequence[Any]:
        self.runs += 1
        self.begun.release()
        assert self.go.acquire(timeout=20)
        if self.error is not None:
            raise self.error
        return [np.array([[[80, 80, 240, 240, 0.9, 0]]], np.float32)]

    def describe(self) -> dict[str, Any]:
        return {}


class World:
    """A hub with streams that are looked into, and viewers that the test plays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor, **settings: Any) -> None:
        self.loop = Loop()
        self.hub = Hub(StreamConfig(**{"videoStreamDetect": "shapes", **settings}), pool)
        self.fanout = Fanout(self.hub, self.loop)  # type: ignore[arg-type]
        self.warnings: list[tuple[str, str]] = []
        self.lookouts = Lookouts(self.hub, self.fanout, self.loop.call_soon_threadsafe, self._say)
        self.models: list[Slow] = []
        self.wrong: Exception | None = None
        self.pictures = 0
        monkeypatch.setattr(module, "detector_of", self._detector)

    def _detector(self, config: StreamConfig) -> Detector:
        if self.wrong is not None:
            raise self.wrong
        self.models.append(Slow())
        return Detector(self.models[-1])

    def _say(self, stream: Stream, sentence: str, by: str) -> None:
        if stream.notices.say(sentence, by, lasting=True) and sentence:
            self.warnings.append((stream.name, sentence))

    def open(self, name: str = "camera") -> Stream:
        stream = self.hub.open(name, name, self.hub.config)
        self.fanout.opened(stream)
        return stream

    def seat(self, *names: str, boxes: bool = True) -> Seat:
        seat = Seat(Viewer(), Mailbox())
        assert self.fanout.join(seat)
        seat.viewer.watch({name: Watch(Rung("png"), boxes=boxes, window=1000) for name in names})
        self.fanout.changed(seat)
        return seat

    def picture(self, stream: Stream, captured: float | None = None) -> int:
        """A black picture comes; its number."""
        self.pictures += 1
        number = stream.buffer.received + 1
        moment = float(self.pictures) / 100 if captured is None else captured
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        pixels[0, 0] = self.pictures % 256
        stream.put(Frame(pixels, number, moment), moment)
        self.fanout.arrived(stream)
        self.lookouts.arrived(stream, moment)
        return number

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        def looked() -> Any:
            self.loop.advance()
            return condition()

        return until(looked, what)

    def model(self, index: int = 0) -> Slow:
        self.until(lambda: len(self.models) > index, "the model")
        return self.models[index]

    def looks(self, index: int = 0) -> Slow:
        """The model, once it has begun to look at a picture."""
        model = self.model(index)
        self.until(lambda: model.begun.acquire(blocking=False), "the model to look")
        return model

    def close(self) -> None:
        for model in self.models:
            model.error = None
            for _ in range(100):
                model.go.release()
        self.lookouts.close()
        self.hub.makers.shutdown(wait=True)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor) -> Iterator[World]:
    world = World(monkeypatch, pool)
    yield world
    world.close()


def box(seat: Seat) -> Mailbox:
    assert isinstance(seat.pipe, Mailbox)
    return seat.pipe


def found(seat: Seat) -> list[int]:
    """The numbers of the pictures of which was told what is in them."""
    return [message["frameNumber"] for message in box(seat).told("boxes")]


# --- who is told ---------------------------------------------------------------------------------------


def test_who_wants_boxes_is_told_of_them(world: World) -> None:
    stream = world.open()
    wants, does_not = world.seat("camera"), world.seat("camera", boxes=False)
    world.picture(stream, 7.5)
    world.looks().go.release()
    (said,) = world.until(lambda: box(wants).told("boxes"), "the boxes")
    assert (said["stream"], said["frameNumber"], said["timestamp"]) == ("camera", 1, 7.5)
    (thing,) = said["boxes"]
    assert (thing["label"], thing["index"], thing["score"]) == ("thing", 0, 0.9)
    assert [thing[key] for key in ("x", "y", "width", "height")] == [0.25, 0.25, 0.5, 0.5]
    assert said["size"] == 320 and said["inferenceMs"] >= 0
    assert box(does_not).told("boxes") == []


def test_nobody_watching_means_that_nothing_is_looked_for(world: World) -> None:
    stream = world.open()
    for _ in range(10):
        world.picture(stream)
    assert world.models == [] and world.lookouts.said(stream) is None


def test_where_nothing_is_to_be_looked_for_there_is_no_model(
    monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor
) -> None:
    world = World(monkeypatch, pool, videoStreamDetect=None)
    stream = world.open()
    seat = world.seat("camera", "camera" + BOXES)
    world.picture(stream)
    world.until(lambda: len(box(seat).pictures) == 2, "the picture, and the same with nothing drawn in")
    assert world.models == [] and world.lookouts.said(stream) is None
    world.close()


def test_a_slow_model_looks_at_the_newest_and_never_holds_up_pictures(world: World) -> None:
    stream = world.open()
    seat = world.seat("camera")
    world.picture(stream)
    model = world.looks()
    for _ in range(200):
        world.picture(stream)
        world.loop.advance()
    world.until(lambda: stream.buffer.received in box(seat).numbers(), "the newest picture")
    assert found(seat) == [] and model.runs == 1
    model.go.release()
    world.looks().go.release()
    world.until(lambda: len(found(seat)) == 2, "both looks")
    assert found(seat) == [1, 201]


def test_what_a_model_says_after_many_seconds_is_told_all_the_same(world: World) -> None:
    stream = world.open()
    seat = world.seat("camera")
    world.picture(stream)
    model = world.looks()
    for _ in range(1000):  # Half a minute of pictures.
        world.picture(stream)
    model.go.release()
    world.until(lambda: found(seat) == [1], "what was in the first")


def test_how_long_it_took_is_kept_where_somebody_wants_to_know(world: World) -> None:
    stream = world.open()
    stream.timing = Timing()
    seat = world.seat("camera")
    world.picture(stream)
    world.looks().go.release()
    world.until(lambda: found(seat), "the boxes")
    assert stream.timing.said()["inference"]["count"] == 1


# --- drawn in ------------------------------------------------------------------------------------------


def drawn_in(seat: Seat) -> list[bool]:
    """Of each picture that came: whether there is more in it than black."""
    from envstream import codec

    pictures, box(seat).pictures = box(seat).pictures, []
    return [bool(codec.decode(each.data)[1:].max() > 128) for each in pictures]


def test_pictures_with_what_was_found_wait_for_the_first_look_and_then_have_it(world: World) -> None:
    stream = world.open()
    seat = world.seat("camera" + BOXES)
    world.picture(stream)
    model = world.looks()
    world.loop.advance()
    assert drawn_in(seat) == []
    model.go.release()
    world.until(lambda: box(seat).pictures, "the picture")
    assert drawn_in(seat) == [True]


def test_they_wait_a_moment_only(world: World) -> None:
    stream = world.open()
    seat = world.seat("camera" + BOXES)
    world.picture(stream, 10.0)
    world.looks()
    world.picture(stream, 10.0 + module.PATIENCE)
    world.until(lambda: box(seat).pictures, "the picture")
    assert drawn_in(seat) == [False]


def test_the_last_picture_before_a_pause_is_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = world.open()
    seat = world.seat("camera" + BOXES)
    world.picture(stream)
    world.looks().go.release()
    world.until(lambda: len(box(seat).pictures) == 1, "the first")
    drawing, drawn = threading.Semaphore(0), module.draw

    def slow(pixels: Any, boxes: Any) -> Any:
        assert drawing.acquire(timeout=20)
        return drawn(pixels, boxes)

    monkeypatch.setattr(module, "draw", slow)
    for _ in range(5):
        newest = world.picture(stream)
    for _ in range(5):
        drawing.release()
    world.until(
        lambda: [picture.frame.number for picture in box(seat).pictures][-1:] == [newest], "the newest"
    )


def test_what_was_found_long_ago_is_drawn_no_more(world: World) -> None:
    stream = world.open()
    seat = world.seat("camera" + BOXES)
    world.picture(stream, 10.0)
    world.looks().go.release()
    world.until(lambda: drawn_in(seat) == [True], "the picture")
    world.picture(stream, 10.0 + module.FRESH)
    world.until(lambda: box(seat).pictures, "the next")
    assert drawn_in(seat) == [False]


def test_who_watches_it_drawn_in_before_it_is_there_sees_it_when_it_is(world: World) -> None:
    seat = world.seat("camera" + BOXES)
    stream = world.open()
    assert stream.looked_at == 1
    world.picture(stream)
    world.looks().go.release()
    world.until(lambda: drawn_in(seat) == [True], "the picture")


def test_a_stream_that_begins_anew_is_drawn_into_anew(world: World) -> None:
    before = world.open()
    seat = world.seat("camera" + BOXES)
    for _ in range(5):
        world.picture(before)
    world.looks().go.release()
    world.until(lambda: box(seat).numbers() == [5], "the first pictures")
    before.finish()
    stream = world.open()
    world.picture(stream)
    world.looks(1).go.release()
    world.until(lambda: box(seat).numbers() == [1], "the new one's first")
    world.lookouts.tidy()
    assert stream.looked_at == 1 and before not in world.lookouts._watching


def test_its_publisher_hears_of_who_watches_it_drawn_in(world: World) -> None:
    seat = world.seat("camera" + BOXES)
    stream = world.open()
    told: list[int] = []
    stream.demanded = lambda: told.append(stream.looked_at)
    world.fanout.leave(seat)
    assert told == [0]


def test_a_capture_that_gave_nothing_is_asked_for_again(world: World) -> None:
    stream = world.open()
    world.seat("camera" + BOXES)
    assert stream.drawn is not None and stream.drawn.asked and stream.due[0] == 1
    stream.due[0] = 0
    stream.missed(1)
    world.fanout.revive()
    assert stream.due[0] == 0, "it is still waited for"
    world.lookouts.tidy()

    def asked_again() -> bool:
        world.fanout.revive()
        return stream.due[0] == 1

    world.until(asked_again, "another capture")


@pytest.mark.parametrize("names", [("camera", "camera" + BOXES), ("camera" + BOXES, "camera")])
def test_who_leaves_does_not_call_off_what_another_waits_for(world: World, names: tuple[str, str]) -> None:
    stream = world.open()
    leaves, _ = (world.seat(name) for name in names)
    world.fanout.leave(leaves)
    assert stream.due[0] == 1
    world.fanout.leave(next(iter(world.fanout.seats)))
    assert stream.due[0] == 0


def test_what_is_drawn_into_asks_for_nothing_of_a_stream_that_has_ended(world: World) -> None:
    stream = world.open()
    stream.due = memoryview(bytearray(1))  # As a trainer's, whose memory is let go of at its end.
    world.fanout.leave(world.seat("camera" + BOXES))
    assert stream.drawn is not None
    stream.finish()
    world.lookouts.tidy()
    assert stream.drawn.ended and stream.drawn.due is stream.due


# --- what goes wrong -----------------------------------------------------------------------------------


def test_a_model_that_is_none_is_one_sentence_and_pictures_go_on(world: World) -> None:
    world.wrong = EnvstreamError("m.onnx is no model")
    stream = world.open()
    seat = world.seat("camera", "camera" + BOXES)
    world.picture(stream)
    world.until(lambda: world.warnings, "the sentence")
    assert world.warnings == [("camera", "nothing is looked for: m.onnx is no model")]
    assert stream.notices.newest == "nothing is looked for: m.onnx is no model"
    world.until(lambda: len(box(seat).pictures) == 2, "the picture, in both")
    for _ in range(20):
        world.picture(stream)
        world.loop.advance()
    world.until(lambda: len(box(seat).pictures) > 10, "further pictures")
    assert len(world.warnings) == 1 and found(seat) == []
    assert world.lookouts.said(stream) == {"problem": "m.onnx is no model"}


def test_it_is_said_of_each_stream_and_again_to_who_comes_later(world: World) -> None:
    world.wrong = EnvstreamError("m.onnx is no model")
    one, other = world.open("one"), world.open("other")
    seats = [world.seat("one"), world.seat("other")]
    for stream in (one, other):
        world.picture(stream)
    world.until(lambda: len(world.warnings) == 2, "both sentences")
    world.fanout.leave(seats[0])
    world.lookouts.tidy()
    assert one.notices.newest is None and other.notices.newest is not None
    world.seat("one")
    world.picture(one)
    assert one.notices.newest == "nothing is looked for: m.onnx is no model"


def test_a_model_that_fails_is_told_of_and_pictures_go_on(world: World) -> None:
    stream = world.open()
    seat = world.seat("camera", "camera" + BOXES)
    world.picture(stream)
    model = world.looks()
    model.error = ValueError("no memory")
    model.go.release()
    world.until(lambda: world.warnings, "the sentence")
    assert stream.notices.newest == "the model failed: ValueError: no memory"
    world.until(lambda: len(box(seat).pictures) == 2, "the picture, in both")
    said = world.lookouts.said(stream)
    assert said is not None and said["problem"] == "ValueError: no memory"
    model.error = None
    model.go.release()
    world.picture(stream)
    world.until(lambda: stream.notices.newest is None, "the sentence to be taken back")
    said = world.lookouts.said(stream)
    assert said is not None and said["problem"] is None


def test_only_so_many_streams_are_looked_into_and_the_others_are_shown(world: World) -> None:
    streams = [world.open(f"env {number}") for number in range(MOST + 1)]
    seats = [world.seat(stream.name, stream.name + BOXES) for stream in streams]
    for stream in streams:
        world.picture(stream)
    world.until(lambda: len(world.models) == MOST, "the models")
    world.until(lambda: len(box(seats[-1]).pictures) == 2, "the last one's picture, and with nothing in it")
    assert world.lookouts.said(streams[-1]) == {"problem": FULL}
    world.fanout.leave(seats[0])
    world.lookouts.tidy()
    world.picture(streams[-1])
    world.looks(MOST).go.release()
    world.until(lambda: found(seats[-1]), "what is found in the last one")


# --- the end -------------------------------------------------------------------------------------------


def looking() -> int:
    return sum(thread.name == "envstream-lookout" for thread in threading.enumerate())


def test_a_stream_that_nobody_looks_at_any_more_is_let_go_of(world: World) -> None:
    stream = world.open()
    seat = world.seat("camera")
    world.picture(stream)
    model = world.looks()
    world.fanout.leave(seat)
    world.lookouts.tidy()
    model.go.release()
    world.until(lambda: not looking(), "the end of its thread")
    assert world.lookouts.said(stream) is None
    world.picture(stream)
    assert model.runs == 1


def test_who_leaves_while_the_model_is_loaded_leaves_nothing_behind(world: World) -> None:
    stream = world.open()
    seat = world.seat("camera")
    world.picture(stream)
    world.fanout.leave(seat)
    world.lookouts.tidy()
    world.model()
    world.hub.makers.submit(lambda: None).result(10)
    world.loop.advance()
    assert not looking()


def test_after_the_end_nothing_is_begun(world: World) -> None:
    stream = world.open()
    world.seat("camera")
    world.lookouts.close()
    world.picture(stream)
    assert world.models == []


# --- models and messages -------------------------------------------------------------------------------


def test_a_detector_is_as_the_settings_want_it(tmp_path: Path) -> None:
    path = detectors.looking(tmp_path / "red.onnx")
    config = StreamConfig(
        videoStreamDetect=str(path),
        videoStreamDetectSize=[352, 400],
        videoStreamDetectConfidence=[0.3, 0.4],
        videoStreamDetectFps=[2, 7],
    )
    detector = detector_of(config)
    assert (detector.size, detector.confidence, detector.fps) == (384, 0.3, 7)
    assert detector.model.names == ["red"]


def test_the_model_that_comes_along_knows_shapes() -> None:
    detector = detector_of(StreamConfig(videoStreamDetect="shapes"))
    assert "circle" in detector.model.names and detector.size == 640


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.onnx"
    path.write_text("no model")
    with pytest.raises(EnvstreamError, match=r"notes\.onnx"):
        detector_of(StreamConfig(videoStreamDetect=str(path)))


def test_a_message_of_boxes_is_small_and_complete() -> None:
    boxes = [Box(0.123456, 0.2, 0.3, 0.4, 0.98765, "star", 3)]
    said = json.loads(boxes_text("a b", 7, 12.5, boxes, 0.0123, {"inference_size": 320, "target_fps": 15}))
    assert said == {
        "type": "boxes",
        "stream": "a b",
        "frameNumber": 7,
        "timestamp": 12.5,
        "boxes": [
            {"label": "star", "index": 3, "x": 0.1235, "y": 0.2, "width": 0.3, "height": 0.4, "score": 0.9877}
        ],
        "inferenceMs": 12.3,
        "size": 320,
        "confidence": None,
        "fps": 15,
    }

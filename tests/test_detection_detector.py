"""A detector finds what is there, in any picture; a lookout looks at the newest and never gives up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detectors
import envstream.detection.detector as module
from envstream.detection.adaption import Adaption
from envstream.detection.boxes import Box, fit
from envstream.detection.detector import Detector, Lookout, prepared
from envstream.detection.layouts import Layout
from envstream.detection.models import load
from envstream.errors import EnvstreamError
from envstream.frame import Frame
from serving import until


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(detectors.looking(tmp_path_factory.mktemp("models") / "red.onnx"), "cpu")


# --- pictures ------------------------------------------------------------------------------------------


def test_a_picture_lies_in_grey_as_numbers_from_0_to_1() -> None:
    pixels = np.zeros((240, 320, 3), np.uint8)
    pixels[..., 0] = 255
    batch = prepared(pixels, fit(320, 240, 320))
    assert batch.shape == (1, 3, 320, 320) and batch.dtype == np.float32
    assert batch[0, :, 160, 160].tolist() == [1, 0, 0]
    assert batch[0, :, 39, 0] == pytest.approx([114 / 255] * 3) == batch[0, :, 280, 319]
    assert batch[0, :, 40, 0].tolist() == [1, 0, 0] == batch[0, :, 279, 319].tolist()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (160, 144), (1920, 1080), (321, 319)])
def test_pictures_of_any_shape_fill_their_square(size: tuple[int, int]) -> None:
    width, height = size
    batch = prepared(np.full((height, width, 3), 255, np.uint8), fit(width, height, 320))
    place = fit(width, height, 320)
    assert (batch == 1).sum() == 3 * place.width * place.height
    assert np.isfinite(batch).all()


# --- detector ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", [(640, 480), (480, 640), (640, 640), (1280, 960), (320, 240)])
@pytest.mark.parametrize("size", [320, 480, 640])
def test_what_is_red_is_found_where_it_is(model: Any, picture: tuple[int, int], size: int) -> None:
    width, height = picture
    box = (width // 4, height // 2, width // 2, height * 3 // 4)
    found = Detector(model, size=size, confidence=0.5).detect(detectors.red(width, height, box))
    assert found and all((each.label, each.index) == ("red", 0) for each in found)
    edges = [
        min(each.x for each in found),
        min(each.y for each in found),
        max(each.x + each.width for each in found),
        max(each.y + each.height for each in found),
    ]
    assert edges == pytest.approx([0.25, 0.5, 0.5, 0.75], abs=32 / size)
    assert all(0 <= each.x < 1 and each.x + each.width <= 1.0001 and each.score <= 1 for each in found)


def test_where_nothing_is_nothing_is_found(model: Any) -> None:
    assert Detector(model).detect(np.zeros((480, 640, 3), np.uint8)) == []


def test_the_confidence_decides_what_is_found(model: Any) -> None:
    pixels = detectors.red(320, 320, (0, 0, 32, 32)) // 2
    assert [len(Detector(model, size=320, confidence=least).detect(pixels)) for least in (0.4, 0.6)] == [1, 0]


def test_boxes_come_surest_first_and_once(tmp_path: Path) -> None:
    rows = [
        (50, 50, 40, 40, 0.5, 0),
        (52, 50, 40, 40, 0.9, 0),
        (200, 200, 40, 40, 0.7, 0),
        (50, 50, 40, 40, 0, 0.8),
    ]
    table = detectors.table(rows, 100, 6).transpose(0, 2, 1)
    path = detectors.constant(tmp_path / "m.onnx", {"output0": table}, (320, 320))
    found = Detector(load(path, "cpu")).detect(np.zeros((320, 320, 3), np.uint8))
    assert [(box.label, round(box.score, 2)) for box in found] == [
        ("class 0", 0.9),
        ("class 1", 0.8),
        ("class 0", 0.7),
    ]
    assert found[0][:4] == pytest.approx((32 / 320, 30 / 320, 40 / 320, 40 / 320))


def test_a_model_that_says_each_thing_once_is_believed(tmp_path: Path) -> None:
    rows = [(30, 30, 70, 70, 0.5, 0), (30, 30, 70, 71, 0.9, 0), (400, 400, 500, 500, 0.9, 0)]
    path = detectors.constant(tmp_path / "m.onnx", {"output0": detectors.table(rows, 300, 6)}, (320, 320))
    found = Detector(load(path, "cpu")).detect(np.zeros((320, 320, 3), np.uint8))
    assert [round(box.score, 2) for box in found] == [0.9, 0.5], "what lies beside the picture is left out"


def test_a_size_that_the_model_does_not_allow_is_an_error(model: Any) -> None:
    with pytest.raises(EnvstreamError, match="size=333: expected one that the model allows: 320, 352"):
        Detector(model, size=333)


def test_what_it_takes_goes_to_the_adaption_and_back(model: Any) -> None:
    adaption = Adaption(model.sizes)
    ticks = iter(range(0, 1000, 3))
    detector = Detector(model, adaption, clock=lambda: float(next(ticks)))
    assert (detector.size, detector.fps, detector.confidence) == (640, 30, 0.15)
    detector.detect(np.zeros((64, 64, 3), np.uint8))
    assert detector.size == 320 and detector.fps is not None and detector.fps < 30
    said = detector.said()
    assert said["inference_size"] == 320 and said["gpu_available"] is False and said["detections"] == 1
    assert set(said) >= {"confidence_threshold", "target_fps", "inference_ms", "model"}


def test_it_says_how_it_is_before_it_has_seen_anything(model: Any) -> None:
    said = Detector(model, size=352).said()
    assert (said["inference_size"], said["inference_ms"], said["target_fps"]) == (352, None, None)


# --- lookout -------------------------------------------------------------------------------------------


class Held:
    """A model whose runs last until they are let go."""

    names, sizes, gpu = ["thing"], [320], False
    layout = Layout("yolov10", None, (0,), distinct=True)

    def __init__(self) -> None:
        self.running, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.errors: dict[int, Exception] = {}
        self.runs = 0

    def run(self, batch: Any) -> Sequence[Any]:
        self.runs += 1
        self.running.release()
        assert self.go.acquire(timeout=20)
        if self.runs in self.errors:
            raise self.errors[self.runs]
        return [np.array([[[0, 0, 320, 320, 0.9, 0]]], np.float32)]

    def describe(self) -> dict[str, Any]:
        return {}


class Log:
    def __init__(self) -> None:
        self.found: list[int] = []
        self.failed: list[str] = []
        self.told = threading.Semaphore(0)

    def note(self, number: int, boxes: list[Box], seconds: float) -> None:
        assert [box.label for box in boxes] == ["thing"] and seconds >= 0
        self.found.append(number)
        self.told.release()

    def fail(self, sentence: str) -> None:
        self.failed.append(sentence)
        self.told.release()


def picture(number: int) -> Frame:
    return Frame(np.zeros((32, 32, 3), np.uint8), number, float(number))


@pytest.fixture
def lookout() -> Iterator[Callable[..., tuple[Held, Log, Lookout]]]:
    made: list[tuple[Held, Lookout]] = []

    def make(adaption: Adaption | None = None, **options: Any) -> tuple[Held, Log, Lookout]:
        held, log = Held(), Log()
        out = Lookout(
            Detector(held, adaption), options.get("found", log.note), options.get("failed", log.fail)
        )
        made.append((held, out))
        return held, log, out

    yield make
    for held, out in made:
        for _ in range(50):
            held.go.release()
        out.close()


def test_it_looks_at_the_newest_and_leaves_out_those_between(lookout: Any) -> None:
    held, log, out = lookout()
    out.offer(picture(1))
    assert held.running.acquire(timeout=20)
    for number in range(2, 500):
        out.offer(picture(number))  # None of them waits: the model is still at the first.
    assert held.runs == 1
    held.go.release()
    assert log.told.acquire(timeout=20) and held.running.acquire(timeout=20)
    held.go.release()
    assert log.told.acquire(timeout=20)
    assert log.found == [1, 499]


def test_it_looks_as_often_as_it_is_to(lookout: Any) -> None:
    held, log, out = lookout(Adaption([320], rate=(2.0, 2.0)))
    for _ in range(3):
        held.go.release()
    begun = time.monotonic()
    for number in range(1, 4):
        out.offer(picture(number))
        assert log.told.acquire(timeout=20)
    assert time.monotonic() - begun >= 1.0, "the first at once, and then one each half second"
    assert log.found == [1, 2, 3]


def test_a_model_that_fails_is_reported_once_and_asked_again(lookout: Any) -> None:
    held, log, out = lookout()
    held.errors = {1: ValueError("no memory"), 2: ValueError("no memory")}
    for _ in range(3):
        held.go.release()
    out.offer(picture(1))
    assert log.told.acquire(timeout=20)
    out.offer(picture(2))
    assert held.running.acquire(timeout=20) and held.running.acquire(timeout=20)
    out.offer(picture(3))
    assert log.told.acquire(timeout=20)
    assert (log.failed, log.found) == (["ValueError: no memory"], [3])


def test_a_model_that_works_again_and_fails_again_is_reported_again(lookout: Any) -> None:
    held, log, out = lookout()
    held.errors = {1: ValueError("no memory"), 3: ValueError("no memory")}
    for number in range(1, 4):
        held.go.release()
        out.offer(picture(number))
        assert log.told.acquire(timeout=20)
    assert (log.failed, log.found) == (["ValueError: no memory"] * 2, [2])


def test_of_a_model_that_always_finds_new_words_the_rest_are_one(
    lookout: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    held, log, out = lookout()
    held.errors = {run: ValueError(f"reason {run}") for run in range(1, 30)}
    for number in range(1, 30):
        held.go.release()
        out.offer(picture(number))
        assert held.running.acquire(timeout=20)
    held.go.release()
    out.offer(picture(30))
    assert held.running.acquire(timeout=20)
    assert until(lambda: 30 in log.found, "the last")
    assert len(log.failed) == 17 and "each time for another reason" in log.failed[-1]


def test_what_those_who_are_told_raise_does_not_end_it(lookout: Any) -> None:
    seen = threading.Semaphore(0)

    def raises(*given: Any) -> None:
        seen.release()
        raise RuntimeError("nobody listens")

    held, _, out = lookout(found=raises, failed=raises)
    held.go.release()
    held.go.release()
    out.offer(picture(1))
    assert seen.acquire(timeout=20) and seen.acquire(timeout=20)
    out.offer(picture(2))
    assert seen.acquire(timeout=20)


def test_closing_waits_for_the_picture_that_is_looked_at_and_for_no_other(lookout: Any) -> None:
    held, log, out = lookout()
    out.offer(picture(1))
    assert held.running.acquire(timeout=20)
    out.offer(picture(2))
    closing = threading.Thread(target=out.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    held.go.release()
    closing.join(20)
    assert not closing.is_alive() and log.found == [1]
    out.offer(picture(3))
    out.close()
    assert held.runs == 1


def test_one_that_has_seen_nothing_closes_at_once_also_by_itself(lookout: Any) -> None:
    _, _, out = lookout()
    out.close()
    closed = threading.Event()

    def close(*given: Any) -> None:
        other.close()
        closed.set()

    held, _, other = lookout(found=close)
    held.go.release()
    other.offer(picture(1))
    assert closed.wait(20)

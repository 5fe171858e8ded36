"""Detect: what a session's pictures have in them, counted, told within bounds, and drawn on request."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detectors
from envstream.detection.drawing import COLOURS
from envstream.detection.models import SHIPPED, load
from envstream.errors import EnvstreamError
from envstream.frame import Frame
from envstream.processors import detect as module
from envstream.processors.detect import NAMED, Detect


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return detectors.looking(tmp_path_factory.mktemp("models") / "red.onnx")


def frame(number: int, red: bool = True) -> Frame:
    box = (32, 64, 64, 96) if red else (0, 0, 0, 0)
    return Frame(detectors.red(320, 320, box), number, number / 10)


def test_it_counts_and_tells_what_it_finds_and_changes_nothing(model: Path) -> None:
    detect = Detect(str(model), size=320)
    assert detect.changes is False
    detect.begin({})
    frames = [frame(1), frame(2, red=False), frame(3)]
    assert [detect(each) for each in frames] == frames
    found = detect.finish({})
    assert (found["frames"], found["looked_at"], found["found_in"], found["not_told"]) == (3, 3, 2, 0)
    assert found["counts"] == {"red": 2}
    box = {"label": "red", "index": 0, "score": 1.0, "x": 0.1, "y": 0.2, "width": 0.1, "height": 0.1}
    assert found["detections"] == [
        {"frame": 1, "time": 0.1, "boxes": [box]},
        {"frame": 3, "time": 0.3, "boxes": [box]},
    ]
    assert (found["size"], found["confidence"], found["model"]["name"]) == (320, 0.25, "red.onnx")
    assert json.loads(json.dumps(found)) == found


def test_it_looks_at_each_so_manieth(model: Path) -> None:
    detect = Detect(model, size=320, every=3)
    for number in range(1, 8):
        detect(frame(number))
    found = detect.finish({})
    assert (found["frames"], found["looked_at"]) == (7, 3)
    assert [each["frame"] for each in found["detections"]] == [1, 4, 7]


def test_boxes_are_drawn_on_request_also_between(model: Path) -> None:
    detect = Detect(model, size=320, every=2, draw=True)
    assert detect.changes is True
    given = [frame(1), frame(2, red=False), frame(3, red=False)]
    drawn = [detect(each) for each in given]
    for each in drawn[:2]:
        assert tuple(each.pixels[80, 32]) == COLOURS[0]
    assert drawn[2] is given[2], "nothing was found there"
    assert [each.number for each in drawn] == [1, 2, 3]
    assert tuple(given[0].pixels[80, 32]) == (255, 0, 0)


def test_the_confidence_decides(model: Path) -> None:
    faint = Frame(frame(1).pixels // 2, 1, 0.1)
    for confidence, count in ((0.4, 1), (0.6, 0)):
        detect = Detect(model, confidence, 320)
        detect(faint)
        assert detect.finish({})["found_in"] == count


def test_what_is_told_stays_within_bounds(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NAMED", 5)
    detect = Detect(model, size=320)
    for number in range(1, 12):
        detect(frame(number))
    found = detect.finish({})
    assert (len(found["detections"]), found["not_told"], found["counts"]) == (5, 6, {"red": 11})
    assert NAMED == 2000


def test_many_boxes_are_told_of_fewer_frames_so_that_the_result_is_no_megabyte(model: Path) -> None:
    detect = Detect(model, size=640)
    full = np.zeros((640, 640, 3), np.uint8)
    full[..., 0] = 255  # Each of the 400 cells.
    for number in range(1, 41):
        detect(Frame(full.copy(), number, number / 10))
    found = detect.finish({})
    assert found["counts"] == {"red": 300 * 40} and found["not_told"] > 0
    assert len(json.dumps(found)) < 2**20


def test_a_model_that_was_loaded_is_taken_as_it_is(model: Path) -> None:
    detect = Detect(load(model, "cpu", names=["crimson"]), size=320)
    detect(frame(1))
    assert detect.finish({})["counts"] == {"crimson": 1}


def test_without_pictures_there_is_nothing_to_say(model: Path) -> None:
    found = Detect(model).finish({})
    assert (found["frames"], found["counts"], found["detections"], found["model"]) == (0, {}, [], None)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"confidence": 0}, "confidence=0: expected a number from 0.01 to 1"),
        ({"confidence": True}, "confidence=True"),
        ({"size": 16}, "size=16: expected a whole number from 32 to 4096"),
        ({"every": 0}, "every=0: expected a whole number from 1"),
        ({"every": 1.5}, "every=1.5"),
        ({"draw": "yes"}, "draw='yes': expected true or false"),
        ({"model": 5}, "model=5: expected the path of an ONNX file"),
        ({"model": "/nowhere/net.onnx"}, "net.onnx cannot be read"),
    ],
)
def test_options_that_cannot_be_meant_are_errors(model: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(EnvstreamError, match=sentence):
        Detect(**{"model": model, **options})


def test_a_size_that_the_model_does_not_allow_is_an_error_at_the_beginning(model: Path) -> None:
    with pytest.raises(EnvstreamError, match="size=333: expected one that the model allows"):
        Detect(model, size=333).begin({})


def test_programs_are_not_run_for_whoever_names_them(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"")
    with pytest.raises(EnvstreamError, match="expected ONNX; checkpoint is a program"):
        Detect(path)


def test_making_one_loads_nothing(model: Path) -> None:
    code = (
        f"import sys; from envstream.processors.detect import Detect; Detect({str(model)!r})\n"
        "assert not {'onnxruntime', 'torch', 'ultralytics'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not SHIPPED.exists(), reason="the model is made by tools/train_detector.py")
def test_without_a_model_it_looks_for_shapes() -> None:
    from envstream.detection.shapes import drawing

    detect = Detect()
    truths = 0
    for number in range(1, 9):
        pixels, boxes = drawing(np.random.default_rng(number), 640, 480)
        truths += len(boxes)
        detect(Frame(pixels, number, float(number)))
    found = detect.finish({})
    assert found["model"]["name"] == "shapes.onnx"
    assert sum(found["counts"].values()) >= truths / 2

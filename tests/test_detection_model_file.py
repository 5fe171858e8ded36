"""The model that comes with the package: small, of a common layout, and able to find shapes."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envstream import detection
from envstream.codec import decode_jpeg, encode, resize
from envstream.detection.boxes import Box, fit, suppress
from envstream.detection.layouts import Output, find
from envstream.detection.score import average_precisions, mean_average_precision
from envstream.detection.shapes import NAMES, Scene, drawing
from envstream.frame import Pixels

onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")

FILE = Path(detection.__file__).with_name("shapes.onnx")
HELD_OUT = 2_000_000  # Seeds from here on were neither trained with nor judged by when it was trained.
PICTURES = 40


@cache
def session() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(FILE, options, providers=["CPUExecutionProvider"])


def said(square: Pixels) -> np.ndarray:
    """What the model says about a square picture."""
    shown = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    (output,) = session().run(None, {session().get_inputs()[0].name: shown})
    return np.asarray(output)


def found(pixels: Pixels, size: int, confidence: float = 0.05) -> list[Box]:
    """What the model finds in a picture that is fitted into a square of `size`."""
    place = fit(pixels.shape[1], pixels.shape[0], size)
    square = np.full((size, size, 3), 114, np.uint8)
    inner = square[place.top : place.top + place.height, place.left : place.left + place.width]
    inner[:] = resize(pixels, place.width, place.height)
    output = said(square)
    layout = find([Output("output0", output.shape)], size, len(NAMES))
    boxes, scores, classes = layout.read([output], size, confidence)
    kept = suppress(boxes, scores, classes)
    return [
        Box(left, top, right - left, bottom - top, score, NAMES[index], index)
        for (left, top, right, bottom), score, index in zip(
            place.back(boxes[kept]).tolist(), scores[kept].tolist(), classes[kept].tolist(), strict=True
        )
    ]


def score(width: int, height: int, size: int) -> float:
    """The mAP@0.5 on drawings of such a size that are shown to the model in squares of `size`."""
    drawings = [drawing(np.random.default_rng(HELD_OUT + seed), width, height) for seed in range(PICTURES)]
    return mean_average_precision([found(pixels, size) for pixels, _ in drawings], [t for _, t in drawings])


def test_the_file_is_small() -> None:
    assert FILE.stat().st_size < 1_000_000


def test_it_says_what_it_is_as_common_exports_do() -> None:
    props = session().get_modelmeta().custom_metadata_map
    assert ast.literal_eval(props["names"]) == dict(enumerate(NAMES))
    assert props["task"] == "detect"
    assert props["stride"] == "32"


def test_it_takes_pictures_of_any_size() -> None:
    (taken,) = session().get_inputs()
    assert taken.type == "tensor(float)"
    assert taken.shape[:2] == [1, 3]
    assert all(isinstance(side, str) for side in taken.shape[2:])


@pytest.mark.parametrize("size", range(320, 641, 32))
def test_it_answers_in_the_layout_of_yolov8_at_every_size(size: int) -> None:
    output = said(np.zeros((size, size, 3), np.uint8))
    assert output.dtype == np.float32
    assert output.shape == (1, 4 + len(NAMES), sum((size // stride) ** 2 for stride in (8, 16, 32)))
    assert find([Output("output0", output.shape)], size, len(NAMES)).name == "yolov8"
    assert 0 <= output[0, 4:].min() <= output[0, 4:].max() <= 1


def test_it_takes_pictures_that_are_not_square() -> None:
    assert said(np.zeros((192, 320, 3), np.uint8)).shape == (1, 9, 24 * 40 + 12 * 20 + 6 * 10)


@pytest.mark.parametrize("size", [320, 640])
def test_it_finds_shapes_in_drawings_that_it_has_not_seen(size: int) -> None:
    assert score(size, size, size) >= 0.9


@pytest.mark.parametrize(("width", "height", "size"), [(640, 360, 320), (480, 640, 480)])
def test_it_finds_shapes_in_pictures_that_are_fitted_into_a_square(
    width: int, height: int, size: int
) -> None:
    assert score(width, height, size) >= 0.9


# Sixteen pixels, as 5 % of 320 are, are few to tell a cross from a star by.
@pytest.mark.parametrize(
    ("size", "share", "least"),
    [
        (320, 0.05, 0.6),
        (320, 0.15, 0.9),
        (320, 0.5, 0.9),
        (640, 0.05, 0.8),
        (640, 0.15, 0.9),
        (640, 0.5, 0.8),
    ],
)
def test_it_finds_small_and_large_shapes(size: int, share: float, least: float) -> None:
    drawings = [
        drawing(np.random.default_rng(HELD_OUT + seed), size, size, (share, share), most=3)
        for seed in range(20)
    ]
    each = average_precisions([found(pixels, size) for pixels, _ in drawings], [t for _, t in drawings])
    assert sum(each.values()) / len(each) >= least


def test_it_finds_shapes_in_a_compressed_scene() -> None:
    scene = Scene(640, 360, seed=3)
    pictures = [scene.at(1.7 * number) for number in range(20)]
    boxes = [found(decode_jpeg(encode(pixels, "jpeg", 60)), 320) for pixels, _ in pictures]
    assert mean_average_precision(boxes, [truths for _, truths in pictures]) >= 0.8


def test_it_finds_nothing_where_there_is_nothing() -> None:
    noise = np.random.default_rng(0).normal(120, 8, (320, 320, 3)).clip(0, 255).astype(np.uint8)
    assert found(noise, 320, 0.4) == []

"""Models as ONNX: real ones, run by onnxruntime, in every layout; and those that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detectors
from envstream.detection.boxes import Floats
from envstream.detection.onnx_model import OnnxModel, threads
from envstream.errors import EnvstreamError


def empty(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def picture(size: int = 320) -> Floats:
    return np.zeros((1, 3, size, size), np.float32)


DETR = {"logits": empty(1, 100, 4), "pred_boxes": empty(1, 100, 4)}
RTDETR = {"labels": np.zeros((1, 300), np.int64), "boxes": empty(1, 300, 4), "scores": empty(1, 300)}


@pytest.mark.parametrize(
    ("layout", "outputs", "count"),
    [
        ("yolov5", {"output0": empty(1, 25200, 7)}, 2),
        ("yolov8", {"output0": empty(1, 6, 8400)}, 2),
        ("yolov10", {"output0": empty(1, 300, 6)}, 0),
        ("yolox", {"output": empty(1, 8400, 7)}, 2),
        ("detr", DETR, 3),
        ("rtdetr", RTDETR, 0),
    ],
)
def test_each_layout_is_found_out(tmp_path: Path, layout: str, outputs: dict[str, Any], count: int) -> None:
    model = OnnxModel(detectors.constant(tmp_path / "m.onnx", outputs, (640, 640)))
    assert (model.layout.name, model.sizes, model.gpu) == (layout, [640], False)
    assert model.names == [f"class {index}" for index in range(count)]
    found = model.layout.read(model.run(picture(640)), 640, 0.5)
    assert len(found.boxes) == 0


def test_a_model_of_any_size_answers_at_each(tmp_path: Path) -> None:
    model = OnnxModel(detectors.looking(tmp_path / "m.onnx"))
    assert model.sizes == list(range(320, 641, 32)) and model.names == ["red"]
    batch = picture(416)
    batch[0, 0, 64:96, 32:64] = 0.75
    found = model.layout.read(model.run(batch), 416, 0.5)
    assert found.boxes.tolist() == [[32, 64, 64, 96]]
    assert found.scores == pytest.approx([0.75])


def test_a_model_with_its_own_stride_has_sizes_of_it(tmp_path: Path) -> None:
    path = detectors.looking(tmp_path / "m.onnx", side=64, said={"stride": "64"})
    assert OnnxModel(path).sizes == [320, 384, 448, 512, 576, 640]


def test_one_of_half_precision_is_fed_in_it(tmp_path: Path) -> None:
    model = OnnxModel(detectors.looking(tmp_path / "m.onnx", "float16"))
    batch = picture()
    batch[0, 0, :32, :32] = 1
    found = model.layout.read(model.run(batch), 320, 0.5)
    assert found.boxes.tolist() == [[0, 0, 32, 32]] and found.boxes.dtype == np.float32
    assert model.describe()["half"] is True


def test_it_is_told_the_size_where_it_wants_to_know(tmp_path: Path) -> None:
    helper, kinds = detectors.helper, detectors.TYPES
    inputs = [
        helper.make_tensor_value_info("images", 1, [1, 3, 320, 320]),
        helper.make_tensor_value_info("orig_target_sizes", kinds["int64"], [1, 2]),
    ]
    fixed = {"labels": np.zeros((1, 1), np.int64), "scores": np.full((1, 1), 0.9, np.float32)}
    values = {**fixed, "part": np.array([0.25], np.float32)}
    nodes = [
        helper.make_node("Constant", [], [key], value=detectors.onnx.numpy_helper.from_array(each, key))
        for key, each in values.items()
    ]
    nodes += [
        helper.make_node("Cast", ["orig_target_sizes"], ["sides"], to=1),
        helper.make_node("Mul", ["sides", "part"], ["low"]),
        helper.make_node("Concat", ["low", "sides"], ["four"], axis=1),
        helper.make_node("Reshape", ["four", "shape"], ["boxes"]),
    ]
    shape = detectors.onnx.numpy_helper.from_array(np.array([1, 1, 4]), "shape")
    nodes.insert(0, helper.make_node("Constant", [], ["shape"], value=shape))
    outputs = [
        helper.make_tensor_value_info("labels", kinds["int64"], [1, 1]),
        helper.make_tensor_value_info("boxes", 1, [1, 1, 4]),
        helper.make_tensor_value_info("scores", 1, [1, 1]),
    ]
    model = OnnxModel(detectors.written(tmp_path / "m.onnx", nodes, inputs, outputs))
    found = model.layout.read(model.run(picture()), 320, 0.5)
    assert found.boxes.tolist() == [[80, 80, 320, 320]]


def test_a_mask_of_the_picture_is_given_where_it_is_wanted(tmp_path: Path) -> None:
    extra = {"pixel_mask": (detectors.TYPES["int64"], [1, 64, 64])}
    path = detectors.constant(tmp_path / "m.onnx", DETR, (640, 640), extra=extra, name="pixel_values")
    assert OnnxModel(path).layout.name == "detr"


def test_names_come_from_the_file_unless_they_are_told(tmp_path: Path) -> None:
    outputs = {"output0": empty(1, 6, 50)}
    path = detectors.constant(tmp_path / "m.onnx", outputs, said={"names": "{0: 'cat', 1: 'dog'}"})
    assert OnnxModel(path).names == ["cat", "dog"]
    assert OnnxModel(path, names=["a", "b"]).names == ["a", "b"]


def test_it_says_what_it_is(tmp_path: Path) -> None:
    path = detectors.constant(tmp_path / "net.onnx", {"output0": empty(1, 6, 50)}, (320, 320))
    assert OnnxModel(path, "cpu").describe() == {
        "name": "net.onnx",
        "format": "onnx",
        "layout": "yolov8",
        "classes": 2,
        "sizes": [320],
        "device": "cpu",
        "half": False,
    }


V8 = {"output0": empty(1, 6, 50)}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sides": (384, 640)}, "takes pictures of 640 x 384 pixels; export it for a square"),
        ({"batch": 4}, "takes 4 pictures at once; export it for one"),
        ({"dtype": "uint8"}, "expected one of shape"),
        ({"channels": 1}, "channels first"),
        ({"sides": (320,)}, "expected one of shape"),
        ({"extra": {"scale_factor": (1, [1, 2])}}, "wants scale_factor"),
        ({"said": {"task": "pose"}}, "made to pose"),
        ({"said": {"names": "['a', 'b', 'c']"}}, "with 3 classes fit no layout"),
        ({"outputs": {"probabilities": empty(1, 1000)}}, "fit no layout"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    path = detectors.constant(tmp_path / "net.onnx", **{"outputs": V8, **options})
    with pytest.raises(EnvstreamError, match=f"net.onnx cannot be used: .*{sentence}"):
        OnnxModel(path)


def test_a_batch_that_may_be_any_is_one(tmp_path: Path) -> None:
    assert OnnxModel(detectors.constant(tmp_path / "m.onnx", V8, batch="batch")).layout.name == "yolov8"


def test_a_damaged_file_is_no_model(tmp_path: Path) -> None:
    path = detectors.looking(tmp_path / "net.onnx")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(EnvstreamError, match=r"net.onnx is no ONNX model that can be run"):
        OnnxModel(path)


def test_a_gpu_that_is_not_there_is_an_error_only_where_it_is_asked_for(tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is one")
    path = detectors.looking(tmp_path / "m.onnx")
    assert OnnxModel(path, "auto").gpu is False
    with pytest.raises(EnvstreamError, match="no CUDA; pip install onnxruntime-gpu"):
        OnnxModel(path, "cuda")


def test_it_leaves_most_of_the_machine_to_others() -> None:
    assert 1 <= threads() <= 4

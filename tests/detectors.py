"""Small models for tests, written as files: real ones, whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

onnx = pytest.importorskip("onnx", reason="pip install 'gymnasium-envstream[test]'")
pytest.importorskip("onnxruntime", reason='pip install "gymnasium-envstream[detect]"')

helper, TensorProto = onnx.helper, onnx.TensorProto
TYPES = {"float32": 1, "float16": 10, "uint8": 2, "int64": 7}

Array = npt.NDArray[Any]


def constant(
    path: Path,
    outputs: Mapping[str, Array],
    sides: Sequence[int | str] = ("height", "width"),
    batch: int | str = 1,
    dtype: str = "float32",
    said: Mapping[str, str] | None = None,
    extra: Mapping[str, tuple[int, list[int]]] | None = None,
    name: str = "images",
    channels: int = 3,
) -> Path:
    """A model that gives the same for every picture."""
    inputs = [helper.make_tensor_value_info(name, TYPES[dtype], [batch, channels, *sides])]
    for key, (kind, shape) in (extra or {}).items():
        inputs.append(helper.make_tensor_value_info(key, kind, shape))
    values = {
        key: onnx.numpy_helper.from_array(np.ascontiguousarray(each), key) for key, each in outputs.items()
    }
    nodes = [helper.make_node("Constant", [], [key], value=value) for key, value in values.items()]
    infos = [
        helper.make_tensor_value_info(key, value.data_type, list(value.dims)) for key, value in values.items()
    ]
    return written(path, nodes, inputs, infos, said)


def written(
    path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], said: Mapping[str, str] | None = None
) -> Path:
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, dict(said or {}))
    onnx.save(model, str(path))
    return path


def looking(
    path: Path, dtype: str = "float32", side: int = 32, said: Mapping[str, str] | None = None
) -> Path:
    """A model in the layout of YOLOv8 with one class: each cell of a grid is as sure as its pixels are red.

    The boxes are its cells; convolutions of fixed weights, for a picture of any size.
    """
    kind = TYPES[dtype]
    values = {
        "mean": np.stack([np.full((side, side), 1 / side**2), *np.zeros((2, side, side))])[None],
        "ones": np.array([1.0]),
        "half": np.array([side / 2]),
        "side": np.array([float(side)]),
    }
    nodes = [
        helper.make_node("Constant", [], [key], value=onnx.numpy_helper.from_array(each.astype(dtype), key))
        for key, each in values.items()
    ]
    whole = {"axis": np.array([2]), "row": np.array(2), "column": np.array(3), "flat": np.array([1, 1, -1])}
    nodes += [
        helper.make_node(
            "Constant", [], [key], value=onnx.numpy_helper.from_array(each.astype(np.int64), key)
        )
        for key, each in whole.items()
    ]
    nodes += [
        helper.make_node("Conv", ["images", "mean"], ["score"], strides=[side, side]),
        helper.make_node("Sub", ["score", "score"], ["none"]),
        helper.make_node("Add", ["none", "ones"], ["each"]),
        helper.make_node("CumSum", ["each", "column"], ["columns"]),
        helper.make_node("CumSum", ["each", "row"], ["rows"]),
    ]
    for source, given in (("columns", "x"), ("rows", "y")):
        nodes += [
            helper.make_node("Mul", [source, "side"], [f"{given} right"]),
            helper.make_node("Sub", [f"{given} right", "half"], [given]),
        ]
    nodes.append(helper.make_node("Mul", ["each", "side"], ["wide"]))
    nodes += [
        helper.make_node("Reshape", [given, "flat"], [f"{given} flat"])
        for given in ("x", "y", "wide", "score")
    ]
    parts = ["x flat", "y flat", "wide flat", "wide flat", "score flat"]
    nodes.append(helper.make_node("Concat", parts, ["output0"], axis=1))
    inputs = [helper.make_tensor_value_info("images", kind, [1, 3, "height", "width"])]
    outputs = [helper.make_tensor_value_info("output0", kind, [1, 5, "cells"])]
    return written(path, nodes, inputs, outputs, said if said is not None else {"names": "{0: 'red'}"})


def table(rows: Sequence[Sequence[float]], count: int, columns: int) -> npt.NDArray[np.float32]:
    """A table of candidates, the rest of it empty: (1, count, columns)."""
    made = np.zeros((1, count, columns), np.float32)
    for index, row in enumerate(rows):
        made[0, index, : len(row)] = row
    return made


def red(width: int, height: int, box: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    """A black picture with one red box: left, top, right, low."""
    pixels = np.zeros((height, width, 3), np.uint8)
    left, top, right, low = box
    pixels[top:low, left:right, 0] = 255
    return pixels

"""Models as ONNX, run by onnxruntime, which is loaded when the first of them is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from envstream.detection.boxes import Floats
from envstream.detection.layouts import PLAIN, Array
from envstream.detection.model import fed, multiples, needed, traits
from envstream.errors import EnvstreamError

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_EXTRAS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32}


class OnnxModel:
    """See `Model`.

    Args:
        path: of the file.
        device: `auto` (a GPU where onnxruntime can use one), `cpu` or `cuda`.
        names: of its classes; None = as the file says.
        layout: see `layouts.NAMES`; None = it is found out.

    Raises:
        EnvstreamError: no onnxruntime; no model, or none that detects in a known layout; no GPU where one is
            asked for.
    """

    def __init__(
        self,
        path: Path,
        device: str = "auto",
        names: Sequence[str] | None = None,
        layout: str | None = None,
    ) -> None:
        needed("onnxruntime", f"{path.name} as ONNX")
        self._name = path.name
        self._session = _session(path, device)
        self.gpu = self._session.get_providers()[0] == CUDA
        said: Mapping[str, Any] = self._session.get_modelmeta().custom_metadata_map
        try:
            self._input = _picture(self._session.get_inputs())
            self._extras = [
                _extra(each) for each in self._session.get_inputs() if each.name != self._input.name
            ]
            self._intake = PLAIN
            self._outputs = [each.name for each in self._session.get_outputs()]
            sizes = [self._input.size] if self._input.size else multiples(_whole(said.get("stride")))
            found = traits(self._asked, sizes, said, names, layout)
        except EnvstreamError as error:
            raise EnvstreamError(f"{path.name} cannot be used: {error}") from error
        self.names, self.sizes, self.layout = found
        self._intake = found.layout.intake

    def run(self, batch: Floats) -> list[Array]:
        """What comes out for one picture."""
        size = batch.shape[-1]
        feed = {self._input.name: fed(batch, self._intake, self._input.dtype)}
        outputs: list[Array] = self._session.run(
            None, feed | {each.name: each.value(size) for each in self._extras}
        )
        return outputs

    def describe(self) -> dict[str, Any]:
        """What there is to say of it."""
        return {
            "name": self._name,
            "format": "onnx",
            "layout": self.layout.name,
            "classes": len(self.names) or None,
            "sizes": self.sizes,
            "device": "cuda" if self.gpu else "cpu",
            "half": self._input.dtype == np.float16,
        }

    def _asked(self, batch: Floats) -> list[tuple[str, Array]]:
        return list(zip(self._outputs, self.run(batch), strict=True))


class _Input(NamedTuple):
    name: str
    dtype: Any
    size: int | None  # None: any.


class _Extra(NamedTuple):
    """An input beside the picture."""

    name: str
    dtype: Any
    shape: tuple[int | None, ...]  # None: as large as the picture; empty: the picture's own size is said.

    def value(self, size: int) -> Array:
        if not self.shape:
            return np.array([[size, size]], self.dtype)
        return np.ones([side or size for side in self.shape], self.dtype)


def threads() -> int:
    """Threads that a model may use: the others belong to those who train."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, count // 2))


def _session(path: Path, device: str) -> Any:
    import onnxruntime

    there = CUDA in onnxruntime.get_available_providers()
    if device == "cuda" and not there:
        raise EnvstreamError(
            "device='cuda': this onnxruntime has no CUDA; pip install onnxruntime-gpu, or say device='auto', "
            "which takes what there is"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads(), 1
    options.log_severity_level = 3
    # Threads that wait for work without sleeping take the time of those who have some.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = [CUDA, CPU] if there and device != "cpu" else [CPU]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # Its own kinds have no base but this.
        reason = " ".join(str(error).split())[:300]
        raise EnvstreamError(f"{path.name} is no ONNX model that can be run: {reason}") from error
    if device == "cuda" and session.get_providers()[0] != CUDA:
        raise EnvstreamError("device='cuda': onnxruntime cannot use the GPU; it needs CUDA and cuDNN")
    return session


def _picture(inputs: Sequence[Any]) -> _Input:
    """The input for the picture."""
    listed = "; ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
    deep = [each for each in inputs if len(each.shape) == 4]
    if len(deep) != 1 or deep[0].type not in _TYPES:
        raise EnvstreamError(
            f"its inputs are {listed}; expected one of shape (1, 3, height, width), float32 or float16"
        )
    count, channels, *sides = deep[0].shape
    if isinstance(channels, int) and channels != 3:
        raise EnvstreamError(
            f"its inputs are {listed}; expected RGB with the channels first: (1, 3, height, width)"
        )
    if isinstance(count, int) and count != 1:
        raise EnvstreamError(f"it takes {count} pictures at once; export it for one (batch=1)")
    fixed = {side for side in sides if isinstance(side, int)}
    if len(fixed) > 1:
        raise EnvstreamError(f"it takes pictures of {sides[1]} x {sides[0]} pixels; export it for a square")
    return _Input(deep[0].name, _TYPES[deep[0].type], fixed.pop() if fixed else None)


def _extra(given: Any) -> _Extra:
    """What another input is for."""
    if given.type in _EXTRAS and given.name in ("orig_target_sizes", "pixel_mask"):
        sides = [side if isinstance(side, int) else None for side in given.shape[1:]]
        shape = (1, *sides) if given.name == "pixel_mask" else ()
        return _Extra(given.name, _EXTRAS[given.type], shape)
    raise EnvstreamError(
        f"it wants {given.name} {given.type} {given.shape} beside the picture; expected nothing, "
        "orig_target_sizes or pixel_mask"
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 6 else None

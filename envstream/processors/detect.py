"""Detect: what is in the pictures, found by a model; on request drawn into them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from envstream.detection.boxes import Box
from envstream.detection.detector import CONFIDENCE, Detector
from envstream.detection.drawing import draw as drawn
from envstream.detection.model import Model, needed
from envstream.detection.models import SHIPPED, kind_of, load
from envstream.errors import SettingError
from envstream.frame import Frame

NAMED = 2000  # Frames whose boxes are told; of the others it is said how many they are.

_LONGEST = 600_000  # Characters of all that is told of them.
_LABELS = 500  # That are counted by name.


class Detect:
    """Looks for things in each picture, or each so-manieth. The frame that is given is left as it is.

    What it finds: `frames`; `looked_at`, how many of them were looked at, `found_in`, in how many of those
    there was something; `counts`, how many of each label in all; `detections`: for each frame with
    something in it its number `frame`, its `time` in seconds and its `boxes`, with `label`, `index`,
    `score`, and `x`, `y`, `width` and `height` as shares of the picture. Those of 2000 frames at most are
    told; `not_told` counts the rest. `model`, `size` and `confidence` are what was looked with.

    Args:
        model: path of an ONNX file, or a model that has been loaded; None = the one that comes with
            envstream, for simple shapes. Other kinds of files are programs, and a processor's options may
            come from far away: load those with `models.load`.
        confidence: how sure it has to be, from 0.01 to 1; None = 0.25.
        size: pixels of the square that a picture is fitted into; None = the largest that the model allows.
        every: 1 = each picture, 2 = each second one, ...; those between have the boxes of the last.
        draw: burn the boxes into the pictures.

    Raises:
        SettingError: another value.
        EnvstreamError: no onnxruntime, or no such model.
    """

    def __init__(
        self,
        model: str | Path | Model | None = None,
        confidence: float | None = None,
        size: int | None = None,
        every: int = 1,
        draw: bool = False,
    ) -> None:
        self._confidence = CONFIDENCE if confidence is None else _share("confidence", confidence)
        self._size = None if size is None else _whole("size", size, 32, 4096)
        self._every = _whole("every", every, 1, 1_000_000)
        if not isinstance(draw, bool):
            raise SettingError.value("draw", draw, "true or false")
        self.changes = draw
        self._model = _checked(SHIPPED if model is None else model)
        self._detector: Detector | None = None
        self._frames = self._looked = self._found_in = self._length = 0
        self._counts: Counter[str] = Counter()
        self._told: list[dict[str, Any]] = []
        self._last: list[Box] = []

    def begin(self, about: Mapping[str, Any]) -> None:
        """Loads the model."""
        model = load(self._model) if isinstance(self._model, Path) else self._model
        self._detector = Detector(model, size=self._size, confidence=self._confidence)

    def __call__(self, frame: Frame) -> Frame:
        """The very frame that was given, or one with boxes."""
        if self._detector is None:
            self.begin({})
        if self._frames % self._every == 0 and self._detector is not None:
            self._last = self._detector.detect(frame.pixels)
            self._looked += 1
            self._note(frame, self._last)
        self._frames += 1
        if not self.changes or not self._last:
            return frame
        return replace(frame, pixels=drawn(frame.pixels, self._last), content=frame.number)

    def finish(self, about: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was found; see above."""
        detector = self._detector
        return {
            "frames": self._frames,
            "looked_at": self._looked,
            "found_in": self._found_in,
            "counts": dict(self._counts.most_common(_LABELS)),
            "detections": self._told,
            "not_told": self._found_in - len(self._told),
            "model": None if detector is None else detector.model.describe(),
            "size": None if detector is None else detector.size,
            "confidence": self._confidence,
        }

    def _note(self, frame: Frame, boxes: list[Box]) -> None:
        if not boxes:
            return
        self._found_in += 1
        self._counts.update(box.label for box in boxes)
        if len(self._told) == NAMED or self._length > _LONGEST:
            return
        told = {
            "frame": frame.number,
            "time": round(frame.captured, 4),
            "boxes": [box.said() for box in boxes],
        }
        self._length += len(json.dumps(told))
        self._told.append(told)


def _checked(model: str | Path | Model) -> Path | Model:
    """The model as it is used; nothing is loaded here.

    Raises:
        EnvstreamError: it cannot be used.
    """
    if not isinstance(model, (str, Path)):
        if not callable(getattr(model, "run", None)):
            raise SettingError.value("model", model, "the path of an ONNX file, or a model that was loaded")
        return model
    path = Path(model)
    kind = kind_of(path)
    if kind != "onnx":
        raise SettingError.value("model", str(model), f"ONNX; {kind} is a program, see models.load")
    needed("onnxruntime", "the processor detect")
    return path


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise SettingError.value(name, value, f"a whole number from {least} to {most}")


def _share(name: str, value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0.01 <= value <= 1:
        return float(value)
    raise SettingError.value(name, value, "a number from 0.01 to 1")

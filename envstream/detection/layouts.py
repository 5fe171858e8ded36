"""Layouts: what the raw outputs of a detection model mean, found out from their names and shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from envstream.detection.boxes import Floats, Ints
from envstream.errors import EnvstreamError

Array = npt.NDArray[Any]

_STRIDES = (8, 16, 32)  # Of the three grids of a YOLO model.


class Candidates(NamedTuple):
    """What a model says is there.

    Attributes:
        boxes: (N, 4), as (left, top, right, bottom) in pixels of the square that the model was given.
        scores: (N,), from 0 to 1.
        classes: (N,), the number of the class of each.
    """

    boxes: Floats
    scores: Floats
    classes: Ints


class Intake(NamedTuple):
    """What a model expects of the numbers of a picture, which are RGB from 0 to 1.

    Attributes:
        factor: they are multiplied with it,
        mean, deviation: then the first is taken away, and by the second it is divided.
        reverse: blue comes first.
    """

    factor: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    reverse: bool = False


PLAIN = Intake()
IMAGENET = Intake(1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_BYTES = Intake(255.0, reverse=True)


class Layout(NamedTuple):
    """How a model answers.

    Attributes:
        name: see `NAMES`.
        classes: how many it knows; None = its outputs do not say.
        outputs: which of its outputs are read, in which order.
        distinct: whether it finds each thing once, so that nothing is to be suppressed.
        intake: what it is given.
    """

    name: str
    classes: int | None
    outputs: tuple[int, ...]
    distinct: bool = False
    intake: Intake = PLAIN

    def read(self, outputs: Sequence[Array], size: int, confidence: float) -> Candidates:
        """What the outputs say, as far as it is as sure as `confidence`.

        Args:
            outputs: all of the model, for one picture.
            size: pixels that the picture's square is wide.
        """
        wanted = [np.asarray(outputs[index]) for index in self.outputs]
        with np.errstate(over="ignore", invalid="ignore"):  # Half precision overflows.
            boxes, scores, classes = _READERS[self.name](wanted, size, confidence)
        sound = np.isfinite(boxes).all(-1) & np.isfinite(scores)
        if not sound.all():
            boxes, scores, classes = boxes[sound], scores[sound], classes[sound]
        return Candidates(boxes, scores, classes.astype(np.int64))


class Output(NamedTuple):
    """One output of a model, as it came out for an empty picture."""

    name: str
    shape: tuple[int, ...]
    whole: bool = False  # Whole numbers.


def find(outputs: Sequence[Output], size: int, classes: int | None = None, name: str | None = None) -> Layout:
    """The layout of a model.

    Args:
        outputs: what came out of it,
        size: for a square of so many pixels.
        classes: how many it is known to know.
        name: of the layout, where it is told.

    Raises:
        EnvstreamError: none fits, or not the one that is told.
    """
    if name is not None and name not in NAMES:
        raise EnvstreamError(f"layout={name!r}: expected one of {', '.join(NAMES)}")
    for look in (_in_parts, _detr, _in_one):
        layout = look(outputs, size, classes, name)
        if layout is not None and name in (None, layout.name):
            return layout
    listed = "; ".join(f"{each.name} {each.shape}{' of whole numbers' * each.whole}" for each in outputs)
    known = "" if classes is None else f" with {classes} classes"
    raise EnvstreamError(
        f"its outputs{known} fit {'no layout that is known' if name is None else f'not the layout {name}'}: "
        f"{listed}; expected one of yolov5 (1, N, 5 + classes), yolov8 (1, 4 + classes, N), yolov10 "
        "(1, N, 6), yolox (1, N, 5 + classes), detr or detr-sigmoid (logits and boxes), rtdetr (labels, "
        "boxes, scores); export it as a detector in one of these"
    )


def _in_parts(outputs: Sequence[Output], size: int, classes: int | None, name: str | None) -> Layout | None:
    """Labels, boxes and scores, each on its own."""
    flat = [index for index, each in enumerate(outputs) if len(each.shape) == 2 and each.shape[0] == 1]
    labels = [index for index in flat if outputs[index].whole] or _called(outputs, "labels")
    scores = [index for index in flat if not outputs[index].whole and index not in labels[:1]]
    boxes = [i for i, each in enumerate(outputs) if len(each.shape) == 3 and each.shape[::2] == (1, 4)]
    if not (len(labels) == len(scores) == len(boxes) == 1) or labels[0] not in flat:
        return None
    found = labels[0], boxes[0], scores[0]
    same = len({outputs[index].shape[1] for index in found}) == 1
    return Layout("rtdetr", classes, found, distinct=True) if same else None


def _detr(outputs: Sequence[Output], size: int, classes: int | None, name: str | None) -> Layout | None:
    """A row of logits and a box for each of some queries."""
    deep = [index for index, each in enumerate(outputs) if len(each.shape) == 3 and each.shape[0] == 1]
    boxes = [index for index in deep if outputs[index].shape[2] == 4]
    told = [i for i in boxes if "box" in outputs[i].name or outputs[i].name == "dets"]
    at = (told or boxes)[:1]
    logits = [i for i in deep if [i] != at and at and outputs[i].shape[1] == outputs[at[0]].shape[1]]
    if not at or len(logits) != 1:
        return None
    columns = outputs[logits[0]].shape[2]
    found = logits[0], at[0]
    # RF-DETR calls its boxes so; it normalises as DETR does, and has no column for nothing.
    rows = outputs[at[0]].name == "dets"
    if name == "detr-sigmoid" or (name is None and (rows or classes == columns)):
        return Layout("detr-sigmoid", columns, found, True, IMAGENET if rows else PLAIN)
    return Layout("detr", columns - 1, found, True, IMAGENET) if columns > 1 else None


def _in_one(outputs: Sequence[Output], size: int, classes: int | None, name: str | None) -> Layout | None:
    """All in one table, as YOLO models have it."""
    tables = [index for index, each in enumerate(outputs) if len(each.shape) == 3 and each.shape[0] == 1]
    masks = any(len(each.shape) == 4 for each in outputs)
    if len(tables) != 1 or masks:
        return None
    _, rows, columns = outputs[tables[0]].shape
    kind, channels = _kind(rows, columns, size, classes) if name is None else (name, min(rows, columns))
    if kind not in ("yolov5", "yolov8", "yolov8-rows", "yolov10", "yolox"):
        return None
    if kind == "yolov10":
        return Layout(kind, classes, (tables[0],), distinct=True) if columns == 6 else None
    count = channels - (4 if kind.startswith("yolov8") else 5)
    if count < 1 or classes not in (None, count):
        return None
    return Layout(kind, count, (tables[0],), intake=_BYTES if kind == "yolox" else PLAIN)


def _kind(rows: int, columns: int, size: int, classes: int | None) -> tuple[str, int]:
    """Which of the YOLO layouts a table is of, and how many numbers it has for each candidate."""
    cells = sum((size // stride) ** 2 for stride in _STRIDES)
    if columns == 6 and rows not in (cells, 3 * cells):
        return "yolov10", 6
    if classes is not None and rows == 4 + classes:
        return "yolov8", rows
    if classes is not None and columns == 4 + classes:
        return "yolov8-rows", columns
    if rows < columns:
        return "yolov8", rows
    return "yolox" if rows == cells else "yolov5", columns


def _called(outputs: Sequence[Output], name: str) -> list[int]:
    return [index for index, each in enumerate(outputs) if each.name == name]


# --- readers -------------------------------------------------------------------------------------------


def _read_v5(outputs: Sequence[Array], size: int, confidence: float) -> Candidates:
    table = outputs[0][0]
    table = table[table[:, 4] >= confidence].astype(np.float32)  # No class is surer than that there is any.
    chances = table[:, 5:] * table[:, 4:5]
    return _best(_corners(table[:, :4]), chances, confidence)


def _read_v8(outputs: Sequence[Array], size: int, confidence: float) -> Candidates:
    table = outputs[0][0]
    sure = table[4:].max(0) >= confidence
    found = table[:, sure].T.astype(np.float32)
    return _best(_corners(found[:, :4]), found[:, 4:], confidence)


def _read_v8_rows(outputs: Sequence[Array], size: int, confidence: float) -> Candidates:
    return _read_v8([outputs[0].transpose(0, 2, 1)], size, confidence)


def _read_v10(outputs: Sequence[Array], size: int, confidence: float) -> Candidates:
    table = outputs[0][0]
    table = table[table[:, 4] >= confidence].astype(np.float32)
    return Candidates(table[:, :4], table[:, 4], table[:, 5].round().astype(np.int64))


def _read_yolox(outputs: Sequence[Array], size: int, confidence: float) -> Candidates:
    """Boxes are told from the corners of cells, in cells; their sides as logarithms."""
    table = outputs[0][0]
    sure = table[:, 4] >= confidence
    table, grid = table[sure].astype(np.float32), _cells(size)[sure]
    table[:, :2] = (table[:, :2] + grid[:, :2]) * grid[:, 2:]
    table[:, 2:4] = np.exp(table[:, 2:4]) * grid[:, 2:]
    return _best(_corners(table[:, :4]), table[:, 5:] * table[:, 4:5], confidence)


def _read_detr(outputs: Sequence[Array], size: int, confidence: float) -> Candidates:
    logits = outputs[0][0].astype(np.float32)
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    chances = (powers / powers.sum(-1, keepdims=True))[:, :-1]  # The last column is for nothing.
    return _best(_corners(outputs[1][0].astype(np.float32) * size), chances, confidence)


def _read_sigmoid(outputs: Sequence[Array], size: int, confidence: float) -> Candidates:
    chances = 1 / (1 + np.exp(-np.clip(outputs[0][0].astype(np.float32), -60, 60)))
    return _best(_corners(outputs[1][0].astype(np.float32) * size), chances, confidence)


def _read_rtdetr(outputs: Sequence[Array], size: int, confidence: float) -> Candidates:
    labels, boxes, scores = (each[0] for each in outputs)
    sure = scores >= confidence
    return Candidates(boxes[sure].astype(np.float32), scores[sure].astype(np.float32), labels[sure])


def _best(boxes: Floats, chances: Floats, confidence: float) -> Candidates:
    """The likeliest class of each candidate, as far as it is likely enough."""
    if not chances.size:
        return Candidates(boxes[:0], np.zeros(0, np.float32), np.zeros(0, np.int64))
    classes = chances.argmax(-1)
    scores = np.take_along_axis(chances, classes[:, None], 1)[:, 0]
    sure = scores >= confidence
    return Candidates(boxes[sure], scores[sure], classes[sure])


def _corners(boxes: Floats) -> Floats:
    """Boxes told by their middle and sides, by their corners."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)


def _cells(size: int) -> Floats:
    """Of each candidate of YOLOX: column and row of its cell, and the pixels that it is wide."""
    parts = []
    for stride in _STRIDES:
        side = size // stride
        rows, columns = np.divmod(np.arange(side * side), side)
        parts.append(np.stack([columns, rows, np.full(side * side, stride)], 1))
    return np.concatenate(parts).astype(np.float32)


_READERS: dict[str, Callable[[Sequence[Array], int, float], Candidates]] = {
    "yolov5": _read_v5,
    "yolov8": _read_v8,
    "yolov8-rows": _read_v8_rows,
    "yolov10": _read_v10,
    "yolox": _read_yolox,
    "detr": _read_detr,
    "detr-sigmoid": _read_sigmoid,
    "rtdetr": _read_rtdetr,
}
NAMES = tuple(_READERS)

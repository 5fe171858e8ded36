"""Layouts: each is known by its names and shapes, and gives the same boxes for what means the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from envstream.detection.layouts import NAMES, Layout, Output, find
from envstream.errors import EnvstreamError

SIZE = 320
CELLS = 40 * 40 + 20 * 20 + 10 * 10

Array = npt.NDArray[Any]

# One thing in all of them: from (80, 40) to (160, 200), of class 2 of three, with a score of 0.8.
CORNERS, MIDDLE = (80.0, 40.0, 160.0, 200.0), (120.0, 120.0, 80.0, 160.0)


def outputs(**arrays: Array) -> list[Output]:
    return [Output(name, each.shape, each.dtype.kind in "iu") for name, each in arrays.items()]


def empty(*shape: int) -> npt.NDArray[np.float32]:
    return np.zeros(shape, np.float32)


def yolov5() -> dict[str, Array]:
    table = empty(1, 3 * CELLS, 8)
    table[0, 77] = (*MIDDLE, 0.9, 0.1, 0.2, 0.8 / 0.9)
    table[0, 78] = (*MIDDLE, 0.9, 0.1, 0.1, 0.1)  # Something is there, but nobody knows what.
    return {"output0": table}


def yolov8() -> dict[str, Array]:
    table = empty(1, 7, CELLS)
    table[0, :, 50] = (*MIDDLE, 0.1, 0.2, 0.8)
    table[0, :, 51] = (*MIDDLE, 0.1, 0.2, 0.3)
    return {"output0": table}


def yolov10() -> dict[str, Array]:
    table = empty(1, 300, 6)
    table[0, 0] = (*CORNERS, 0.8, 2)
    table[0, 1] = (*CORNERS, 0.3, 1)
    return {"output0": table}


def yolox() -> dict[str, Array]:
    table = empty(1, CELLS, 8)
    # The cell in row 7, column 5 of the grid of 16 pixels a cell.
    place = 1600 + 7 * 20 + 5
    table[0, place] = (2.5, 0.5, np.log(5), np.log(10), 1.0, 0, 0.1, 0.8)
    return {"output": table}


def detr() -> dict[str, Array]:
    logits, boxes = empty(1, 100, 4), empty(1, 100, 4)
    logits[..., 3] = 9  # Nothing.
    logits[0, 5] = np.log([0.05, 0.05, 0.8, 0.1])
    boxes[0, 5] = np.array(MIDDLE) / SIZE
    return {"logits": logits, "pred_boxes": boxes}


def sigmoid() -> dict[str, Array]:
    logits, boxes = np.full((1, 300, 3), -8, np.float32), empty(1, 300, 4)
    logits[0, 5, 2] = np.log(0.8 / 0.2)
    boxes[0, 5] = np.array(MIDDLE) / SIZE
    return {"dets": boxes, "labels": logits}


def rtdetr() -> dict[str, Array]:
    boxes, scores, labels = empty(1, 300, 4), empty(1, 300), np.zeros((1, 300), np.int64)
    boxes[0, 3], scores[0, 3], labels[0, 3] = CORNERS, 0.8, 2
    return {"labels": labels, "boxes": boxes, "scores": scores}


ALL = {
    "yolov5": yolov5,
    "yolov8": yolov8,
    "yolov8-rows": lambda: {"output0": yolov8()["output0"].transpose(0, 2, 1)},
    "yolov10": yolov10,
    "yolox": yolox,
    "detr": detr,
    "detr-sigmoid": sigmoid,
    "rtdetr": rtdetr,
}
NEEDS_NAMES = {"yolov8-rows"}  # Else it looks like YOLOX.


def test_there_is_an_example_of_every_layout() -> None:
    assert set(ALL) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("half", [False, True])
def test_what_means_the_same_is_read_the_same(name: str, half: bool) -> None:
    arrays = ALL[name]()
    if half:
        arrays = {
            key: each.astype(np.float16) if each.dtype.kind == "f" else each for key, each in arrays.items()
        }
    layout = find(outputs(**arrays), SIZE, 3)
    assert layout.name == name
    found = layout.read(list(arrays.values()), SIZE, 0.5)
    assert found.boxes == pytest.approx(np.array([CORNERS]), abs=0.3 if half else 1e-3)
    assert found.scores == pytest.approx([0.8], abs=2e-3 if half else 1e-5)
    assert found.classes.tolist() == [2]
    assert (found.boxes.dtype, found.classes.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NEEDS_NAMES])
def test_nobody_has_to_say_how_many_classes_there_are(name: str) -> None:
    layout = find(outputs(**ALL[name]()), SIZE)
    assert (layout.name, layout.classes) == (name, None if name in ("yolov10", "rtdetr") else 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_layout_can_be_told(name: str) -> None:
    assert find(outputs(**ALL[name]()), SIZE, name=name).name == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_no_boxes(name: str, bad: float) -> None:
    arrays = ALL[name]()
    layout = find(outputs(**arrays), SIZE, 3)
    broken = [np.full_like(each, bad) if each.dtype.kind == "f" else each for each in arrays.values()]
    assert layout.read(broken, SIZE, 0.5).boxes.shape == (0, 4)


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_is_sure_enough_nothing_is_found(name: str) -> None:
    arrays = ALL[name]()
    found = find(outputs(**arrays), SIZE, 3).read(list(arrays.values()), SIZE, 0.95)
    assert (len(found.boxes), len(found.scores), len(found.classes)) == (0, 0, 0)


def test_a_lower_confidence_finds_more() -> None:
    arrays = yolov8()
    layout = find(outputs(**arrays), SIZE, 3)
    assert [len(layout.read([arrays["output0"]], SIZE, least).scores) for least in (0.5, 0.25)] == [1, 2]


def test_yolov5_with_one_class_is_not_taken_for_yolov10() -> None:
    assert find(outputs(output0=empty(1, 3 * CELLS, 6)), SIZE).name == "yolov5"
    assert find(outputs(output0=empty(1, 0, 6)), SIZE).name == "yolov10"


def test_yolov5_with_its_grids_beside_it_is_still_known() -> None:
    arrays = {**yolov5(), "grid 1": empty(1, 3, 40, 40, 8)}
    layout = find(outputs(**arrays), SIZE, 3)
    assert (layout.name, layout.outputs) == ("yolov5", (0,))


def test_what_is_told_of_names_decides_whether_a_column_is_for_nothing() -> None:
    arrays = {"logits": empty(1, 300, 80), "pred_boxes": empty(1, 300, 4)}
    assert [find(outputs(**arrays), SIZE, count).name for count in (79, 80)] == ["detr", "detr-sigmoid"]


def test_outputs_without_names_are_known_by_their_shapes() -> None:
    for name in ("detr", "rtdetr"):
        given = outputs(**ALL[name]())
        assert find([each._replace(name="") for each in given], SIZE, 3).name == name


def test_only_layouts_that_may_say_things_twice_are_suppressed() -> None:
    distinct = [name for name in NAMES if find(outputs(**ALL[name]()), SIZE, 3).distinct]
    assert distinct == ["yolov10", "detr", "detr-sigmoid", "rtdetr"]


def test_each_is_given_the_numbers_that_it_was_trained_with() -> None:
    layouts: dict[str, Layout] = {name: find(outputs(**ALL[name]()), SIZE, 3) for name in NAMES}
    assert layouts["yolox"].intake.factor == 255 and layouts["yolox"].intake.reverse
    assert layouts["detr"].intake.mean[0] == 0.485
    assert layouts["yolov8"].intake.factor == 1 and layouts["rtdetr"].intake.mean == (0, 0, 0)


@pytest.mark.parametrize(
    "strange",
    [
        {"probabilities": empty(1, 1000)},
        {"output0": empty(1, 116, CELLS), "output1": empty(1, 32, 80, 80)},  # Masks.
        {"output0": empty(2, 7, CELLS)},
        {"features": empty(1, 64, 40, 40)},
        {"output0": empty(1, 3, CELLS)},
        {},
    ],
)
def test_what_fits_nothing_is_listed_with_what_would(strange: dict[str, Array]) -> None:
    with pytest.raises(EnvstreamError, match=r"no layout that is known.*yolov8") as raised:
        find(outputs(**strange), SIZE)
    assert all(f"{name} {each.shape}" in str(raised.value) for name, each in strange.items())


def test_names_that_do_not_fit_the_outputs_are_an_error() -> None:
    with pytest.raises(EnvstreamError, match="with 17 classes"):
        find(outputs(**yolov8()), SIZE, 17)


def test_a_layout_that_is_told_and_does_not_fit_is_an_error() -> None:
    with pytest.raises(EnvstreamError, match="not the layout rtdetr"):
        find(outputs(**yolov8()), SIZE, name="rtdetr")
    with pytest.raises(EnvstreamError, match="expected one of yolov5"):
        find(outputs(**yolov8()), SIZE, name="yolo")

"""Pictures in tensors: one of a batch, as bytes, made smaller where it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from batches import HEIGHT, WIDTH, LateCarry, pictures_of
from envstream.errors import PictureError
from envstream.sources.tensors import (
    TensorPicture,
    as_tensor,
    choose,
    index_and_rows,
    is_tensor,
    one_each,
    pick,
    shrink,
    to_bytes,
)

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")


def shown(batch: Any, index: int = 0, **options: Any) -> Any:
    arrival = TensorPicture(**options).begin(batch, index)
    assert arrival.ready()
    return arrival.collect()[0]


class OnlyDlpack:
    """An array of JAX or Warp: it can be handed over, and that is all."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any:
        return self._tensor.__dlpack__(*args, **kwargs)

    def __dlpack_device__(self) -> Any:
        return self._tensor.__dlpack_device__()


class Proxy:
    """An array of Isaac Lab 3: its tensor is in `torch`, and whoever indexes it is warned."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.torch = tensor

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("deprecated")


# --- one of a batch ------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 3])
@pytest.mark.parametrize(
    "arranged",
    [
        lambda batch: batch,
        lambda batch: batch.permute(0, 3, 1, 2),
        lambda batch: list(batch),
        lambda batch: tuple(batch.permute(0, 3, 1, 2)),
        lambda batch: OnlyDlpack(batch.contiguous()),
        lambda batch: Proxy(batch),
        lambda batch: [OnlyDlpack(one.contiguous()) for one in batch],
        lambda batch: batch.numpy(),
    ],
    ids=["last", "first", "list", "list first", "dlpack", "proxy", "list of dlpack", "numpy"],
)
def test_the_picture_of_an_env_is_chosen_from_a_batch(arranged: Any, index: int) -> None:
    picture = shown(arranged(pictures_of(4)), index)
    assert picture.shape == (HEIGHT, WIDTH, 3) and picture.dtype == np.uint8
    assert (picture == 10 * (index + 1)).all()


@pytest.mark.parametrize(
    "shape", [(6, 8, 3), (3, 6, 8), (6, 8), (6, 8, 1), (1, 6, 8), (6, 8, 4), (4, 6, 8), (6, 8, 2)]
)
def test_one_view_is_that_of_the_first_env(shape: tuple[int, ...]) -> None:
    assert shown(torch.full(shape, 9, dtype=torch.uint8)).shape == (6, 8, 3)


@pytest.mark.parametrize(
    ("batch", "index", "sentence"),
    [
        (torch.zeros(4, 6, 8, 3), 4, "it has no env 4"),
        ([torch.zeros(6, 8, 3)], 1, "there is no picture of env 1"),
        ([], 0, "a list of 0"),
        (torch.zeros(6, 8, 3), 1, "as env 0 only"),
        (torch.zeros(4, 2, 6, 8, 3), 0, r"Tensor of shape \(4, 2, 6, 8, 3\); reshape it"),
        (torch.zeros(4, 6, 8, 5), 0, "reshape it"),
        (torch.zeros(7), 0, "reshape it"),
        (torch.zeros(4, 0, 8, 3), 0, "no pixels"),
        (torch.zeros(6, 8, 3, dtype=torch.complex64), 0, "float values"),
        (7, 0, "expected pictures of envs"),
    ],
)
def test_what_is_no_batch_of_pictures_is_refused_with_what_was_expected(
    batch: Any, index: int, sentence: str
) -> None:
    with pytest.raises(PictureError, match=sentence):
        shown(batch, index)


def test_too_many_pixels_are_refused_before_they_are_copied() -> None:
    with pytest.raises(PictureError, match="48 pixels, more than videoStreamMaxPixels=40"):
        shown(pictures_of(1), max_pixels=40)


def test_what_was_begun_does_not_change_with_the_simulator() -> None:
    batch = pictures_of(2).clone()
    arrival = TensorPicture().begin(batch, 1)
    batch.zero_()
    assert (arrival.collect()[0] == 20).all()


# --- bytes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "dtype", "byte"),
    [
        (200, torch.uint8, 200),
        (True, torch.bool, 255),
        (0.5, torch.float32, 128),
        (0.5, torch.float16, 128),
        (200.0, torch.float64, 200),
        (float("nan"), torch.float32, 0),
        (300, torch.int32, 255),
        (-5, torch.int64, 0),
        (100, torch.int8, 100),
        (0x8000, torch.uint16, 128),
    ],
)
def test_values_of_any_type_become_bytes(value: Any, dtype: torch.dtype, byte: int) -> None:
    assert (shown(torch.full((1, 6, 8, 3), value, dtype=dtype)) == byte).all()


def test_infinity_is_white_and_below_nothing_is_black() -> None:
    picture = torch.zeros(1, 6, 8, 3)
    picture[0, 0, 0], picture[0, 0, 1] = float("inf"), float("-inf")
    picture[0, 0, 2] = 1.0
    assert shown(picture)[0, :3, 0].tolist() == [255, 0, 255]


def test_the_range_of_floats_is_settled_by_the_brightest_so_far() -> None:
    source = TensorPicture()
    bytes_ = [
        int(source.begin(torch.full((1, 6, 8, 3), value), 0).collect()[0][0, 0, 0])
        for value in (0.5, 250.0, 0.5)
    ]
    assert bytes_ == [128, 250, 1]


def test_alpha_is_dropped_and_grey_is_repeated() -> None:
    seen, _ = to_bytes(torch.tensor([[[1, 2, 3, 0]]], dtype=torch.uint8))
    assert seen.tolist() == [[[1, 2, 3]]]
    seen, _ = to_bytes(torch.tensor([[[9, 0]]], dtype=torch.uint8))
    assert seen.tolist() == [[[9, 9, 9]]]


def test_distances_come_over_as_they_are() -> None:
    assert shown(torch.full((1, 6, 8, 1), 12.5), depth=True).tolist() == np.full((6, 8, 1), 12.5).tolist()


def test_nothing_is_read_from_the_device_to_decide_what_to_do() -> None:
    late = LateCarry()
    source = TensorPicture([4, 3], carry=late)
    for dtype in (torch.uint8, torch.float32, torch.bool, torch.int32):
        source.begin(torch.zeros(4, 6, 8, 3, dtype=dtype, device="meta"), 2)
    assert [tuple(copy.tensors[0].shape) for copy in late.copies] == [(3, 4, 3)] * 4
    assert {copy.tensors[0].dtype for copy in late.copies} == {torch.uint8}


# --- sizes ---------------------------------------------------------------------------------------------


def test_a_picture_is_made_smaller_by_the_mean_of_its_pixels() -> None:
    picture = torch.tensor([[0, 100], [200, 100]], dtype=torch.uint8)[:, :, None].expand(2, 2, 3)
    assert shrink(picture, 1, 1).tolist() == [[[100, 100, 100]]]


@pytest.mark.parametrize("size", [(8, 6), (16, 12), (4, 12)])
def test_a_picture_that_is_not_larger_stays(size: tuple[int, int]) -> None:
    picture = pictures_of(1)[0]
    assert shrink(picture, *size) is picture


# --- arrays and values ---------------------------------------------------------------------------------


def test_a_tensor_is_known_by_its_manners() -> None:
    assert is_tensor(torch.zeros(1)) and is_tensor(Proxy(torch.zeros(1)))
    assert not is_tensor("text") and not is_tensor(None)


def test_what_is_no_tensor_becomes_an_array() -> None:
    assert as_tensor([1, 2]).tolist() == [1, 2]


def test_choosing_copies_nothing() -> None:
    batch = pictures_of(4).clone()
    assert choose(batch, 2).data_ptr() == batch[2].data_ptr()


@pytest.mark.parametrize(
    "values", [torch.zeros(4), torch.zeros(4, 1), OnlyDlpack(torch.zeros(4)), np.zeros(4)]
)
def test_one_value_an_env_is_read_from_whatever_has_it(values: Any) -> None:
    if isinstance(values, OnlyDlpack):
        values.shape = (4,)  # type: ignore[attr-defined]
    assert tuple(one_each(values, 4).shape) == (4,)


@pytest.mark.parametrize("values", [{"agent": torch.zeros(4)}, torch.zeros(3), torch.zeros(4, 2), 0.0, None])
def test_what_is_not_one_value_an_env_is_none(values: Any) -> None:
    assert one_each(values, 4) is None


@pytest.mark.parametrize("values", [torch.arange(4.0), torch.arange(4.0)[:, None], np.arange(4.0)])
def test_the_values_of_some_envs_are_picked(values: Any) -> None:
    index, (rows,) = index_and_rows([3, 1], 2, [torch.as_tensor(values)])
    pick(values, index, rows[0])
    assert rows[0].tolist() == [3.0, 1.0]


def test_rows_made_in_inference_mode_can_be_written_outside_of_it() -> None:
    with torch.inference_mode():
        values = torch.arange(4.0)
        index, (rows,) = index_and_rows([2], 2, [values])
        pick(values, index, rows[0])
    pick(torch.arange(4.0, requires_grad=True), index, rows[1])
    assert rows.tolist() == [[2.0], [2.0]]


@on_a_gpu
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_picture_on_a_gpu_is_prepared_there_without_waiting(dtype: torch.dtype) -> None:
    batch = pictures_of(64, "cuda").to(dtype)
    source = TensorPicture([4, 3])
    source.begin(batch, 0).collect()  # The first one sets up a stream and page-locked memory.
    torch.cuda.set_sync_debug_mode("error")
    try:
        arrival = source.begin(batch, 7)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert (arrival.collect()[0] == np.full((3, 4, 3), 80)).all()

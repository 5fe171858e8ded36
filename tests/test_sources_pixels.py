"""Anything a render() may give becomes RGB bytes, or a PictureError that says what to do."""

from __future__ import annotations

import io
import subprocess
import sys
import types
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from envstream.errors import PictureError
from envstream.sources.pixels import is_black, to_rgb

Array = npt.NDArray[Any]

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)
GREY = PICTURE[:, :, 0]
ALPHA = RNG.integers(0, 255, (24, 32, 1), dtype=np.uint8)


def repeated(grey: Array) -> Array:
    return np.stack([grey, grey, grey], axis=2)


def over_black(colour: Array, alpha: Array) -> Array:
    return np.floor(colour.astype(float) * alpha / 255 + 0.5).astype(np.uint8)


class Wrapped:
    """A picture of a foreign library: it has only what it is told to have."""

    def __init__(self, **manners: Any) -> None:
        self.__dict__.update(manners)


class WithArray:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return PICTURE


class WithDlpackOnly:
    def __dlpack__(self, **options: Any) -> Any:
        return PICTURE.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return PICTURE.__dlpack_device__()


def tensor_like(array: object) -> Wrapped:
    """What torch shows of itself, where only `.detach().cpu().numpy()`, in this order, gives the array."""
    on_cpu = Wrapped(numpy=lambda: array)
    return Wrapped(detach=lambda: Wrapped(cpu=lambda: on_cpu), cpu=None)


# --- what comes out as it is ---------------------------------------------------------------------------


def test_an_rgb_picture_of_bytes_is_returned_itself() -> None:
    assert to_rgb(PICTURE) is PICTURE
    assert to_rgb(PICTURE, depth=True) is PICTURE


def test_an_rgb_picture_that_is_not_contiguous_is_returned_itself() -> None:
    strided = PICTURE[::-1, ::2]
    assert to_rgb(strided) is strided


def test_an_opaque_rgba_picture_is_a_view_and_not_a_copy() -> None:
    rgba = np.dstack([PICTURE, np.full((24, 32), 255, np.uint8)])
    assert np.shares_memory(to_rgb(rgba), rgba)


# --- shapes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        pytest.param(GREY, repeated(GREY), id="grey"),
        pytest.param(GREY[:, :, None], repeated(GREY), id="grey with an axis"),
        pytest.param(
            np.dstack([GREY, ALPHA]), repeated(over_black(GREY, ALPHA[:, :, 0])), id="grey and alpha"
        ),
        pytest.param(np.dstack([PICTURE, ALPHA]), over_black(PICTURE, ALPHA), id="RGBA"),
        pytest.param(PICTURE.transpose(2, 0, 1), PICTURE, id="channels first"),
        pytest.param(GREY[None], repeated(GREY), id="grey, channel first"),
        pytest.param(
            np.dstack([PICTURE, ALPHA]).transpose(2, 0, 1), over_black(PICTURE, ALPHA), id="RGBA first"
        ),
        pytest.param(PICTURE[None], PICTURE, id="a batch of one"),
        pytest.param(
            PICTURE.transpose(2, 0, 1)[None, None], PICTURE, id="a batch of one of one, channels first"
        ),
        pytest.param(PICTURE[:3], PICTURE[:3], id="three rows are not channels"),
    ],
)
def test_every_usual_shape_is_understood(picture: Array, expected: Array) -> None:
    assert np.array_equal(to_rgb(picture), expected)


# --- values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
def test_a_float_picture_is_scaled_to_bytes(dtype: npt.DTypeLike) -> None:
    assert np.array_equal(to_rgb((PICTURE / 255).astype(dtype)), PICTURE)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_float_picture_with_values_over_one_already_counts_to_255(dtype: npt.DTypeLike) -> None:
    assert np.array_equal(to_rgb(PICTURE.astype(dtype)), PICTURE)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(np.array([[-1.0, 0.5, 1.0]]), [0, 128, 255], id="0 to 1"),
        pytest.param(np.array([[-5.0, 128.0, 300.0]]), [0, 128, 255], id="0 to 255"),
        pytest.param(np.array([[np.nan, 0.5, 1.0]]), [0, 128, 255], id="NaN is 0"),
        pytest.param(
            np.array([[-np.inf, 0.5, np.inf]]), [0, 128, 255], id="infinity does not decide the scale"
        ),
        pytest.param(np.array([[np.nan, np.nan, np.inf]]), [0, 0, 255], id="nothing finite"),
        pytest.param(np.array([[False, True, True]]), [0, 255, 255], id="bool"),
        pytest.param(np.array([[0, 0x80FF, 0xFFFF]], np.uint16), [0, 128, 255], id="uint16"),
        pytest.param(np.array([[0, 0x80FF, 0xFFFF]], ">u2"), [0, 128, 255], id="uint16 of other byte order"),
        pytest.param(np.array([[-128, 0, 127]], np.int8), [0, 0, 127], id="int8"),
        pytest.param(np.array([[-1, 128, 1000]], np.int16), [0, 128, 255], id="int16"),
        pytest.param(np.array([[-1, 128, 1000]], np.int64), [0, 128, 255], id="int64"),
        pytest.param(np.array([[0, 128, 2**64 - 1]], np.uint64), [0, 128, 255], id="uint64"),
    ],
)
def test_values_become_bytes_by_what_their_type_means(values: Array, expected: list[int]) -> None:
    assert to_rgb(values)[0].tolist() == [[value] * 3 for value in expected]


def test_a_training_that_raises_on_numeric_warnings_is_not_disturbed() -> None:
    with np.errstate(all="raise"):
        to_rgb(np.array([[np.nan, np.inf, 1e308, 5e-324]]))
        to_rgb(np.array([[np.nan, np.inf, 1e308, -1e308]]), depth=True)


# --- depth ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distances", "expected"),
    [
        pytest.param([2.0, 6.0, 10.0], [255, 128, 0], id="near is bright"),
        pytest.param([2.0, 10.0, np.inf], [255, 0, 0], id="the sky is as dark as the farthest"),
        pytest.param([2.0, 10.0, np.nan], [255, 0, 0], id="no reading is dark"),
        pytest.param([-2.0, -10.0, -np.inf], [255, 0, 0], id="negative distances, as in Isaac Gym"),
        pytest.param([3.0, 3.0, 3.0], [255, 255, 255], id="a flat wall is white"),
        pytest.param([np.nan, np.inf, -np.inf], [0, 0, 0], id="nothing finite is black"),
    ],
)
def test_distances_are_drawn_in_grey(distances: list[float], expected: list[int]) -> None:
    for shape in [(1, 3), (1, 3, 1), (1, 1, 3, 1)]:
        picture = to_rgb(np.array(distances, np.float32).reshape(shape), depth=True)
        assert picture[0].tolist() == [[value] * 3 for value in expected]


def test_whole_millimetres_are_distances_too() -> None:
    picture = to_rgb(np.array([[500, 1000, 1500]], np.uint16), depth=True)
    assert picture[0, :, 0].tolist() == [255, 128, 0]


# --- things that hold a picture ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(WithArray(), id="__array__"),
        pytest.param(WithDlpackOnly(), id="only DLPack"),
        pytest.param(tensor_like(PICTURE), id="like a tensor"),
        pytest.param(Image.fromarray(PICTURE), id="PIL"),
        pytest.param([GREY, PICTURE], id="a list of frames"),
        pytest.param((GREY, PICTURE), id="a tuple of frames"),
        pytest.param([[GREY], [GREY, PICTURE]], id="a list of lists of frames"),
        pytest.param(np.ma.masked_array(PICTURE), id="a subclass of array"),
    ],
)
def test_things_that_hold_a_picture_give_it(picture: object) -> None:
    assert np.array_equal(to_rgb(picture), PICTURE)


def test_a_tensor_inside_a_graph_gives_its_pixels() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(PICTURE.transpose(2, 0, 1)[None] / 255.0, requires_grad=True)
    assert np.array_equal(to_rgb(tensor), PICTURE)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_a_pil_image_looks_as_it_does_in_pil(mode: str) -> None:
    image = Image.fromarray(PICTURE).convert(mode)
    assert np.array_equal(to_rgb(image), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["LA", "La", "RGBA", "RGBa"])
def test_a_transparent_pil_image_lies_over_black(mode: str) -> None:
    grey = Image.new("LA", (4, 3), (200, 102))
    image = grey if mode in ("LA", "La") else grey.convert("RGBA")
    assert np.unique(to_rgb(image.convert(mode))).tolist() == [80]


@pytest.mark.parametrize(("mode", "value"), [("I", 128), ("F", 0.5), ("I;16", 0x80FF), ("I;16B", 0x80FF)])
def test_a_pil_image_of_numbers_is_read_by_their_type(mode: str, value: float) -> None:
    assert np.unique(to_rgb(Image.new(mode, (4, 3), value))).tolist() == [128]


def test_a_palette_with_transparency_lies_over_black() -> None:
    image = Image.new("P", (4, 3))
    image.putpalette([200, 200, 200])
    image.info["transparency"] = 0
    assert not to_rgb(image).any()

    image = Image.new("PA", (4, 3))  # made by hand: older Pillows lose alpha when they convert to PA
    image.putpalette([200, 200, 200])
    image.putalpha(102)
    assert np.unique(to_rgb(image)).tolist() == [80]


@pytest.mark.parametrize("text", ["SFFF\nFHFH", io.StringIO("SFFF\nFHFH"), ["", "SFFF\nFHFH"]])
def test_text_is_drawn(text: object) -> None:
    picture = to_rgb(text)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert not is_black(picture)


def test_a_file_is_refused_and_left_as_it_was() -> None:
    file = io.TextIOWrapper(io.BytesIO(b"text"))  # it has a detach() too, which takes its buffer away
    with pytest.raises(PictureError):
        to_rgb(file)
    assert file.read() == "text"


# --- refusals ------------------------------------------------------------------------------------------


def endless() -> list[object]:
    nested: list[object] = []
    nested.append(nested)
    return nested


def broken(*_: object) -> None:
    raise RuntimeError("CUDA error")


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        pytest.param(None, r'got NoneType; .*render_mode="rgb_array"', id="None"),
        pytest.param({"rgb": PICTURE}, "got dict; choose the picture in it", id="dict"),
        pytest.param([], "got list; it is empty", id="an empty list"),
        pytest.param((), "got tuple; it is empty", id="an empty tuple"),
        pytest.param([None], "got list; let its last element", id="a list of None"),
        pytest.param(endless(), "got list; .*RecursionError", id="a list that holds itself"),
        pytest.param(7, "got int; convert it to a numpy array", id="a number"),
        pytest.param(b"\x89PNG", "got bytes; convert it", id="bytes"),
        pytest.param(object, "got type", id="a class"),
        pytest.param(np.float32(7), r"got float32 of shape \(\) and dtype float32; reshape", id="a scalar"),
        pytest.param(np.zeros(9), r"of shape \(9,\) and dtype float64; reshape", id="a vector"),
        pytest.param(np.zeros((8, 8, 5)), r"of shape \(8, 8, 5\) .*reshape", id="five channels"),
        pytest.param(np.zeros((7, 8, 8, 3)), "a batch of 7: choose one", id="a batch"),
        pytest.param(
            np.zeros((0, 0, 3), np.uint8), r"of shape \(0, 0, 3\) .*it has no pixels", id="zero-sized"
        ),
        pytest.param(np.zeros((8, 0)), "it has no pixels", id="no width"),
        pytest.param(Image.new("RGB", (0, 0)), "got Image .*it has no pixels", id="an empty PIL image"),
        pytest.param(
            np.zeros((8, 8), complex), "dtype complex128; give bool, integer or float", id="complex"
        ),
        pytest.param(np.full((8, 8), "x"), "dtype <U1; give", id="strings"),
        pytest.param(np.full((8, 8), None), "dtype object; give", id="objects"),
        pytest.param(tensor_like([[1]]), "got Wrapped", id="a tensor that gives a list"),
        pytest.param(Wrapped(detach=broken, cpu=None), r"RuntimeError: CUDA error.*on the CPU", id="broken"),
        pytest.param(types.SimpleNamespace(convert=broken, size=(1, 1)), "CUDA error", id="a broken image"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_came_and_what_to_do(picture: object, words: str) -> None:
    with pytest.raises(PictureError, match=f"^expected a picture .*{words}"):
        to_rgb(picture)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(np.zeros((10, 11, 3), np.uint8), id="RGB"),
        pytest.param(np.zeros((10, 11)), id="grey"),
        pytest.param(np.zeros((3, 10, 11)), id="channels first"),
    ],
)
def test_a_picture_with_too_many_pixels_is_refused_with_the_name_of_the_setting(picture: Array) -> None:
    assert to_rgb(picture, max_pixels=110).shape == (10, 11, 3)
    with pytest.raises(PictureError, match="110 pixels are more than videoStreamMaxPixels=109"):
        to_rgb(picture, max_pixels=109)


arrays = hnp.arrays(
    dtype=st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes()),
    shape=hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
)
things = st.recursive(
    st.one_of(arrays, st.none(), st.integers(), st.floats(), st.binary(), st.text(max_size=20)),
    lambda inner: (
        st.lists(inner, max_size=2) | st.tuples(inner) | st.dictionaries(st.text(), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(picture=things, depth=st.booleans())
def test_anything_gives_rgb_bytes_or_a_picture_error(picture: object, depth: bool) -> None:
    try:
        pixels = to_rgb(picture, depth=depth)
    except PictureError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.size > 0


# --- black pictures ------------------------------------------------------------------------------------


def test_a_black_picture_is_black() -> None:
    assert is_black(np.zeros((240, 320, 3), np.uint8))


@pytest.mark.parametrize("where", [(0, 0, 0), (239, 319, 2), (101, 57, 1)])
def test_one_dim_dot_makes_a_picture_not_black(where: tuple[int, int, int]) -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[where] = 1
    assert not is_black(picture)


# --- doors ---------------------------------------------------------------------------------------------


def test_reading_arrays_loads_neither_pillow_nor_torch() -> None:
    code = (
        "import sys, numpy; from envstream.sources.pixels import to_rgb; to_rgb(numpy.zeros((4, 4)));"
        "print(sorted({'PIL', 'torch', 'envstream.sources.text'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

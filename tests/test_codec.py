"""Pixels become pictures, and pictures of another size."""

from __future__ import annotations

import io

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from envstream import codec
from envstream.errors import PictureError
from envstream.frame import Pixels

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
SMOOTH = np.dstack([np.linspace(0, 255, 60 * 40).reshape(40, 60).astype(np.uint8)] * 3)

sizes = st.integers(1, 40)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("format", codec.ENCODERS)
def test_a_picture_is_in_the_format_that_was_asked_for(format: str) -> None:
    picture = opened(codec.encode(NOISE, format))
    assert Image.MIME[picture.format or ""] == codec.MIME[format]
    assert picture.size == (60, 40)


@pytest.mark.parametrize("format", ["png", "webp"])
def test_png_and_webp_lose_nothing(format: str) -> None:
    assert np.array_equal(np.asarray(opened(codec.encode(NOISE, format))), NOISE)


def test_jpeg_comes_back_nearly_as_it_went() -> None:
    back = codec.decode_jpeg(codec.encode(SMOOTH, "jpeg", 90))
    assert np.abs(back.astype(int) - SMOOTH).max() < 8


def test_a_lower_quality_takes_fewer_bytes() -> None:
    assert len(codec.encode(NOISE, "jpeg", 30)) < len(codec.encode(NOISE, "jpeg", 90))


@pytest.mark.parametrize(("pixels", "colour"), [(np.zeros((64, 64, 3), np.uint8), "444"), (NOISE, "420")])
def test_a_drawing_keeps_its_full_colour_and_a_photograph_does_not(pixels: codec.Pixels, colour: str) -> None:
    assert simplejpeg.decode_jpeg_header(codec.encode(pixels))[3] == colour


@given(sizes, sizes, sizes, sizes)
def test_a_resized_picture_has_the_size_that_was_asked_for(w: int, h: int, width: int, height: int) -> None:
    resized = codec.resize(NOISE[:h, :w], width, height)
    assert resized.shape == (height, width, 3)
    assert resized.dtype == np.uint8


@given(sizes, sizes, sizes, sizes)
def test_one_colour_stays_that_colour_at_any_size(w: int, h: int, width: int, height: int) -> None:
    assert (codec.resize(np.full((h, w, 3), 77, np.uint8), width, height) == 77).all()


def test_a_picture_of_the_right_size_is_returned_itself() -> None:
    assert codec.resize(NOISE, 60, 40) is NOISE


@given(st.integers(1, 4), st.integers(1, 4))
def test_whole_multiples_repeat_each_pixel(across: int, down: int) -> None:
    resized = codec.resize(NOISE, 60 * across, 40 * down)
    assert np.array_equal(resized[::down, ::across], NOISE)
    assert np.array_equal(resized[down - 1 :: down, across - 1 :: across], NOISE)


def test_halving_averages_and_does_not_skip() -> None:
    checkers = np.indices((40, 60)).sum(0) % 2 * 255
    pixels: Pixels = np.dstack([checkers.astype(np.uint8)] * 3)
    assert np.abs(codec.resize(pixels, 30, 20).astype(int) - 127).max() <= 1


@pytest.mark.parametrize("width", [None, 60, 1000])
def test_a_picture_that_fits_is_returned_itself(width: int | None) -> None:
    assert codec.fit(NOISE, width) is NOISE


@given(st.integers(1, 59))
def test_a_picture_too_wide_is_fitted_in_proportion(width: int) -> None:
    fitted = codec.fit(NOISE, width)
    assert fitted.shape[1] == width
    assert abs(fitted.shape[0] - max(1, width * 40 / 60)) <= 0.5


def test_a_very_wide_picture_keeps_at_least_one_row() -> None:
    assert codec.fit(np.zeros((1, 60, 3), np.uint8), 16).shape == (1, 16, 3)


# --- pictures that are best kept without loss -----------------------------------------------------------


def tiles(height: int = 144, width: int = 160, colours: int = 4) -> np.ndarray:
    """A picture of plain tiles of 16 pixels, in a few shades."""
    y, x = np.mgrid[:height, :width] // 16
    shades = np.linspace(0, 255, colours, dtype=np.uint8)
    return np.repeat(shades[(7 * y + 3 * x) % colours][..., np.newaxis], 3, axis=2)


@pytest.mark.parametrize("colours", [1, 2, 4, 56])
def test_a_small_picture_of_few_colours_is_pixel_art(colours: int) -> None:
    assert codec.is_pixel_art(tiles(colours=colours))


def test_photographs_and_large_drawings_are_not() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (144, 160, 3), np.uint8)
    assert not codec.is_pixel_art(noise)
    assert not codec.is_pixel_art(tiles(400, 600))
    assert not codec.is_pixel_art(tiles(colours=90))


def test_lossless_webp_keeps_every_pixel_in_fewer_bytes_than_a_jpeg() -> None:
    pixels = tiles()
    data = codec.encode(pixels, "webp")
    assert (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) == pixels).all()
    assert len(data) < 800 < len(codec.encode(pixels, "jpeg", 75))


@pytest.mark.parametrize(("format", "most"), [("webp", 16_383), ("jpeg", 65_500)])
def test_a_picture_longer_than_its_format_has_room_for_is_refused(format: str, most: int) -> None:
    assert codec.encode(np.zeros((1, most, 3), np.uint8), format)
    for shape in ((1, most + 1, 3), (most + 1, 1, 3)):
        with pytest.raises(PictureError, match=f"cannot be {format}, whose sides have at most {most}"):
            codec.encode(np.zeros(shape, np.uint8), format)
    assert codec.encode(np.zeros((1, most + 1, 3), np.uint8), "png")


def test_pixel_art_that_webp_has_no_room_for_is_not_tried() -> None:
    assert codec.is_pixel_art(np.zeros((4, 16_383, 3), np.uint8))
    assert not codec.is_pixel_art(np.zeros((4, 16_384, 3), np.uint8))


def test_a_size_is_fitted_as_a_picture_is() -> None:
    for width, height, most in ((100, 50, None), (100, 50, 33), (10_000, 3, 10), (5, 5, 5)):
        pixels = codec.fit(np.zeros((height, width, 3), np.uint8), most)
        assert codec.fitted(width, height, most) == (pixels.shape[1], pixels.shape[0])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        codec.encode(np.zeros((9, 9, 3), np.uint8), "png")[:40],
    ],
)
def test_what_is_no_picture_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(PictureError, match="cannot be decoded"):
        codec.decode(data)

"""The test card: its number can be read from its picture, also after it was compressed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream import codec
from envstream.frame import Pixels
from envstream.testcard import CELL, CELLS, HEIGHT, NUMBERS, STRIP, WIDTH, Card, check

CARD = Card()


def number_in(picture: Pixels) -> int | None:
    """The number that stands in a picture; None where it is none."""
    width = picture.shape[1]
    line = picture[max(1, picture.shape[0] // 40)].mean(axis=1) > 127
    bits = [int(line[int((cell + 0.5) * width / CELLS)]) for cell in range(CELLS)]
    value = int("".join(map(str, bits)), 2)
    return value >> 8 if check(value >> 8) == value & 255 else None


@given(st.integers(0, NUMBERS - 1))
def test_every_picture_says_its_number(number: int) -> None:
    assert number_in(CARD.picture(number)) == number


@pytest.mark.parametrize("width", [640, 320, 160])
@pytest.mark.parametrize("quality", [95, 30])
def test_the_number_outlives_compression_and_a_smaller_size(width: int, quality: int) -> None:
    small = codec.fit(CARD.picture(123_456), width)
    assert number_in(codec.decode(codec.encode(small, "jpeg", quality))) == 123_456


def test_numbers_begin_anew_where_there_are_no_more() -> None:
    assert number_in(CARD.picture(NUMBERS + 5)) == 5


def test_one_picture_differs_from_the_next_below_its_number_too() -> None:
    one, other = CARD.picture(7)[STRIP:], CARD.picture(8)[STRIP:]
    assert np.mean(one != other) > 0.3


def test_pictures_are_of_one_size_and_each_is_its_own() -> None:
    one, other = CARD.picture(1), CARD.picture(1)
    assert one.shape == (HEIGHT, WIDTH, 3) and CELLS * CELL == WIDTH
    one[:] = 0
    assert number_in(other) == 1


def test_a_bit_that_was_misread_is_noticed() -> None:
    picture = CARD.picture(1000)
    picture[:STRIP, :CELL] = 255
    assert number_in(picture) is None

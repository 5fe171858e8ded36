"""What a JPEG says of itself before its picture: its quality, and whether it can be passed on as it is.

Its size is told with that of other pictures: see the tests of headers.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from envstream import codec
from envstream.sessions import jpeg

NOISE = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)


def saved(mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(NOISE).convert(mode).save(out, "JPEG", **options)
    return out.getvalue()


@pytest.mark.parametrize("quality", [30, 50, 75, 85, 92, 95])
def test_its_quality_is_the_one_it_was_compressed_with(quality: int) -> None:
    assert jpeg.quality(codec.encode(NOISE, "jpeg", quality)) == quality
    assert jpeg.quality(saved(quality=quality)) == quality


@pytest.mark.parametrize(("quality", "least", "most"), [(1, 1, 15), (10, 5, 20), (100, 99, 100)])
def test_at_the_ends_it_is_about_that(quality: int, least: int, most: int) -> None:
    found = jpeg.quality(saved(quality=quality))
    assert found is not None and least <= found <= most


@pytest.mark.parametrize("options", [{"progressive": True}, {"optimize": True}, {"subsampling": 0}])
def test_every_kind_that_browsers_show_is_passed_on(options: dict[str, Any]) -> None:
    assert jpeg.quality(saved(quality=80, **options)) == 80


def test_one_in_grey_is_too() -> None:
    assert jpeg.quality(saved("L", quality=80)) == 80


def test_one_with_a_colour_profile_is_too() -> None:
    assert jpeg.quality(saved(quality=80, icc_profile=b"colours")) == 80


def test_one_that_says_where_it_was_taken_or_how_it_is_turned_is_not() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    assert jpeg.quality(saved(quality=80, exif=turned)) is None


def test_one_with_words_in_it_is_not() -> None:
    assert jpeg.quality(saved(quality=80, comment=b"taken at home")) is None


@pytest.mark.parametrize("rest", [b"", b"\xff", b"\xff\xd9more"])
def test_one_that_is_not_whole_or_has_more_behind_it_is_not(rest: bytes) -> None:
    assert jpeg.quality(saved(quality=80)[:-2] + rest) is None


def test_one_without_divisors_or_with_rare_ones_is_not() -> None:
    data = saved(quality=80)
    at = data.index(b"\xff\xdb")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    assert jpeg.quality(data[: at + 4] + b"\x10" + data[at + 5 :]) is None  # Of 16 bits.
    while b"\xff\xdb" in data[:700]:
        at = data.index(b"\xff\xdb")
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        data = data[:at] + data[at + 2 + length :]
    assert jpeg.quality(data) is None

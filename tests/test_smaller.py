"""JPEG or without loss: whichever is smaller, found out at no great cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from envstream import codec
from envstream.smaller import COMPARED_EVERY, Smaller

NOISE = np.random.default_rng(0).integers(0, 256, (144, 160, 3), np.uint8)
TILES = np.repeat((np.indices((144, 160)).sum(0) // 16 % 4 * 85).astype(np.uint8)[..., np.newaxis], 3, axis=2)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formats that were compressed to, in order."""
    formats: list[str] = []
    encode = codec.encode

    def note(pixels: Any, format: str = "jpeg", quality: int = 85) -> bytes:
        formats.append(format)
        return encode(pixels, format, quality)

    monkeypatch.setattr(codec, "encode", note)
    return formats


def test_a_photograph_never_pays_for_a_lossless_try(tried: list[str]) -> None:
    smaller = Smaller()
    assert {smaller.encode(NOISE, 85)[0] for _ in range(100)} == {"jpeg"}
    assert tried == ["jpeg"] * 100


def test_pixel_art_pays_for_a_jpeg_now_and_then_only(tried: list[str]) -> None:
    smaller = Smaller()
    assert {smaller.encode(TILES, 85)[0] for _ in range(3 * COMPARED_EVERY)} == {"webp"}
    assert tried.count("jpeg") == 3


def test_a_game_that_becomes_a_photograph_is_noticed_at_once() -> None:
    smaller = Smaller()
    assert [smaller.encode(pixels, 85)[0] for pixels in (TILES, NOISE)] == ["webp", "jpeg"]


def test_a_photograph_that_becomes_a_game_is_noticed_soon() -> None:
    smaller = Smaller()
    smaller.encode(NOISE, 85)
    assert [smaller.encode(TILES, 85)[0] for _ in range(COMPARED_EVERY)][-1] == "webp"

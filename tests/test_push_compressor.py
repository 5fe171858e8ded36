"""The compressor: each encoding gives back the picture, and H.264 begins anew where it has to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import videos
from envstream import codec
from envstream.push.choice import Rung
from envstream.push.compressor import KEY_PICTURES, Compressor

VIDEO = Rung("h264", 80)


def keys(times: list[float], compressor: Compressor, **wanted: bool) -> list[bool]:
    return [compressor.compress(videos.numbered(3), at, VIDEO, **wanted)[1] for at in times]


@pytest.mark.parametrize("encoding", ["png", "webp"])
def test_lossless_pictures_are_the_same_again(encoding: str) -> None:
    data, key = Compressor(30).compress(videos.numbered(77), 0.0, Rung(encoding, 50))
    assert key
    np.testing.assert_array_equal(codec.decode(bytes(data)), videos.numbered(77))


def test_raw_pixels_are_not_copied() -> None:
    pixels = videos.numbered(5)
    data, key = Compressor(30).compress(pixels, 0.0, Rung("raw", 1))
    assert isinstance(data, memoryview) and key and len(data) == pixels.size
    assert np.shares_memory(np.frombuffer(data, np.uint8), pixels)


def test_pixels_with_gaps_between_rows_are_sent_without() -> None:
    pixels = videos.numbered(5)[:, ::2]
    assert bytes(Compressor(30).compress(pixels, 0.0, Rung("raw", 1))[0]) == pixels.tobytes()


def test_the_quality_is_that_of_the_rung() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    fine, coarse = (Compressor(30).compress(noise, 0.0, Rung("jpeg", quality))[0] for quality in (90, 20))
    assert len(fine) > 2 * len(coarse)


class TestVideo:
    @pytest.fixture(autouse=True)
    def _needs_av(self) -> None:
        pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

    def test_it_begins_with_a_key_picture_and_has_one_every_two_seconds(self) -> None:
        assert keys([0.0, 0.5, 1.9, 2.0, 2.5, 4.1], Compressor(30)) == [True, False, False, True, False, True]

    def test_there_is_one_every_so_many_pictures(self) -> None:
        found = keys([number / 1000 for number in range(2 * KEY_PICTURES + 1)], Compressor(1000))
        assert [number for number, key in enumerate(found) if key] == [0, KEY_PICTURES, 2 * KEY_PICTURES]

    def test_there_is_one_where_it_is_asked_for(self) -> None:
        compressor = Compressor(30)
        keys([0.0, 0.1], compressor)
        assert keys([0.2], compressor, key=True) == [True] and keys([0.3], compressor) == [False]

    @pytest.mark.parametrize("change", ["size", "quality", "encoding", "time"])
    def test_there_is_one_where_something_changes(self, change: str) -> None:
        compressor = Compressor(30)
        keys([0.0, 0.1], compressor)
        size = (80, 48) if change == "size" else (64, 48)
        if change == "encoding":
            compressor.compress(videos.numbered(3), 0.2, Rung("jpeg", 80))
        rung = Rung("h264", 40) if change == "quality" else VIDEO
        at = 0.05 if change == "time" else 0.3
        found = compressor.compress(videos.numbered(3, *size), at if change != "time" else -1.0, rung)
        assert found[1]

    def test_a_decoder_sees_the_pictures(self) -> None:
        import av

        decoder: Any = av.CodecContext.create("h264", "r")
        decoder.flags |= 0x80000  # Nothing is held back.
        compressor = Compressor(30)
        for number in (5, 900, 77):
            data, _ = compressor.compress(videos.numbered(number), number / 1000, VIDEO)
            (frame,) = decoder.decode(av.Packet(bytes(data)))
            seen = frame.to_ndarray(format="rgb24").astype(int)
            assert np.abs(seen - videos.numbered(number)).mean() < 12

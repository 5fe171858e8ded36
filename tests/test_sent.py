"""A picture that came compressed is passed on as it came, and decoded for who needs its pixels."""

from __future__ import annotations

import numpy as np
import pytest

from envstream import codec
from envstream.frame import Frame, Source
from envstream.sent import SentFrame

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
JPEG = codec.encode(PIXELS, "jpeg", 80)
OTHER = codec.encode(PIXELS[::-1].copy(), "jpeg", 80)


def sent(data: bytes = JPEG, number: int = 1) -> SentFrame:
    return SentFrame(Source(data, 80), 64, 48, number, float(number), {"step": number})


def test_it_is_a_frame_that_knows_its_size_without_being_decoded() -> None:
    frame = sent()
    assert isinstance(frame, Frame)
    assert (frame.width, frame.height, frame.number, frame.content) == (64, 48, 1, 1)
    assert (frame.cost, frame.captured, frame.info) == (0.0, 1.0, {"step": 1})
    assert "pixels" not in vars(frame)


def test_its_pixels_are_those_of_the_jpeg_and_decoded_once() -> None:
    frame = sent()
    assert np.array_equal(frame.pixels, codec.decode(JPEG))
    assert frame.pixels is frame.pixels
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0] = 1


def test_it_shows_what_has_the_same_bytes() -> None:
    assert sent(number=2).shows(sent()) and not sent(OTHER).shows(sent())
    plain = Frame(codec.decode(JPEG), 1, 1.0)
    assert not sent().shows(plain) and not plain.shows(sent())


def test_what_looks_like_one_before_shares_what_was_decoded_of_that() -> None:
    before = sent()
    assert "pixels" not in vars(sent(number=2).like(before))
    decoded = before.pixels
    after = sent(number=2).like(before)
    assert (after.number, after.content, after.info) == (2, 1, {"step": 2})
    assert after.pixels is decoded


def test_it_is_taken_again_with_another_number() -> None:
    again = sent().again(7, 9.0)
    assert (again.number, again.content, again.captured, again.source) == (7, 7, 9.0, Source(JPEG, 80))


def test_it_has_nothing_that_frames_do_not_have() -> None:
    with pytest.raises(AttributeError, match="has no 'colour'"):
        sent().colour  # type: ignore[attr-defined]  # noqa: B018


def test_one_that_cannot_be_decoded_says_so_to_who_wants_its_pixels() -> None:
    with pytest.raises(ValueError, match=r"(?i)jpeg"):
        _ = sent(JPEG[:20]).pixels

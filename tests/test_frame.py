"""A frame is one picture that nobody can change any more."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from envstream.frame import Frame

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_a_frame_knows_its_size() -> None:
    frame = Frame.copy_of(PIXELS, 1, 0.0)
    assert (frame.width, frame.height) == (3, 2)


def test_a_copied_frame_keeps_its_picture_when_the_source_changes() -> None:
    source = PIXELS.copy()
    frame = Frame.copy_of(source, 1, 0.0)
    source[:] = 0
    assert np.array_equal(frame.pixels, PIXELS)


def test_copying_leaves_the_source_writable() -> None:
    source = PIXELS.copy()
    Frame.copy_of(source, 1, 0.0)
    assert source.flags.writeable


def test_a_copied_frame_lies_in_rows() -> None:
    assert Frame.copy_of(PIXELS[::-1, ::-1], 1, 0.0).pixels.flags.c_contiguous


def test_the_pixels_of_a_frame_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Frame.copy_of(PIXELS, 1, 0.0).pixels[0, 0] = 1


def test_the_fields_of_a_frame_cannot_be_set() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Frame.copy_of(PIXELS, 1, 0.0).number = 2  # type: ignore[misc]


def test_a_frame_carries_what_the_env_said() -> None:
    frame = Frame.copy_of(PIXELS, 7, 1.5, 0.01, episode=3)
    assert (frame.number, frame.captured, frame.cost, frame.info) == (7, 1.5, 0.01, {"episode": 3})


def test_two_frames_are_never_equal_by_their_pixels() -> None:
    assert Frame.copy_of(PIXELS, 1, 0.0) != Frame.copy_of(PIXELS, 1, 0.0)

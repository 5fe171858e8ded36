"""The replay: the last seconds, in the best picture that was made of each frame."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from envstream.encoder import Picture
from envstream.frame import Frame
from envstream.replay import Replay


def picture(number: int, at: float, size: int = 100, width: int = 60, step: int | None = None) -> Picture:
    info = {} if step is None else {"step": step, "return": 1.5, "episode": 2, "method": "render"}
    frame = Frame(np.zeros((4, 6, 3), np.uint8), number, at, 0.0, info)
    return Picture("env", frame, bytes(size), "jpeg", width, 40, 80, 0.0, at)


def replay(seconds: float = 10.0, most_bytes: int = 10**6) -> Replay:
    return Replay(seconds, most_bytes)


def test_it_reaches_back_as_far_as_it_should_and_no_farther() -> None:
    one = replay(10)
    for number in range(1, 31):
        one.add(picture(number, 100.0 + number))
    clip = one.clip("r1", "env", "title")
    assert clip is not None
    assert (one.length, len(clip.stills), clip.stills[0].captured) == (10.0, 11, 120.0)


def test_its_bytes_are_bounded() -> None:
    one = replay(1000, most_bytes=1000)
    for number in range(1, 31):
        one.add(picture(number, 100.0 + number))
    clip = one.clip("r1", "env", "title")
    assert clip is not None and clip.size <= 1000 and clip.stills[-1].captured == 130.0


def test_of_a_frame_the_largest_picture_is_kept() -> None:
    one = replay()
    for size, width in ((100, 60), (400, 120), (80, 30), (500, 60)):
        one.add(picture(1, 100.0, size, width))
    clip = one.clip("r1", "env", "title")
    assert clip is not None and [(len(still.data), still.width) for still in clip.stills] == [(400, 120)]


def test_pictures_that_come_late_stand_in_their_place() -> None:
    one = replay()
    for number in (1, 3, 2):
        one.add(picture(number, 100.0 + number))
    clip = one.clip("r1", "env", "title")
    assert clip is not None and [still.time for still in clip.stills] == [0.0, 1.0, 2.0]


def test_a_clip_of_it_has_the_values_of_each_picture() -> None:
    one = replay()
    one.add(picture(1, 100.0, step=7))
    clip = one.clip("r1", "env", "title")
    assert clip is not None and clip.done and clip.kind == "live"
    assert clip.stills[0].values == {"step": 7, "return": 1.5, "episode": 2}


def test_a_clip_that_was_made_of_it_does_not_change_any_more() -> None:
    one = replay()
    one.add(picture(1, 100.0))
    clip = one.clip("r1", "env", "title")
    one.add(picture(2, 101.0))
    assert clip is not None and len(clip.stills) == 1


def test_without_seconds_nothing_is_kept() -> None:
    one = replay(0)
    one.add(picture(1, 100.0))
    assert one.clip("r1", "env", "title") is None and not one.lacks(2)


def test_begun_anew_it_is_empty() -> None:
    one = replay()
    one.add(picture(1, 100.0))
    assert one.lacks(2) and not one.lacks(1)
    one.clear()
    assert one.clip("r1", "env", "title") is None and one.length == 0


def test_the_older_half_can_be_let_go_of() -> None:
    one = replay()
    for number in range(1, 6):
        one.add(picture(number, 100.0 + number))
    assert (one.shorten(), one.bytes, one.length) == (300, 200, 1.0)
    assert (one.shorten(), one.shorten(), one.bytes) == (100, 100, 0)


def test_the_pixels_of_what_is_kept_are_let_go_of() -> None:
    one, made = replay(), picture(1, 100.0)
    pixels = weakref.ref(made.frame.pixels)
    one.add(made)
    del made
    gc.collect()
    assert pixels() is None and not one.lacks(1)

"""A glimpse: pictures of an emulator that another thread runs are whole."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cartridges import emulator, running
from envstream.errors import PictureError, StreamerError
from envstream.sources import glimpse
from envstream.sources.glimpse import LONG, NAPS, Glimpse, Look, alone, at_once, between_frames
from serving import until


@pytest.fixture
def pyboy() -> Iterator[Any]:
    with emulator() as pyboy:
        yield pyboy


def looked(*counts: int) -> Look:
    """A look at which so many frames had been counted each time; its screen says so, too."""
    before, after, settled, last = counts
    return Look(before, after, settled, str(counts).encode(), last)


def glimpsed(*looks: Look) -> tuple[bytes | None, int]:
    """The screen that is taken, and after how many looks; the last of them is repeated."""
    naps: list[float] = []

    def look(nap: float) -> Look:
        naps.append(nap)
        return looks[min(len(naps), len(looks)) - 1]

    return between_frames(look, lambda seconds: None), len(naps)


FINISHED = looked(7, 8, 8, 8)  # The loop came back with a frame and waits for the interpreter.
GOING_ON = looked(7, 9, 12, 12)  # In the midst of a call that runs many frames.
BEGUN_AGAIN = looked(7, 8, 8, 9)
NOTHING = looked(7, 7, 7, 7)


def test_a_frame_that_was_finished_is_taken_at_once() -> None:
    assert glimpsed(FINISHED) == (FINISHED.screen, 1)


@pytest.mark.parametrize("look", [GOING_ON, BEGUN_AGAIN])
def test_nothing_is_taken_while_frames_are_being_counted(look: Look) -> None:
    assert glimpsed(look, look, FINISHED) == (FINISHED.screen, 3)


def test_an_emulator_that_stands_still_is_taken_after_two_long_looks() -> None:
    screen, looks = glimpsed(NOTHING)
    assert screen == NOTHING.screen
    assert [nap >= LONG for nap in NAPS[:looks]].count(True) == 2


def test_it_is_given_up_after_a_while() -> None:
    assert glimpsed(GOING_ON) == (None, len(NAPS))


def test_what_is_done_at_once_lets_no_other_thread_in_between() -> None:
    stop, steps = threading.Event(), [0]

    def count() -> None:
        while not stop.is_set():
            steps[0] += 1

    read = partial(steps.__getitem__, 0)
    thread = threading.Thread(target=count)
    thread.start()
    try:
        until(read, "the other thread")
        for _ in range(20):
            before, *_, after = at_once(read, *[partial(sum, range(10_000))] * 20, read)
            assert after == before
    finally:
        stop.set()
        thread.join()


def test_who_is_alone_with_the_emulator_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    here = threading.current_thread()
    ours, theirs = threading.Thread(name="envstream-server"), threading.Thread(name="a loop of the user's")
    monkeypatch.setattr(threading, "enumerate", lambda: [here, ours])
    assert alone()
    monkeypatch.setattr(threading, "enumerate", lambda: [here, ours, theirs])
    assert not alone()


@pytest.mark.parametrize("frames", [1, 3, 25])
def test_pictures_taken_beside_a_running_loop_are_whole(pyboy: Any, frames: int) -> None:
    seen, colours = Glimpse(pyboy), list[int]()

    def look() -> bool:
        with contextlib.suppress(StreamerError):  # The machine was too busy for this one.
            colours.append(len(np.unique(seen.take_between_frames())))
        return len(colours) >= 40

    with running(pyboy, frames):
        until(look, "forty pictures", 60)
    # A machine with more to do than cores may put the loop's thread aside in the midst of a frame, and longer
    # than is waited for: one in a hundred. Copies made at any moment are torn nine times in ten.
    assert colours.count(1) >= 0.9 * len(colours)


def test_a_picture_has_the_colours_of_the_screen_and_is_its_own(pyboy: Any) -> None:
    seen = Glimpse(pyboy)
    first = seen.take()
    assert (first == pyboy.screen.ndarray[:, :, :3]).all()
    pyboy.tick(1, True)
    second = seen.take()
    assert (first != second).any() and (second == pyboy.screen.ndarray[:, :, :3]).all()
    assert (seen.method, first.dtype, first.shape) == ("raw_buffer", np.uint8, (144, 160, 3))


@pytest.mark.parametrize(
    "thing", [None, 7, "game.gb", SimpleNamespace(screen=None), SimpleNamespace(screen=1)]
)
def test_what_is_no_emulator_is_refused_by_name(thing: object) -> None:
    with pytest.raises(
        PictureError, match=r"expected a PyBoy emulator .* got (NoneType|int|str|SimpleNamespace)"
    ):
        Glimpse(thing)


def test_who_gets_no_picture_is_told_what_to_do(pyboy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glimpse, "between_frames", lambda *looks: None)
    with pytest.raises(StreamerError, match=r"call streamer\.capture\(\) in the loop"):
        Glimpse(pyboy).take_between_frames()

"""The tap: pictures leave when they are due, and nothing that goes wrong reaches the training."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from envstream import outlet
from envstream.errors import SharedMemoryError
from envstream.settings import read
from envstream.sources.pixels import BLACK_BEFORE_WARNING
from envstream.sources.render import LATER
from envstream.wrappers.tap import FAILURES_BEFORE_SILENCE, Tap
from fakes import QuietOutlet, quiet_outlet

PICTURE = np.full((4, 6, 3), 200, np.uint8)
BLACK = np.zeros((4, 6, 3), np.uint8)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> QuietOutlet:
    return quiet_outlet(monkeypatch)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.WARNING, "envstream")
    return lambda: [record.getMessage() for record in caplog.records]


def make(**settings: Any) -> Tap:
    given = {"videoStream": True, **settings}
    return Tap(read(given), given, "CartPole-v1")


def opened(**settings: Any) -> Tap:
    tap = make(**settings)
    tap.open()
    return tap


def capture(tap: Tap, picture: object = PICTURE, **options: Any) -> None:
    tap.capture(lambda: picture, {"step": 1}, **options)


def fail(tap: Tap, error: BaseException) -> None:
    def take() -> object:
        raise error

    tap.capture(take, {})


# --- open and closed -----------------------------------------------------------------------------------


def test_until_it_is_open_nothing_is_due() -> None:
    assert not make().due[0]


def test_when_it_is_open_the_server_says_what_is_due(quiet: QuietOutlet) -> None:
    tap = opened()
    quiet.ask()
    assert tap.due[0]


def test_opening_again_opens_no_second_stream(quiet: QuietOutlet) -> None:
    opened().open()
    assert len(quiet.channels) == 1


def test_a_tap_of_no_stream_stays_closed(quiet: QuietOutlet) -> None:
    opened(videoStream=False)
    assert quiet.channels == []


def test_a_stream_has_the_name_that_was_set(quiet: QuietOutlet) -> None:
    opened(videoStreamName="my run")
    assert quiet.channels[0].title == "my run"


def test_closing_ends_the_stream_and_nothing_is_due_any_more(quiet: QuietOutlet) -> None:
    tap = opened()
    tap.close()
    quiet.ask()
    assert quiet.closed == quiet.channels
    assert not tap.due[0]


def test_closing_twice_changes_nothing(quiet: QuietOutlet) -> None:
    tap = opened()
    tap.close()
    tap.close()
    assert len(quiet.closed) == 1


def test_a_closed_tap_can_be_opened_again(quiet: QuietOutlet) -> None:
    tap = opened()
    tap.close()
    tap.open()
    capture(tap)
    assert len(quiet.pictures()) == 1


def test_a_fork_leaves_the_stream_to_its_parent(quiet: QuietOutlet) -> None:
    tap = opened()
    tap.forget()
    tap.open()
    assert (len(quiet.channels), quiet.closed) == (1, [])
    assert not tap.due[0]


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda tap: pickle.loads(pickle.dumps(tap))], ids=["deepcopy", "pickle"]
)
def test_a_copy_is_a_tap_of_its_own(quiet: QuietOutlet, copied: Callable[[Tap], Tap]) -> None:
    tap = opened()
    other = copied(tap)
    assert (other.channel, other.outlet) == (None, None)
    other.open()
    assert len(quiet.channels) == 2


@pytest.mark.parametrize(
    "error", [SharedMemoryError("no memory"), OSError("no memory"), ImportError("no memory")]
)
def test_a_server_that_cannot_start_is_told_once_and_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, warnings: Callable[[], list[str]], error: Exception
) -> None:
    tries: list[object] = []

    def connect(settings: object) -> None:
        tries.append(settings)
        raise error

    monkeypatch.setattr(outlet, "connect", connect)
    tap = opened()
    tap.open()
    assert len(tries) == 1
    assert warnings() == ["envstream: CartPole-v1: no memory. Training goes on without a page."]


# --- captures ------------------------------------------------------------------------------------------


def test_a_picture_is_handed_over_with_what_the_env_was_doing(quiet: QuietOutlet) -> None:
    tap = opened()
    capture(tap)
    (seen,) = quiet.pictures()
    assert np.array_equal(seen.pixels, PICTURE)
    assert seen.info == {"step": 1}
    assert tap.captures == 1


def test_a_captured_picture_is_due_no_more_before_it_is_taken(quiet: QuietOutlet) -> None:
    tap = opened()
    quiet.ask()
    due: list[int] = []
    tap.capture(lambda: due.append(tap.due[0]), {})
    assert due == [0]


def test_the_next_picture_can_be_asked_for_while_one_is_taken(quiet: QuietOutlet) -> None:
    tap = opened()
    tap.capture(quiet.ask, {})
    assert tap.due[0]


def test_what_a_capture_took_is_told(quiet: QuietOutlet) -> None:
    tap = opened()
    capture(tap)
    fail(tap, ValueError("x"))
    assert quiet.readers[0].spent() > 0


def test_a_picture_is_brought_to_the_resolution_that_was_set(quiet: QuietOutlet) -> None:
    capture(opened(videoResolution=[32, 16]))
    (seen,) = quiet.pictures()
    assert seen.pixels.shape == (16, 32, 3)


def test_depths_are_drawn_as_depths(quiet: QuietOutlet) -> None:
    capture(opened(), np.array([[2.0, 10.0]], np.float32), depth=True)
    (seen,) = quiet.pictures()
    assert seen.pixels[0, :, 0].tolist() == [255, 0]


def test_a_closed_tap_takes_no_picture(quiet: QuietOutlet) -> None:
    fail(make(), AssertionError("taken"))


def test_an_episode_is_noted(quiet: QuietOutlet) -> None:
    opened().note_episode(1, 2, 3.5, 4)
    assert quiet.episodes() == [(1, 2, 3.5)]


def test_an_episode_of_a_closed_tap_is_nobodys_business() -> None:
    make().note_episode(1, 2, 3.5, 4)


# --- pictures on their way ------------------------------------------------------------------------------


def test_a_picture_that_is_on_its_way_is_neither_there_nor_a_failure(quiet: QuietOutlet) -> None:
    tap = opened()
    quiet.ask()
    capture(tap, LATER)
    assert quiet.pictures() == [] and tap.failures == 0 and tap.due[0]


def test_when_it_has_come_it_has_its_own_moment_and_pays_for_its_beginning(quiet: QuietOutlet) -> None:
    tap = opened()
    capture(tap, LATER)
    begun = tap._uncharged
    capture(tap, captured=123.0)
    (arrived,) = quiet.pictures()
    assert arrived.captured == 123.0 and arrived.cost > begun > 0


# --- failures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [(None, "render_mode='rgb_array'"), (np.zeros((4, 6), complex), "expected a picture")],
    ids=["nothing", "no picture"],
)
def test_what_is_no_picture_is_said_once_in_the_log_and_on_the_page(
    quiet: QuietOutlet, warnings: Callable[[], list[str]], picture: object, sentence: str
) -> None:
    tap = opened()
    for _ in range(3):
        capture(tap, picture)
    (note,) = quiet.notes
    assert sentence in note
    assert warnings() == [f"envstream: CartPole-v1: {note}"]


def test_a_render_that_raises_is_counted_and_named(
    quiet: QuietOutlet, warnings: Callable[[], list[str]]
) -> None:
    tap = opened()
    fail(tap, ValueError("no display"))
    assert (tap.failures, quiet.readers[0].failures) == (1, 1)
    assert warnings() == ["envstream: CartPole-v1: taking a picture failed with ValueError: no display"]


def test_a_render_that_was_interrupted_is_not_waited_for(quiet: QuietOutlet) -> None:
    tap = opened()
    with pytest.raises(KeyboardInterrupt):
        fail(tap, KeyboardInterrupt())
    assert quiet.readers[0].failures == 1


def test_a_render_that_keeps_failing_is_let_alone_until_the_next_episode(quiet: QuietOutlet) -> None:
    tap = opened()
    for _ in range(FAILURES_BEFORE_SILENCE):
        fail(tap, ValueError("x"))
    quiet.ask()
    assert not tap.due[0]
    tap.open()
    assert tap.due[0]


def test_a_picture_in_between_is_a_new_beginning(quiet: QuietOutlet) -> None:
    tap = opened()
    for _ in range(3):
        for _ in range(FAILURES_BEFORE_SILENCE - 1):
            fail(tap, ValueError("x"))
        capture(tap)
    quiet.ask()
    assert tap.due[0]


def test_ever_new_warnings_come_to_an_end(quiet: QuietOutlet, warnings: Callable[[], list[str]]) -> None:
    tap = opened()
    for number in range(1000):
        tap.warn(f"trouble number {number}")
    assert len(warnings()) < 30


# --- black pictures ------------------------------------------------------------------------------------


def test_pictures_that_stay_black_are_remarked_on_once(
    quiet: QuietOutlet, warnings: Callable[[], list[str]]
) -> None:
    tap = opened()
    for _ in range(3 * BLACK_BEFORE_WARNING):
        capture(tap, BLACK)
        quiet.pictures()
    assert len(warnings()) == 1
    assert "MUJOCO_GL=egl" in warnings()[0]


def test_a_moment_of_black_is_no_matter(quiet: QuietOutlet, warnings: Callable[[], list[str]]) -> None:
    tap = opened()
    for _ in range(3):
        for _ in range(BLACK_BEFORE_WARNING - 1):
            capture(tap, BLACK)
        capture(tap, PICTURE)
        quiet.pictures()
    assert warnings() == []

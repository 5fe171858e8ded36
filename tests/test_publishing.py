"""`publish()`: any loop is seen, and none is disturbed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import envstream
from envstream.errors import SettingError
from fakes import QuietOutlet, quiet_outlet
from serving import Watcher, training, until

PICTURE = np.full((4, 6, 3), 200, np.uint8)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[QuietOutlet]:
    yield quiet_outlet(monkeypatch)
    envstream.unpublish()


def test_the_first_picture_is_handed_over_and_then_those_that_are_wanted(quiet: QuietOutlet) -> None:
    assert envstream.publish(PICTURE, "robot")
    assert not envstream.publish(PICTURE, "robot")
    quiet.ask()
    assert envstream.publish(PICTURE, "robot")
    assert [picture.info["totalSteps"] for picture in quiet.pictures()] == [1, 3]


def test_a_picture_is_made_only_when_it_is_wanted(quiet: QuietOutlet) -> None:
    made: list[int] = []

    def render() -> Any:
        made.append(1)
        return PICTURE

    for _ in range(10):
        envstream.publish(render, "robot")
    assert len(made) == 1


def test_what_is_told_along_comes_with_the_picture(quiet: QuietOutlet) -> None:
    envstream.publish(
        PICTURE, "robot", episode=2, step=np.int64(7), episode_return=np.float32(1.5), arm="left"
    )
    (picture,) = quiet.pictures()
    assert picture.info == {
        "episode": 2,
        "step": 7,
        "return": 1.5,
        "arm": "left",
        "totalSteps": 1,
        "method": "publish",
    }


def test_when_the_episode_changes_the_one_before_has_ended(quiet: QuietOutlet) -> None:
    for episode, step, total in [(1, 0, 0.5), (1, 1, 2.0), (2, 0, 0.0)]:
        envstream.publish(PICTURE, "robot", episode=episode, step=step, episode_return=total)
    assert quiet.episodes() == [(1, 1, 2.0)]


def test_of_episodes_without_a_return_nothing_is_noted(quiet: QuietOutlet) -> None:
    for episode in range(3):
        envstream.publish(PICTURE, "robot", episode=episode)
    assert quiet.episodes() == []


def test_a_picture_may_change_its_shape(quiet: QuietOutlet) -> None:
    for shape in [(4, 6, 3), (8, 2), (3, 5, 4), (4, 6, 3)]:
        envstream.publish(np.zeros(shape, np.uint8) + 9, "robot")
        quiet.ask()
    assert [picture.pixels.shape[:2] for picture in quiet.pictures()] == [(4, 6), (8, 2), (3, 5), (4, 6)]


def test_values_that_are_no_numbers_are_shown_as_black_and_named_once(
    quiet: QuietOutlet, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        envstream.publish(np.full((4, 6, 3), np.nan), "robot")
        quiet.ask()
    assert len(quiet.pictures()) == 3
    assert caplog.text.count("no numbers (NaN); they are shown as black") == 1


@pytest.mark.parametrize("frame", [np.zeros((2, 3, 4, 5, 6)), {"image": PICTURE}, object(), None])
def test_what_is_no_picture_is_warned_of_once_and_the_loop_goes_on(
    quiet: QuietOutlet, caplog: pytest.LogCaptureFixture, frame: object
) -> None:
    for _ in range(20):
        quiet.ask() if quiet.channels else None
        assert not envstream.publish(frame, "robot")
    assert len(caplog.records) == 1


def test_a_callable_that_raises_is_warned_of_and_the_loop_goes_on(
    quiet: QuietOutlet, caplog: pytest.LogCaptureFixture
) -> None:
    def render() -> Any:
        raise RuntimeError("no GL")

    assert not envstream.publish(render, "robot")
    assert "no GL" in caplog.text


def test_settings_that_are_wrong_are_raised(quiet: QuietOutlet) -> None:
    with pytest.raises(SettingError, match="videoFps"):
        envstream.publish(PICTURE, "robot", config={"videoFsp": 3})


def test_each_name_is_a_stream_of_its_own(quiet: QuietOutlet) -> None:
    envstream.publish(PICTURE, "left")
    envstream.publish(PICTURE, "right")
    assert [channel.name for channel in quiet.channels] == ["left", "right"]
    envstream.unpublish("left")
    assert [channel.name for channel in quiet.closed] == ["left"]


def test_a_stream_that_was_ended_begins_anew(quiet: QuietOutlet) -> None:
    envstream.publish(PICTURE, "robot")
    envstream.unpublish("robot")
    assert envstream.publish(PICTURE, "robot")
    assert len(quiet.channels) == 2


def test_several_threads_may_show_pictures_under_one_name(quiet: QuietOutlet) -> None:
    def show() -> None:
        for _ in range(200):
            quiet.ask() if quiet.channels else None
            envstream.publish(PICTURE, "robot")
            quiet.pictures() if threading.current_thread() is first else None

    first = threading.Thread(target=show)
    threads = [first, *(threading.Thread(target=show) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(quiet.channels) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_shows_streams_of_its_own(quiet: QuietOutlet) -> None:
    envstream.publish(PICTURE, "robot")
    child = os.fork()
    if child == 0:
        os._exit(0 if envstream.publish(PICTURE, "robot") and len(quiet.channels) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    quiet.ask()
    assert envstream.publish(PICTURE, "robot")


def test_nobody_has_an_address_before_the_first_picture() -> None:
    assert envstream.stream_url("nothing") is None


SCRIPT = """
import numpy as np
import envstream
picture = np.zeros((48, 64, 3), np.uint8)
envstream.publish(picture, "robot", config={"videoStreamPort": 0})
print(envstream.stream_url("robot"), flush=True)
step = 0
while True:
    step += 1
    picture[:] = step % 256
    envstream.publish(picture, "robot", step=step)
"""


def test_a_loop_is_seen_as_it_goes_on() -> None:
    with training(script=SCRIPT) as trainer, Watcher(trainer.port, "robot") as watcher:
        first = watcher.frame()[0]["step"] or 0
        until(lambda: (watcher.frame()[0]["step"] or 0) > first, "a later picture")

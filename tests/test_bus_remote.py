"""A remote stream: what its worker says is shown, and what cannot be is left out. Time is put in by hand."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from envstream import codec
from envstream.bus.clock import Clock
from envstream.bus.demand import Want
from envstream.bus.layout import Entry, Sent
from envstream.bus.remote import FROM_THE_START, SLACK, Remote
from envstream.config import StreamConfig
from envstream.encoder import Rung
from envstream.errors import SessionError
from envstream.hub import Hub
from envstream.identity import Identity
from envstream.lane import Lane
from envstream.report import status
from envstream.sent import SentFrame
from envstream.sessions.showing import Showing
from envstream.stream import Stream
from envstream.viewer import Watch

JPEG = codec.encode(np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8), "jpeg", 80)
WHO = Identity("run-a", 3, "node", 77)


class Here:
    """A remote stream on a page server whose clock is 1000 seconds before the bus's."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.hub = Hub(StreamConfig(), pool)
        self.stream = self.hub.open("env", "env", self.hub.config)
        self.shown: list[int] = []
        clock = Clock()
        clock.look(0.0, 1000.0, 0.0)
        self.now = 50.0
        calls: list[Callable[[], None]] = []
        showing = Showing(self.stream, Lane(pool), calls.append, self._shown, lambda: self.now)
        self.remote = Remote(showing, Entry("a", "env", "env", fps=50.0), WHO, clock)

    def _shown(self, stream: Stream) -> None:
        frame = stream.buffer.newest()
        assert frame is not None
        self.shown.append(frame.number)

    def take(self, **other: Any) -> None:
        about = {"number": 1, "captured": 1049.5, "encoding": "jpeg", "width": 64, "height": 48}
        self.remote.take(Sent(**{**about, "info": {"step": 5}, "data": JPEG, **other}), self.now)

    def told(self, **values: Any) -> None:
        self.remote.told(values, self.now)

    @property
    def status(self) -> dict[str, Any]:
        return status(self.stream, self.now)


@pytest.fixture
def here(pool: ThreadPoolExecutor) -> Here:
    return Here(pool)


def test_it_is_known_whose_it_is(here: Here) -> None:
    said = here.status
    assert (said["run"], said["rank"], said["host"], said["naturalFps"]) == ("run-a", 3, "node", 50.0)
    assert said["view"] is None


def test_a_jpeg_is_shown_as_it_came_at_the_time_when_it_was_taken(here: Here) -> None:
    here.stream.watched(1)
    here.take()
    frame = here.stream.buffer.newest()
    assert isinstance(frame, SentFrame) and frame.source is not None and frame.source.data == JPEG
    assert (frame.captured, frame.info["step"], here.shown) == (pytest.approx(49.5), 5, [1])


def test_a_worker_that_counts_anew_is_still_shown(here: Here) -> None:
    here.stream.watched(1)
    for number in (7, 8, 1):
        here.now += 1
        here.take(number=number)
    assert here.shown == [1, 2, 3]


@pytest.mark.parametrize(
    "other",
    [
        {"data": b"\xff\xd8 no picture"},
        {"width": 63},
        {"encoding": "png"},
        {"data": b"\x89PNG\r\n\x1a\n" + b"x" * 50},
        {"width": 65_000, "height": 65_000},
    ],
)
def test_what_is_not_what_was_said_is_left_out(here: Here, other: dict[str, Any]) -> None:
    here.stream.watched(1)
    here.take(**other)
    assert here.shown == [] and "a picture cannot be shown (" in str(here.stream.notices.newest)


def test_what_is_told_is_seen_in_its_status(here: Here) -> None:
    here.told(totalSteps=700, fps=12.5, bestReturn=9.0, seen=5, episodes=[[4, 10, 3.0], [5, 20, 5.0]])
    said = here.status
    assert {
        key: said[key] for key in ("episode", "step", "return", "totalSteps", "meanReturn", "bestReturn")
    } == {
        "episode": 5,
        "step": 20,
        "return": 5.0,
        "totalSteps": 700,
        "meanReturn": 4.0,
        "bestReturn": 9.0,
    }
    assert here.stream.said["fps"] == 12.5
    assert (here.stream.steps, here.stream.episodes.seen) == (700, 5)


def test_what_it_costs_its_trainer_is_told_as_the_trainer_says(here: Here) -> None:
    here.told(trainerCost={"share": 0.021, "limit": 0.05})
    assert here.status["trainerCost"] == {"share": 0.021, "limit": 0.05}


def test_what_a_picture_says_is_newer(here: Here) -> None:
    here.told(totalSteps=700, seen=1, episodes=[[1, 10, 3.0]])
    here.stream.watched(1)
    here.take(info={"step": 2, "totalSteps": 702, "episode": 2, "return": 0.5})
    here.told(totalSteps=701, seen=1, episodes=[[1, 10, 3.0]])
    said = here.status
    assert (said["step"], said["totalSteps"], said["episode"], said["return"]) == (2, 702, 2, 0.5)


def test_episodes_that_were_told_of_before_are_not_counted_twice(here: Here) -> None:
    here.told(seen=2, episodes=[[1, 1, 1.0], [2, 1, 2.0]])
    here.told(seen=3, episodes=[[1, 1, 1.0], [2, 1, 2.0], [3, 1, 3.0]])
    here.told(seen=3, episodes=[[2, 1, 2.0], [3, 1, 3.0]])
    assert [episode.number for episode in here.stream.episodes.last()] == [1, 2, 3]


def test_a_worker_that_began_anew_counts_its_episodes_anew(here: Here) -> None:
    here.told(seen=7, episodes=[[7, 1, 1.0]])
    here.told(seen=1, episodes=[[1, 1, None]])
    assert [episode.number for episode in here.stream.episodes.last()] == [7, 1]
    assert here.stream.episodes.seen == 1


def test_a_picture_that_stands_still_is_as_new_as_is_said(here: Here) -> None:
    here.stream.watched(1)
    here.take()
    here.now = 60.0
    here.told(still=1059.0)
    assert here.status["age"] == pytest.approx(1.0)


def test_what_is_wrong_at_a_worker_is_seen_until_it_is_not(here: Here) -> None:
    here.told(message="its display is gone")
    assert here.status["message"] == "its display is gone"
    here.told(message=None)
    assert here.status["message"] is None


@pytest.mark.parametrize(
    "values",
    [
        {"totalSteps": "many"},
        {"fps": [1]},
        {"message": "x" * 501},
        {"message": 7},
        {"episodes": [[1, 1, 1.0]]},
        {"seen": 1, "episodes": [1]},
        {"seen": 1, "episodes": [[1, 1]]},
        {"seen": 1, "episodes": [[1, 1, "x"]]},
        {"seen": 1, "episodes": [[1, 1, 1.0]] * 1000},
        {"still": "now"},
    ],
)
def test_what_cannot_be_meant_is_an_error(here: Here, values: dict[str, Any]) -> None:
    with pytest.raises(SessionError):
        here.told(**values)


def test_a_quality_that_was_chosen_elsewhere_is_in_force_here_and_not_sent_back(here: Here) -> None:
    echoes: list[bool] = []
    here.stream.demanded = lambda: echoes.append(here.remote.quality != here.stream.quality)
    here.told(quality="low")
    assert (here.stream.quality, here.remote.quality, echoes) == ("low", "low", [False])
    for odd in ("splendid", "x" * 200, True, 7.5, [], 0, 10**9):
        here.told(quality=odd)
    assert (here.stream.quality, here.remote.quality) == ("low", "low")
    here.stream.choose("high")
    assert echoes[-1]


def test_nothing_is_wanted_that_nobody_watches(here: Here) -> None:
    assert here.remote.want(None) is None
    here.stream.watched(2)
    assert here.remote.want(None) == Want(round(SLACK * here.stream.pace.fps, 3), None)


def test_of_what_is_watched_no_more_is_wanted_than_is_of_use(here: Here) -> None:
    here.stream.watched(1)
    watches: list[Watch] = [Watch(Rung("auto", None, 320), 2.0)]
    look: Callable[[Stream], list[Watch]] = lambda stream: watches  # noqa: E731
    assert here.remote.want(look) == Want(2.0 * SLACK, 320)
    watches.append(Watch(Rung("auto", None, None), 500.0))
    assert here.remote.want(look) == Want(round(SLACK * here.stream.pace.fps, 3), None)
    watches.clear()  # Somebody watches in another way.
    assert here.remote.want(look) == Want(round(SLACK * here.stream.pace.fps, 3), None)


def test_a_worker_that_is_back_goes_on_with_its_stream(here: Here, pool: ThreadPoolExecutor) -> None:
    here.stream.watched(1)
    here.stream.finish()
    assert here.status["state"] == "ended"
    here.remote.again(Entry("a", "env", "env", fps=25.0), Identity("run-b"))
    assert here.status["state"] == "waiting"
    assert (here.status["run"], here.status["naturalFps"]) == ("run-b", 25.0)


def test_over_a_new_connection_everything_is_read_from_the_start(here: Here) -> None:
    here.remote.last, here.remote.asked = b"7-0", Want()
    here.remote.lost("the bus is gone")
    assert here.stream.notices.newest == "the bus is gone"
    here.remote.found()
    assert (here.remote.last, here.remote.asked, here.stream.notices.newest) == (FROM_THE_START, None, None)

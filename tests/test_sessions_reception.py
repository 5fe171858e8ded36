"""A session at work: what goes to disk and to the page, what its publisher is told, and links that break."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tapes
from envstream.config import StreamConfig
from envstream.errors import SessionError
from envstream.lane import Lane
from envstream.sessions.arrival import Arrival
from envstream.sessions.depot import Depot
from envstream.sessions.events import Event, Status
from envstream.sessions.outcome import Surroundings
from envstream.sessions.reception import Reception
from envstream.sessions.session import Session
from envstream.sessions.showing import Showing
from envstream.sessions.start import Limits, Start
from envstream.sessions.store import Store
from envstream.stream import Stream
from senders import Loop, Message

LIMITS = Limits(max_message=10**6, max_pixels=10**6, memory=10**6)
RESULT = {"video": {"frames": 3}, "processed": None, "processors": {}, "problem": None}


class Link:
    """A publisher's connection that keeps what is said on it, as long as it is open."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.over: tuple[str, bool] | None = None

    def tell(self, message: Mapping[str, Any]) -> None:
        if self.over is None:
            self.said.append(dict(message))

    def hang_up(self, reason: str, *, later: bool = False) -> None:
        self.over = self.over or (reason, later)

    def of(self, kind: str) -> list[Message]:
        return [each for each in self.said if each["type"] == kind]


class Failing(Store):
    """A store whose disk fails while `error` is set."""

    error: OSError | None = None

    def write(self, arrival: Arrival) -> int:
        if self.error is not None:
            raise self.error
        return super().write(arrival)

    def write_signal(self, name: str, data: bytes) -> Path:
        if self.error is not None:
            raise self.error
        return super().write_signal(name, data)


class Case(Loop):
    """A reception on a real disk. What processing is told is in `processing`."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor, most: int = 10**9, **start: Any) -> None:
        super().__init__()
        self.processing: list[Any] = []
        self.depot = Depot(folder / "sessions", most, pool)
        self.depot.claim()
        world = Surroundings(self, self.later, self.call, self.clock, self.depot, True)
        about = Start(width=64, height=48, fps=30.0, encoding="jpeg", **start)
        self.session = Session("mine", "digest", about, LIMITS, now=self.now)
        self.store: Failing | None = None
        if not about.live:
            self.store = Failing.create(self.depot.folder / "mine")  # type: ignore[assignment]
        self.stream = Stream("camera", "camera", StreamConfig(), pool)
        showing = Showing(self.stream, Lane(pool), self.call, lambda stream: None)
        self.lane = Lane(pool)
        self.reception = Reception(self.session, self.store, showing, self.lane, [], world)

    def more(self, session: str, up_to: int) -> None:
        self.processing.append(up_to)

    def end(self, session: str, end: Mapping[str, Any]) -> None:
        self.processing.append(dict(end))

    def linked(self) -> Link:
        link = Link()
        self.reception.attach(link, self.session.welcome(True), self.now)
        return link

    def do(self, events: list[Event]) -> None:
        self.reception.handle(events, self.now)

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.do(self.session.frame(tapes.sent(number), self.now))

    def idle(self) -> None:
        for _ in range(3):
            self.lane.submit(lambda: None).result(10)
            self.turn()


@pytest.fixture
def case(tmp_path: Path, pool: ThreadPoolExecutor, request: pytest.FixtureRequest) -> Iterator[Case]:
    case = Case(tmp_path, pool, **getattr(request, "param", {}))
    yield case
    case.idle()
    if case.store is not None:
        case.store.close()
    case.depot.release()


live = pytest.mark.parametrize("case", [{"live": True}], indirect=True)
awaits_signal = pytest.mark.parametrize("case", [{"signal_expected": True}], indirect=True)


# --- frames ---------------------------------------------------------------------------------------------


def test_a_frame_is_acknowledged_once_it_is_on_disk(case: Case) -> None:
    link = case.linked()
    case.send(1)
    assert case.reception.pending > 0 and not link.of("frame_ack")
    case.until(lambda: link.of("frame_ack"), "the acknowledgement")
    assert link.of("frame_ack")[0]["up_to"] == 1 and case.reception.pending == 0
    assert case.store is not None and case.store.frames == 1


def test_processing_hears_of_what_is_on_disk(case: Case) -> None:
    case.linked()
    case.send(1)
    case.idle()
    assert case.processing == [1]


def test_the_page_sees_what_comes(case: Case) -> None:
    case.send(1)
    case.until(lambda: case.stream.buffer.newest(), "a picture")
    assert case.stream.session is not None and case.stream.session()["id"] == "mine"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_sends_the_publisher_away_and_loses_nothing(case: Case, number: int) -> None:
    link, store = case.linked(), case.store
    assert store is not None
    store.error = OSError(number, os.strerror(number), str(case.depot.folder))
    case.send(1, 2, 3)
    case.idle()
    (said,) = link.of("error")
    # Of no frame: one that is refused would be given up after a few times.
    assert said["code"] == "disk_full" and said["recoverable"] and "number" not in said
    assert str(case.depot.folder) not in said["message"]
    assert link.over is not None and link.over[1]
    assert link.said[-1] == said
    store.error = None
    again = case.linked()
    assert again.of("session_ack")[0]["next"] == 1 and again.of("session_ack")[0]["missing"] == [1, 2, 3]
    case.send(1, 2, 3)
    case.idle()
    assert case.session.roll.up_to == 3


@awaits_signal
def test_so_does_one_that_fails_with_a_signal(case: Case) -> None:
    link, store = case.linked(), case.store
    assert store is not None
    store.error = OSError(errno.EIO, "broken")
    case.do(case.session.signal("a.csv", b"1", case.now))
    case.idle()
    assert link.of("error")[0]["code"] == "disk_full" and link.over is not None and link.over[1]
    assert store.signal is None and not link.of("signal_ack")


@pytest.mark.parametrize("case", [{"most": 3000}], indirect=True)
def test_a_session_that_is_given_no_more_disk_ends_with_what_it_has(case: Case) -> None:
    link = case.linked()
    sizes = [len(tapes.sent(number).data) for number in range(1, 6)]
    taken = next(count for count in range(1, 6) if sum(sizes[: count + 1]) > 3000)
    case.send(*range(1, 6))
    case.idle()
    assert link.of("error")[0]["code"] == "disk_quota" and not link.of("error")[0]["recoverable"]
    assert link.over == ("disk_quota", False)
    assert case.session.state == "processing" and case.session.roll.received == taken


# --- links ----------------------------------------------------------------------------------------------


def test_who_comes_again_is_the_one_who_is_told(case: Case) -> None:
    first = case.linked()
    second = case.linked()
    assert first.over is not None and not first.over[1]
    case.send(1)
    case.idle()
    assert second.of("frame_ack") and not first.of("frame_ack")
    case.reception.detach(first, case.now)  # Which is no news any more.
    assert case.reception.link is second and case.stream.notices.newest is None


def test_the_page_is_told_of_a_lost_link_until_there_is_another(case: Case) -> None:
    link = case.linked()
    case.reception.detach(link, case.now)
    assert case.reception.lost_at == case.now and "may come back" in str(case.stream.notices.newest)
    case.linked()
    assert case.reception.lost_at is None and case.stream.notices.newest is None


def test_frames_go_on_to_disk_when_their_link_is_gone(case: Case) -> None:
    link = case.linked()
    case.send(1, 2)
    case.reception.detach(link, case.now)
    case.idle()
    assert case.session.roll.up_to == 2
    assert case.linked().of("session_ack")[0]["next"] == 3


def test_who_is_here_again_was_heard_of_just_now(case: Case) -> None:
    case.now += 1000
    case.linked()
    assert case.session.heard_at == case.now


# --- the end --------------------------------------------------------------------------------------------


def finished(case: Case, link: Link) -> None:
    case.send(1, 2, 3)
    case.do(case.session.end(3, case.now))
    case.idle()
    case.reception.complete(RESULT)
    case.until(lambda: case.session.state == "complete", "the result")


def test_a_result_is_told_and_told_again(case: Case) -> None:
    link = case.linked()
    finished(case, link)
    (first,) = link.of("process_complete")
    assert first["result"]["video"] == {"frames": 3}
    link = case.linked()
    assert [each["type"] for each in link.said] == ["session_ack", "session_ended", "process_complete"]
    assert link.said[-1] == first
    assert case.reception.done and not case.reception.receives


def test_progress_is_told_and_shown(case: Case) -> None:
    link = case.linked()
    case.reception.progressed({"stage": "receiving", "frame": 1, "frames": None, "percent": None})
    assert link.of("process_progress")[0]["frame"] == 1 and case.reception.summary()["done"] == 1


def test_lost_frames_are_noted(case: Case) -> None:
    case.send(1, 4)
    case.idle()
    case.do(case.session.lose(2, 3, case.now))
    case.idle()
    assert case.depot.said("mine")["lost"] == [[2, 3]]
    case.now += 1
    case.do([])
    assert case.session.roll.up_to == 4


def test_the_silent_are_told_and_end(case: Case) -> None:
    link = case.linked()
    case.send(1, 3)
    case.idle()
    case.now += 500
    case.reception.expire(case.now)
    case.idle()
    assert link.of("error")[0]["code"] == "timed_out" and link.over is not None
    assert link.of("session_ended")[0]["lost"] == 1 and case.session.state == "processing"


def test_who_waits_for_the_result_is_not_sent_away(case: Case) -> None:
    link = case.linked()
    case.send(1)
    case.do(case.session.end(1, case.now))
    case.idle()
    case.reception.expire(case.now + 500)
    assert case.session.state == "processing" and link.over is None


@awaits_signal
def test_nor_who_waits_for_it_without_a_signal(case: Case) -> None:
    link = case.linked()
    case.send(1)
    case.do(case.session.end(1, case.now))
    case.idle()
    assert case.session.state == "ended"
    case.reception.expire(case.now + 500)
    case.idle()
    assert case.processing[-1]["signal"] is None and link.over is None


def test_who_has_the_result_and_stays_is_sent_away_in_the_end(case: Case) -> None:
    link = case.linked()
    finished(case, link)
    case.reception.expire(case.now + 500)
    assert link.over is not None


def test_what_is_not_complete_is_noted_when_the_server_ends(case: Case) -> None:
    case.send(1)
    case.reception.close()
    case.idle()
    assert case.depot.said("mine")["state"] == "receiving"


def test_an_error_that_ends_a_session_ends_its_link(case: Case) -> None:
    link = case.linked()
    error = SessionError("flooding", "too much", recoverable=False)
    case.do(case.session.refused(1, error, case.now))
    assert link.over == ("flooding", False)


# --- what is only shown ---------------------------------------------------------------------------------


@live
def test_of_what_is_only_shown_nothing_is_stored(case: Case) -> None:
    link = case.linked()
    case.send(5, 9)
    case.idle()
    assert link.of("frame_ack")[-1]["up_to"] == 9
    assert not (case.depot.folder / "mine").exists() and case.processing == []
    assert case.stream.session is None
    case.do(case.session.end(9, case.now))
    case.until(lambda: case.stream.ended, "the end")
    assert case.reception.done


@live
def test_its_publisher_is_told_at_once_and_then_when_others_look(case: Case) -> None:
    link = case.linked()
    assert [each["watched"] for each in link.of("demand")] == [False]
    case.stream.watched(1)
    case.idle()
    assert [each["watched"] for each in link.of("demand")] == [False, True]
    case.stream.choose(70)
    case.idle()
    assert link.of("demand")[-1]["quality"] == 70
    assert case.linked().of("demand")[-1] == link.of("demand")[-1]  # Also after a cut.


@live
def test_what_it_says_beside_its_pictures_is_shown(case: Case) -> None:
    case.linked()
    status = {"totalSteps": 7, "episodes": [(1, 20, -3.5)], "message": "the learner is busy"}
    case.do([Status(status)])
    assert case.stream.steps == 7 and case.stream.episodes.last()[0].total == -3.5
    assert case.stream.notices.newest == "the learner is busy"
    case.do([Status({"episodes": [], "message": None})])
    assert case.stream.notices.newest is None


@live
def test_a_still_picture_stays_what_there_is(case: Case) -> None:
    case.linked()
    case.send(1)
    case.until(lambda: case.stream.buffer.newest(), "a picture")
    case.stream.watched(1)
    case.now += 5
    case.do([Status({"episodes": [], "still": {"number": 1, "captured": None}})])
    frame = case.stream.buffer.newest()
    assert frame is not None and frame.captured == case.now


@live
def test_a_signal_of_what_is_only_shown_goes_nowhere(case: Case) -> None:
    link = case.linked()
    case.do(case.session.signal("a.csv", b"1", case.now))
    assert link.of("error")[0]["code"] == "bad_signal"


def test_who_is_stored_is_not_told_who_looks(case: Case) -> None:
    link = case.linked()
    case.stream.watched(1)
    case.idle()
    assert link.of("demand") == []

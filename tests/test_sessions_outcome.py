"""What becomes of a session's frames: when processing hears of what, and what is on disk in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tapes
from envstream.lane import Lane
from envstream.sessions.depot import Depot
from envstream.sessions.outcome import TOLD_EVERY, Outcome, Surroundings
from envstream.sessions.session import Session
from envstream.sessions.start import Limits, Start
from envstream.sessions.tape import LOG
from senders import Loop

LIMITS = Limits(max_message=10**6, max_pixels=10**6, memory=10**6)
RESULT = {"video": {"frames": 3}, "processed": None, "processors": {}, "problem": None}


class Case(Loop):
    """A session of three frames with its outcome, and what processing was told."""

    def __init__(self, folder: Path, pool: ThreadPoolExecutor, keep: bool, **start: Any) -> None:
        super().__init__()
        self.told: list[Any] = []
        self.depot = Depot(folder, 10**9, pool)
        self.world = Surroundings(self, self.later, self.call, self.clock, self.depot, keep)
        self.start = Start(width=64, height=48, fps=30.0, encoding="jpeg", **start)
        self.session = Session("mine", "digest", self.start, LIMITS)
        self.store = self.depot.new("mine")
        self.lane = Lane(pool)
        self.outcome = Outcome(self.session, self.store, self.lane, "title", [{"name": "stats"}], self.world)

    def more(self, session: str, up_to: int) -> None:
        self.told.append(up_to)

    def end(self, session: str, end: Mapping[str, Any]) -> None:
        self.told.append(dict(end))

    def come(self, *numbers: int) -> None:
        for number in numbers:
            arrival = tapes.sent(number)
            self.session.frame(arrival, self.now)
            self.store.write(arrival)
            self.session.kept(number, len(arrival.data), self.now)

    def ended(self) -> None:
        self.session.end(3, self.now)
        self.outcome.ended()

    def idle(self) -> None:
        self.lane.submit(lambda: None).result(10)
        self.turn()

    def complete(self, result: Mapping[str, Any]) -> dict[str, Any]:
        stored: list[bool] = []
        self.outcome.complete(result, lambda: stored.append(True))
        self.until(lambda: stored, "the result to be stored")
        assert self.outcome.result is not None
        return self.outcome.result

    def said(self) -> dict[str, Any]:
        self.idle()
        return self.depot.said("mine")


@pytest.fixture
def case(tmp_path: Path, pool: ThreadPoolExecutor, request: pytest.FixtureRequest) -> Iterator[Case]:
    case = Case(tmp_path / "sessions", pool, **{"keep": False, **getattr(request, "param", {})})
    yield case
    case.idle()
    case.store.close()
    case.depot.release()


def test_processing_hears_of_frames_now_and_then(case: Case) -> None:
    case.come(1)
    case.outcome.more(case.now)
    case.come(2)
    case.outcome.more(case.now)
    assert case.told == [1]
    case.now += TOLD_EVERY
    case.outcome.more(case.now)
    case.now += TOLD_EVERY
    case.outcome.more(case.now)  # No news.
    assert case.told == [1, 2]


def test_processing_hears_of_no_frame_behind_a_gap(case: Case) -> None:
    case.come(2, 3)
    case.outcome.more(case.now)
    assert case.told == []


def test_the_end_is_told_once_and_with_what_is_lost(case: Case) -> None:
    case.come(1, 3)
    case.session.lose(2, 2, case.now)
    case.ended()
    case.outcome.finish()
    case.idle()
    assert case.told == [{"frames": 3, "lost": [[2, 2]], "signal": None}]
    assert case.session.state == "processing" and case.said()["state"] == "processing"


@pytest.mark.parametrize("case", [{"signal_expected": True}], indirect=True)
def test_a_signal_that_was_announced_is_waited_for(case: Case) -> None:
    case.come(1, 2, 3)
    case.ended()
    case.outcome.finish()
    case.idle()
    assert case.told == [] and case.said()["state"] == "ended"
    path = case.store.write_signal("heart.csv", b"1")
    case.outcome.finish()
    case.idle()
    assert case.told[-1]["signal"] == str(path)


@pytest.mark.parametrize("case", [{"signal_expected": True}], indirect=True)
def test_a_signal_that_does_not_come_is_done_without(case: Case) -> None:
    case.come(1, 2, 3)
    case.ended()
    case.outcome.finish(without_signal=True)
    case.idle()
    assert case.told[-1]["signal"] is None


def test_nothing_is_finished_before_the_end(case: Case) -> None:
    case.come(1)
    case.outcome.finish(without_signal=True)
    case.idle()
    assert case.told == [] and case.session.state == "receiving"


def test_a_result_is_on_disk_before_it_is_told_and_the_frames_are_gone(case: Case) -> None:
    case.come(1, 2, 3)
    case.ended()
    result = case.complete(RESULT)
    assert json.loads((case.store.folder / "result.json").read_text()) == result
    assert result["name"] == "title" and result["received"]["received"] == 3
    assert case.said()["state"] == "complete" and not (case.store.folder / LOG).exists()


@pytest.mark.parametrize("case", [{"keep": True}], indirect=True)
def test_frames_stay_where_they_are_to_stay(case: Case) -> None:
    case.come(1, 2, 3)
    case.ended()
    case.complete(RESULT)
    assert (case.store.folder / LOG).stat().st_size > 0


@pytest.mark.parametrize("result", [{**RESULT, "video": None}, {**RESULT, "video": {"frames": 2}}])
def test_frames_that_are_not_all_in_the_video_stay(case: Case, result: Mapping[str, Any]) -> None:
    case.come(1, 2, 3)
    case.ended()
    case.complete(result)
    assert (case.store.folder / LOG).stat().st_size > 0


def test_a_result_that_cannot_be_stored_is_told_with_that(case: Case) -> None:
    case.come(1, 2, 3)
    case.ended()
    case.idle()
    (case.store.folder / "result.json").mkdir()  # No file takes its place.
    result = case.complete(RESULT)
    assert "not on disk" in result["problem"]["error"] and case.session.state == "complete"
    # The next server tries it again, from the frames.
    assert case.said()["state"] == "processing" and (case.store.folder / LOG).stat().st_size > 0
    with pytest.raises(ValueError, match="closed"):
        case.store.write(tapes.sent(4))


def again(case: Case) -> Outcome:
    """The same session at a later server."""
    case.idle()
    case.store.close()
    case.session, case.store, _ = case.depot.revive("mine", LIMITS, case.now)
    return Outcome(case.session, case.store, case.lane, "title", [], case.world)


def test_what_was_being_processed_is_processed_again(case: Case) -> None:
    case.come(1, 2, 3)
    case.ended()
    case.idle()
    case.told.clear()
    again(case).take_up(case.now)
    case.idle()
    assert case.told == [3, {"frames": 3, "lost": [], "signal": None}]


def test_of_what_was_still_coming_processing_hears_as_far_as_it_came(case: Case) -> None:
    case.come(1, 2)
    case.outcome.note()
    again(case).take_up(case.now)
    case.idle()
    assert case.told == [2] and case.session.state == "receiving"


def test_what_was_complete_has_its_result_and_no_files(case: Case) -> None:
    case.come(1, 2, 3)
    case.ended()
    case.idle()
    result, told = case.complete(RESULT), len(case.told)
    outcome = again(case)
    outcome.take_up(case.now)
    case.idle()
    assert outcome.result == result and len(case.told) == told


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 50_000])
def test_a_result_that_somebody_damaged_is_said_to_be_gone(case: Case, text: str) -> None:
    case.come(1, 2, 3)
    case.ended()
    case.idle()
    case.complete(RESULT)
    (case.store.folder / "result.json").write_text(text)
    outcome = again(case)
    outcome.take_up(case.now)
    assert outcome.result is not None and "not there" in outcome.result["problem"]["error"]


def test_what_is_not_complete_when_the_server_ends_is_noted(case: Case) -> None:
    case.come(1)
    case.outcome.close()
    assert case.said()["state"] == "receiving"
    with pytest.raises(ValueError, match="closed"):
        case.store.write(tapes.sent(2))


def test_processing_is_told_what_the_session_is(case: Case) -> None:
    about = case.outcome.about(500)
    assert about["session_id"] == "mine" and about["name"] == "title" and about["max_pixels"] == 500
    assert about["processors"] == [{"name": "stats"}] and about["fps"] == 30.0

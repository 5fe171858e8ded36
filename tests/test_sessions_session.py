"""A session: every frame is kept once, what is missing is asked for, and the end comes when all is there."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from envstream.errors import SessionError
from envstream.sessions.arrival import Arrival
from envstream.sessions.events import Ended, Event, HangUp, Keep, KeepSignal, Lost, Say
from envstream.sessions.roll import Roll
from envstream.sessions.session import MOST_ASKED, Session
from envstream.sessions.start import Limits, Start

LIMITS = Limits(max_message=10_000, max_pixels=10**6, memory=100_000, window=100, credits=10)
START = Start(width=64, height=48, fps=30.0, encoding="jpeg")
LIVE = Start(width=64, height=48, fps=30.0, encoding="jpeg", live=True)
BROKEN = SessionError("disk_full", "no room")


def session(start: Start = START, limits: Limits = LIMITS, **how: Any) -> Session:
    return Session("s", "token", start, limits, **how)


def arrival(number: int, data: bytes = b"data") -> Arrival:
    return Arrival(number, number / 30, "jpeg", 64, 48, True, None, {}, data)


def kept(session: Session, *numbers: int, now: float = 0.0) -> list[Event]:
    """What follows when these come and go to disk."""
    events: list[Event] = []
    for number in numbers:
        assert session.frame(arrival(number), now) == [Keep(arrival(number))]
        events += session.kept(number, 4, now)
    return events


def said(events: list[Event], kind: str) -> list[dict[str, Any]]:
    """The messages of a type."""
    return [dict(e.message) for e in events if isinstance(e, Say) and e.message["type"] == kind]


def codes(events: list[Event]) -> list[str]:
    return [message["code"] for message in said(events, "error")]


def account(session: Session) -> dict[str, Any]:
    """What a client would be told now."""
    (message,) = said(session.welcome(True), "session_ack")
    return message


# --- frames --------------------------------------------------------------------------------------------


def test_a_frame_is_acknowledged_when_it_is_on_disk_and_not_before() -> None:
    it = session()
    assert it.frame(arrival(1), 0.0) == [Keep(arrival(1))]
    assert it.acknowledgement(1.0, force=True) is None
    assert it.kept(1, 4, 1.0) == [
        Say(
            {
                "type": "frame_ack",
                "up_to": 1,
                "received": 1,
                "duplicates": 0,
                "missing": [],
                "credits": 10,
                "highest": 1,
            }
        )
    ]


def test_frames_are_acknowledged_by_the_handful_or_after_a_while() -> None:
    it = session()
    events = kept(it, *range(1, 10))
    assert [message["up_to"] for message in said(events, "frame_ack")] == [1, 9]
    assert kept(it, 10, 11) == []
    assert it.acknowledgement(0.04) is None
    late = it.acknowledgement(0.06)
    assert late is not None and late.message["up_to"] == 11
    assert it.acknowledgement(9.0, force=True) is None


def test_a_frame_that_is_there_or_under_way_comes_to_nothing() -> None:
    it = session()
    kept(it, 1)
    it.frame(arrival(2), 0.0)
    assert not [e for e in it.frame(arrival(1, b"other"), 1.0) if isinstance(e, Keep)]
    assert not [e for e in it.frame(arrival(2, b"other"), 1.0) if isinstance(e, Keep)]
    assert it.counts()["duplicates"] == 2
    (again,) = said(it.kept(2, 4, 2.0), "frame_ack")
    assert (again["up_to"], again["duplicates"]) == (2, 2)


def test_what_is_under_way_is_neither_there_nor_missing() -> None:
    it = session()
    for number in (1, 2, 4):
        it.frame(arrival(number), 0.0)
    assert (account(it)["missing"], account(it)["next"], it.counts()["missing"]) == ([3], 1, 1)
    it.kept(2, 4, 0.0)
    assert (account(it)["missing"], account(it)["next"]) == ([3], 1)


def test_what_the_disk_refuses_is_asked_for_again_and_kept_then() -> None:
    it = session()
    kept(it, 1)
    it.frame(arrival(2), 0.0)
    events = it.refused(2, SessionError("disk_full", "no room", number=2), 0.0)
    assert said(events, "error") == [BROKEN.message() | {"number": 2}]
    assert said(events, "frame_ack")[0]["missing"] == [2]
    assert said(kept(it, 2, now=1.0), "frame_ack")[0]["up_to"] == 2


def test_a_disk_that_is_full_for_good_ends_the_connection() -> None:
    it = session()
    it.frame(arrival(1), 0.0)
    events = it.refused(1, SessionError("disk_quota", "no room", recoverable=False), 0.0)
    assert codes(events) == ["disk_quota"]
    assert HangUp("disk_quota") in events


def test_what_was_announced_and_is_no_frame_is_asked_for_again() -> None:
    it = session()
    events = it.unfit(1, SessionError("wrong_size", "two bytes short", number=1), 0.0)
    assert codes(events) == ["wrong_size"]
    assert said(events, "frame_ack")[0]["missing"] == [1]


def test_damage_to_a_second_copy_changes_nothing() -> None:
    it = session()
    kept(it, 1)
    it.frame(arrival(2), 0.0)
    for number in (1, 2):
        (ack,) = said(it.unfit(number, SessionError("wrong_size", "short", number=number), 0.0), "frame_ack")
        assert ack["missing"] == []
    it.kept(2, 4, 0.0)
    assert it.roll.up_to == 2


def test_a_number_too_far_ahead_is_refused_and_not_asked_for() -> None:
    it = session()
    for number in (101, 10**9, 2**53):
        assert codes(it.frame(arrival(number), 0.0)) == ["out_of_window"]
        it.unfit(number, SessionError("wrong_size", "short", number=number), 0.0)
    assert (account(it)["missing"], it.roll.highest) == ([], 0)
    assert it.frame(arrival(100), 0.0) == [Keep(arrival(100))]


def test_numbers_that_are_told_to_come_later_are_out_of_order_and_those_asked_for_are_not() -> None:
    it = session()
    kept(it, 1, 4, 3)
    assert it.counts()["out_of_order"] == 1
    assert account(it)["missing"] == [2]
    kept(it, 2)
    assert it.counts()["out_of_order"] == 1


def test_what_was_asked_for_again_counts_once_a_number() -> None:
    it = session()
    kept(it, 3)
    for _ in range(3):
        assert account(it)["missing"] == [1, 2]
    assert it.counts()["asked_again"] == 2
    kept(it, 1, 6)
    assert account(it)["missing"] == [2, 4, 5]
    assert it.counts()["asked_again"] == 4


def test_only_so_many_missing_numbers_are_told_at_once() -> None:
    it = session()
    it.end(10**12, 0.0)
    assert account(it)["missing"] == list(range(1, MOST_ASKED + 1))


# --- flooding ------------------------------------------------------------------------------------------


def test_far_more_frames_under_way_than_the_credits_are_a_flood() -> None:
    it = session()
    for number in range(1, 41):
        assert isinstance(it.frame(arrival(number), 0.0)[0], Keep)
    events = it.frame(arrival(41), 0.0)
    assert codes(events) == ["flooding"]
    assert events[-1] == HangUp("flooding")


def test_far_more_bytes_under_way_than_there_is_memory_for_are_a_flood() -> None:
    it = session()
    data = bytes(99_000)
    for number in range(1, 5):
        assert isinstance(it.frame(arrival(number, data), 0.0)[0], Keep)
    assert it.full
    assert codes(it.frame(arrival(5, data), 0.0)) == ["flooding"]
    for number in range(1, 5):
        it.kept(number, len(data), 0.0)
    assert not it.full
    assert isinstance(it.frame(arrival(5, data), 0.0)[0], Keep)


def test_one_frame_is_no_flood_however_large_it_is() -> None:
    assert isinstance(session().frame(arrival(1, bytes(900_000)), 0.0)[0], Keep)


def test_credits_shrink_with_the_size_of_frames() -> None:
    it = session()
    assert account(it)["credits"] == 10
    it.frame(arrival(1, bytes(30_000)), 0.0)
    assert account(it)["credits"] == 3
    raw = Start(width=100, height=100, fps=30.0, encoding="raw")
    assert account(session(raw))["credits"] == 3


# --- lost ----------------------------------------------------------------------------------------------


def test_what_is_lost_is_acknowledged_and_its_loss_is_an_event_before_that() -> None:
    it = session()
    kept(it, 1, 4)
    events = it.lose(2, 3, 0.0)
    assert events[0] == Lost()
    assert (said(events, "frame_ack")[0]["up_to"], it.roll.lost) == (4, [(2, 3)])


def test_what_is_known_to_be_lost_is_no_news() -> None:
    it = session()
    it.lose(1, 2, 0.0)
    assert Lost() not in it.lose(1, 2, 1.0)


def test_what_is_under_way_is_not_lost() -> None:
    it = session()
    for number in (2, 4):
        it.frame(arrival(number), 0.0)
    it.lose(1, 5, 0.0)
    assert it.roll.lost == [(1, 1), (3, 3), (5, 5)]
    it.kept(2, 4, 0.0)
    it.refused(4, BROKEN, 0.0)
    assert account(it)["missing"] == [4]


def test_many_may_be_lost_right_behind_what_is_known_and_none_far_ahead() -> None:
    it = session()
    assert codes(it.lose(102, 103, 0.0)) == ["out_of_window"]
    assert it.lose(1, 10**9, 0.0)[0] == Lost()
    assert isinstance(it.frame(arrival(10**9 + 1), 0.0)[0], Keep)


def test_frames_behind_lost_ones_are_not_far_ahead() -> None:
    it = session()
    it.lose(2, 5000, 0.0)
    assert isinstance(it.frame(arrival(5001), 0.0)[0], Keep)


# --- the end -------------------------------------------------------------------------------------------


def test_a_session_ends_when_the_last_number_is_there() -> None:
    it = session()
    kept(it, 1, 3)
    (ack,) = said(it.end(3, 0.0), "frame_ack")
    assert (it.state, ack["missing"]) == ("ending", [2])
    it.frame(arrival(2), 0.0)
    events = it.kept(2, 4, 0.0)
    assert [type(event) for event in events] == [Ended, Say, Say]
    assert said(events, "frame_ack")[0]["up_to"] == 3
    assert said(events, "session_ended") == [{"type": "session_ended", "frames": 3, "received": 3, "lost": 0}]
    assert it.state == "ended"


def test_what_was_never_sent_before_the_end_is_missing() -> None:
    it = session()
    kept(it, 1)
    assert said(it.end(3, 0.0), "frame_ack")[0]["missing"] == [2, 3]
    events = it.lose(2, 3, 0.0)
    assert [events[0], events[1]] == [Lost(), Ended()]
    assert said(events, "session_ended")[0]["lost"] == 2


def test_a_session_without_frames_ends_at_once() -> None:
    assert session().end(0, 0.0)[0] == Ended()


def test_the_end_waits_for_the_disk() -> None:
    it = session()
    it.frame(arrival(1), 0.0)
    assert Ended() not in it.end(1, 0.0)
    assert it.kept(1, 4, 0.0)[0] == Ended()


def test_an_end_before_what_is_there_is_refused_and_the_session_goes_on() -> None:
    it = session()
    kept(it, 1)
    it.frame(arrival(2), 0.0)
    assert codes(it.end(1, 0.0)) == ["bad_end"]
    assert it.state == "receiving"
    assert codes(it.end(2, 0.0)) == []


def test_the_end_can_be_said_again_but_not_be_another() -> None:
    it = session()
    kept(it, 1)
    it.end(2, 0.0)
    assert said(it.end(2, 0.0), "frame_ack")[0]["missing"] == [2]
    assert codes(it.end(3, 0.0)) == ["bad_end"]
    kept(it, 2)
    assert [said([event], "session_ended")[0]["frames"] for event in it.end(2, 1.0)] == [2]
    assert codes(it.end(1, 1.0)) == ["bad_end"]


def test_nothing_comes_after_the_end() -> None:
    it = session()
    kept(it, 1)
    it.end(2, 0.0)
    assert codes(it.frame(arrival(3), 0.0)) == ["session_ended"]
    assert codes(it.lose(2, 3, 0.0)) == ["session_ended"]
    kept(it, 2)
    assert codes(it.frame(arrival(3), 0.0)) == ["session_ended"]
    assert codes(it.frame(arrival(2), 0.0)) == []
    assert it.lose(3, 9, 0.0) == []
    assert it.counts()["received"] == 2


def test_what_will_never_come_is_given_up_and_the_session_ends() -> None:
    it = session()
    kept(it, 1, 3)
    it.frame(arrival(5), 0.0)
    assert it.give_up(0.0)[0] == Lost()
    assert (it.state, it.roll.lost) == ("ending", [(2, 2), (4, 4)])
    assert it.kept(5, 4, 0.0)[0] == Ended()
    assert it.give_up(1.0) == []


def test_what_is_given_up_and_cannot_be_written_is_lost() -> None:
    it = session()
    it.frame(arrival(1), 0.0)
    it.give_up(0.0)
    events = it.refused(1, BROKEN, 0.0)
    assert [type(event) for event in events] == [Say, Lost, Ended, Say, Say]
    assert it.counts()["lost"] == 1


def test_counts_say_what_came() -> None:
    it = session(Start(width=64, height=48, fps=30.0, encoding="jpeg", expected_frames=7))
    kept(it, 1, 2, 5)
    it.lose(3, 3, 0.0)
    it.end(6, 0.0)
    assert it.counts() == {
        "received": 3,
        "lost": 1,
        "missing": 2,
        "duplicates": 0,
        "out_of_order": 0,
        "asked_again": 2,
        "bytes": 12,
        "expected": 7,
        "declared": 6,
    }


# --- signals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2)])
def test_a_signal_is_acknowledged_when_it_is_on_disk(data: bytes, lines: int) -> None:
    it = session()
    assert it.signal("x.csv", data, 0.0) == [KeepSignal("x.csv", data)]
    digest = hashlib.sha256(data).hexdigest()
    about = {"size": len(data), "lines": lines, "sha256": digest}
    assert it.signal_kept(1.0) == [Say({"type": "signal_ack", **about})]


def test_a_signal_may_come_after_the_last_frame_but_not_once_it_is_processed() -> None:
    it = session()
    it.end(0, 0.0)
    assert it.signal("x.csv", b"a", 0.0) == [KeepSignal("x.csv", b"a")]
    it.state = "processing"
    assert codes(it.signal("x.csv", b"a", 0.0)) == ["bad_signal"]


# --- live ----------------------------------------------------------------------------------------------


def test_a_live_session_shows_what_is_newer_and_counts_what_is_left_out() -> None:
    it = session(LIVE)
    assert isinstance(it.frame(arrival(5), 0.0)[0], Keep)
    assert not [event for event in it.frame(arrival(5), 0.0) if isinstance(event, Keep)]
    assert not [event for event in it.frame(arrival(3), 0.0) if isinstance(event, Keep)]
    assert isinstance(it.frame(arrival(10**9), 0.0)[0], Keep)
    counts = it.counts()
    assert (counts["received"], counts["lost"], counts["duplicates"]) == (2, 10**9 - 2, 2)
    assert counts["missing"] == counts["asked_again"] == 0


def test_a_live_frame_is_acknowledged_when_it_was_dealt_with() -> None:
    it = session(LIVE)
    it.frame(arrival(1), 0.0)
    it.frame(arrival(2), 0.0)
    assert said(it.kept(1, 4, 0.0), "frame_ack")[0]["up_to"] == 1
    assert said(it.kept(2, 4, 1.0), "frame_ack")[0]["up_to"] == 2


def test_no_live_frame_is_withheld_however_many_are_under_way() -> None:
    it = session(LIVE)
    events = [it.frame(arrival(number, bytes(9000)), 0.0) for number in range(1, 500)]
    assert all(isinstance(event, Keep) for (event,) in events)


def test_a_live_frame_that_is_damaged_is_not_asked_for_again() -> None:
    it = session(LIVE)
    events = it.unfit(1, SessionError("not_an_image", "no picture", number=1), 0.0)
    assert codes(events) == ["not_an_image"]
    assert said(events, "frame_ack")[0]["missing"] == []
    assert it.lose(1, 3, 0.0) == []


def test_a_live_session_ends_at_once_whatever_is_missing() -> None:
    it = session(LIVE)
    it.frame(arrival(3), 0.0)
    assert codes(it.end(2, 0.0)) == ["bad_end"]
    assert said(it.end(9, 0.0), "session_ended") == [
        {"type": "session_ended", "frames": 9, "received": 1, "lost": 8}
    ]
    assert codes(it.frame(arrival(10), 0.0)) == ["session_ended"]


def test_a_live_session_takes_no_signal() -> None:
    assert codes(session(LIVE).signal("x.csv", b"a", 0.0)) == ["bad_signal"]


# --- connections and restarts --------------------------------------------------------------------------


def test_who_comes_back_is_told_where_to_go_on() -> None:
    it = session()
    it.resume_token = "made here"
    kept(it, 1, 2, 4)
    assert it.welcome(True) == [
        Say(
            {
                "type": "session_ack",
                "session_id": "s",
                "resume_token": "made here",
                "resumed": True,
                "state": "receiving",
                "next": 3,
                "max_message": 10_000,
                "missing": [3],
                "credits": 10,
                "highest": 4,
            }
        )
    ]
    assert said(it.welcome(True, "their own"), "session_ack")[0]["resume_token"] == "their own"


def test_who_comes_back_after_the_end_is_told_of_it() -> None:
    it = session()
    kept(it, 1)
    it.end(1, 0.0)
    assert [event.message["type"] for event in it.welcome(True) if isinstance(event, Say)] == [
        "session_ack",
        "session_ended",
    ]


def restarted(it: Session, roll: Roll) -> Session:
    return Session.of(json.loads(json.dumps(it.said())), LIMITS, roll, now=5.0)


def test_a_session_goes_on_after_a_restart_with_what_is_on_disk() -> None:
    it = session(Start(width=64, height=48, fps=30.0, encoding="jpeg", session_id="s", name="n"))
    kept(it, 1, 3)
    it.frame(arrival(4), 0.0)  # That one is not on disk yet.
    it.signal("x.csv", b"a", 0.0)
    it.end(5, 0.0)
    on_disk = Roll()
    on_disk.add(1)
    on_disk.add(3)
    again = restarted(it, on_disk)
    assert (again.session_id, again.token, again.start, again.heard_at) == ("s", "token", it.start, 5.0)
    assert (again.state, again.declared, account(again)["missing"]) == ("ending", 5, [2, 4, 5])
    assert (again.signal_about, again.bytes) == (it.signal_about, 8)
    assert kept(again, 2, 4, 5)[0] != Ended()
    assert again.state == "ended"


def test_a_session_that_had_ended_has_ended_after_a_restart() -> None:
    it = session()
    kept(it, 1)
    it.lose(2, 2, 0.0)
    it.end(2, 0.0)
    assert restarted(it, Roll.of(it.roll.said())).state == "ended"
    assert restarted(it, Roll()).state == "ending"


def test_a_session_that_is_complete_asks_for_nothing_though_its_frames_are_gone() -> None:
    it = session()
    kept(it, 1)
    it.lose(2, 3, 0.0)
    it.end(3, 0.0)
    it.state = "complete"
    again = restarted(it, Roll())
    assert (again.state, account(again)["missing"], account(again)["next"]) == ("complete", [], 4)
    assert said(again.end(3, 0.0), "session_ended")[0] == {
        "type": "session_ended",
        "frames": 3,
        "received": 1,
        "lost": 2,
    }


@pytest.mark.parametrize(
    "field", ["session_id", "token", "start", "state", "ended", "lost", "signal", "counts"]
)
def test_what_no_session_said_is_an_error(field: str) -> None:
    said = session().said()
    said["state"] = "complete"
    del said[field]
    with pytest.raises((ValueError, LookupError, TypeError)):
        Session.of(said, LIMITS)
    if field not in ("session_id", "token"):
        with pytest.raises((ValueError, LookupError, TypeError)):
            Session.of(
                {**session().said(), "state": "complete", field: 5 if field != "ended" else "5"}, LIMITS
            )


def test_what_a_session_remembers_of_what_it_asked_for_is_bounded() -> None:
    it = session()
    for number in range(1, 5000):
        it.unfit(number, SessionError("wrong_size", "short", number=number), 0.0)
        kept(it, number)
    assert it.counts()["asked_again"] == 4999
    assert len(it._receipts._asked) <= MOST_ASKED

"""How a session stands, in numbers."""

from __future__ import annotations

from envstream.sessions import standing
from envstream.sessions.session import Session
from envstream.sessions.start import Limits, Start
from tapes import sent

LIMITS = Limits(max_message=10**6, max_pixels=10**6, memory=10**6)


def begun(**more: object) -> Session:
    """A session that has frames 1 and 4, and has lost 2."""
    start = Start(width=64, height=48, fps=30.0, encoding="jpeg", **more)  # type: ignore[arg-type]
    session = Session("mine", "digest", start, LIMITS, now=10.0)
    for number in (1, 4):
        session.frame(sent(number), 11.0)
        session.kept(number, 1000, 11.0)
    session.lose(2, 2, 12.0)
    return session


def test_the_statistics_say_what_came_and_how_long_ago_and_not_who_may_have_it() -> None:
    said = standing.counted(begun(), 12.5)
    assert said["session_id"] == "mine" and said["state"] == "receiving" and said["silent_seconds"] == 2.5
    assert (said["received"], said["lost"], said["missing"], said["bytes"]) == (2, 1, 1, 2000)
    assert "digest" not in str(said)


def test_a_page_is_told_of_what_there_will_be_as_far_as_anybody_knows() -> None:
    assert standing.shown(begun(), {}, None)["expected"] is None
    session = begun(expected_frames=9)
    assert standing.shown(session, {}, None)["expected"] == 9
    session.end(5, 12.0)
    assert standing.shown(session, {}, None)["expected"] == 5  # Its end counts for more.


def test_a_page_is_told_how_far_processing_has_come() -> None:
    said = standing.shown(begun(), {"stage": "processing", "percent": 40.0, "frame": 2}, None)
    assert (said["stage"], said["percent"], said["done"]) == ("processing", 40.0, 2)
    assert said["video"] is False and said["processed"] is False and said["problem"] is None


def test_a_page_is_told_what_there_is_to_be_had_and_what_went_wrong() -> None:
    result = {"video": {"frames": 3}, "processed": None, "problem": {"processor": "x", "error": "broke"}}
    said = standing.shown(begun(), {}, result)
    assert said["video"] is True and said["processed"] is False and said["problem"] == "broke"

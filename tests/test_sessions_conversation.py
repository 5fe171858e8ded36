"""A conversation: bytes belong to what was said of them, and what is wrong breaks nothing but itself."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.errors import SessionError
from envstream.sessions.arrival import Arrival
from envstream.sessions.conversation import Conversation
from envstream.sessions.events import MOST_ERRORS, Ended, Event, HangUp, Keep, KeepSignal, Lost, Say, Status
from envstream.sessions.session import Session
from envstream.sessions.start import Limits, Start

LIMITS = Limits(max_message=1000, max_pixels=100_000, memory=100_000, window=50, credits=10)
START = {"type": "session_start", "width": 64, "height": 48, "fps": 30, "encoding": "jpeg"}


def check(arrival: Arrival) -> None:
    """Stands for what looks at the bytes of pictures: those that begin with an X are none."""
    if arrival.data.startswith(b"X"):
        raise SessionError("not_an_image", "no picture", number=arrival.number)


class Client:
    """One connection, and what came of what was said on it."""

    def __init__(self, **start: Any) -> None:
        self.admitted: list[Start] = []
        self.refusal: SessionError | None = None
        self.conversation = Conversation(self.admit, LIMITS, check)
        if start:
            self.say(**{**START, **start})

    def admit(self, start: Start) -> tuple[Session, bool]:
        if self.refusal is not None:
            raise self.refusal
        self.admitted.append(start)
        return Session(start.session_id or "made", "", start, LIMITS), False

    @property
    def session(self) -> Session:
        assert self.conversation.session is not None
        return self.conversation.session

    def say(self, now: float = 0.0, **message: Any) -> list[Event]:
        return self.text(json.dumps(message), now)

    def text(self, data: str, now: float = 0.0) -> list[Event]:
        return self.conversation.text(data, now)

    def bytes(self, data: bytes, now: float = 0.0) -> list[Event]:
        return self.conversation.data(data, now)

    def frame(self, first: object, data: bytes = b"data", **more: Any) -> list[Event]:
        """Metadata and bytes, as an honest client sends them, except for what `more` says."""
        message = {"type": "frame", "number": first, "timestamp": 0.5, "size": len(data), **more}
        return self.say(**message) + self.bytes(data)


def started(**start: Any) -> Client:
    return Client(**{"name": "n", **start})


def said(events: list[Event], kind: str) -> list[dict[str, Any]]:
    return [dict(e.message) for e in events if isinstance(e, Say) and e.message["type"] == kind]


def codes(events: list[Event]) -> list[str]:
    return [message["code"] for message in said(events, "error")]


def arrivals(events: list[Event]) -> list[Arrival]:
    return [event.arrival for event in events if isinstance(event, Keep)]


# --- the beginning -------------------------------------------------------------------------------------


def test_a_start_is_answered_with_the_session() -> None:
    client = Client()
    token = "t" * 16
    (ack,) = said(client.say(7.0, **START, resume_token=token, session_id="mine"), "session_ack")
    assert (ack["session_id"], ack["resume_token"], ack["resumed"], ack["next"]) == ("mine", token, False, 1)
    assert client.session.heard_at == 7.0


def test_a_bad_start_can_be_mended_on_the_same_connection() -> None:
    client = Client()
    assert codes(client.say(**{**START, "fps": True})) == ["bad_start"]
    assert client.conversation.session is None
    assert said(client.say(**START), "session_ack")


def test_who_is_not_admitted_is_told_why() -> None:
    client = Client()
    client.refusal = SessionError("session_taken", "somebody else's", recoverable=False)
    events = client.say(**START)
    assert codes(events) == ["session_taken"]
    assert events[-1] == HangUp("session_taken")
    client.refusal = None
    assert client.say(**START) == []


def test_a_session_begins_once_on_a_connection() -> None:
    client = started()
    assert codes(client.say(**START)) == ["already_started"]
    assert len(client.admitted) == 1


@pytest.mark.parametrize("kind", ["frames_lost", "session_end", "status"])
def test_nothing_comes_before_the_start(kind: str) -> None:
    client = Client()
    assert codes(client.say(type=kind, frames=1)) == ["not_started"]


@pytest.mark.parametrize("kind", ["frame", "signal"])
def test_bytes_before_the_start_are_dropped_with_what_is_said_of_them(kind: str) -> None:
    client = Client()
    assert codes(client.say(type=kind, number=1, timestamp=0, size=4, name="a")) == ["not_started"]
    assert client.bytes(b"data") == []
    assert said(client.say(**START), "session_ack")


# --- frames --------------------------------------------------------------------------------------------


def test_a_frame_is_what_was_said_of_it_and_its_bytes() -> None:
    events = started().frame(3, b"abc", captured=5, info={"step": 1}, later="unknown")
    assert arrivals(events) == [Arrival(3, 0.5, "jpeg", 64, 48, True, 5.0, {"step": 1}, b"abc")]
    assert len(events) == 1


def test_a_frame_may_have_another_size_and_say_its_own_encoding() -> None:
    client = started(encoding="auto")
    (arrival,) = arrivals(client.frame(1, encoding="h264", width=10, height=20))
    assert (arrival.encoding, arrival.width, arrival.height, arrival.key) == ("h264", 10, 20, False)
    assert codes(client.frame(2)) == ["bad_frame"]
    assert codes(client.frame(2, encoding="gif")) == ["bad_frame"]


def test_only_of_h264_a_frame_builds_on_others_and_there_it_says_when_not() -> None:
    client = started(encoding="auto")
    frames = [("h264", None), ("h264", True), ("h264", False), ("jpeg", None), ("jpeg", False)]
    events = [client.frame(n, encoding=e, key=key) for n, (e, key) in enumerate(frames, 1)]
    assert [arrivals(each)[0].key for each in events] == [False, True, False, True, True]


def test_a_frame_that_says_another_encoding_than_its_session_is_refused() -> None:
    client = started()
    assert arrivals(client.frame(1, encoding="jpeg"))
    assert codes(client.frame(2, encoding="png")) == ["wrong_encoding"]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("number", [0, -1, 1.0, True, "1", None, 2**53 + 1, 10**400]),
        ("timestamp", [-0.1, 1e9 + 1, True, "0", None, 10**400]),
        ("size", [0, -1, 4.0, True, "4", None]),
        ("width", [0, 65_536, 1.5, True, "64"]),
        ("height", [0, 65_536, [], {}]),
        ("key", [0, "true"]),
        ("captured", ["now", True, 1e13]),
        ("info", [[], "a", 1, {"x": "y" * 9000}, {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {}}}}}}}}}]),
    ],
)
def test_a_frame_with_a_field_that_cannot_be_meant_is_dropped_with_its_bytes(
    field: str, values: list[object]
) -> None:
    client = started()
    for value in values:
        events = client.frame(1, **{field: value})
        assert (codes(events), arrivals(events)) == (["bad_frame"], [])
    assert arrivals(client.frame(1))


@pytest.mark.parametrize("value", ["1e999", "-1e999", "NaN"])
def test_a_number_that_is_not_finite_is_none(value: str) -> None:
    client = started()
    (code,) = codes(client.text(f'{{"type": "frame", "number": 1, "size": 4, "timestamp": {value}}}'))
    assert code == ("bad_message" if value == "NaN" else "bad_frame")


def test_a_frame_that_is_announced_wrongly_is_asked_for_again_where_its_number_is_known() -> None:
    client = started()
    client.frame(1)
    events = client.frame(2, timestamp="now")
    assert said(events, "error")[0]["number"] == 2
    assert said(events, "frame_ack")[0]["missing"] == [2]


def test_a_frame_of_another_length_than_announced_is_dropped_and_asked_for_again() -> None:
    client = started()
    for data in (b"", b"dat", b"data!"):
        client.say(type="frame", number=1, timestamp=0, size=4)
        events = client.bytes(data)
        assert (codes(events), arrivals(events)) == (["wrong_size"], [])
        assert said(events, "error")[0]["number"] == 1
    assert client.session.counts()["missing"] == 1
    assert arrivals(client.frame(1))


def test_a_frame_that_is_too_large_is_refused_before_its_bytes_which_are_dropped() -> None:
    client = started()
    assert codes(client.say(type="frame", number=1, timestamp=0, size=1001)) == ["too_large"]
    assert client.bytes(bytes(1001)) == []
    assert codes(client.say(type="frame", number=1, timestamp=0, size=10**400)) == ["bad_frame"]
    assert arrivals(client.frame(1, bytes(1000)))


def test_a_frame_of_too_many_pixels_is_refused_before_its_bytes() -> None:
    client = started()
    message = {"type": "frame", "number": 1, "timestamp": 0, "size": 4, "width": 60_000, "height": 60_000}
    assert codes(client.say(**message)) == ["too_many_pixels"]
    assert client.bytes(b"data") == []


def test_a_frame_whose_bytes_are_no_picture_is_asked_for_again() -> None:
    client = started()
    events = client.frame(1, b"X")
    assert (codes(events), arrivals(events)) == (["not_an_image"], [])
    assert said(events, "frame_ack")[0]["missing"] == [1]


def test_a_text_where_bytes_were_to_come_is_read_and_the_frame_is_asked_for_again() -> None:
    client = started()
    client.say(type="frame", number=1, timestamp=0, size=4)
    events = client.say(5.0, type="ping", t=1)
    assert codes(events) == ["bytes_expected"]
    assert said(events, "error")[0]["number"] == 1
    assert said(events, "pong") == [{"type": "pong", "t": 1, "now": 5.0}]
    assert codes(client.bytes(b"data")) == ["unexpected_bytes"]


def test_who_sends_no_bytes_for_what_was_refused_is_not_told_so_again() -> None:
    client = started()
    client.say(type="frame", number=1, timestamp=0, size=9999)
    assert codes(client.say(type="ping", t=1)) == []


def test_bytes_without_a_word_are_refused() -> None:
    client = started()
    assert codes(client.bytes(b"data")) == ["unexpected_bytes"]
    assert arrivals(client.frame(1))
    assert codes(client.bytes(b"data")) == ["unexpected_bytes"]


def test_a_billion_frames_ahead_is_too_far() -> None:
    client = started()
    events = client.frame(10**9)
    assert (codes(events), said(events, "error")[0]["number"]) == (["out_of_window"], 10**9)


# --- the rest ------------------------------------------------------------------------------------------


def test_what_is_lost_and_the_end_go_to_the_session() -> None:
    client = started()
    assert Lost() in client.say(**{"type": "frames_lost", "from": 1, "to": 3})
    assert Ended() in client.say(type="session_end", frames=3)


@pytest.mark.parametrize(("first", "last"), [(2, 1), (0, 1), (True, 2), (1, None), ("1", 2), (1, 10**400)])
def test_lost_frames_are_a_range(first: object, last: object) -> None:
    client = started()
    assert codes(client.say(**{"type": "frames_lost", "from": first, "to": last})) == ["bad_message"]
    assert client.session.roll.up_to == 0


@pytest.mark.parametrize("frames", [-1, True, 1.0, "1", None, [], 10**400])
def test_an_end_is_a_whole_number(frames: object) -> None:
    assert codes(started().say(type="session_end", frames=frames)) == ["bad_end"]


def test_an_end_before_what_arrived_is_refused() -> None:
    client = started()
    client.frame(1)
    client.frame(2)
    assert codes(client.say(type="session_end", frames=1)) == ["bad_end"]


def test_a_signal_is_kept_when_it_is_what_was_announced() -> None:
    client, data = started(), b"a,b\n1,2\n"
    digest = hashlib.sha256(data).hexdigest()
    client.say(type="signal", size=len(data), name="x.csv", sha256=digest.upper())
    assert client.bytes(data) == [KeepSignal("x.csv", data)]
    client.say(type="signal", size=0, name="x.csv", sha256=None)
    assert client.bytes(b"") == [KeepSignal("x.csv", b"")]


def test_a_signal_that_is_something_else_is_refused() -> None:
    client = started()
    client.say(type="signal", size=4, name="x.csv", sha256="0" * 64)
    assert codes(client.bytes(b"data")) == ["bad_signal"]
    client.say(type="signal", size=4, name="x.csv")
    assert codes(client.bytes(b"dat")) == ["wrong_size"]
    client.say(type="signal", size=4, name="x.csv")
    assert codes(client.say(type="ping", t=0)) == ["bytes_expected"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"size": -1}, "bad_signal"),
        ({"size": 1001}, "too_large"),
        ({"name": ""}, "bad_signal"),
        ({"name": "\ud800"}, "bad_signal"),
        ({"name": "x" * 256}, "bad_signal"),
        ({"sha256": "0" * 63}, "bad_signal"),
        ({"sha256": 5}, "bad_signal"),
    ],
)
def test_a_signal_that_is_announced_wrongly_is_dropped_with_its_bytes(
    fields: dict[str, Any], code: str
) -> None:
    client = started()
    assert codes(client.say(**{"type": "signal", "size": 4, "name": "x.csv", **fields})) == [code]
    assert client.bytes(b"data") == []


def test_a_live_client_says_how_it_is() -> None:
    client = started(live=True)
    status = {
        "totalSteps": 5,
        "episodes": [[1, 20, 0.5], [2, 30, None]],
        "message": "slow",
        "still": {"number": 3, "captured": 1.5},
        "trainerCost": {"share": 0.02, "limit": 0.05, "else": 1},
    }
    (event,) = client.say(type="status", later=1, **status)
    assert isinstance(event, Status)
    (first, second) = event.message["episodes"]
    assert first == (1, 20, 0.5)
    assert second[:2] == (2, 30) and math.isnan(second[2])
    assert {key: event.message[key] for key in ("totalSteps", "message", "still")} == {
        key: status[key] for key in ("totalSteps", "message", "still")
    }
    cost = event.message["trainerCost"]
    assert (cost["share"], cost["limit"], cost["counting"]) == (0.02, 0.05, None) and "else" not in cost
    assert client.say(type="status", message=None) == [Status({"episodes": [], "message": None})]


@pytest.mark.parametrize(
    "fields",
    [
        {"totalSteps": "5"},
        {"totalSteps": True},
        {"episodes": {}},
        {"episodes": [1]},
        {"episodes": [[1, 2]]},
        {"episodes": [[1, 2, "3"]]},
        {"episodes": [[1, True, 3]]},
        {"episodes": [[1, 2, 10**400]]},
        {"episodes": [[1, 2, 3]] * 1001},
        {"message": 5},
        {"message": "x" * 501},
        {"still": 3},
        {"trainerCost": 0.02},
        {"trainerCost": {"share": "much"}},
        {"trainerCost": {"share": -1}},
        {"still": {"number": 0}},
        {"still": {"number": 1, "captured": "now"}},
    ],
)
def test_a_status_that_cannot_be_meant_is_refused(fields: dict[str, Any]) -> None:
    client = started(live=True)
    assert codes(client.say(type="status", **fields)) == ["bad_message"]


def test_who_is_not_live_has_no_status() -> None:
    assert codes(started().say(type="status", totalSteps=1)) == ["bad_message"]


def test_a_ping_is_answered_even_before_the_start() -> None:
    assert Client().say(9.0, type="ping", t=1.5) == [Say({"type": "pong", "t": 1.5, "now": 9.0})]
    assert codes(Client().say(type="ping", t=10**400)) == ["bad_message"]
    assert codes(Client().say(type="ping")) == ["bad_message"]


def test_a_type_that_nobody_knows_is_refused_with_those_there_are() -> None:
    (error,) = said(started().say(type="\ud800" * 500), "error")
    assert error["code"] == "unknown_type"
    assert "session_start, frame, frames_lost" in error["message"]
    assert len(error["message"]) < 400


def test_whatever_is_said_the_client_has_been_heard() -> None:
    client = started()
    client.text("nonsense", 5.0)
    assert client.session.heard_at == 5.0
    client.bytes(b"nonsense", 6.0)
    assert client.session.heard_at == 6.0


def test_who_makes_errors_without_end_is_hung_up_on() -> None:
    client = started()
    for _ in range(MOST_ERRORS):
        assert codes(client.text("nonsense")) == ["bad_message"]
    events = client.text("nonsense")
    assert [message["recoverable"] for message in said(events, "error")] == [True, False]
    assert isinstance(events[-1], HangUp)
    assert client.text("nonsense") == client.bytes(b"nonsense") == client.frame(1) == []


def test_a_flood_ends_the_connection_but_not_the_session() -> None:
    client = started()
    for number in range(1, 41):
        client.frame(number)
    events = client.frame(41)
    assert codes(events) == ["flooding"]
    assert isinstance(events[-1], HangUp)
    assert client.frame(42) == []
    assert client.session.state == "receiving"


# --- anything ------------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 60)
    | st.sampled_from([10**400, 2**53, 1e300, -0.5, "jpeg", "raw", "h264", "auto", "\ud800", "stats"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
TYPES = ("session_start", "frame", "frames_lost", "session_end", "signal", "status", "ping", "session_ack")
KEYS = (
    *("session_id", "resume_token", "name", "width", "height", "fps", "encoding", "expected_frames", "live"),
    *("signal_expected", "processors", "protocol", "number", "timestamp", "size", "key", "captured", "info"),
    *("from", "to", "frames", "sha256", "t", "totalSteps", "episodes", "message", "still"),
)
MESSAGES = st.builds(
    lambda kind, fields: json.dumps({**fields, "type": kind}),
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=8),
)
FRAMES = st.builds(
    lambda number, size: json.dumps({"type": "frame", "number": number, "timestamp": 0, "size": size}),
    st.integers(1, 60),
    st.integers(1, 5),
)


@given(
    st.sampled_from([None, {}, {"live": True}, {"encoding": "auto"}]),
    st.lists(MESSAGES | FRAMES | st.text(max_size=9) | st.binary(max_size=5), max_size=12),
)
def test_whatever_is_said_nothing_but_errors_of_the_session_come_of_it(
    start: dict[str, Any] | None, messages: list[str | bytes]
) -> None:
    client = Client() if start is None else started(**start)
    for message in messages:
        events = client.text(message) if isinstance(message, str) else client.bytes(message)
        for event in events:
            if isinstance(event, Say):
                assert json.dumps(event.message, allow_nan=False)
            elif isinstance(event, Keep):
                assert event.arrival.data and isinstance(event.arrival.number, int)
                client.session.kept(event.arrival.number, len(event.arrival.data), 0.0)

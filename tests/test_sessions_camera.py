"""A camera's conversation: its frames become a session's, its numbers stay its own, errors break nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.errors import SessionError
from envstream.sessions.arrival import Arrival
from envstream.sessions.camera import TOKEN, CameraConversation, session_of
from envstream.sessions.conversation import Conversation
from envstream.sessions.events import MOST_ERRORS, Ended, Event, HangUp, Keep, Say
from envstream.sessions.session import Session
from envstream.sessions.start import Limits, Start

LIMITS = Limits(max_message=1000, max_pixels=100_000, memory=100_000, window=50, credits=10)
SECRET = "a-secret-of-sixteen"


def check(arrival: Arrival) -> None:
    """Stands for what looks at the bytes of pictures: those that begin with an X are none."""
    if arrival.data.startswith(b"X"):
        raise SessionError("not_an_image", "no picture", number=arrival.number)


class Camera:
    """One connection of a camera; a session that is given goes on."""

    def __init__(self, session: Session | None = None, token: str = "door") -> None:
        self._given = session
        self.admitted: list[Start] = []
        self.talk = CameraConversation(Conversation(self._admit, LIMITS, check), token, SECRET)
        self.said = self._heard(self.talk.begin(0.0))

    def _admit(self, start: Start) -> tuple[Session, bool]:
        self.admitted.append(start)
        made = Session(start.session_id or "", "", start, LIMITS)
        return self._given or made, self._given is not None

    @property
    def session(self) -> Session:
        assert self.talk.session is not None
        return self.talk.session

    def _heard(self, events: list[Event]) -> list[dict[str, Any]]:
        """What the camera is told, in its own words; frames are taken."""
        self.kept: list[Arrival] = []
        self.events = events
        told = []
        for event in events:
            if isinstance(event, Say):
                told.append(self.talk.answer(event.message))
            elif isinstance(event, Keep):
                self.kept.append(event.arrival)
                number, size = event.arrival.number, len(event.arrival.data)
                more = self.session.kept(number, size, 0.0)
                told += [self.talk.answer(each.message) for each in more if isinstance(each, Say)]
        return told

    def text(self, data: str, now: float = 0.0) -> list[dict[str, Any]]:
        return self._heard(self.talk.text(data, now))

    def say(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return self.text(json.dumps({"type": kind, **fields}))

    def send(self, data: bytes, now: float = 0.0) -> list[dict[str, Any]]:
        return self._heard(self.talk.data(data, now))

    def announce(self, number: Any, **more: Any) -> list[dict[str, Any]]:
        return self.say("frame_metadata", **{"frameNumber": number, "width": 64, "height": 48, **more})

    def frame(self, number: Any, data: bytes = b"data", **more: Any) -> list[dict[str, Any]]:
        return [*self.announce(number, **more), *self.send(data)]


def codes(messages: list[dict[str, Any]]) -> list[str]:
    return [message["code"] for message in messages if message["type"] == "error"]


# --- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["a", "A-b_9", "x" * 64])
def test_a_camera_has_a_session_that_no_publisher_can_choose(token: str) -> None:
    name = session_of(token)
    assert Camera(token=token).admitted[0].session_id == name
    start = {"width": 1, "height": 1, "fps": 1, "encoding": "jpeg", "session_id": name}
    with pytest.raises(SessionError) as refusal:
        Start.read(start)
    assert refusal.value.code == "bad_session_id"


def test_a_publisher_does_not_say_that_it_is_a_camera() -> None:
    start = {"width": 1, "height": 1, "fps": 1, "encoding": "jpeg", "live": True, "camera": True}
    assert not Start.read(start).camera and Camera().admitted[0].camera


@pytest.mark.parametrize("token", ["", "a b", "../up", "a/b", "é", "x" * 65, "a\n", "a\0"])
def test_what_could_be_a_path_is_no_token(token: str) -> None:
    assert TOKEN.fullmatch(token) is None


# --- frames --------------------------------------------------------------------------------------------


def test_a_camera_begins_a_live_session_without_saying_so() -> None:
    camera = Camera()
    (start,) = camera.admitted
    assert (start.live, start.encoding, start.name) == (True, "jpeg", "camera door")
    (ack,) = camera.said
    assert ack["type"] == "session_ack" and ack["credits"] == 10 and ack["max_message"] == 1000


def test_the_secret_of_the_session_is_not_told() -> None:
    assert SECRET not in json.dumps(Camera().said)


def test_a_frame_is_kept_with_what_was_said_of_it() -> None:
    camera = Camera()
    (ack,) = camera.frame(
        41, b"data", captured=7.5, captureMs=12, quality=80, timestamp=1.7e12, format="jpeg"
    )
    (arrival,) = camera.kept
    assert (arrival.number, arrival.width, arrival.height, arrival.data) == (1, 64, 48, b"data")
    assert arrival.captured == 7.5
    assert arrival.info == {"captureMs": 12, "cameraQuality": 80}, "viewers hear of their own quality"
    assert (ack["type"], ack["frameNumber"], ack["up_to"]) == ("frame_ack", 41, 1)


def test_frames_are_numbered_anew_when_a_page_is_loaded_again() -> None:
    first = Camera()
    for number in (1, 2, 3):
        first.frame(number)
    again = Camera(first.session)
    (ack,) = again.frame(1)
    assert again.kept[0].number == 4 and ack["frameNumber"] == 1


def test_the_size_may_change_with_each_frame() -> None:
    camera = Camera()
    camera.frame(1)
    camera.frame(2, width=320, height=240)
    assert (camera.kept[0].width, camera.kept[0].height) == (320, 240)


def test_a_ping_between_the_two_messages_of_a_frame_disturbs_neither() -> None:
    camera = Camera()
    camera.announce(1)
    assert camera.say("ping", t=5)[0]["type"] == "pong"
    camera.send(b"data")
    assert len(camera.kept) == 1


def test_the_end_is_where_the_session_is_whatever_the_camera_counts() -> None:
    for frames in (0, 2, 10**400):
        camera = Camera()
        for number in (100, 101):
            camera.frame(number)
        camera.say("session_end", frames=frames)
        assert any(isinstance(event, Ended) for event in camera.events)


def test_what_a_camera_does_not_remember_is_not_kept_for_ever() -> None:
    camera = Camera()
    for number in range(1000):
        camera.frame(number)
    assert camera.talk.newest == {} and camera.talk.landed == 999


# --- errors --------------------------------------------------------------------------------------------

WRONG = [
    "",
    "{",
    "[]",
    "null",
    '"frame_metadata"',
    "{}",
    '{"type": 5}',
    '{"type": "frame_metadata"}',
    '{"type": "session_start", "session_id": "another"}',
    '{"type": "frame", "number": 1, "size": 4, "timestamp": 0}',
    '{"type": "signal", "name": "a.csv", "size": 4}',
    "[" * 60_000,
    "\ud800",
    "x" * 70_000,
]


@pytest.mark.parametrize("text", WRONG, ids=[text[:30] for text in WRONG])
def test_a_text_that_cannot_be_meant_is_an_error_and_the_next_frame_is_good(text: str) -> None:
    camera = Camera()
    assert len(codes(camera.text(text))) == 1
    camera.frame(1)
    assert len(camera.kept) == 1


WRONG_FIELDS: list[tuple[str, list[Any]]] = [
    ("frameNumber", [None, -1, 1.5, "1", True, [1], 10**16, 10**400, {"a": 1}]),
    ("width", [None, 0, -5, 65_536, 10**400, 2.5, "64", True]),
    ("height", [None, 0, 65_536, [48]]),
    ("captured", ["now", 1e13, -1e13, 10**400, True, []]),
    ("timestamp", [-1, 1e16, "then", 10**400]),
    ("captureMs", [-1, 1e7, 10**400, "12", [12], True]),
    ("quality", [-1, 1e7, 10**400, "12", [12], True]),
    ("format", ["png", "h264", 5, ["jpeg"]]),
]


@pytest.mark.parametrize(
    "fields",
    [{key: value} for key, values in WRONG_FIELDS for value in values],
    ids=lambda fields: str(fields)[:40],
)
def test_metadata_that_cannot_be_meant_is_an_error_and_its_picture_another(fields: dict[str, Any]) -> None:
    camera = Camera()
    assert codes(camera.announce(1, **fields)) == ["bad_frame"]
    assert codes(camera.send(b"data")) == ["unexpected_bytes"] and not camera.kept
    camera.frame(2)
    assert len(camera.kept) == 1


@pytest.mark.parametrize("text", ['{"type":"frame_metadata","frameNumber":1e999}', '{"type":"x","a":NaN}'])
def test_numbers_that_json_does_not_have_are_an_error(text: str) -> None:
    assert len(codes(Camera().text(text))) == 1


def test_bytes_that_nobody_announced_are_an_error() -> None:
    camera = Camera()
    assert codes(camera.send(b"data")) == ["unexpected_bytes"]
    camera.frame(1)
    assert codes(camera.send(b"data")) == ["unexpected_bytes"], "one picture for each announcement"
    camera.frame(2)
    assert camera.kept[0].number == 2


def test_a_picture_that_did_not_come_is_told_of_and_the_next_one_is_taken() -> None:
    camera = Camera()
    camera.announce(1)
    (error,) = camera.announce(2)
    assert error["code"] == "bytes_expected" and "frame 1" in error["message"]
    (ack,) = camera.send(b"data")
    assert ack["frameNumber"] == 2


def test_a_picture_that_is_none_is_told_of_by_the_cameras_own_number() -> None:
    camera = Camera()
    camera.frame(70)
    error, *rest = camera.frame(71, b"Xdata")
    assert (error["code"], error["frameNumber"]) == ("not_an_image", 71) and "number" not in error
    assert [each["frameNumber"] for each in rest] == [70]
    (ack,) = camera.frame(72)
    assert ack["frameNumber"] == 72 and camera.kept[0].number == 2


def test_a_picture_that_is_too_large_is_an_error() -> None:
    camera = Camera()
    assert codes(camera.frame(1, bytes(1001))) == ["too_large"]
    assert codes(camera.frame(2, width=1000, height=1000)) == ["too_many_pixels"]
    assert codes(camera.frame(3, b"")) == ["bad_frame"]
    camera.frame(4)
    assert len(camera.kept) == 1


def test_who_makes_errors_without_end_is_hung_up_on() -> None:
    camera = Camera()
    for _ in range(MOST_ERRORS):
        assert codes(camera.send(b"data")) == ["unexpected_bytes"]
    camera.send(b"data")
    assert any(isinstance(event, HangUp) for event in camera.events)


def test_whatever_a_camera_says_it_has_been_heard() -> None:
    camera = Camera()
    camera.text("nonsense", 5.0)
    assert camera.session.heard_at == 5.0
    camera.send(b"nonsense", 6.0)
    assert camera.session.heard_at == 6.0


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 70_000)
    | st.sampled_from([10**400, 2**53, 1e300, -0.5, "jpeg", "\ud800"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
KEYS = ("frameNumber", "width", "height", "captured", "captureMs", "quality", "timestamp", "format", "frames")
MESSAGES = st.builds(
    lambda kind, fields: json.dumps({**fields, "type": kind}),
    st.sampled_from(["frame_metadata", "ping", "status", "session_end", "session_start"]),
    st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=8),
)
GOOD = st.just(json.dumps({"type": "frame_metadata", "frameNumber": 1, "width": 4, "height": 4}))


@given(st.lists(MESSAGES | GOOD | st.text(max_size=9) | st.binary(max_size=5), max_size=12))
def test_whatever_is_said_nothing_but_errors_of_the_session_come_of_it(messages: list[str | bytes]) -> None:
    camera = Camera()
    for message in messages:
        told = camera.text(message) if isinstance(message, str) else camera.send(message)
        assert json.dumps(told, allow_nan=False)

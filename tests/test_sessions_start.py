"""The start of a session: read with care, kept without its secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envstream.errors import SessionError
from envstream.sessions.start import Limits, Start, check_pixels

LIMITS = Limits(max_message=1000, max_pixels=5000, memory=100_000)
LEAST = {"width": 64, "height": 48, "fps": 30, "encoding": "jpeg"}


def refused(**fields: Any) -> SessionError:
    with pytest.raises(SessionError) as raised:
        Start.read({**LEAST, **fields}, LIMITS)
    return raised.value


def test_a_start_needs_size_rate_and_encoding_only() -> None:
    start = Start.read(LEAST, LIMITS)
    assert start == Start(width=64, height=48, fps=30.0, encoding="jpeg")
    assert (start.session_id, start.resume_token, start.name, start.expected_frames) == (None,) * 4
    assert (start.processors, start.live, start.signal_expected) == ([], False, False)


@pytest.mark.parametrize("field", LEAST)
def test_what_is_needed_and_not_there_is_named(field: str) -> None:
    with pytest.raises(SessionError, match=f"{field} has to be .* not there") as raised:
        Start.read({key: value for key, value in LEAST.items() if key != field}, LIMITS)
    assert raised.value.code == "bad_start"


def test_a_start_is_read_with_all_that_it_can_have() -> None:
    said = {
        "session_id": "a_B-9",
        "resume_token": "!" * 16,
        "name": "Kitchen ü",
        "expected_frames": 0,
        "signal_expected": True,
        "processors": ["stats", {"name": "undistort", "balance": 0.5}],
        "live": True,
        "protocol": 1,
        "later": {"unknown": 1},
    }
    start = Start.read({**LEAST, **said}, LIMITS)
    assert (start.session_id, start.resume_token, start.name) == ("a_B-9", "!" * 16, "Kitchen ü")
    assert (start.expected_frames, start.signal_expected, start.live) == (0, True, True)
    assert start.processors == [{"name": "stats"}, {"name": "undistort", "balance": 0.5}]


def test_null_is_as_good_as_nothing_where_nothing_is_needed() -> None:
    optional = ("session_id", "resume_token", "name", "expected_frames", "processors", "live", "protocol")
    assert Start.read({**LEAST, **dict.fromkeys(optional)}, LIMITS) == Start.read(LEAST, LIMITS)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("width", [0, -1, 65_536, 64.0, True, "64", None, 10**400]),
        ("fps", [0, 0.001, 1001, float("nan"), float("inf"), True, "30", 10**400]),
        ("encoding", ["gif", "", None, 1, ["jpeg"]]),
        ("resume_token", ["short", "x" * 129, "a b" * 10, "ü" * 20, "x" * 20 + "\n", 1, []]),
        ("name", ["", "x" * 101, "a\nb", "\ud800", 5]),
        ("expected_frames", [-1, 1.5, True, "9", 2**53 + 1]),
        ("signal_expected", [1, "yes"]),
        ("live", [0, "no"]),
        ("protocol", [2, 0, "1", True]),
        ("processors", ["stats", [1], [{}], [{"name": 1}], [{"name": ""}], ["a"] * 17, {"name": "stats"}]),
        ("processors", [[{"name": "a", "x": float("inf")}], [{"name": "a", "x": "y" * 10_000}], ["\ud800"]]),
    ],
)
def test_what_cannot_be_meant_is_refused(field: str, values: list[object]) -> None:
    for value in values:
        error = refused(**{field: value})
        assert (error.code, error.recoverable) == ("bad_start", True)


@pytest.mark.parametrize("name", ["", "x" * 65, "a/b", "..", "a b", "ü", "a\n", 5, ["a"]])
def test_a_session_id_is_safe_as_a_name_of_a_folder(name: object) -> None:
    assert refused(session_id=name).code == "bad_session_id"


def test_a_bad_token_is_not_repeated() -> None:
    assert "secret" not in str(refused(resume_token="my secret"))


def test_frames_that_would_not_be_taken_are_refused_at_once() -> None:
    assert refused(width=100, height=51).code == "too_many_pixels"
    assert refused(encoding="raw", width=20, height=20).code == "too_large"
    assert Start.read({**LEAST, "encoding": "raw", "width": 20, "height": 16}, LIMITS).raw_size == 960


def test_a_picture_may_have_just_so_many_pixels() -> None:
    check_pixels(100, 50, 5000)
    with pytest.raises(SessionError, match="100x51 are 5100; send smaller"):
        check_pixels(100, 51, 5000)


def test_what_a_start_says_of_itself_is_the_same_start_without_its_token() -> None:
    start = Start.read(
        {**LEAST, "session_id": "a", "resume_token": "s" * 20, "processors": ["stats"], "live": True}
    )
    said = json.loads(json.dumps(start.said()))
    assert "s" * 20 not in json.dumps(said)
    assert Start.read({**said, "resume_token": "s" * 20}) == start


def test_a_start_from_before_is_read_whatever_the_limits_are_now() -> None:
    assert Start.read({**LEAST, "width": 9999, "height": 9999}).width == 9999

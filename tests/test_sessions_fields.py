"""Fields: whatever comes from outside is read, or is a SessionError that says what to do."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.errors import SessionError
from envstream.sessions.fields import LONGEST_TEXT, Fields, is_small, read, shown

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def fields(**values: Any) -> Fields:
    return Fields(values, "bad_frame", "frame")


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# --- messages ------------------------------------------------------------------------------------------


def test_a_message_is_read_with_all_its_fields() -> None:
    assert read('{"type": "frame", "number": 3}') == {"type": "frame", "number": 3}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("", "send valid JSON"),
        ("{", "send valid JSON"),
        ('{"type": "a"} x', "send valid JSON"),
        ('{"type": "a", "x": NaN}', "NaN is no JSON"),
        ('{"type": "a", "x": -Infinity}', "-Infinity is no JSON"),
        ("1" * 5000, "send valid JSON"),
        ("[" * 50_000, "nested too deep"),
        ('{"type":' * 8_000, "nested too deep"),
        ("[]", "add the type"),
        ("null", "add the type"),
        ("{}", "add the type"),
        ('{"type": 1}', "add the type"),
        ('{"type": {"\\ud800": [[[[1]]]]}}', "add the type"),
    ],
)
def test_what_is_no_message_is_refused_with_a_sentence(data: str, what: str) -> None:
    with pytest.raises(SessionError, match=re.escape(what)) as raised:
        read(data)
    assert raised.value.code == "bad_message"
    assert raised.value.recoverable


@pytest.mark.parametrize(
    "data", ["[" * 100_000, "x" * (LONGEST_TEXT + 1), "é" * (LONGEST_TEXT // 2 + 1), "\ud800" * 30_000]
)
def test_a_text_too_long_is_refused_unread(data: str) -> None:
    with pytest.raises(SessionError, match=f"at most {LONGEST_TEXT} bytes"):
        read(data)


def test_the_longest_text_is_read() -> None:
    data = json.dumps({"type": "a", "x": ""})
    assert read(data.replace('""', '"' + "x" * (LONGEST_TEXT - len(data)) + '"'))["type"] == "a"


@given(st.text() | JSON.map(json.dumps) | st.dictionaries(st.just("type"), JSON).map(json.dumps))
def test_any_text_is_a_message_or_an_error_of_a_session(data: str) -> None:
    try:
        assert isinstance(read(data)["type"], str)
    except SessionError as error:
        assert json.dumps(error.message())


# --- fields --------------------------------------------------------------------------------------------

READERS: dict[str, Callable[[Fields], object]] = {
    "whole": lambda read: read.whole("x", 1, 100),
    "number": lambda read: read.number("x", 0, 100),
    "flag": lambda read: read.flag("x"),
    "text": lambda read: read.text("x", 3),
    "match": lambda read: read.match("x", re.compile("[a-c]+"), "a to c"),
    "choice": lambda read: read.choice("x", ("jpeg", "png")),
    "many": lambda read: read.many("x", 2),
    "inner": lambda read: read.inner("x"),
    "small": lambda read: read.small("x"),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@given(value=JSON)
def test_any_value_is_read_or_an_error_of_a_session(
    reader: Callable[[Fields], object], value: object
) -> None:
    try:
        reader(fields(x=value))
    except SessionError as error:
        assert error.code == "bad_frame"
        assert str(error).startswith("frame: x has to be ")
        assert len(json.dumps(error.message())) < 1000


@pytest.mark.parametrize(
    ("reader", "good"),
    [
        ("whole", [1, 100]),
        ("number", [0, 0.5, 100]),
        ("flag", [True, False, None]),
        ("text", ["a", "ä b"]),
        ("match", ["abc"]),
        ("choice", ["jpeg"]),
        ("many", [[], [1, "a"], None]),
        ("inner", [{}, {"a": 1}]),
        ("small", [{}, {"a": [1, {"b": None}]}, None]),
    ],
)
def test_what_is_as_it_should_be_is_read(reader: str, good: list[object]) -> None:
    for value in good:
        READERS[reader](fields(x=value))


@pytest.mark.parametrize(
    ("reader", "bad"),
    [
        ("whole", [0, 101, True, 1.0, "1", None, 10**400, [1]]),
        ("number", [-0.1, 101, 10**400, math.nan, math.inf, False, "1", None]),
        ("flag", [0, 1, "true", []]),
        ("text", ["", "abcd", "\ud800", "a\n", "\x00", 1, None, ["a"]]),
        ("match", ["", "abd", "abc\n", 1, None]),
        ("choice", ["gif", "", 1, None, ["jpeg"]]),
        ("many", [[1, 2, 3], {}, "ab", 1]),
        ("inner", [None, [], "a", 1]),
        ("small", [[], "a", 1, {"a": math.inf}, {"a": 10**400}, {"\ud800": 1}, {"a": deep(10)}]),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(reader: str, bad: list[object]) -> None:
    for value in bad:
        with pytest.raises(SessionError, match="x has to be"):
            READERS[reader](fields(x=value))


def test_a_field_that_is_not_there_is_said_to_be_so() -> None:
    with pytest.raises(SessionError, match="x has to be true or false, not 1; correct it"):
        fields(x=1).flag("x")
    with pytest.raises(SessionError, match="x has to be a whole number from 0 to 5, and it is not there"):
        fields().whole("x", 0, 5)
    with pytest.raises(SessionError, match="not null"):
        fields(x=None).whole("x", 0, 5)


def test_null_is_the_same_as_nothing() -> None:
    assert "x" not in fields(x=None)
    assert "x" not in fields()
    assert "x" in fields(x=0)
    assert fields(x=None).flag("x", default=True)


def test_a_field_within_a_field_is_named_with_both() -> None:
    with pytest.raises(SessionError, match="frame: still: number has to be"):
        fields(still={"number": "a"}).inner("still").whole("number")


def test_a_small_object_is_shallow_and_short() -> None:
    assert is_small({"a": deep(7)})
    assert not is_small({"a": deep(8)})
    assert not is_small(deep(900))
    assert is_small({"a": "x" * 8000})
    assert not is_small({"a": "x" * 8200})


def test_a_value_is_shown_briefly_whatever_it_is() -> None:
    for value in (10**4000, "x" * 10_000, deep(900), {"a": deep(900)}, list(range(1000)), math.nan):
        assert len(shown(value)) < 200

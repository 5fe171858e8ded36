"""Messages of sockets: what is malformed is a MessageError and nothing worse."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.config import StreamConfig
from envstream.errors import MessageError
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.web.messages import LONGEST_MESSAGE, is_number, read_message, status_text, text, whole

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


# --- reading -------------------------------------------------------------------------------------------


@given(st.text() | JSON.map(json.dumps) | st.dictionaries(st.just("type"), JSON).map(json.dumps))
def test_a_message_is_a_dict_with_a_type_or_a_message_error(data: str) -> None:
    try:
        message = read_message({"type": "websocket.receive", "text": data})
    except MessageError:
        return
    assert isinstance(message, dict)
    assert isinstance(message["type"], str)


@pytest.mark.parametrize(
    "data",
    ["", "[]", "null", '{"type": 1}', "{}", "{", "[" * 10_000, "1" * 5000, '{"type": "a"} x'],
    ids=[
        "nothing",
        "a list",
        "null",
        "no text as type",
        "no type",
        "cut",
        "deep",
        "a huge number",
        "more behind",
    ],
)
def test_what_is_no_message_is_refused(data: str) -> None:
    with pytest.raises(MessageError):
        read_message({"text": data})


def test_a_message_is_read_with_all_its_fields() -> None:
    assert read_message({"text": '{"type": "ack", "frameNumber": 3}'}) == {"type": "ack", "frameNumber": 3}


@pytest.mark.parametrize("event", [{"bytes": b"{}"}, {"text": None, "bytes": b"{}"}])
def test_bytes_are_no_message(event: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match="text messages only"):
        read_message(event)


def test_a_message_too_long_is_refused_unread() -> None:
    with pytest.raises(MessageError, match="at most"):
        read_message({"text": "[" * (LONGEST_MESSAGE + 1)})


# --- fields --------------------------------------------------------------------------------------------


@given(JSON)
def test_a_text_field_is_text_or_a_message_error(value: object) -> None:
    try:
        assert text({"name": value}, "name") == value
    except MessageError:
        assert not isinstance(value, str)


def test_a_text_too_long_is_refused() -> None:
    assert text({"name": "x" * 200}, "name")
    with pytest.raises(MessageError, match="at most 200 characters"):
        text({"name": "x" * 201}, "name")


@pytest.mark.parametrize("value", [0, 1, 2**63 - 1])
def test_whole_numbers_from_0_are_taken(value: int) -> None:
    assert whole({"n": value}, "n") == value


@pytest.mark.parametrize("value", [-1, 2**63, True, 1.0, "1", None, [1], float("nan")])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(MessageError, match="n is a whole number"):
        whole({"n": value}, "n")


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(MessageError, match="frameNumber"):
        whole({}, "frameNumber")


@given(JSON)
def test_any_value_is_a_number_or_is_not(value: object) -> None:
    assert is_number(value) in (True, False)


@pytest.mark.parametrize("value", [0, -3, 1.5])
def test_numbers_are_numbers(value: object) -> None:
    assert is_number(value)


@pytest.mark.parametrize(
    "value", [True, None, "1", math.nan, math.inf, [1], pytest.param(10**400, id="huge")]
)
def test_other_things_are_no_numbers(value: object) -> None:
    assert not is_number(value)


# --- writing -------------------------------------------------------------------------------------------


def test_the_status_tells_of_every_stream(pool: ThreadPoolExecutor, frame: Callable[..., Frame]) -> None:
    hub = Hub(StreamConfig(), pool)
    for name in "ab":
        hub.open(name, name, hub.config).put(frame(1, **{"return": math.nan}), 1.0)
    status = json.loads(status_text(hub), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert status["type"] == "streams"
    assert [(stream["name"], stream["return"]) for stream in status["streams"]] == [("a", None), ("b", None)]

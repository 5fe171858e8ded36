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
from envstream.stream import Place
from envstream.web.messages import (
    LONGEST_MESSAGE,
    Board,
    is_number,
    read_message,
    short_ack,
    status_text,
    text,
    whole,
)

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


@pytest.fixture
def hub(pool: ThreadPoolExecutor) -> Hub:
    hub = Hub(StreamConfig(), pool)
    for env in range(3):
        hub.open(f"Cart/{env}", "Cart", hub.config, place=Place("Cart", env))
    return hub


def news(board: Board) -> tuple[bool, list[str]]:
    told = json.loads(board.news())
    return told["complete"], [stream["name"] for stream in told["streams"]]


def test_the_first_news_is_of_every_stream(hub: Hub) -> None:
    assert news(Board(hub)) == (True, ["Cart/0", "Cart/1", "Cart/2"])


def test_of_streams_without_news_nothing_is_told(hub: Hub) -> None:
    board = Board(hub)
    board.news()
    assert news(board) == (False, [])


def test_a_stream_that_changed_is_told_of_alone(hub: Hub, frame: Callable[..., Frame]) -> None:
    board = Board(hub)
    board.news()
    hub.streams["Cart/1"].put(frame(1), 1.0)
    assert news(board) == (False, ["Cart/1"])
    assert news(board) == (False, [])


def test_a_stream_that_is_watched_is_always_told_of(hub: Hub) -> None:
    board = Board(hub)
    hub.streams["Cart/2"].watched(1)
    board.news()
    assert news(board) == (False, ["Cart/2"])


def test_a_stream_that_comes_or_goes_has_all_told_of_again(hub: Hub) -> None:
    board = Board(hub)
    board.news()
    del hub.streams["Cart/1"]
    assert news(board) == (True, ["Cart/0", "Cart/2"])


def test_a_single_env_that_steps_is_news_though_nobody_watches(hub: Hub) -> None:
    stream = hub.open("env", "env", hub.config)
    board = Board(hub)
    board.news()
    stream.note_steps(1.0, 100)
    assert news(board) == (False, ["env"])


# --- acknowledgements, the short way -------------------------------------------------------------------


@given(st.text(max_size=220), st.integers(0, 2**65), st.none() | st.floats() | st.integers())
def test_the_short_way_reads_an_acknowledgement_as_the_long_one_does_or_not_at_all(
    stream: str, number: int, transfer: float | None
) -> None:
    message = {"type": "ack", "stream": stream, "frameNumber": number}
    if transfer is not None:
        message["transferMs"] = transfer
    said = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
    found = short_ack(said)
    if found is not None:
        assert found == (stream, number, None if transfer is None else transfer / 1000)


@pytest.mark.parametrize(
    "said",
    [
        '{"type":"ack","stream":"a","frameNumber":-1}',
        '{"type":"ack","stream":"a","frameNumber":1.5}',
        '{"type":"ack","stream":"a","frameNumber":1,"transferMs":-3}',
        '{"type":"ack","stream":"a","frameNumber":1,"transferMs":1e9}',
        '{"type":"ack","stream":"\\u0061","frameNumber":1}',
        '{"type":"ack","stream":"a","frameNumber":1}\n',
        '{"type":"ping","t":1}',
        "",
    ],
)
def test_what_does_not_look_just_so_goes_the_long_way(said: str) -> None:
    assert short_ack(said) is None


def test_what_pages_write_goes_the_short_way() -> None:
    assert short_ack('{"type":"ack","stream":"CartPole-v1/env 3","frameNumber":7,"transferMs":0.25}') == (
        "CartPole-v1/env 3",
        7,
        0.00025,
    )

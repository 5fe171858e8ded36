"""Pictures over HTTP: queries are read with limits, and a picture tells its own story."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.encoder import Encoder, Rung
from envstream.frame import Frame
from envstream.web.pictures import BadRequest, Query, answer, stamps

# --- queries -------------------------------------------------------------------------------------------


def test_what_is_not_asked_for_is_none() -> None:
    query = Query(b"")
    assert query.text("stream") is None
    assert query.number("fps", 1, 2) is None
    assert query.whole("width", 1, 2) is None


def test_a_text_is_read_as_it_was_meant() -> None:
    assert Query(b"stream=Cart%20Pole-v1%2Fa+b&fps=3").text("stream") == "Cart Pole-v1/a b"


@pytest.mark.parametrize(("text", "value"), [(b"1", 1.0), (b"2.5", 2.5), (b"1e1", 10.0)])
def test_a_number_within_its_range_is_taken(text: bytes, value: float) -> None:
    assert Query(b"fps=" + text).number("fps", 1, 10) == value


@pytest.mark.parametrize("text", ["0.9", "10.1", "nan", "inf", "-inf", "1e999", "ten", "1,5", "0x1", "%00"])
def test_a_number_out_of_its_range_is_refused_and_the_range_is_named(text: str) -> None:
    with pytest.raises(BadRequest, match=r"^fps=.*: expected a number from 1 to 10$"):
        Query(f"fps={text}".encode()).number("fps", 1, 10)


def test_a_whole_number_is_whole() -> None:
    assert Query(b"width=640").whole("width", 16, 8192) == 640


def test_the_largest_frame_number_is_read_exactly() -> None:
    assert Query(b"after=9007199254740992").whole("after", 0, 2**53) == 2**53


def test_a_choice_has_a_default() -> None:
    assert Query(b"").choice("format", ("jpeg", "png"), "jpeg") == "jpeg"
    assert Query(b"format=png").choice("format", ("jpeg", "png"), "jpeg") == "png"


def test_another_choice_is_refused_and_the_choices_are_named() -> None:
    with pytest.raises(BadRequest, match="format='bmp': expected one of jpeg, png"):
        Query(b"format=bmp").choice("format", ("jpeg", "png"), "jpeg")


def test_a_refusal_does_not_repeat_all_of_a_long_value() -> None:
    with pytest.raises(BadRequest) as refusal:
        Query(b"format=" + b"x" * 5000).choice("format", ("jpeg",), "jpeg")
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("query", [b"\xff", "stream=é".encode(), b"&".join([b"a=1"] * 65)])
def test_a_query_that_cannot_be_read_is_refused(query: bytes) -> None:
    with pytest.raises(BadRequest, match="cannot be read"):
        Query(query)


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: b"n=" + text.encode()))
def test_any_query_gives_a_number_in_range_or_a_refusal(raw: bytes) -> None:
    try:
        number = Query(raw).number("n", -5, 5)
    except BadRequest:
        return
    assert number is None or (math.isfinite(number) and -5 <= number <= 5)


# --- answers -------------------------------------------------------------------------------------------


def test_a_picture_carries_its_times_and_its_number(
    pool: ThreadPoolExecutor, frame: Callable[..., Frame]
) -> None:
    picture = Encoder("env", 3, pool).picture(frame(7, captured=12.25), Rung()).result()
    headers = dict(stamps(picture, 13.5))
    assert (headers[b"x-timestamp"], headers[b"x-frame-number"]) == (b"12.250000", b"7")
    assert headers[b"x-sent-at"] == b"13.500000"
    assert float(headers[b"x-encoded-at"]) == pytest.approx(picture.encoded_at, abs=1e-5)
    assert float(headers[b"x-encode-time-ms"]) == pytest.approx(picture.encode_seconds * 1000, abs=1e-3)


def test_an_answer_is_one_whole_response() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(answer(send, 503, b"later\n", [(b"retry-after", b"1")]))
    start, body = sent
    assert (start["status"], body) == (503, {"type": "http.response.body", "body": b"later\n"})
    assert start["headers"] == [
        (b"content-type", b"text/plain"),
        (b"content-length", b"6"),
        (b"retry-after", b"1"),
    ]

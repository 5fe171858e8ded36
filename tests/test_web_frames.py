"""The short way of texts that come whole: what it takes, and what it leaves to the parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from envstream.web.frames import short_text


def masked(data: bytes, opcode: Opcode = Opcode.TEXT, fin: bool = True) -> bytes:
    """A frame as a browser sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


@given(st.text(min_size=1, max_size=300), st.binary(max_size=20))
def test_a_whole_text_is_read_and_what_follows_is_left(text: str, rest: bytes) -> None:
    frame = masked(text.encode())
    assert short_text(frame + rest) == (text, len(frame))


def test_a_text_that_is_not_masked_with_anything_but_zeros_is_read() -> None:
    assert short_text(b"\x81\x82\0\0\0\0ok") == ("ok", 8)


def test_a_long_text_is_read() -> None:
    frame = masked(b"x" * 60_000)
    assert short_text(frame) == ("x" * 60_000, len(frame))


@pytest.mark.parametrize(
    "frame",
    [
        masked(b"picture", Opcode.BINARY),
        masked(b"", Opcode.PING),
        masked(b"a fragment", fin=False),
        masked(b"its end", Opcode.CONT),
        masked(b""),
        masked(b"x" * 70_000),
        masked(b"\xff\xfe"),
        Frame(Opcode.TEXT, b"not masked").serialize(mask=False),
        b"\xc1" + masked(b"compressed")[1:],
    ],
    ids=["binary", "ping", "fragment", "end", "empty", "huge", "no UTF-8", "not masked", "reserved bits"],
)
def test_everything_else_goes_the_usual_way(frame: bytes) -> None:
    assert short_text(frame) == (None, 0)


@given(st.binary(max_size=400))
def test_whatever_comes_it_does_not_raise_and_takes_no_more_than_there_is(data: bytes) -> None:
    text, size = short_text(data)
    assert size <= len(data) and (text is None) == (size == 0)


@given(st.text(min_size=1, max_size=200), st.data())
def test_half_a_frame_is_left_alone(text: str, data: st.DataObject) -> None:
    frame = masked(text.encode())
    cut = data.draw(st.integers(0, len(frame) - 1))
    assert short_text(frame[:cut]) == (None, 0)

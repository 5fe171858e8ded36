"""The short way of texts that come whole; and how connections end whose other end has stopped."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from envstream.web import listening, protocols
from envstream.web.protocols import short_text
from fakes import PictureEnv
from serving import Watcher, stats, streaming, until


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


# --- who takes nothing any more ------------------------------------------------------------------------


@contextlib.contextmanager
def stuck(port: int, *asks: bytes) -> Iterator[socket.socket]:
    """One that asks, and never reads."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", port))
        for ask in asks:
            one.sendall(ask)
        yield one


def noise() -> PictureEnv:
    return PictureEnv(np.random.default_rng(1).integers(0, 255, (600, 800, 3), np.uint8))


SHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
WATCH = masked(b'{"type": "watch", "streams": [{"name": "PictureEnv"}], "status": true}')


@pytest.mark.parametrize(
    "asks", [(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n",), (SHAKE, WATCH)], ids=["MJPEG", "socket"]
)
def test_who_never_reads_loses_the_seat_and_others_keep_theirs(
    asks: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "UNREAD_SECONDS", 2.0)
    with streaming(noise()) as port, Watcher(port, "PictureEnv") as good:
        good.frame()
        with stuck(port, *asks):
            until(lambda: good.frame() and stats(port)["clients_connected"] == 2, "a second seat")
            until(lambda: good.frame() and stats(port)["clients_connected"] == 1, "it to be free again")
            for _ in range(3):
                good.frame()


def test_who_does_not_answer_pings_loses_the_seat_whatever_is_still_to_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "PINGS", 0.3)
    with streaming(noise()) as port, stuck(port, SHAKE, WATCH):
        until(lambda: stats(port)["clients_connected"] == 1, "a seat")
        until(lambda: stats(port)["clients_connected"] == 0, "it to be free again")


class Slow:
    """A connection of which little is taken, or nothing, and its event loop."""

    def __init__(self, *waiting: int) -> None:
        self.waiting = list(waiting)
        self.due: list[tuple[Any, tuple[Any, ...]]] = []
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting.pop(0)

    def abort(self) -> None:
        self.aborted = True

    def call_later(self, seconds: float, call: Any, *given: Any) -> Slow:
        self.due.append((call, given))
        return self

    def cancel(self) -> None:
        self.due.clear()

    def later(self) -> None:
        call, given = self.due.pop()
        call(*given)


def watched(slow: Slow) -> protocols.Unread:
    loop: Any = slow
    unread = protocols.Unread(loop, slow)
    unread.begin()
    return unread


def test_of_whom_little_is_taken_is_waited_for() -> None:
    slow = Slow(100, 99, 99, 98, 98)
    watched(slow)
    for _ in range(2):
        slow.later()
    assert not slow.aborted and len(slow.due) == 1


def test_of_whom_nothing_is_taken_is_ended() -> None:
    slow = Slow(100, 100)
    watched(slow)
    slow.later()
    assert slow.aborted and slow.due == []


def test_who_has_taken_all_is_left_alone() -> None:
    slow = Slow(100)
    unread = watched(slow)
    unread.begin()  # It is watched already.
    unread.end()
    unread.end()
    assert slow.due == [] and not slow.aborted

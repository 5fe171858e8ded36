"""Connections whose other end has stopped, or reads nothing: they end, and those who read a little do not."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from websockets.frames import Frame, Opcode

from envstream.web import listening, unread
from envstream.web.unread import Unread
from fakes import PictureEnv
from serving import Watcher, stats, streaming, until


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
WATCHES = b'{"type": "watch", "streams": [{"name": "PictureEnv"}], "status": true}'
WATCH = Frame(Opcode.TEXT, WATCHES).serialize(mask=True)


@pytest.mark.parametrize(
    "asks",
    [
        pytest.param((b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n",), id="MJPEG"),
        pytest.param((SHAKE, WATCH), id="socket", marks=pytest.mark.long),
    ],
)
def test_who_never_reads_loses_the_seat_and_others_keep_theirs(
    asks: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "UNREAD_SECONDS", 2.0)
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


def watched(slow: Slow) -> Unread:
    loop: Any = slow
    made = Unread(loop, slow)
    made.begin()
    return made


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
    held = watched(slow)
    held.begin()  # It is watched already.
    held.end()
    held.end()
    assert slow.due == [] and not slow.aborted

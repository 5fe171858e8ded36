"""HTTP connections from who is slow, who is hasty and who sends what is no request."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from envstream.web import http_protocol, turns
from envstream.web.http_protocol import Turns
from envstream.web.turns import LEAST, TURN
from fakes import PictureEnv
from serving import Watcher, drained, streaming

ASKED = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with streaming(PictureEnv(length=50)) as port:
        yield port


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def test_headers_that_do_not_come_are_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.2)
    with streaming(PictureEnv()) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        assert drained(slow).startswith(b"HTTP/1.1 408")


def test_headers_without_end_are_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as endless:
        endless.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 6000)
        assert drained(endless).startswith(b"HTTP/1.1 431")


def test_requests_one_behind_the_other_are_answered_in_their_order(port: int) -> None:
    with connected(port) as peer:
        peer.sendall(ASKED + b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n" + ASKED * 97 + LAST)
        answers = drained(peer).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"404", *[b"200"] * 98]
    assert all(json.loads(answer.rpartition(b"\r\n")[2])["status"] == "ok" for answer in answers[2:])


def test_more_may_come_as_the_answers_are_read(port: int) -> None:
    with connected(port) as peer:
        for _ in range(4):
            peer.sendall(ASKED * 100)
            came = b""
            while came.count(b'"ok"') < 100:
                came += peer.recv(2**16)


def test_two_thousand_at_once_are_answered_and_hold_up_nobody(port: int) -> None:
    """A piece of them at a time, and of the next ones nothing before those are answered."""
    with Watcher(port, "PictureEnv") as good, connected(port) as hasty:
        sending = threading.Thread(target=hasty.sendall, args=(ASKED * 1_999 + LAST,))
        sending.start()
        good.frame()
        assert drained(hasty).count(b'"ok"') == 2_000
        sending.join()


def test_a_request_in_forty_thousand_pieces_is_one(port: int) -> None:
    head = b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    with connected(port) as peer:
        peer.sendall(head + b"Connection: close\r\nContent-Type: image/jpeg\r\n\r\n")
        peer.sendall(b"1\r\na\r\n" * 40_000 + b"0\r\n\r\n")
        answers = drained(peer)
    assert answers.count(b"HTTP/1.1 ") == 1
    assert b"400 Bad Request" in answers and b"image" in answers.rpartition(b"\r\n")[2]


def test_what_is_no_request_does_not_get_into_the_answer_under_way(port: int) -> None:
    with connected(port) as peer:
        peer.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.recv(12) == b"HTTP/1.1 200"
        peer.sendall(b"what is this\r\n\r\n" * 1000)
        came = b""
        while came.count(b"image/jpeg") < 20:
            piece = peer.recv(2**16)
            assert piece and b"HTTP/1.1" not in piece
            came += piece


def test_what_is_no_request_is_told_so_behind_the_answers_to_others(port: int) -> None:
    with connected(port) as peer:
        peer.sendall(ASKED * 20 + b"what is this\r\n\r\n" + ASKED)
        statuses = [answer[:3] for answer in drained(peer).split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200"] * 20 + [b"400"]


@pytest.mark.parametrize("before", [0, 5])
def test_a_body_that_is_none_is_told_so(port: int, before: int) -> None:
    head = b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(port) as peer:
        peer.sendall(ASKED * before + head + b"1\r\na\r\nno length\r\n" + ASKED * 200)
        statuses = [answer[:3] for answer in drained(peer).split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200"] * before + [b"400"]


def test_what_is_no_request_is_told_so(port: int) -> None:
    with connected(port) as peer:
        peer.sendall(b"what is this\r\n\r\n")
        assert drained(peer).startswith(b"HTTP/1.1 400")


def test_frames_that_come_with_a_handshake_break_nothing(port: int) -> None:
    """Who sends them has not waited for the answer, as it should: they are passed over."""
    hello = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ping = b"\x89\x84\0\0\0\0ping"
    with connected(port) as peer:
        peer.sendall(hello + key + ping * 3000)
        came = b""
        while b"\x8a\x04ping" not in came:
            came += peer.recv(2**16)
            peer.sendall(ping)
    assert came.startswith(b"HTTP/1.1 101") and came.count(b"HTTP/1.1") == 1


class Transport:
    """Whether anything is read."""

    reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return False


class Reader:
    """Somebody who is told of pieces, and asks for no more once `stops` of them have come."""

    def __init__(self, stops: int | None = None, seconds: float = 0.0) -> None:
        self.transport, self.pieces, self.later, self.now = Transport(), list[bytes](), list[Any](), 0.0
        self.stops, self.seconds = stops, seconds
        loop: Any = SimpleNamespace(call_soon=self.later.append)
        self.turns = Turns(loop, self.transport, self.take)

    def take(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.now += self.seconds
        if len(self.pieces) == self.stops:
            self.turns.pause_reading()


def test_what_comes_is_taken_at_once_and_whole() -> None:
    reader = Reader()
    data = bytes(range(256)) * 100
    reader.turns.came(data)
    assert b"".join(reader.pieces) == data
    assert reader.transport.reads and not reader.later


def test_nothing_more_is_taken_or_read_from_who_is_to_wait() -> None:
    reader = Reader(stops=2)
    reader.turns.came(bytes(100 * LEAST))
    assert len(reader.pieces) == 2 and not reader.transport.reads and not reader.later
    reader.turns.resume_reading()
    assert not reader.transport.reads, "what has come is dealt with before more is read"
    reader.later.pop()()
    assert len(b"".join(reader.pieces)) == 100 * LEAST and reader.transport.reads and not reader.later


def test_others_have_their_turn_when_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(seconds=TURN)
    monkeypatch.setattr(turns.time, "perf_counter", lambda: reader.now)
    reader.turns.came(bytes(5 * LEAST))
    assert len(reader.pieces) == 2 and not reader.transport.reads
    reader.turns.came(b"and more")
    assert len(reader.pieces) == 2 and len(reader.later) == 1
    while reader.later:
        reader.later.pop()()
    assert b"".join(reader.pieces) == bytes(5 * LEAST) + b"and more" and reader.transport.reads

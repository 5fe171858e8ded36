"""The link: all arrives once, whatever happens to connections; and it ends when there is no hope."""

from __future__ import annotations

import itertools
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from envstream.push import link as websocket
from envstream.push.link import Link, delays
from envstream.push.owed import Picture
from envstream.push.sender import Sender
from receiving import Receiver

START = {
    "session_id": "one",
    "resume_token": "t" * 20,
    "width": 4,
    "height": 3,
    "fps": 30,
    "encoding": "jpeg",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def picture(number: int, size: int = 200) -> Picture:
    """One whose bytes say which it is."""
    return Picture(number / 30, "jpeg", 4, 3, random.Random(number).randbytes(size))


def pushed(link: Link, count: int, size: int = 200) -> None:
    """Has pictures sent, and waits for the result."""
    link.start()
    for number in range(1, count + 1):
        assert link.offer(picture(number, size), 30)
    link.end()
    assert link.wait(lambda: link.sender.done, 30), link.problem
    link.close()


def test_all_pictures_arrive_byte_for_byte_and_the_result_comes_back(receiver: Receiver) -> None:
    link = Link(receiver.url, Sender(START))
    pushed(link, 50)
    came = receiver.only.frames
    assert [came[number][1] for number in range(1, 51)] == [picture(number).data for number in range(1, 51)]
    assert came[7][0]["timestamp"] == 7 / 30
    assert link.sender.result == {"frames": {"read": 50, "lost": 0, "damaged": 0}, "problem": None}
    assert receiver.only.order == list(range(1, 51))
    assert (link.connections, receiver.connections) == (1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_connections_that_break_at_random_lose_nothing(
    receiver: Receiver, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(websocket, "LONGEST_DELAY", 0.05)
    dice = random.Random(seed)
    receiver.cut = lambda message: dice.random() < 0.06
    sender = Sender(START)
    sender.signal("signal.csv", b"1\n2\n")
    link = Link(receiver.url, sender)
    pushed(link, 150)
    came = receiver.only.frames
    assert {number: data for number, (_, data) in came.items()} == {n: picture(n).data for n in range(1, 151)}
    assert receiver.connections > 3 and receiver.only.lost == set()
    assert receiver.only.signal is not None and receiver.only.signal[1] == b"1\n2\n"


def test_a_first_answer_that_is_lost_locks_nobody_out(receiver: Receiver) -> None:
    cuts = itertools.chain([False, True], itertools.repeat(False))
    receiver.cut = lambda message: message["type"] == "session_start" and next(cuts)
    link = Link(receiver.url, Sender(START))
    pushed(link, 5)
    assert len(receiver.only.frames) == 5 and receiver.connections == 2


def test_no_more_are_under_way_than_the_server_allows(receiver: Receiver) -> None:
    receiver.credits = 5
    pushed(Link(receiver.url, Sender(START)), 60)
    assert 1 < receiver.under_way <= 5


def test_large_pictures_go_in_pieces_and_arrive_whole(receiver: Receiver) -> None:
    size = 3 * websocket.PIECE + 17
    pushed(Link(receiver.url, Sender(START)), 3, size)
    assert [receiver.only.frames[n][1] for n in (1, 2, 3)] == [picture(n, size).data for n in (1, 2, 3)]


def test_pixels_are_sent_from_where_they_lie(receiver: Receiver) -> None:
    pixels = bytearray(random.randbytes(36))
    link = Link(receiver.url, Sender({**START, "encoding": "raw"}))
    link.start()
    assert link.offer(Picture(0.0, "raw", 4, 3, memoryview(pixels)), 10)
    link.end()
    assert link.wait(lambda: link.sender.done, 10)
    link.close()
    assert receiver.only.frames[1][1] == pixels


def test_who_is_refused_does_not_try_again(receiver: Receiver) -> None:
    receiver.fatal = "too_many_sessions"
    link = Link(receiver.url, Sender(START))
    link.start()
    assert link.wait(lambda: link.sender.done, 10)
    link.close()
    assert link.sender.refused == ("too_many_sessions", "it is not to be") and receiver.connections == 1


@pytest.mark.parametrize("token", [None, "wrong"])
def test_who_has_not_the_token_is_told_so_at_once(receiver: Receiver, token: str | None) -> None:
    receiver.token = "secret"
    link = Link(receiver.url, Sender(START), token=token)
    link.start()
    assert link.wait(lambda: link.sender.done, 10)
    link.close()
    assert link.sender.refused == ("refused", "this page needs its token") and not receiver.connections


def test_who_has_the_token_comes_in(receiver: Receiver) -> None:
    receiver.token = "secret"
    pushed(Link(receiver.url, Sender(START), token="secret"), 2)
    assert len(receiver.only.frames) == 2


def test_a_server_that_is_not_there_is_given_up_after_a_while() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Nobody listens there.
        link = Link(f"ws://127.0.0.1:{taken.getsockname()[1]}/stream", Sender(START), retry_for=0.4)
        began = time.monotonic()
        link.start()
        link.wait(lambda: False, 10)
        assert link.given_up and 0.3 < time.monotonic() - began < 5
        assert link.problem is not None and "Connect call failed" in link.problem
        assert not link.offer(picture(1, 2**27), 0.1) or link.over
        link.close()


def test_a_page_without_a_stream_is_given_up_at_once(receiver: Receiver) -> None:
    link = Link(receiver.url.replace("/stream", "/elsewhere"), Sender(START), retry_for=60)
    link.start()
    link.wait(lambda: False, 10)
    link.close()
    assert link.given_up and link.problem is not None and "HTTP 404 no such page" in link.problem


def test_it_goes_on_when_the_server_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "LONGEST_DELAY", 0.3)
    with Receiver() as first:
        link = Link(first.url, Sender(START))
        link.start()
        assert link.offer(picture(1), 10)
        assert link.wait(lambda: link.sender.counts()["acknowledged"] == 1, 10)
    assert link.wait(lambda: not link.connected, 10)
    assert link.offer(picture(2), 1)
    second = Receiver()
    second.port, second.sessions = first.port, first.sessions
    with second:
        link.end()
        assert link.wait(lambda: link.sender.done, 20), link.problem
        link.close()
    assert sorted(second.only.frames) == [1, 2] and link.sender.result is not None


def test_offering_waits_for_room_and_no_longer_than_it_may(receiver: Receiver) -> None:
    link = Link("ws://127.0.0.1:9/stream", Sender(START, memory=1000))
    assert link.offer(picture(1, 900), 0.1)
    began = time.monotonic()
    assert not link.offer(picture(2, 900), 0.1)
    assert 0.1 <= time.monotonic() - began < 5


def test_closing_wakes_who_waits(receiver: Receiver) -> None:
    link = Link(receiver.url, Sender(START))
    link.start()
    timer = threading.Timer(0.1, link.close)
    timer.start()
    assert not link.wait(lambda: False, 30)
    timer.join()
    assert link.over


def test_nonsense_of_a_server_is_left_alone(receiver: Receiver) -> None:
    said: list[Any] = [b"\xff\xfe", "[" * 10_000, "7", "null", "{", json.dumps({"type": ["frame_ack"]})]
    assert [websocket._read(text) for text in said] == [{}, {}, {}, {}, {}, {"type": ["frame_ack"]}]


def test_attempts_come_less_and_less_often_and_never_all_at_once() -> None:
    longest = list(itertools.islice(delays(lambda: 1.0), 15))
    shortest = list(itertools.islice(delays(lambda: 0.0), 15))
    assert longest[:3] == pytest.approx([0.25, 0.325, 0.4225]) and longest[-2:] == [5.0, 5.0]
    assert longest == sorted(longest)
    assert shortest == [delay / 2 for delay in longest]

"""The server's end of the control line: no message is lost, and its end is seen however it comes."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

from elsewhere import played
from envstream.links import control
from envstream.web.line import Line

Pair = tuple[socket.socket, Line]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The trainer's end, and the line at the server's."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, Line(ours)


async def heard(line: Line, count: int) -> list[str]:
    """The next messages, so many of them."""
    told: list[str] = []
    news = asyncio.Event()
    line.listen(news.set)
    while len(told) < count:
        told += [message["op"] for message in line.messages()]
        if len(told) < count:
            await news.wait()
            news.clear()
    line.deafen()
    return told


def test_the_first_message_is_waited_for(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        asyncio.get_running_loop().call_later(0.01, control.send, theirs, {"op": "start"})
        assert await line.first() == {"op": "start"}

    played(scene)


def test_what_came_with_the_first_message_is_not_lost(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        for op in ("start", "open", "note"):
            control.send(theirs, {"op": op})
        assert await line.first() == {"op": "start"}
        assert await heard(line, 2) == ["open", "note"]

    played(scene)


def test_messages_are_taken_once(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        control.send(theirs, {"op": "open"})
        assert await heard(line, 1) == ["open"]
        assert line.messages() == []

    played(scene)


def test_a_message_in_two_pieces_is_one_message(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        theirs.send(b'{"op": "st')
        asyncio.get_running_loop().call_later(0.01, theirs.send, b'art"}\n')
        assert await line.first() == {"op": "start"}

    played(scene)


def test_a_line_that_ends_before_its_first_message_gives_none(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        theirs.close()
        assert await line.first() is None

    played(scene)


def test_a_wake_up_is_heard_without_a_message(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        woken = asyncio.Event()
        line.listen(woken.set)
        control.wake(theirs)
        await woken.wait()
        assert line.messages() == [] and not line.ended.is_set()
        line.deafen()

    played(scene)


def test_who_is_deaf_is_woken_no_more(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        calls: list[None] = []
        line.listen(lambda: calls.append(None))
        line.deafen()
        control.wake(theirs)
        await asyncio.sleep(0.02)
        assert calls == []

    played(scene)


def test_the_end_of_the_other_side_is_seen_behind_its_last_words(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        control.send(theirs, {"op": "note"})
        theirs.close()
        assert await heard(line, 1) == ["note"]
        line.listen(lambda: None)
        await line.ended.wait()
        line.deafen()

    played(scene)


def test_an_end_is_seen_even_where_what_came_before_cannot_be_dealt_with(pair: Pair) -> None:
    def broken() -> None:
        raise LookupError("not to be understood")

    async def scene() -> None:
        theirs, line = pair
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        line.listen(broken)
        theirs.close()
        await asyncio.wait_for(line.ended.wait(), 60)
        line.deafen()

    played(scene)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs a system that tells of the end of processes")
@pytest.mark.parametrize("begun", [False, True], ids=["before the first word", "later"])
def test_the_end_of_the_other_process_is_the_end_of_the_line_whoever_else_holds_it(begun: bool) -> None:
    code = (
        "import os, socket, sys; line = socket.socket(socket.AF_UNIX); line.connect(sys.argv[1])\n"
        "os.fork(); sys.stdin.read()"
    )

    async def scene() -> None:
        with socket.socket(socket.AF_UNIX) as door, tempfile.TemporaryDirectory() as folder:
            door.bind(f"{folder}/s")
            door.listen()
            command = [sys.executable, "-c", code, f"{folder}/s"]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
                accepted, _ = door.accept()
                with accepted:
                    line = Line(accepted)
                    asyncio.get_running_loop().call_later(0.1, other.kill)
                    if begun:
                        line.listen(lambda: None)
                        await asyncio.wait_for(line.ended.wait(), 60)
                        line.deafen()
                    else:
                        assert await asyncio.wait_for(line.first(), 60) is None

    played(scene)


def test_what_is_said_arrives(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        line.send({"op": "listening", "port": 1})
        (message,) = control.Incoming(theirs).receive()
        assert message == {"op": "listening", "port": 1}
        assert not line.ended.is_set()

    played(scene)


def test_to_speak_to_nobody_is_the_end_of_the_line_and_no_error(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        theirs.close()
        line.send({"op": "listening"})
        assert line.ended.is_set()

    played(scene)


def test_descriptors_that_came_with_a_message_are_there(pair: Pair) -> None:
    async def scene() -> None:
        theirs, line = pair
        reading, writing = os.pipe()
        control.send(theirs, {"op": "open"}, [writing])
        os.close(writing)
        assert await heard(line, 1) == ["open"]
        descriptor = line.descriptors.pop()
        os.write(descriptor, b"through")
        os.close(descriptor)
        assert os.read(reading, 10) == b"through"
        os.close(reading)

    played(scene)

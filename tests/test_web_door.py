"""The door: who connects is let in as far as there is room; the others wait, and nothing spins or breaks."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from elsewhere import played
from envstream import descriptors
from envstream.web import door as doors
from envstream.web.door import Door


class Guest(asyncio.Protocol):
    """One who is in; greets."""

    def __init__(self, inside: set[Guest]) -> None:
        self._inside = inside

    def connection_made(self, transport: Any) -> None:
        self._inside.add(self)
        transport.write(b"welcome")

    def connection_lost(self, error: Exception | None) -> None:
        self._inside.discard(self)


class House:
    """A door, and who is behind it."""

    def __init__(self, listener: socket.socket) -> None:
        self.inside: set[Guest] = set()
        self.said: list[str] = []
        self.listener = listener
        self.door = Door(listener, lambda: Guest(self.inside), lambda: len(self.inside), self.said.append)
        self.address = listener.getsockname()

    async def knock(self) -> socket.socket:
        one = socket.socket()
        one.setblocking(False)
        await asyncio.get_running_loop().sock_connect(one, self.address)
        return one

    async def greeted(self, one: socket.socket) -> bool:
        """Whether one who knocked is let in."""
        heard = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(one, 100), 60)
        return heard == b"welcome"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "PAUSE", 0.01)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def at_the(listener: socket.socket, scene: Callable[[House], Awaitable[None]]) -> None:
    async def play() -> None:
        house = House(listener)
        house.door.open()
        try:
            await scene(house)
        finally:
            house.door.close()

    played(play)


def test_who_knocks_is_let_in(listener: socket.socket) -> None:
    async def scene(house: House) -> None:
        with await house.knock() as one, await house.knock() as other:
            assert await house.greeted(one) and await house.greeted(other)
        assert house.said == []

    at_the(listener, scene)


def test_who_finds_no_room_gets_in_when_another_leaves_and_it_is_said_once(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "for_connections", lambda limit: 1)

    async def scene(house: House) -> None:
        first = await house.knock()
        assert await house.greeted(first)
        second, third = await house.knock(), await house.knock()
        await asyncio.sleep(0.05)
        assert len(house.inside) == 1
        for leaves, comes in ((first, second), (second, third)):
            leaves.close()
            assert await house.greeted(comes)
        third.close()
        assert len(house.said) == 1 and "1 connections are open" in house.said[0]

    at_the(listener, scene)


class Short:
    """A listener in a system that has run out of descriptors, so many times."""

    def __init__(self, listener: socket.socket, times: int, number: int) -> None:
        self._listener, self.left, self._number = listener, times, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

    def accept(self) -> Any:
        if self.left:
            self.left -= 1
            raise OSError(self._number, "no more")
        return self._listener.accept()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
def test_without_descriptors_it_waits_says_so_once_and_goes_on(listener: socket.socket, number: int) -> None:
    short: Any = Short(listener, 3, number)

    async def scene(house: House) -> None:
        with await house.knock() as one:
            assert await house.greeted(one)
        assert short.left == 0
        assert len(house.said) == 1 and "no more" in house.said[0] and "ulimit" in house.said[0]

    at_the(short, scene)


def test_it_does_not_spin_while_it_waits(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "PAUSE", 3600.0)
    short: Any = Short(listener, 1000, errno.EMFILE)

    async def scene(house: House) -> None:
        with await house.knock():
            await asyncio.sleep(0.1)
        assert short.left == 999

    at_the(short, scene)


def test_who_has_gone_again_before_it_is_let_in_disturbs_nobody(listener: socket.socket) -> None:
    class Rude(Short):
        def accept(self) -> Any:
            if self.left:
                self.left -= 1
                raise ConnectionAbortedError
            return self._listener.accept()

    rude: Any = Rude(listener, 2, 0)

    async def scene(house: House) -> None:
        with await house.knock() as one:
            assert await house.greeted(one)
        assert house.said == []

    at_the(rude, scene)


def test_a_closed_door_lets_nobody_in_and_can_be_closed_twice(listener: socket.socket) -> None:
    async def scene(house: House) -> None:
        with await house.knock() as one:
            assert await house.greeted(one)
            house.door.close()
            house.door.close()
            with socket.socket() as late, pytest.raises(ConnectionError):
                late.connect(house.address)
            assert len(house.inside) == 1  # Who is in stays.

    at_the(listener, scene)

"""Tries: what went wrong is begun again, not too often, and its parts end together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from envstream.bus import tries as module
from envstream.bus.connection import Problem
from envstream.bus.tries import keep, stop, together


def kept(
    talk: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[float]]:
    """What is said, and how long is waited, while something is tried until it is told to end."""
    said: list[str] = []
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    monkeypatch.setattr(module.random, "uniform", lambda least, most: 1.0)
    ended = iter([False] * 12 + [True] * 12)
    asyncio.run(keep(talk, lambda problem: said.append(str(problem)), lambda: next(ended)))
    return said, waited


def test_it_is_tried_again_with_pauses_that_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        raise Problem("x", "it does not work")

    said, waited = kept(talk, monkeypatch)
    assert set(said) == {"it does not work"} and len(said) == len(waited)
    assert waited[:6] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_what_only_people_can_mend_is_tried_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        raise Problem("x", "it does not work", lasting=True)

    assert kept(talk, monkeypatch)[1][-1] == 5.0


def test_a_mistake_of_ours_does_not_end_it(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    async def talk() -> None:
        raise ZeroDivisionError

    said, _ = kept(talk, monkeypatch)
    assert set(said) == {"what talks with Redis broke down (ZeroDivisionError)"}
    assert "it begins anew" in caplog.text


def test_of_several_parts_the_first_that_fails_ends_all() -> None:
    ended = []

    async def lasts() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("lasts")

    async def fails() -> None:
        raise Problem("x", "no")

    with pytest.raises(Problem):
        asyncio.run(together(lasts(), fails()))
    assert ended == ["lasts"]


def test_of_two_that_end_at_once_the_first_says_why() -> None:
    async def fails(why: str) -> None:
        raise Problem("x", why)

    with pytest.raises(Problem, match="the reason"):
        asyncio.run(together(fails("the reason"), fails("what follows from it")))


def test_what_overhears_that_it_is_to_end_is_told_again() -> None:
    async def deaf() -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

    async def test() -> None:
        task = asyncio.ensure_future(deaf())
        await asyncio.sleep(0)
        await stop(task)
        assert task.done()

    asyncio.run(test())

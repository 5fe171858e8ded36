"""Tries: what may go wrong at any moment is begun again, in parts that end together."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from envstream.bus.connection import Problem

log = logging.getLogger("envstream")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # Seconds between two tries to connect.
LASTING_PAUSE = 5.0  # The longest where only a person can help.
STEADY = 10.0  # Seconds after which a connection is one that can be relied on.


async def keep(
    talk: Callable[[], Awaitable[None]],
    troubled: Callable[[Problem], None],
    ended: Callable[[], bool] = lambda: False,
) -> None:
    """Talk, again and again, with pauses that grow where it goes wrong at once; until `ended` says so."""
    pause = FIRST_PAUSE
    while not ended():
        began = time.monotonic()
        problem = Problem("unreachable", "the connection ended")
        try:
            await talk()
            if ended():
                return
        except Problem as raised:
            problem = raised
        except Exception as error:  # Whatever it is, the picture is to come back.
            log.exception("envstream: what talks with the bus broke down; it begins anew")
            problem = Problem("mistake", f"what talks with Redis broke down ({type(error).__name__})")
        troubled(problem)
        if time.monotonic() - began >= STEADY:
            pause = FIRST_PAUSE
        # Thousands that lost the same server do not come back at the same moment.
        await asyncio.sleep(pause * random.uniform(0.7, 1.3))
        pause = min(2 * pause, LASTING_PAUSE if problem.lasting else LONGEST_PAUSE)


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Do all of these until the first one ends; what goes wrong in one of them is raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:  # The first knows best why, where several end at once.
            if task.done():
                task.result()
    finally:
        await stop(*tasks)


async def stop(*tasks: asyncio.Future[None], again: float = 0.1) -> None:
    """Cancel tasks and wait for their end; those that do not hear it are told again after so many seconds."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        # More than once: before Python 3.12 `wait_for` may swallow it.
        done, left = await asyncio.wait(left, timeout=again)
        for task in done:
            if not task.cancelled():
                task.exception()  # What went wrong while it ended is of no use any more.

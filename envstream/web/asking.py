"""Asking the event loop from another thread: what lives there is looked at there only."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from envstream.errors import EnvstreamError

PATIENCE = 10.0  # Seconds.

Result = TypeVar("Result")
Ask = Callable[[Callable[[], Any]], Any]


class UnansweredError(EnvstreamError):
    """The event loop does not answer: the server is ending."""


def at_once(call: Callable[[], Result]) -> Result:
    """Where nothing runs beside the caller."""
    return call()


def on(loop: asyncio.AbstractEventLoop) -> Ask:
    """Has a call made on the loop, and waits for what it gives. For any thread but the loop's.

    Raises:
        UnansweredError: when the loop has ended, or does not come to it for ten seconds.
        Exception: what the call raises.
    """

    def ask(call: Callable[[], Result]) -> Result:
        done: concurrent.futures.Future[Result] = concurrent.futures.Future()

        def answer() -> None:
            if not done.set_running_or_notify_cancel():
                return  # Nobody waits for it any more.
            try:
                done.set_result(call())
            except Exception as error:
                done.set_exception(error)

        with contextlib.suppress(RuntimeError):  # The loop has ended.
            loop.call_soon_threadsafe(answer)
            concurrent.futures.wait([done], PATIENCE)
        if done.cancel() or not done.done():
            raise UnansweredError("the server is ending, or too busy to answer; try again")
        return done.result()

    return ask

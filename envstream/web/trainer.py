"""A trainer at a server: its control line, and what it shows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from envstream.identity import Identity
from envstream.links.block import Block
from envstream.links.intake import Intake
from envstream.stream import Stream
from envstream.web.line import Line

log = logging.getLogger("envstream")

Attach = Callable[[dict[str, Any], list[int]], Block]

LEAVING = 30.0  # Seconds that what a trainer left behind may take, to be read and to be written.


class Trainer:
    """One trainer. Lives on the event loop.

    Args:
        attach: how to come by a block that it announced.
    """

    def __init__(self, line: Line, intake: Intake, attach: Attach) -> None:
        self.line = line
        self.intake = intake
        self._attach = attach

    def listen(self) -> None:
        """Hear it from now on, and what it said already."""
        self.line.listen(self.hear)
        self.hear()

    def hear(self) -> None:
        """It said something, or wrote something into its blocks."""
        intake = self.intake
        for message in self.line.messages():
            if message["op"] == "open":
                self._open(message)
            elif message["op"] == "note":
                intake.note(message)
            elif message["op"] == "quality":
                intake.choose(message)
        intake.look()

    def _open(self, message: dict[str, Any]) -> None:
        """It has a block, and with it a stream or several."""
        name = message["name"]
        try:
            block = self._attach(message, self.line.descriptors)
        except (OSError, ValueError, IndexError) as error:  # No memory or no descriptor: none came with it.
            said = (
                f"its pictures cannot be had ({error}); it is tried again with a server that is started anew"
            )
            self.line.send({"op": "warning", "name": name, "message": said})
            self.line.ended.set()
            return
        shown_as = self.intake.open(message, block)
        if shown_as != name:
            self.line.send({"op": "named", "name": name, "as": shown_as})

    def chosen(self, stream: Stream) -> None:
        """Somebody chose another quality for a stream of its."""
        name = self.intake.channel(stream)
        self.line.send({"op": "quality", "name": name, "quality": stream.quality})

    async def leave(self) -> None:
        """It has gone: what it left behind is dealt with, and its streams end."""
        intake = self.intake
        self.line.deafen()
        intake.look()
        intake.end()
        until = time.monotonic() + LEAVING
        while intake.pending and time.monotonic() < until:
            intake.look()
            await asyncio.sleep(0.005)
        intake.finish()
        intake.end()  # What was left in a block may have looked like news.
        while intake.busy and time.monotonic() < until:
            await asyncio.sleep(0.005)
        if intake.pending or intake.busy:
            log.warning("envstream: what a training left behind was not all written in %g s", LEAVING)


def identity_of(start: dict[str, Any]) -> Identity:
    """Who a trainer says that it is."""
    said = start.get("identity") or {}
    return Identity(
        run=_text(said.get("run")),
        rank=_whole(said.get("rank")),
        host=_text(said.get("host")),
        pid=_whole(said.get("pid")),
        life=_text(start.get("run")),
    )


def _text(value: object) -> str | None:
    return value[:100] if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

"""Trainers: all those that one server has, its own and others of this machine that joined it."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from envstream._version import __version__
from envstream.entrance import Keys
from envstream.identity import Identity
from envstream.links.block import Block
from envstream.links.intake import Intake
from envstream.links.rendezvous import Rendezvous, let_go
from envstream.stream import Stream
from envstream.web.line import Line
from envstream.web.site import Site
from envstream.web.trainer import Attach, Trainer, identity_of

log = logging.getLogger("envstream")

MOST = 4096  # Trainers at one time.
PATIENCE = 5.0  # Seconds in which one that knocks says who it is.


class Trainers:
    """The trainers of a server. Lives on the event loop.

    Args:
        keys: what opens the server's page.
        asked: tokens by role as the first trainer's settings have them.
        intake: makes what takes in the streams of one trainer.
        left: called when the first one is gone and the server goes on for others.

    Attributes:
        gone: set when the last one is gone.
    """

    def __init__(
        self,
        keys: Keys,
        asked: object,
        intake: Callable[[Identity], Intake],
        left: Callable[[], None],
    ) -> None:
        self._left = left
        self._keys = keys
        self._asked = asked
        self._intake = intake
        self._all: list[Trainer] = []
        self._tasks: set[asyncio.Future[None]] = set()
        self._door: socket.socket | None = None
        self._lock: int | None = None
        self._site: Site | None = None
        self.gone = asyncio.Event()

    def begin(self, start: dict[str, Any], line: Line, attach: Attach) -> None:
        """The first trainer, whose server this is."""
        self._first = self._add(start, line, attach)

    def meet(self, start: dict[str, Any], site: Site | None) -> None:
        """Let others of this machine find the server, which is up now; where it holds the place."""
        self._lock, self._site = start.get("lock"), site
        place = start.get("place")
        if self._lock is None or site is None or place is None:
            return
        try:
            self._door = Rendezvous(*place).listen()
        except OSError as error:
            log.debug("envstream: other processes cannot find this server (%s)", error)
            return
        asyncio.get_running_loop().add_reader(self._door.fileno(), self._knocked)

    @property
    def connected(self) -> int:
        """How many there are that have not gone."""
        return sum(not trainer.line.ended.is_set() for trainer in list(self._all))

    def owner(self, stream: Stream) -> Trainer:
        """Whose stream it is; of one that no trainer has, the first is told."""
        return next((each for each in self._all if each.intake.channel(stream) is not None), self._first)

    def look(self) -> None:
        """Take what is there from all of them."""
        for trainer in list(self._all):
            trainer.intake.look()

    def close(self) -> None:
        """The server ends: nobody else finds it."""
        if self._door is not None:
            asyncio.get_running_loop().remove_reader(self._door.fileno())
            let_go(self._door.detach())
            self._door = None
        if self._lock is not None:
            let_go(self._lock)
            self._lock = None
        for trainer in self._all:
            trainer.line.deafen()

    async def finish(self) -> None:
        """What all of them left behind is dealt with."""
        for trainer in self._all:
            await trainer.leave()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE)

    def _add(self, start: dict[str, Any], line: Line, attach: Attach) -> Trainer:
        trainer = Trainer(line, self._intake(identity_of(start)), attach)
        self._all.append(trainer)
        trainer.listen()
        self._follow(self._until_gone(trainer))
        return trainer

    def _follow(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("envstream: a trainer could not be dealt with", exc_info=error)

    async def _until_gone(self, trainer: Trainer) -> None:
        await trainer.line.ended.wait()
        if len(self._all) == 1:  # What it left behind is dealt with after the viewers' last word.
            self.gone.set()
            return
        self._all.remove(trainer)
        await trainer.leave()
        if trainer is self._first:
            self._left()
        else:
            trainer.line.close()

    # Others.

    def _knocked(self) -> None:
        assert self._door is not None
        with contextlib.suppress(OSError):
            knocking, _ = self._door.accept()
            self._follow(self._admit(knocking))

    async def _admit(self, knocking: socket.socket) -> None:
        line = Line(knocking)
        try:
            start = await asyncio.wait_for(line.first(), PATIENCE)
        except asyncio.TimeoutError:
            start = None
        problem = None if start is None else self._refusal(start)
        if problem is not None:
            line.send({"op": "refused", "message": problem})
        if start is None or problem is not None or self._site is None or self._door is None:
            line.close()  # Without a word: it is to knock again.
            return
        line.send({"op": "listening", **self._site.address, "token": self._keys.best})
        self._add(start, line, attach)

    def _refusal(self, start: dict[str, Any]) -> str | None:
        """Why another process may not share this server; None: it may."""
        if start.get("op") != "start" or start.get("version") != __version__:
            return f"it is of version {start.get('version')}, and the one that serves of {__version__}"
        if not start.get("made") and not _alike(start.get("token"), self._keys.token):
            return "it has another videoStreamToken than the one that serves"
        if not _alike(start.get("asked"), self._asked):
            return "it has other videoStreamTokens than the one that serves"
        if len(self._all) >= MOST:
            return f"{MOST} processes share it already"
        return None


def _alike(theirs: object, ours: object) -> bool:
    """Whether two tokens, or sets of them, are the same; how long it takes tells nothing."""
    return hmac.compare_digest(*(json.dumps(each, sort_keys=True).encode() for each in (theirs, ours)))


def attach(message: dict[str, Any], descriptors: list[int]) -> Block:
    """The block of another process, from the descriptor that came with its announcement."""
    descriptor = descriptors.pop(0)
    try:
        return Block.attach(descriptor, message["max_pixels"])
    finally:
        os.close(descriptor)

"""The server: one event loop that listens, takes frames in, and sends them out, until its trainer is gone."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envstream import settings as given
from envstream.config import StreamConfig
from envstream.errors import AddressError, EnvstreamError
from envstream.hub import Hub
from envstream.web.line import Line
from envstream.web.listening import bind_patiently, new_loop
from envstream.web.site import Site
from envstream.web.trainer import Attach
from envstream.web.works import Works

log = logging.getLogger("envstream")

Call = Callable[[], None]


LEFTOVERS = 5.0  # Seconds in which what was under way is broken off.


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Host:
    """What the process that a server runs in does about it. Called on the event loop.

    Attributes:
        up: it listens.
        left: the trainer that began it is gone, and it goes on for others.
        beat: it lives; once a second.
        ends: it begins to end.
        begins: it was told how; with its settings, and the message that told it.
    """

    up: Call = _nothing
    left: Call = _nothing
    beat: Call = _nothing
    ends: Call = _nothing
    begins: Callable[[StreamConfig, dict[str, Any]], None] = lambda settings, start: None


class Server:
    """Serves one hub over one port, fed by the control lines of trainers, until the last of them is gone.

    Args:
        line: the first control line's end; its first message says how to start.
        attach: how to come by a block that the trainer announced.
        host: the process that it runs in.
    """

    def __init__(self, line: socket.socket, attach: Attach, host: Host) -> None:
        self._host = host
        self._line = Line(line)
        self._attach = attach
        self._pageless = ""  # Why there is no page.

    async def run(self) -> None:
        """Serve until the last control line ends, then say so to the viewers and stop."""
        start = await self._line.first()
        if start is None:
            return
        settings = given.read(start["settings"])
        self._host.begins(settings, start)
        self._hub = hub = Hub(settings, run=start.get("run"))
        hub.alone = bool(start.get("serve"))
        listener: socket.socket | None = None
        try:
            listener = await self._listener(settings, start["port"])
            works = Works(hub, start, self._line, listener, self._host.left)
        except EnvstreamError as error:
            self._line.send({"op": "failed", "message": str(error)})
            if listener is not None:
                listener.close()
            hub.close()
            return
        await self._serve(works, start)
        hub.close()

    async def _serve(self, works: Works, start: dict[str, Any]) -> None:
        trainers, site = works.trainers, works.site
        trainers.begin(start, self._line, self._attach)
        beat = asyncio.ensure_future(self._beat(works, start["pid"]))
        # Where nothing is served, it goes on until the run ends.
        serving = asyncio.get_running_loop().create_future() if site is None else await site.start()
        self._listens(site, works.unfinished)
        trainers.meet(start, site)
        gone = asyncio.ensure_future(trainers.gone.wait())
        await asyncio.wait((gone, serving), return_when=asyncio.FIRST_COMPLETED)
        beat.cancel()
        self._host.ends()
        await works.finish()

    async def _listener(self, settings: StreamConfig, port: int) -> socket.socket | None:
        """Where to listen; None where there is no page: all is shown elsewhere, or only recorded.

        Raises:
            AddressError: when it cannot be listened there, and nothing is recorded that could go on without.
        """
        self._pageless = ""
        if not settings.videoStream or (settings.videoStreamHub is not None and not self._hub.alone):
            return None
        try:
            return await bind_patiently(settings.videoStreamHost, port)
        except AddressError as error:
            if not settings.videoRecord:
                raise
            self._pageless = str(error)
            return None

    def _listens(self, site: Site | None, unfinished: int) -> None:
        if site is None:
            self._line.send({"op": "pageless", "message": self._pageless})
        else:
            self._line.send({"op": "listening", **site.address, "unfinished": unfinished})
        # What is recorded the trainer draws as quickly as it can: a server that gave way would lag behind.
        if not self._hub.config.videoRecord:
            self._host.up()

    async def _beat(self, works: Works, trainer: int) -> None:
        """Once a second: what came without a wake-up, the status, and whether the trainer still lives."""
        local = trainer == os.getpid()
        while True:
            self._host.beat()
            await asyncio.sleep(1.0)
            try:
                works.look(time.monotonic())
            except Exception:  # One bad beat must not be the last.
                log.exception("envstream: the server's once-a-second round failed")
            # End of file says it first, unless a forked process holds the line open.
            if not local and sys.platform != "win32" and os.getppid() != trainer:
                self._line.ended.set()


def run(line: socket.socket, attach: Attach, host: Host | None = None) -> None:
    """Run a server in this thread until the last trainer is gone; see `Server`."""

    async def serve() -> None:
        await Server(line, attach, host or Host()).run()
        # Twice: a thread of the pages may have begun something meanwhile, and would wait for it for ever.
        for _ in range(2):
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            if rest:
                await asyncio.wait(rest, timeout=LEFTOVERS)

    loop = new_loop()
    try:
        loop.run_until_complete(serve())
    finally:
        loop.close()
        line.close()

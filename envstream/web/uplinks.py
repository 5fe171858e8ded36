"""The uplinks: all streams of a run on their way to one server elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from envstream.hub import Hub
from envstream.push.address import Address
from envstream.stream import Say, Stream
from envstream.web.fanout import Fanout
from envstream.web.uplink import Uplink

log = logging.getLogger("envstream")


class Uplinks:
    """The uplinks of all streams of a run. Lives on the event loop.

    Args:
        secret: of this run, the same after a restart of the server.
        chosen: called when another quality was chosen over there.
        send: tells the trainer something; here, where its pictures are to be seen.
    """

    def __init__(
        self,
        hub: Hub,
        fanout: Fanout,
        secret: str,
        say: Say,
        chosen: Callable[[Stream], None],
        send: Callable[[dict[str, Any]], None],
    ) -> None:
        config = hub.config
        assert config.videoStreamHub is not None
        token = (config.videoStreamTokens or {}).get("publish") or config.videoStreamToken
        self._address = Address.read(config.videoStreamHub, token)
        self._hub = hub
        self._fanout = fanout
        self._secret = secret
        self._say = say
        self._chosen = chosen
        self._send = send
        self._is_up = False
        self._running: dict[str, tuple[Stream, Uplink, asyncio.Future[None]]] = {}

    def opened(self, stream: Stream) -> None:
        """A stream has begun, perhaps one of a name that was there before."""
        before = self._running.pop(stream.name, None)
        if before is not None:
            before[2].cancel()
        proof = hashlib.sha256(f"{self._secret}\0{stream.name}".encode(errors="replace")).hexdigest()
        name = hashlib.sha256(stream.name.encode(errors="replace")).hexdigest()
        session = f"{self._hub.run[:16]}-{name[:12]}"
        uplink = Uplink(stream, self._fanout, session, proof, self._say, self._chosen, self._up)
        task = asyncio.ensure_future(uplink.run(self._address))
        task.add_done_callback(_look_back)
        self._running[stream.name] = stream, uplink, task

    def look(self) -> None:
        """Called about once a second."""
        for name, (stream, uplink, task) in list(self._running.items()):
            if not stream.ended:
                uplink.look()
            elif task.done():
                del self._running[name]
            elif not uplink.end():
                task.cancel()

    async def finish(self, seconds: float) -> None:
        """The run has ended: the other side is told, if that takes no longer than so many seconds."""
        told = [task for _, uplink, task in self._running.values() if uplink.end()]
        if told:
            await asyncio.wait(told, timeout=seconds)
        for _, _, task in self._running.values():
            task.cancel()

    def _up(self) -> None:
        """A connection stands: what the run shows is to be seen over there."""
        if not self._is_up:
            self._is_up = True
            page = urlsplit(self._address.http)
            port = page.port or (443 if page.scheme == "https" else 80)
            self._send({"op": "listening", "scheme": page.scheme, "host": page.hostname, "port": port})


def _look_back(task: asyncio.Future[None]) -> None:
    """An uplink has ended; if by a mistake of ours, that is not to be lost."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("envstream: an uplink broke down for good", exc_info=error)

"""Away: how a run's streams get to servers elsewhere, and how such a server comes by those of many runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from envstream.bus.pages import BusPages
from envstream.bus.uplinks import BusUplinks
from envstream.checks import BUSES
from envstream.hub import Hub
from envstream.stream import Say, Stream
from envstream.web.fanout import Fanout
from envstream.web.trainer import identity_of
from envstream.web.uplinks import Uplinks

Chosen = Callable[[Stream], None]
Send = Callable[[dict[str, Any]], None]


class Away(Protocol):
    """What leads a run's streams elsewhere."""

    def opened(self, stream: Stream) -> None:
        """A stream has begun."""

    def look(self) -> None:
        """Called about once a second."""

    async def finish(self, seconds: float) -> None:
        """The run has ended: the other side is told, if that takes no longer than so many seconds."""


class Nowhere:
    """What is shown, is shown here."""

    def opened(self, stream: Stream) -> None:
        """Stays."""

    def look(self) -> None:
        """Nothing to do."""

    async def finish(self, seconds: float) -> None:
        """Nothing to say."""


class Source(Nowhere):
    """Streams of many workers, for a page server.

    Args:
        listeners: who looks at this server's pages.
    """

    def __init__(self, pages: BusPages, listeners: Callable[[], object]) -> None:
        self._pages = pages
        self._listeners = listeners
        asyncio.get_running_loop().call_soon(pages.start)

    def look(self) -> None:
        self._pages.looking = bool(self._listeners())
        self._pages.look()

    async def finish(self, seconds: float) -> None:
        await self._pages.finish(seconds)


def is_bus(address: str | None) -> bool:
    """Whether an address is that of a bus, between many workers and many servers."""
    return address is not None and urlsplit(address).scheme in BUSES


def away(hub: Hub, fanout: Fanout, start: dict[str, Any], say: Say, chosen: Chosen, send: Send) -> Away:
    """What leads the streams of a trainer to where its settings have them shown.

    Raises:
        EnvstreamError: that cannot be.
    """
    where = hub.config.videoStreamHub
    if where is None:
        return Nowhere()
    if is_bus(where):
        return BusUplinks(hub, fanout, identity_of(start), say, chosen, send)
    return Uplinks(hub, fanout, start["secret"], say, chosen, send)

"""The site: what answers browsers and publishers on one port, as long as it is wanted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from envstream.config import StreamConfig
from envstream.errors import AddressError
from envstream.web.asgi import Application
from envstream.web.door import Door
from envstream.web.guard import Guard
from envstream.web.listening import uvicorn_config
from envstream.web.tls import certificate_of

SOON_OVER = 2.0  # Seconds in which connections end by themselves.


class Site:
    """Serves an application over one listening socket.

    Args:
        say: told of what keeps browsers out.
        notebook: whether notebooks show the page in their cells.

    Attributes:
        address: scheme, host and port, as a trainer is told of them, and a certificate's fingerprint.

    Raises:
        AddressError: when it cannot be served as the settings say.
    """

    def __init__(
        self,
        application: Application,
        settings: StreamConfig,
        listener: socket.socket,
        say: Callable[[str], None],
        *,
        notebook: bool = False,
    ) -> None:
        self._application = application
        self._listener = listener
        self._say = say
        self._door: Door | None = None
        files = certificate_of(settings)
        believed = files is not None and files.fingerprint is None
        guarded = Guard(application, notebook=notebook, secure=believed)
        configuration = uvicorn_config(guarded, files)
        host, port = settings.videoStreamHost, listener.getsockname()[1]
        try:
            configuration.load()
        except OSError as error:  # Of ssl, too.
            raise AddressError(
                f"cannot listen on {host}:{port} with https ({error}); videoStreamTlsCert is to be a PEM "
                "certificate chain, and videoStreamTlsKey its private key"
            ) from error
        finally:
            if files is not None:
                files.loaded()
        self._uvicorn = uvicorn.Server(configuration)
        self._serving: asyncio.Future[None] | None = None
        self.address: dict[str, Any] = {"scheme": scheme_of(settings), "host": host, "port": port}
        if files is not None and files.fingerprint is not None:
            self.address["fingerprint"] = files.fingerprint

    async def start(self) -> asyncio.Future[None]:
        """Serve from now on; what is given back is done when that has ended."""
        self._serving = asyncio.ensure_future(self._uvicorn.serve([]))  # Our own door leads to it.
        while not self._uvicorn.started and not self._serving.done():
            await asyncio.sleep(0.005)
        if not self._serving.done():
            inside, secure = self._uvicorn.server_state.connections, self._uvicorn.config.ssl
            self._door = Door(self._listener, self._welcome, lambda: len(inside), self._say, secure)
            self._door.open()
        return self._serving

    def _welcome(self) -> asyncio.Protocol:
        """What talks to a connection that came in."""
        server = self._uvicorn
        return server.config.http_protocol_class(  # type: ignore[call-arg]
            config=server.config, server_state=server.server_state, app_state=server.lifespan.state
        )

    @property
    def listening(self) -> bool:
        """Whether its port is open."""
        return self._uvicorn.started and self._listener.fileno() != -1

    @property
    def connections(self) -> int:
        """How many connections there are, of any kind."""
        return len(self._uvicorn.server_state.connections)

    @property
    def listeners(self) -> set[Callable[[str], None]]:
        """Who is told how the streams are."""
        return self._application.listeners

    def release(self) -> None:
        """Let go of the port at once: a restarted trainer wants it. Who is connected stays."""
        if self._door is not None:
            self._door.close()
        self._listener.close()

    async def stop(self) -> None:
        """End it, politely at first."""
        self.release()
        self._uvicorn.should_exit = True
        if self._serving is not None:
            await asyncio.wait({self._serving}, timeout=SOON_OVER)
        for connection in list(self._uvicorn.server_state.connections):
            connection.transport.abort()  # One that neither reads nor goes.
        self._application.close()


def scheme_of(settings: StreamConfig) -> str:
    """How addresses of the page begin."""
    return "https" if settings.videoStreamTlsCert else "http"

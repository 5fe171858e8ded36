"""Where and how a server listens: the wanted port or the next free one, uvicorn, the event loop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from typing import Any

import uvicorn

from envstream.errors import AddressError
from envstream.web.http_protocol import HttpProtocol
from envstream.web.messages import LONGEST_MESSAGE
from envstream.web.socket_protocol import SocketProtocol
from envstream.web.tls import Files

PORTS_TRIED = 100  # From the wanted port upwards, when it is taken.
PINGS = 20.0  # Seconds between two pings of a WebSocket, and until one that is not answered ends it.
PATIENCE = 1.0  # Seconds in which a taken port may become free.


def bind(host: str, port: int) -> socket.socket:
    """A listening socket at `port`, or at the next free one when that is taken; 0 = any.

    Raises:
        AddressError: when `host` is no address of this machine, or no port is free.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise AddressError.cannot_bind(host, port, error) from error
    last: OSError | None = None
    for candidate in range(port, min(port + PORTS_TRIED, 65536) if port else 1):
        listener = socket.socket(family, kind)
        try:
            if sys.platform != "win32":  # There it would let two servers share a port.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address[0], candidate, *address[2:]))
            listener.listen(2048)
            return listener
        except OSError as error:
            listener.close()
            last = error
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                break
    raise AddressError.cannot_bind(host, port, last.strerror if last else "no port is free")


async def bind_patiently(host: str, port: int) -> socket.socket:
    """Like `bind`, but a run that was started again gets the port of the one that is just ending.

    Raises:
        AddressError: as `bind` does.
    """
    for _ in range(int(PATIENCE / 0.1)):
        listener = bind(host, port)
        if port in (0, listener.getsockname()[1]):
            return listener
        listener.close()
        await asyncio.sleep(0.1)
    return bind(host, port)


def uvicorn_config(application: Any, files: Files | None) -> uvicorn.Config:
    """uvicorn with our protocols, quiet, without compression of frames and without lifespan.

    Args:
        files: what https is served with; None = http.
    """
    # What it says of single connections holds addresses, and those may hold tokens.
    logging.getLogger("uvicorn.error").addFilter(_grave)
    return uvicorn.Config(
        application,
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,
        ws_ping_interval=PINGS,
        ws_ping_timeout=PINGS,
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=None if files is None else files.certificate,
        ssl_keyfile=None if files is None else files.key,
    )


def _grave(record: logging.LogRecord) -> bool:
    """Whether it matters; that a peer left before it was let in does not."""
    return record.levelno >= logging.ERROR and "without completing handshake" not in str(record.msg)


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop where it is installed; else asyncio's that can watch sockets."""
    try:
        import uvloop
    except ImportError:
        return asyncio.SelectorEventLoop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop

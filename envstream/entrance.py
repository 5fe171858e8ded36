"""The entrance: where a page is, what opens it, and how it is told to people."""

from __future__ import annotations

import getpass
import secrets
import socket
import sys
from urllib.parse import quote

from envstream.config import StreamConfig
from envstream.links.worker import Address


def place_of(config: StreamConfig, *, serves: bool = False) -> tuple[str, int] | None:
    """Where processes with these settings find each other's server; None: each has its own, if any.

    Args:
        serves: whether it is a server on its own, which shows here also what comes from elsewhere.
    """
    elsewhere = config.videoStreamHub is not None and not serves
    if not config.videoStream or elsewhere or config.videoStreamPort == 0:
        return None
    return config.videoStreamHost, config.videoStreamPort


def token_of(config: StreamConfig, *, serves: bool = False) -> str | None:
    """What opens the page of a server with these settings, made where there has to be one; None = nothing."""
    token = config.videoStreamToken
    if config.videoStreamHub is not None and not serves:
        return token  # Whatever opens the page there; it is not for us to make.
    if token == "auto" or (token is None and (not config.loopback or in_notebook_kernel())):
        return secrets.token_urlsafe(16)
    return token


def query_of(token: str | None) -> str:
    """What an address of the page needs to be let in."""
    return f"?token={quote(token, safe='')}" if token else ""


def in_notebook_kernel() -> bool:
    """Whether this is a Jupyter kernel.

    There a token is made on loopback too: Jupyter's proxy passes the name of its own host on, which is
    trusted only with a token, and a hub's machine has many users.
    """
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def announcement(address: Address, query: str) -> str:
    """The line printed at the start: where the page is, and how to reach it from a laptop."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # A container without an entry for this user; Windows.
        user = "user"
    port, host = address.port, address.host
    everywhere = host in ("0.0.0.0", "::")
    name = socket.gethostname()
    url = f"{address.scheme}://{name}:{port}/{query}" if everywhere else address.url + query
    inner = "127.0.0.1" if everywhere else host
    return (
        f"envstream: watch at {url}\n"
        f"envstream: from your laptop: ssh -L {port}:{inner}:{port} {user}@{name} "
        f"and then {address.scheme}://127.0.0.1:{port}/{query}"
    )

"""The entrance: where a page is, what opens it, and how it is told to people."""

from __future__ import annotations

import getpass
import secrets
import socket
import sys
from collections.abc import Mapping
from typing import NamedTuple
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


class Keys(NamedTuple):
    """What opens the page of a server.

    Attributes:
        token: the one for everything; None = there is none.
        roles: tokens by role.
    """

    token: str | None
    roles: Mapping[str, str]

    @property
    def best(self) -> str | None:
        """The token with which a page can do most."""
        found = (self.roles.get(role) for role in ("admin", "control", "view"))
        return self.token or next((token for token in found if token), None)


def keys_of(config: StreamConfig, *, serves: bool = False) -> Keys:
    """What opens the page of a server with these settings, made where there has to be something."""
    token, roles = config.videoStreamToken, config.videoStreamTokens or {}
    if config.videoStreamHub is not None and not serves:
        # Whatever opens the page there; it is not for us to make.
        return Keys(token, {role: text for role, text in roles.items() if text != "auto"})
    needed = token is None and not roles and (not config.loopback or in_notebook_kernel())
    if token == "auto" or needed:
        token = secrets.token_urlsafe(16)
    made = {role: secrets.token_urlsafe(16) if text == "auto" else text for role, text in roles.items()}
    return Keys(token, made)


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


def announcement(address: Address, keys: Keys) -> str:
    """What is printed at the start: where the page is, how to reach it from a laptop, what else opens it."""
    query = query_of(keys.best)
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # A container without an entry for this user; Windows.
        user = "user"
    port, host = address.port, address.host
    everywhere = host in ("0.0.0.0", "::")
    name = socket.gethostname()
    url = f"{address.scheme}://{name}:{port}/{query}" if everywhere else address.url + query
    inner = "127.0.0.1" if everywhere else host
    lines = [
        f"envstream: watch at {url}",
        f"envstream: from your laptop: ssh -L {port}:{inner}:{port} {user}@{name} "
        f"and then {address.scheme}://127.0.0.1:{port}/{query}",
    ]
    if address.fingerprint is not None:
        lines.append(f"envstream: its certificate's SHA-256 fingerprint: {address.fingerprint}")
    others = {role: token for role, token in keys.roles.items() if token != keys.best}
    lines += [f"envstream: token of the role {role}: {token}" for role, token in others.items()]
    return "\n".join(lines)

"""A bus's address: which Redis server, who we are there, and what our keys begin with."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from envstream.errors import EnvstreamError

SCHEMES = ("redis", "rediss")  # The second is with TLS.
PORT = 6379
PREFIX = "envstream"

_EXPECTED = "expected an address such as redis://host:6379/0 or rediss://user:password@host?prefix=lab"
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_HIGHEST = 65_535  # Number of a database; servers have 16 of them, unless they were told otherwise.


class BusAddress(NamedTuple):
    """A Redis server's address.

    Attributes:
        tls: whether the connection is encrypted.
        db: number of the database.
        user: None = the default one.
        password: None = none is wanted there.
        prefix: what all keys and channels begin with; who has another one is not met.
        ca: file with the certificates that are trusted; None = those of this machine.
    """

    tls: bool
    host: str
    port: int = PORT
    db: int = 0
    user: str | None = None
    password: str | None = None
    prefix: str = PREFIX
    ca: str | None = None

    @classmethod
    def read(cls, url: str) -> BusAddress:
        """Reads what somebody typed.

        Raises:
            EnvstreamError: it cannot be meant. What it says has no password in it.
        """
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise EnvstreamError(
                f"{_without_password(url)!r}: {_EXPECTED}; its host or port is none"
            ) from error
        shown = _without_password(url)
        if parts.scheme.lower() not in SCHEMES or not host or port == 0:
            raise EnvstreamError(f"{shown!r}: {_EXPECTED}")
        if parts.fragment:
            raise EnvstreamError(f"{shown!r}: {_EXPECTED}; write a # in a password as %23")
        asked = _asked(parts.query, shown)
        return cls(
            parts.scheme.lower() == "rediss",
            host,
            port or PORT,
            _db(parts.path, shown),
            unquote(parts.username or "") or None,
            unquote(parts.password or "") or None,
            _prefix(asked.get("prefix", PREFIX), shown),
            asked.get("ca") or None,
        )

    @property
    def shown(self) -> str:
        """The address as everybody may read it: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        prefix = "" if self.prefix == PREFIX else f"?prefix={self.prefix}"
        return f"{SCHEMES[self.tls]}://{host}:{self.port}/{self.db}{prefix}"


def is_bus(url: str | None) -> bool:
    """Whether an address is a bus's, and not that of a server with a page."""
    return url is not None and url.strip().lower().startswith(tuple(f"{each}://" for each in SCHEMES))


def _asked(query: str, shown: str) -> dict[str, str]:
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if set(asked) - {"prefix", "ca"}:  # Not named: it may be a piece of a password that has a ?.
        raise EnvstreamError(f"{shown!r}: {_EXPECTED}; behind the ? there may be prefix and ca, nothing else")
    return asked


def _db(path: str, shown: str) -> int:
    text = path.strip("/")
    if text and not (text.isascii() and text.isdigit() and int(text) <= _HIGHEST):
        raise EnvstreamError(f"{shown!r}: {_EXPECTED}; behind the host stands the number of a database")
    return int(text or 0)


def _prefix(text: str, shown: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise EnvstreamError(
            f"{shown!r}: {_EXPECTED}; a prefix has 1 to 64 letters, digits and any of . : _ -"
        )
    return text


def _without_password(url: str) -> str:
    """An address with what stands before its last @ left out: a secret may have been written anyhow."""
    scheme, mark, rest = url.strip().partition("://")
    if not mark:
        scheme, rest = "", url.strip()
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"

"""An address: where a server takes frames, and where it gives what came of them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from envstream.errors import EnvstreamError

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_EXPECTED = "expected an address such as http://host:8080 or wss://host/stream"


class Address(NamedTuple):
    """A server's address.

    Attributes:
        stream: the WebSocket's, without the token.
        http: of the pages, without a slash at its end.
        token: what the server wants to see; None = nothing.
    """

    stream: str
    http: str
    token: str | None

    @classmethod
    def read(cls, url: str, token: str | None = None) -> Address:
        """Reads what somebody typed.

        Args:
            token: goes before one in the address.

        Raises:
            EnvstreamError: it cannot be meant.
        """
        try:
            parts = urlsplit(url.strip())
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise EnvstreamError(f"{url!r}: {_EXPECTED} ({error})") from error
        scheme = _SCHEMES.get(parts.scheme.lower())
        if scheme is None or not host:
            raise EnvstreamError(f"{url!r}: {_EXPECTED}")
        query = parse_qsl(parts.query, keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), None)
        rest = urlencode([pair for pair in query if pair[0] != "token"])
        base = parts.path.rstrip("/").removesuffix("/stream")
        netloc = parts.netloc.rpartition("@")[2]
        secure = "s" if scheme == "wss" else ""
        return cls(
            urlunsplit((scheme, netloc, f"{base}/stream", rest, "")),
            urlunsplit((f"http{secure}", netloc, base, "", "")),
            token or given or None,
        )

    def file(self, session: str, name: str) -> str:
        """Where a file of a session is."""
        return f"{self.http}/sessions/{quote(session, safe='')}/{name}"

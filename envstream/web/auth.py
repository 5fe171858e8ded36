"""Who may see and who may steer: token, Host and Origin. Pure: a request's parts in, a verdict out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


class Verdict(NamedTuple):
    """Whether a request goes through, and what to answer if not. `cookie` is to be set when not None."""

    status: int
    reason: str = ""
    cookie: str | None = None

    @property
    def allowed(self) -> bool:
        return self.status == 200


class Access:
    """The rules of one server.

    * With a token: it must come as `?token=`, as `Authorization: Bearer`, or as the cookie that the page set.
    * Without one (loopback only): the Host must be a loopback name, or one of `hosts`. A page of another
      site that had its name rebound to 127.0.0.1 still sends its own name there.
    * An Origin, where the browser sends one, must be this server as the browser sees it. Sockets always
      carry one.
    * What steers the run is done for no page of another site, whatever the method: an image there is
      fetched with GET and without an Origin. Browsers say from where a request comes in Sec-Fetch-Site;
      of those too old for it, the Referer is believed.
    """

    def __init__(self, token: str | None, hosts: Iterable[str] = (), scheme: str = "http") -> None:
        self._token = token
        self._hosts = frozenset(host.lower() for host in hosts)
        self._secure = scheme == "https"
        # Cookies are shared by all ports of a host: each token has a cookie of its own. It holds a digest,
        # so that a leaked cookie is not the token.
        digest = hashlib.sha256(b"envstream\0" + (token or "").encode()).hexdigest()
        self.cookie_name = f"envstream-{digest[:8]}"
        self._cookie_value = digest[8:]

    def judge(self, headers: Mapping[str, str], query: str, *, steers: bool = False) -> Verdict:
        """Judge a request by its headers (names in lower case), its query string, and what it would do."""
        host = headers.get("host", "")
        if not self._host_known(host):
            return Verdict(
                403,
                f"this server does not answer to the name {_name(host)!r}; open it as http://127.0.0.1:PORT/ "
                f"or list the name in videoStreamAllowedHosts",
            )
        if not self._origin_fits(headers, host) or (steers and not self.may_steer(headers)):
            return Verdict(
                403,
                "a page of another site asked for this; if a reverse proxy stands between, list its host "
                "name in videoStreamAllowedHosts",
            )
        if self._token is None:
            return Verdict(200)
        return self._token_verdict(headers, query)

    def _token_verdict(self, headers: Mapping[str, str], query: str) -> Verdict:
        assert self._token is not None
        if _same(_token_in(query), self._token):
            return Verdict(200, cookie=self._cookie())
        bearer = headers.get("authorization", "")
        if bearer[:7].lower() == "bearer " and _same(bearer[7:].strip(), self._token):
            return Verdict(200)
        if _same(_cookies(headers.get("cookie", "")).get(self.cookie_name, ""), self._cookie_value):
            return Verdict(200)
        return Verdict(
            401, "this page needs its token: open the full address that the run printed at its start"
        )

    def _cookie(self) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{self.cookie_name}={self._cookie_value}; Path=/; HttpOnly; SameSite=Strict{secure}"

    def _host_known(self, host: str) -> bool:
        # With a token another site's page, even one rebound to this address, gets nothing: it has no cookie.
        return self._token is not None or _name(host) in LOOPBACK_NAMES | self._hosts

    def may_steer(self, headers: Mapping[str, str]) -> bool:
        """Whether a page of this server asked, or no page at all: curl, a script, the address bar."""
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site.lower() in ("same-origin", "none")
        referer = headers.get("referer")
        if referer is None:
            return True
        return self._ours("/".join(referer.split("/")[:3]), headers, headers.get("host", ""))

    def _origin_fits(self, headers: Mapping[str, str], host: str) -> bool:
        origin = headers.get("origin")
        return origin is None or self._ours(origin, headers, host)

    def _ours(self, origin: str, headers: Mapping[str, str], host: str) -> bool:
        """Whether an origin is this server as the browser sees it."""
        scheme, _, netloc = origin.lower().partition("://")
        if scheme not in ("http", "https") or not netloc:  # Such as "null", of a page without an address.
            return False
        # A browser lets no page set X-Forwarded-Host on a socket or, unasked, on a request to another site.
        forwarded = headers.get("x-forwarded-host", "").split(",")[0].strip().lower()
        return netloc in (host.lower(), forwarded) or _name(netloc) in self._hosts


def _token_in(query: str) -> str:
    try:
        return parse_qs(query, max_num_fields=64).get("token", [""])[0] if "token=" in query else ""
    except ValueError:
        return ""


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return (urlsplit("//" + host).hostname or "").lower()
    except ValueError:
        return ""


def _cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs}

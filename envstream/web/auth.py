"""Who may see and who may steer: token, Host and Origin. Pure: a request's parts in, a verdict out."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from envstream.web.roles import ADMIN, COVERS, OTHERWISE, Role, Rule, lacking

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE = "envstream-"


@dataclass(frozen=True)
class Verdict:
    """Whether a request goes through, and what to answer if not.

    Attributes:
        cookie: to be set when not None.
        role: of the token that was shown; None = there was none that is right.
        guessed: a token was shown that is wrong.
        wait: seconds after which it may be tried again; 0 = nothing is said of that.
    """

    status: int
    reason: str = ""
    cookie: str | None = None
    role: Role | None = None
    guessed: bool = False
    wait: float = 0.0

    @property
    def allowed(self) -> bool:
        return self.status == 200


class Access:
    """The rules of one server.

    * With tokens: one must come as `?token=`, as `Authorization: Bearer`, or as the cookie that the page set,
      and its role must be one of those that the address needs.
    * Without one (loopback only): the Host must be a loopback name, or one of `hosts`. A page of another
      site that had its name rebound to 127.0.0.1 still sends its own name there.
    * An Origin, where the browser sends one, must be this server as the browser sees it. Sockets always
      carry one.
    * What steers the run is done for no page of another site, whatever the method: an image there is
      fetched with GET and without an Origin. Browsers say from where a request comes in Sec-Fetch-Site;
      of those too old for it, the Referer is believed.

    Args:
        token: the one for everything.
        tokens: further ones, by role.
        key: what cookies are made with: without it nobody can make one, not even by guessing a token.
    """

    def __init__(
        self,
        token: str | None,
        hosts: Iterable[str] = (),
        scheme: str = "http",
        tokens: Mapping[str, str] | None = None,
        key: bytes = b"",
    ) -> None:
        by_role = {Role(name): text for name, text in (tokens or {}).items()}
        all_for_one = [] if token is None else [(ADMIN, token)]
        self._tokens = [*all_for_one, *by_role.items()]
        self._hosts = frozenset(host.lower() for host in hosts)
        self._secure = scheme == "https"
        self._key = key
        # Cookies are shared by all ports of a host: each token has a cookie of its own.
        self._cookies = {role: self._crumb(role, text) for role, text in self._tokens}

    def judge(
        self,
        headers: Mapping[str, str],
        query: str,
        *,
        steers: bool = False,
        rule: Rule = OTHERWISE,
        blind: float = 0.0,
    ) -> Verdict:
        """Judge a request.

        Args:
            headers: names in lower case.
            query: the address's.
            steers: whether it would change something.
            rule: who may do it.
            blind: seconds for which tokens of this client are not looked at: it has guessed too often.
        """
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
        if not self._tokens:
            return Verdict(200, role=ADMIN)
        return self._by_rule(self._shown(headers, query, blind), rule)

    def _by_rule(self, shown: Verdict, rule: Rule) -> Verdict:
        """What becomes of what was shown, at an address of this rule."""
        if rule.allows(shown.role):
            return replace(shown, status=200, reason="", wait=0.0)
        if shown.role is None:
            return shown
        return replace(shown, status=403, reason=lacking(rule, shown.role))

    def _shown(self, headers: Mapping[str, str], query: str, blind: float) -> Verdict:
        """Which role the request shows; 401 or 429 where it shows none."""
        asked = _token_in(query)
        tried = asked or _bearer(headers)
        role = self._role_of(tried) if tried and not blind else None
        if role is not None:
            return Verdict(200, cookie=self._cookie(role) if asked else None, role=role)
        role = self._role_in(headers.get("cookie", ""))
        if role is not None:
            return Verdict(200, role=role, guessed=bool(tried) and not blind)
        if tried and blind:
            return Verdict(429, "too many wrong tokens came from this address; wait a little", wait=blind)
        reason = "this page needs its token: open the full address that the run printed at its start"
        return Verdict(401, reason, guessed=bool(tried))

    def _role_of(self, text: str) -> Role | None:
        """The role of a token; all are compared, so that the time tells nothing."""
        return _largest([role for role, token in self._tokens if _same(text, token)])

    def _role_in(self, header: str) -> Role | None:
        given = _cookies(header)
        return _largest(
            [role for role, (name, value) in self._cookies.items() if _same(given.get(name, ""), value)]
        )

    def _crumb(self, role: Role, token: str) -> tuple[str, str]:
        """Name and value of the cookie of a token. It cannot be made of the token, nor the token of it."""
        what = f"envstream\0{role.value}\0{token}".encode(errors="surrogatepass")
        digest = hmac.digest(self._key, what, "sha256").hex()
        return f"{COOKIE}{digest[:8]}", digest[8:]

    def _cookie(self, role: Role) -> str:
        name, value = self._cookies[role]
        secure = "; Secure" if self._secure else ""
        return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"

    def _host_known(self, host: str) -> bool:
        # With a token another site's page, even one rebound to this address, gets nothing: it has no cookie.
        return bool(self._tokens) or _name(host) in LOOPBACK_NAMES | self._hosts

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


def _largest(roles: list[Role]) -> Role | None:
    """The one that may do most."""
    return max(roles, key=lambda role: len(COVERS[role]), default=None)


def _token_in(query: str) -> str:
    try:
        return parse_qs(query, max_num_fields=64).get("token", [""])[0] if "token=" in query else ""
    except ValueError:
        return ""


def _bearer(headers: Mapping[str, str]) -> str:
    said = headers.get("authorization", "")
    return said[7:].strip() if said[:7].lower() == "bearer " else ""


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(
        given.encode("utf-8", "surrogateescape"), expected.encode(errors="surrogatepass")
    )


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return (urlsplit("//" + host).hostname or "").lower()
    except ValueError:
        return ""


def _cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs}

"""The gate: what is decided of every request before anything else looks at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from envstream.web.auth import Access, Verdict
from envstream.web.limits import Limits
from envstream.web.roles import SOCKET, VIEW, Role, rule_for

READING = ("GET", "HEAD", "OPTIONS")
FORWARDED = b"x-forwarded-for"

Clock = Callable[[], float]


class Gate:
    """Access, roles and limits of one server, asked in their order. Lives on the event loop.

    Args:
        listed: whether a path is that of a camera whose own token opens it.
        clock: seconds.
    """

    def __init__(self, access: Access, limits: Limits, listed: Callable[[str], bool], clock: Clock) -> None:
        self._access = access
        self._limits = limits
        self._listed = listed
        self._clock = clock

    def judge(self, scope: dict[str, Any]) -> Verdict:
        """Whether a request goes through; of an allowed one, in which role."""
        now, path = self._clock(), scope["path"]
        method = SOCKET if scope["type"] == "websocket" else scope["method"]
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        client = self._client(scope)
        if method == SOCKET or (method == "GET" and path == "/stream"):
            wait = self._limits.begin(client, now)
            if wait:
                reason = "too many connections begin from this address (videoStreamMaxHandshakes)"
                return Verdict(429, reason, wait=wait)
        rule = rule_for(method, path)
        own = rule.camera and self._listed(path)
        verdict = self._access.judge(
            headers,
            scope["query_string"].decode("latin-1"),
            steers=method not in READING and method != SOCKET,
            rule=rule._replace(roles=()) if own else rule,
            blind=self._limits.guess(client, now),
        )
        if verdict.guessed:
            self._limits.guessed(client, now)
        return verdict

    def _client(self, scope: dict[str, Any]) -> str:
        peer = scope.get("client")
        said = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED]
        return self._limits.client(peer[0] if peer else None, ",".join(said))


def role_of(verdict: Verdict) -> Role:
    """What the page is told of its role: who came in by a camera's own token sees that camera."""
    return verdict.role or VIEW

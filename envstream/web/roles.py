"""Roles: who may do what at which address. Pure: the one table, and what is looked up in it."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Role(str, Enum):
    """What a token is for."""

    VIEW = "view"  # See pages, pictures, figures, episodes and recordings.
    CONTROL = "control"  # The same, and steer: quality, recording, replay, opening a camera.
    PUBLISH = "publish"  # Send frames, and read what came of them; see nothing else.
    ADMIN = "admin"  # Everything.


VIEW, CONTROL, PUBLISH, ADMIN = Role
COVERS = {
    VIEW: frozenset({VIEW}),
    CONTROL: frozenset({VIEW, CONTROL}),
    PUBLISH: frozenset({PUBLISH}),
    ADMIN: frozenset(Role),
}
SOCKET = "WS"  # In the place of a method.


class Rule(NamedTuple):
    """One row: what is asked for, and who may ask; no role = anybody, without a token."""

    methods: tuple[str, ...]
    address: str  # As Flask writes them.
    roles: tuple[Role, ...]
    camera: bool = False  # Whether a listed camera's own token, which is in the address, is enough.

    def fits(self, method: str, path: str) -> bool:
        """Whether a request is one of this row."""
        alike = method == "OPTIONS" or (method == "HEAD" and "GET" in self.methods)
        return (alike or method in self.methods) and _PATTERNS[self.address].fullmatch(path) is not None

    def allows(self, role: Role | None) -> bool:
        """Whether a role may do it; None = who has shown no token."""
        return not self.roles or (role is not None and not COVERS[role].isdisjoint(self.roles))


_GET, _POST, _SOCKET = ("GET",), ("POST",), (SOCKET,)

# The first row that fits is the one that counts.
TABLE = (
    Rule(_GET, "/health", ()),
    Rule(_GET, "/health/live", ()),
    Rule(_GET, "/health/ready", ()),
    Rule(_GET, "/static/<path:name>", ()),
    Rule(_GET, "/favicon.ico", ()),
    Rule(_GET, "/", (VIEW,)),
    Rule(_GET, "/openapi.json", (VIEW,)),
    Rule(_SOCKET, "/ws", (VIEW,)),
    Rule(_GET, "/selftest", (VIEW,)),
    Rule(_SOCKET, "/ws/selftest", (VIEW,)),
    Rule(_GET, "/stream", (VIEW,)),
    Rule(_GET, "/screen", (VIEW,)),
    Rule(_GET, "/api/screenshot", (VIEW,)),
    Rule(_GET, "/stats", (VIEW,)),
    Rule(_GET, "/metrics", (VIEW,)),
    Rule(_GET, "/api/streams", (VIEW,)),
    Rule(_GET, "/api/streaming/stats", (VIEW,)),
    Rule(("GET", "POST"), "/api/streaming/quality/<level>", (CONTROL,)),
    Rule(_GET, "/api/episodes", (VIEW,)),
    Rule(_GET, "/api/episodes/<name>", (VIEW,)),
    Rule(_GET, "/api/episodes/<name>/pictures", (VIEW,)),
    Rule(_POST, "/api/replay", (CONTROL,)),
    Rule(_POST, "/api/record/<what>", (CONTROL,)),
    Rule(_GET, "/recordings/<name>", (VIEW,)),
    Rule(_SOCKET, "/stream", (PUBLISH,)),
    Rule(_POST, "/analyze", (PUBLISH,)),
    Rule(_GET, "/sessions/<name>/<file>", (VIEW, PUBLISH)),
    Rule(_GET, "/streaming/stats", (VIEW,)),
    Rule(_GET, "/api/sessions", (VIEW,)),
    Rule(_POST, "/api/sessions/<name>/end", (ADMIN,)),
    Rule(_GET, "/camera/<token>", (CONTROL,), camera=True),
    Rule(_SOCKET, "/ws/camera/<token>", (CONTROL,), camera=True),
    Rule(_GET, "/view/<token>", (VIEW,), camera=True),
    Rule(_SOCKET, "/ws/view/<token>", (VIEW,), camera=True),
    Rule(_GET, "/api/camera/<token>/stats", (VIEW,), camera=True),
)
OTHERWISE = Rule(("any",), "any other", (VIEW,))  # There is nothing; nor is that told to strangers.


def _pattern(address: str) -> re.Pattern[str]:
    """What an address looks like, from how Flask writes it."""
    parts = re.split(r"(<[^>]+>)", address)
    return re.compile("".join(map(_piece, parts)))


def _piece(part: str) -> str:
    if not part.startswith("<"):
        return re.escape(part)
    return ".+" if part.startswith("<path:") else "[^/]+"


_PATTERNS = {rule.address: _pattern(rule.address) for rule in TABLE}


def rule_for(method: str, path: str) -> Rule:
    """The row of a request; `method` is "WS" of a WebSocket's handshake.

    Flask takes `//stats` for `/stats`; so is it taken here.
    """
    path = "/" + path.lstrip("/")
    return next((rule for rule in TABLE if rule.fits(method, path)), OTHERWISE)


def lacking(rule: Rule, role: Role) -> str:
    """The sentence for who has a right token of a role that is too small."""
    wanted = " or ".join(each.value for each in rule.roles)
    return f"this needs a token of the role {wanted}; yours is of the role {role.value} (videoStreamTokens)"

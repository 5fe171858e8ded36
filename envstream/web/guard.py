"""The guard: what browsers are told to keep from a page, with every answer; and what they hear of a crash."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected

from envstream.web.auth import LOOPBACK_NAMES

log = logging.getLogger("envstream")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# Who may show the page in a frame. A notebook's cell shows it at its own address or through Jupyter's proxy,
# where it is the notebook's own site; VS Code's cells are pages of schemes of its own.
FRAMES = "'self'"
NOTEBOOK_FRAMES = (
    "'self' http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:* "
    "vscode-webview: vscode-file: https://*.vscode-cdn.net"
)
HSTS_SECONDS = 24 * 3600  # It holds for all ports of a host, of which this is one.
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?")
_PORT = re.compile(r":[0-9]*$")
_CAMERA = re.compile(r"/camera/[^/]+")

STARTS = ("http.response.start", "websocket.http.response.start")


def policy(hosts: tuple[str, ...] = (), frames: str = FRAMES) -> str:
    """The content policy: nothing inline, nothing of another site.

    Args:
        hosts: the names under which the browser knows this server; sockets go there. Older browsers do not
            count them to 'self'.
        frames: who may show the page in a frame.
    """
    sockets = "".join(f" ws://{host} wss://{host}" for host in hosts if _HOST.fullmatch(host))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        f"connect-src 'self'{sockets}; media-src 'self' blob:; worker-src 'self'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {frames}"
    )


def usual(notebook: bool = False) -> dict[str, str]:
    """What every answer says, beside the content policy."""
    return {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        # A notebook's cell may be of another site.
        "cross-origin-resource-policy": "cross-origin" if notebook else "same-origin",
    }


def permissions(path: str) -> str:
    """What a page may have of the device: the camera where it is opened, nothing elsewhere."""
    camera = "camera=(self)" if _CAMERA.fullmatch(path) else "camera=()"
    return f"{camera}, microphone=(), geolocation=(), display-capture=(), usb=(), payment=()"


def plain() -> dict[str, str]:
    """What an answer says that is made before it is known what was asked for."""
    return {**usual(), "content-security-policy": policy(), "permissions-policy": permissions("")}


class Guard:
    """An application whose answers all say so.

    Args:
        notebook: whether notebooks show the page in their cells.
        secure: whether it is served over https with a certificate that browsers believe.
    """

    def __init__(self, app: App, *, notebook: bool = False, secure: bool = False) -> None:
        self._app = app
        self._secure = secure
        self._usual = usual(notebook)
        self._frames = NOTEBOOK_FRAMES if notebook else FRAMES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: dict[str, Any]) -> None:
            nonlocal begun
            begun = begun or message["type"] != "http.response.body"
            if message["type"] in STARTS:
                message = {**message, "headers": self._with(scope, list(message.get("headers", ())))}
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnected:
            raise
        except Exception:
            if begun or scope["type"] != "http":
                raise  # uvicorn ends it, and says so.
            # Without the query: it may hold a token.
            log.exception("envstream: %s could not be answered", scope["path"][:200])
            head = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
            await sending({"type": "http.response.start", "status": 500, "headers": head})
            await sending({"type": "http.response.body", "body": b"something went wrong in the server\n"})

    def _with(self, scope: Scope, given: Headers) -> Headers:
        """Headers with those of the guard; it has the last word."""
        asked = {key: value.decode("latin-1") for key, value in scope["headers"]}
        hosts = (asked.get(b"host", ""), asked.get(b"x-forwarded-host", "").split(",")[0].strip())
        ours = {
            **self._usual,
            "content-security-policy": policy(tuple(dict.fromkeys(hosts)), self._frames),
            "permissions-policy": permissions(scope["path"]),
        }
        if self._secure and _PORT.sub("", hosts[0]).lower() not in LOOPBACK_NAMES | {"[::1]"}:
            ours["strict-transport-security"] = f"max-age={HSTS_SECONDS}"
        names = {name.encode() for name in ours}
        added = [(name.encode(), value.encode("latin-1")) for name, value in ours.items()]
        return [(name, value) for name, value in given if name.lower() not in names] + added

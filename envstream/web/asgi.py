"""The one application behind the port: access first, then pictures, sockets, or Flask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from envstream.hub import Hub
from envstream.sessions.table import Sessions
from envstream.web.analyze import Analyses, body_of
from envstream.web.app import create_app
from envstream.web.auth import Verdict
from envstream.web.backend import Backend
from envstream.web.bridge import Bridge
from envstream.web.cameras import CameraSocket, camera_in, name_of, view_of
from envstream.web.fanout import Fanout
from envstream.web.gate import Gate, role_of
from envstream.web.http_protocol import EXTENSION
from envstream.web.limits import seconds
from envstream.web.pictures import BadRequest, Pictures, Query, answer
from envstream.web.publishers import PublisherSocket
from envstream.web.roles import Role
from envstream.web.selftest import MOST, SelfTests
from envstream.web.sockets import ViewerSocket

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PICTURES = ("/stream", "/screen", "/api/screenshot")
ANALYZE = "/analyze"
# What Flask does not see; openapi.json tells of all addresses.
ON_THE_LOOP = (*(("GET", path) for path in PICTURES), ("POST", ANALYZE))
SOCKETS = ("/ws", "/stream", "/ws/camera/{token}", "/ws/view/{token}", "/ws/selftest")


class Application:
    """ASGI: pictures and sockets on the event loop, everything else through Flask's threads."""

    def __init__(self, hub: Hub, gate: Gate, fanout: Fanout, sessions: Sessions, backend: Backend) -> None:
        self._hub = hub
        self._cameras = backend.cameras
        self._sessions = sessions
        self._analyses = Analyses(sessions)
        self._gate = gate
        self._fanout = fanout
        self._pictures = Pictures(hub, fanout)
        self._selftests = SelfTests(hub, fanout.arrived)
        self._flask = Bridge(create_app(hub, backend), _gone)
        self.listeners: set[Callable[[str], None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        verdict = self._gate.judge(scope)
        if not verdict.allowed:
            await self._refuse(scope, receive, send, verdict)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send, role_of(verdict))
        else:
            if verdict.cookie is not None:
                send = _with_cookie(send, verdict.cookie)
            await self._http(scope, receive, send)

    def close(self) -> None:
        """Nothing more is answered."""
        self._flask.close()
        self._analyses.close()

    async def _camera(self, scope: Scope, receive: Receive, send: Send, role: Role) -> bool:
        """A camera's socket, or that of one of its viewers; False: it is neither."""
        path, cameras, protocol = scope["path"], self._cameras, scope["extensions"][EXTENSION]
        token = camera_in(path)
        if token is None or cameras is None or not cameras.known(token):
            return False
        if path.startswith("/ws/camera/"):
            await CameraSocket(cameras, token, self._sessions, protocol, receive, send).run()
        else:
            first, only = view_of(token), name_of(token)
            await self._viewer(scope, receive, send, first=first, only=only, role=role)
        return True

    async def _socket(self, scope: Scope, receive: Receive, send: Send, role: Role) -> None:
        if scope["path"].startswith("/ws/") and await self._camera(scope, receive, send, role):
            return
        if scope["path"] == "/ws":
            await self._viewer(scope, receive, send, role=role)
        elif scope["path"] == "/ws/selftest":
            await self._selftest(scope, receive, send, role)
        elif scope["path"] == "/stream":
            protocol = scope["extensions"][EXTENSION]
            await PublisherSocket(self._sessions, protocol, receive, send).run()
        else:
            where = "viewers use /ws, publishers use /stream"
            await _refuse_socket(receive, send, 404, f"no socket at {scope['path'][:100]}; {where}")

    async def _viewer(self, scope: Scope, receive: Receive, send: Send, **how: Any) -> None:
        socket = scope["extensions"][EXTENSION], receive, send
        await ViewerSocket(self._hub, self._fanout, self.listeners, *socket, **how).run()

    async def _selftest(self, scope: Scope, receive: Receive, send: Send, role: Role) -> None:
        """A page measures its way."""
        if self._selftests.full:
            await _refuse_socket(receive, send, 503, f"{MOST} self-tests run already; try again in a minute")
            return
        with self._selftests.stream() as stream:
            await self._viewer(scope, receive, send, only=stream.name, role=role)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == ANALYZE and scope["method"] == "POST":
            headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
            status, said = await self._analyses.answer(headers, receive)
            await answer(send, status, body_of(said), [], b"application/json")
            return
        if scope["path"] not in PICTURES or scope["method"] not in ("GET", "HEAD"):
            await self._flask(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # A stream has no end that one could wait for.
            await answer(send, 200, b"", [])
            return
        try:
            query = Query(scope["query_string"])
            if scope["path"] == "/stream":
                await self._pictures.mjpeg(query, scope["extensions"][EXTENSION], receive, send)
            else:
                await self._pictures.screenshot(query, receive, send)
        except BadRequest as error:
            await answer(send, 400, f"{error}\n".encode(), [])

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, verdict: Verdict) -> None:
        later = [(b"retry-after", seconds(verdict.wait).encode())] if verdict.wait else []
        if scope["type"] == "websocket":
            await _refuse_socket(receive, send, verdict.status, verdict.reason, later)
            return
        head = [(b"cache-control", b"no-store"), *later]
        await answer(send, verdict.status, f"{verdict.reason}\n".encode(), head)


async def _refuse_socket(
    receive: Receive, send: Send, status: int, reason: str, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    await receive()
    headers = [(b"content-type", b"text/plain"), *more]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reason.encode()})


def _gone(scope: Scope) -> bool:
    """Whether nobody reads the answer to a request any more."""
    return bool(scope["extensions"][EXTENSION].transport.is_closing())


def _with_cookie(send: Send, cookie: str) -> Send:
    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"set-cookie", cookie.encode("latin-1"))]
            message = {**message, "headers": headers}
        await send(message)

    return sending

"""A small server that takes frames by the protocol of sessions, and is as bad as a test wants it to be."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

ACK_EVERY = 4


class Session:
    """What came of one session."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.frames: dict[int, tuple[dict[str, Any], bytes]] = {}
        self.order: list[int] = []  # Numbers as they came, again where they came again.
        self.lost: set[int] = set()
        self.signal: tuple[dict[str, Any], bytes] | None = None
        self.declared: int | None = None
        self.state = "receiving"

    @property
    def up_to(self) -> int:
        number = 0
        while number + 1 in self.frames or number + 1 in self.lost:
            number += 1
        return number

    @property
    def missing(self) -> list[int]:
        highest = max(self.frames, default=0) if self.declared is None else self.declared + 1
        gone = (n for n in range(1, highest) if n not in self.frames and n not in self.lost)
        return list(gone)[:256]

    @property
    def result(self) -> dict[str, Any]:
        return {"frames": {"read": len(self.frames), "lost": len(self.lost), "damaged": 0}, "problem": None}


class Receiver:
    """A server in a thread of its own.

    Attributes:
        sessions: by id.
        cut: asked after each message that came whether the connection breaks now.
        refuse: asked for each frame; a code where it is refused.
        credits: frames that may be under way.
        speed: bytes a second that it reads; 0 = all.
        files: path → bytes that are given out over HTTP.
        fatal: code with which each session is refused.
        result: what is said of each session in the end, beside its frames.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.cut: Callable[[dict[str, Any]], bool] = lambda message: False
        self.refuse: Callable[[int], str | None] = lambda number: None
        self.credits, self.speed, self.max_message = 16, 0.0, 2**24
        self.files: dict[str, bytes] = {}
        self.token: str | None = None
        self.fatal: str | None = None
        self.result: dict[str, Any] = {}
        self.connections = 0
        self.under_way = 0  # The most frames that were unacknowledged at once.
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> Receiver:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def only(self) -> Session:
        (session,) = self.sessions.values()
        return session

    async def _main(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        options: dict[str, Any] = {"process_request": self._request, "max_size": 2**26, "close_timeout": 0.5}
        async with serve(self._talk, "127.0.0.1", self.port, **options) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._over.wait()

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "this page needs its token")
        if request.path == "/stream":
            return None
        if request.path in self.files:
            body = self.files[request.path]
            return Response(200, "OK", Headers({"Content-Length": str(len(body))}), body)
        return connection.respond(HTTPStatus.NOT_FOUND, "no such page")

    async def _talk(self, peer: ServerConnection) -> None:
        self.connections += 1
        try:
            await _Conversation(self, peer).run()
        except ConnectionClosed:
            pass


class _Conversation:
    def __init__(self, receiver: Receiver, peer: ServerConnection) -> None:
        self.receiver, self.peer = receiver, peer
        self.session: Session | None = None
        self.fresh = 0

    async def run(self) -> None:
        while True:
            message = json.loads(await self.peer.recv())
            data = await self.peer.recv() if message["type"] in ("frame", "signal") else b""
            assert isinstance(data, bytes) and len(data) == message.get("size", 0)
            if self.receiver.speed:
                await asyncio.sleep(len(data) / self.receiver.speed)
            dropped = self.receiver.cut(message) and random.random() < 0.5
            if dropped:  # What was sent may have come, or not.
                self.peer.transport.abort()
                return
            if not await self._heard(message, data):
                return
            if self.receiver.cut(message):
                self.peer.transport.abort()
                return

    async def _heard(self, message: dict[str, Any], data: bytes) -> bool:
        kind = message["type"]
        if kind == "session_start":
            return await self._start(message)
        session = self.session
        assert session is not None, "the session was not begun"
        if kind == "frame":
            await self._frame(session, message, data)
        elif kind == "frames_lost":
            gone = range(message["from"], message["to"] + 1)
            session.lost |= {number for number in gone if number not in session.frames}
            await self._ack()
        elif kind == "signal":
            session.signal = message, data
            await self._say("signal_ack", size=len(data), lines=1, sha256=message["sha256"])
        elif kind == "session_end":
            session.declared = message["frames"]
            session.state = "ending"
            await self._ack()
        elif kind == "ping":
            await self._say("pong", t=message["t"], now=1.0)
        if session.state == "ending" and session.up_to == session.declared:
            await self._end(session)
        return True

    async def _start(self, message: dict[str, Any]) -> bool:
        name = message["session_id"]
        known = self.receiver.sessions.get(name)
        if self.receiver.fatal or (known and known.start["resume_token"] != message["resume_token"]):
            code = self.receiver.fatal or "session_taken"
            await self._say("error", code=code, message="it is not to be", recoverable=False)
            await self.peer.close(1008, "it is not to be")
            return False
        self.session = self.receiver.sessions.setdefault(name, Session(message))
        session = self.session
        await self._say(
            "session_ack",
            session_id=name,
            resume_token=message["resume_token"],
            resumed=known is not None,
            state=session.state,
            next=session.up_to + 1,
            missing=session.missing,
            credits=self.receiver.credits,
            max_message=self.receiver.max_message,
        )
        if session.state == "complete":
            await self._end(session)
        return True

    async def _frame(self, session: Session, message: dict[str, Any], data: bytes) -> None:
        number = message["number"]
        session.order.append(number)
        code = self.receiver.refuse(number)
        if code:
            said = {"code": code, "message": f"frame {number} is no good", "number": number}
            await self._say("error", recoverable=True, **said)
            await self._ack()
            return
        if number not in session.frames:
            session.frames[number] = message, data
        self.fresh += 1
        self.receiver.under_way = max(self.receiver.under_way, number - session.up_to, self.fresh)
        if self.fresh >= ACK_EVERY or session.declared is not None or self.receiver.credits < ACK_EVERY:
            await self._ack()
        elif self.fresh == 1:
            asyncio.get_running_loop().call_later(0.02, self._ack_later)

    def _ack_later(self) -> None:
        self._task = asyncio.ensure_future(self._ack_quietly())

    async def _ack_quietly(self) -> None:
        try:
            await self._ack()
        except ConnectionClosed:
            pass

    async def _ack(self) -> None:
        assert self.session is not None
        self.fresh = 0
        session = self.session
        said = {"up_to": session.up_to, "missing": session.missing, "credits": self.receiver.credits}
        await self._say("frame_ack", received=len(session.frames), duplicates=0, **said)

    async def _end(self, session: Session) -> None:
        session.state = "complete"
        await self._say(
            "session_ended", frames=session.declared, received=len(session.frames), lost=len(session.lost)
        )
        await self._say("process_progress", stage="processing", frame=1, frames=2, percent=50.0)
        await self._say("process_complete", result={**session.result, **self.receiver.result})

    async def _say(self, kind: str, **fields: Any) -> None:
        await self.peer.send(json.dumps({"type": kind, **fields}))

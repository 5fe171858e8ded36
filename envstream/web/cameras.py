"""Cameras: pages that open one, pages that show one, and who may be one."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, send_from_directory

from envstream.config import StreamConfig
from envstream.hub import Hub
from envstream.sessions.camera import CAMERA, TOKEN, CameraConversation, session_of
from envstream.sessions.conversation import Conversation
from envstream.sessions.table import Sessions
from envstream.stream import Stream
from envstream.timing import Timing
from envstream.web.asking import Ask
from envstream.web.lookouts import Lookouts
from envstream.web.publishers import PublisherSocket, Receive, Send, Talk
from envstream.web.socket_protocol import SocketProtocol
from envstream.wire import finite

Answer = tuple[Response, int]

STATIC = Path(__file__).parent / "static"
UNKNOWN = (
    "there is no such camera; list its token in videoStreamCameras (letters, digits, - and _, 64 at most), "
    "or, where the page needs no token, leave that null"
)
_ADDRESS = re.compile(
    rf"/(?:ws/)?(?:camera|view)/({TOKEN.pattern})|/api/camera/({TOKEN.pattern})/stats", re.ASCII
)


class Cameras:
    """The cameras of one server. Lives on the event loop; `known` and `listed` are for any thread.

    Args:
        open: whether the server's pages need no token: then any camera is let in, unless they are listed.
    """

    def __init__(self, hub: Hub, sessions: Sessions, lookouts: Lookouts, *, open: bool) -> None:
        self._hub = hub
        self._sessions = sessions
        self._lookouts = lookouts
        self._open = open
        self._secret = secrets.token_urlsafe(24)

    def listed(self, token: str) -> bool:
        """Whether the token is one that the settings name: who has it needs no other."""
        if not TOKEN.fullmatch(token):
            return False
        listed = self._hub.config.videoStreamCameras or ()
        return any(hmac.compare_digest(token.encode(), each.encode()) for each in listed)

    def opened_by(self, path: str) -> bool:
        """Whether the token in an address of a camera is enough there."""
        token = camera_in(path)
        return token is not None and self.listed(token)

    def known(self, token: str) -> bool:
        """Whether there may be a camera of this token."""
        if self._hub.config.videoStreamCameras is not None:
            return self.listed(token)
        return self._open and bool(TOKEN.fullmatch(token))

    def proof(self, token: str) -> str:
        """What shows a camera's session that its next connection was let in as well."""
        return hashlib.sha256(f"{self._secret}\0{token}".encode()).hexdigest()

    def stream(self, token: str) -> Stream | None:
        """What a camera shows; None: it was never there."""
        stream = self._hub.streams.get(name_of(token))
        return stream if stream is not None and stream.camera else None

    def stats(self, token: str) -> dict[str, Any]:
        """What `/api/camera/TOKEN/stats` answers."""
        stream = self.stream(token)
        found = None if stream is None else self._lookouts.said(stream)
        connected = self._sessions.connected(session_of(token))
        latency = {} if stream is None or stream.timing is None else stream.timing.said()
        encode = {} if stream is None else stream.encoder.counts().get("encodeMs") or {}
        return {
            "camera_connected": connected,
            "viewer_count": 0 if stream is None else stream.watchers,
            "processor_stats": {**_no_detector(self._hub.config), **(found or {})},
            "latency_ms": {**latency, **({"encode": encode} if encode else {})},
            "stream": None if stream is None else stream.name,
        }


class CameraSocket(PublisherSocket):
    """A camera's connection."""

    def __init__(
        self,
        cameras: Cameras,
        token: str,
        sessions: Sessions,
        protocol: SocketProtocol,
        receive: Receive,
        send: Send,
    ) -> None:
        self._cameras = cameras
        self._token = token
        super().__init__(sessions, protocol, receive, send)

    def talk(self, conversation: Conversation) -> Talk:
        self._camera = CameraConversation(conversation, self._token, self._cameras.proof(self._token))
        return self._camera

    def worded(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        stream = self._cameras.stream(self._token)
        if message["type"] == "session_ack" and stream is not None and stream.timing is None:
            stream.timing = Timing()
        return self._camera.answer(message)


def name_of(token: str) -> str:
    """The name of the stream of a camera."""
    return CAMERA + token


def camera_in(path: str) -> str | None:
    """The token in the address of a camera, of its viewers, or of its statistics; None: it is none."""
    found = _ADDRESS.fullmatch(path)
    return None if found is None else found[1] or found[2]


def add_cameras(app: Flask, cameras: Cameras, ask: Ask) -> None:
    """Add the addresses to the app; see `create_app`."""

    @app.get("/camera/<token>")
    def camera(token: str) -> Answer | Response:
        return _page(token, "camera.html")

    @app.get("/view/<token>")
    def view(token: str) -> Answer | Response:
        return _page(token, "view.html")

    @app.get("/api/camera/<token>/stats")
    def camera_stats(token: str) -> Answer:
        if not cameras.known(token):
            return jsonify(error=UNKNOWN), 404
        return jsonify(finite(ask(lambda: cameras.stats(token)))), 200

    def _page(token: str, file: str) -> Answer | Response:
        if not cameras.known(token):
            return jsonify(error=UNKNOWN), 404
        return send_from_directory(STATIC, file, max_age=0)


def view_of(token: str) -> str:
    """What a page that shows a camera is first told to watch, as its own message."""
    return json.dumps({"type": "watch", "streams": [{"name": name_of(token), "boxes": True}], "status": True})


def _no_detector(config: StreamConfig) -> dict[str, Any]:
    """What there is to say of a detector that is not at work."""
    return {
        "inference_size": None,
        "confidence_threshold": None,
        "gpu_available": False,
        "target_fps": None,
        "enabled": config.videoStreamDetect is not None,
    }

"""The Flask app: the page, its files, and JSON."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, send_from_directory

from envstream._version import __version__
from envstream.hub import Hub
from envstream.report import counts, status
from envstream.stream import Stream
from envstream.web.asking import Ask, UnansweredError, at_once
from envstream.web.cameras import Cameras, add_cameras
from envstream.web.episodes import Command, add_episodes, nobody_records
from envstream.web.results import Stats, add_results, no_sessions
from envstream.web.streaming import Chosen, MaySteer, add_streaming
from envstream.wire import finite

STATIC = Path(__file__).parent / "static"
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' ws: wss:; "
    "object-src 'none'; base-uri 'self'; form-action 'none'"
)


def create_app(
    hub: Hub,
    chosen: Chosen = lambda stream: None,
    may_steer: MaySteer = lambda headers: True,
    command: Command = nobody_records,
    stats: Stats = no_sessions,
    cameras: Cameras | None = None,
    ask: Ask = at_once,
) -> Flask:
    """The app of one hub. Its addresses are relative, so that it works below any path of a proxy.

    Args:
        chosen: called with every stream whose quality was changed.
        may_steer: whether a request with these headers (names in lower case) may change something.
        command: starts or stops the recording of a stream; a status and an answer.
        stats: how publishers' sessions are.
        cameras: None = none are let in.
        ask: makes a call where streams live, and gives what it gives; Flask itself has threads of its own.
    """
    app = Flask("envstream", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = int(hub.config.videoStreamMaxMessage * 1_000_000)
    app.json.sort_keys = False  # type: ignore[attr-defined]

    @app.get("/")
    def page() -> Response:
        return send_from_directory(STATIC, "index.html", max_age=0)

    @app.get("/static/<path:name>")
    def static_file(name: str) -> Response:
        return send_from_directory(STATIC, name, max_age=0)

    @app.get("/favicon.ico")
    def icon() -> Response:
        return send_from_directory(STATIC, "favicon.svg", max_age=86400)

    _add_figures(app, hub, ask)
    add_streaming(app, hub, chosen, may_steer, ask)
    add_episodes(app, hub, command, may_steer, ask)
    add_results(app, Path(hub.config.videoStreamFolder), stats, ask)
    if cameras is not None:
        add_cameras(app, cameras, ask)
    app.register_error_handler(UnansweredError, lambda error: (jsonify(error=str(error)), 503))
    app.after_request(_guarded)
    return app


def _add_figures(app: Flask, hub: Hub, ask: Ask) -> None:
    @app.get("/stats")
    def stats() -> Response:
        return jsonify(finite(ask(hub.stats)))

    @app.get("/api/streams")
    def streams() -> Response:
        said = ask(lambda: [described(stream) for stream in hub.streams.values()])
        return jsonify(streams=[finite(each) for each in said])

    @app.get("/health")
    def health() -> Response:
        return jsonify(status="ok", server="envstream", version=__version__, streams=len(hub.streams))


def _guarded(response: Response) -> Response:
    """The answer with what browsers are told about it."""
    response.headers.setdefault("Cache-Control", "no-cache")
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def described(stream: Stream) -> dict[str, Any]:
    """One stream for `/api/streams`: its status, and where to see it."""
    now = time.monotonic()
    return {**status(stream, now), **counts(stream, now), "settings": settings_shown(stream.config)}


def settings_shown(config: Any) -> dict[str, Any]:
    """The settings that matter to somebody who watches; none that open a door."""
    keys = (
        "videoStreamQuality",
        "videoStreamBufferSize",
        "videoFps",
        "videoResolution",
        "videoStreamMaxOverhead",
    )
    return {key: getattr(config, key) for key in keys}

"""The Flask app: the page, its files, and JSON."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, send_from_directory

from envstream.hub import Hub
from envstream.report import counts, status
from envstream.stream import Stream
from envstream.web.asking import Ask, UnansweredError
from envstream.web.backend import Backend
from envstream.web.cameras import add_cameras
from envstream.web.episodes import add_episodes
from envstream.web.exposition import CONTENT_TYPE
from envstream.web.health import add_health
from envstream.web.metrics import Metrics
from envstream.web.results import add_results
from envstream.web.streaming import add_streaming
from envstream.wire import finite

ALONE = Backend()
STATIC = Path(__file__).parent / "static"


def create_app(hub: Hub, backend: Backend = ALONE) -> Flask:
    """The app of one hub. Its addresses are relative, so that it works below any path of a proxy."""
    app = Flask("envstream", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = int(hub.config.videoStreamMaxMessage * 1_000_000)
    app.json.sort_keys = False  # type: ignore[attr-defined]

    @app.get("/")
    def page() -> Response:
        return send_from_directory(STATIC, "index.html", max_age=0)

    @app.get("/selftest")
    def selftest() -> Response:
        return send_from_directory(STATIC, "selftest.html", max_age=0)

    @app.get("/static/<path:name>")
    def static_file(name: str) -> Response:
        return send_from_directory(STATIC, name, max_age=0)

    @app.get("/openapi.json")
    def description() -> Response:
        return send_from_directory(STATIC.parent, "openapi.json", max_age=0)

    @app.get("/favicon.ico")
    def icon() -> Response:
        return send_from_directory(STATIC, "favicon.svg", max_age=86400)

    ask, may_steer = backend.ask, backend.may_steer
    _add_figures(app, hub, ask)
    add_health(app, hub, backend.readiness)
    if backend.metrics is not None:
        _add_metrics(app, backend.metrics, ask)
    add_streaming(app, hub, backend.chosen, may_steer, ask)
    add_episodes(app, hub, backend.command, may_steer, ask)
    add_results(app, Path(hub.config.videoStreamFolder), backend.stats, backend.end, ask)
    if backend.cameras is not None:
        add_cameras(app, backend.cameras, ask)
    app.register_error_handler(UnansweredError, lambda error: (jsonify(error=str(error)), 503))
    app.after_request(_fresh)
    return app


def _add_figures(app: Flask, hub: Hub, ask: Ask) -> None:
    @app.get("/stats")
    def stats() -> Response:
        return jsonify(finite(ask(hub.stats)))

    @app.get("/api/streams")
    def streams() -> Response:
        said = ask(lambda: [described(stream) for stream in hub.streams.values()])
        return jsonify(streams=[finite(each) for each in said])


def _add_metrics(app: Flask, metrics: Metrics, ask: Ask) -> None:
    @app.get("/metrics")
    def figures() -> Response:
        return Response(metrics.text(ask(metrics.gather)), content_type=CONTENT_TYPE)


def _fresh(response: Response) -> Response:
    """The answer, which browsers ask for anew each time."""
    response.headers.setdefault("Cache-Control", "no-cache")
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

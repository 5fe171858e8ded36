"""`/streaming/stats`, `/api/sessions` and `/sessions/ID/FILE`: what publishers sent, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify

from envstream.web.asking import Ask
from envstream.web.download import download
from envstream.wire import finite

Answer = tuple[Response, int]
Stats = Callable[[], dict[str, Any]]
End = Callable[[str], bool]

FILES = ("video.mp4", "processed.mp4", "video.json", "result.json", "signal")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def no_sessions() -> dict[str, Any]:
    """The answer of a server that takes no publishers."""
    return {"active_sessions": 0, "sessions": []}


def add_results(app: Flask, folder: Path, stats: Stats, end: End, ask: Ask) -> None:
    """Add the addresses to the app; see `create_app`."""

    @app.get("/streaming/stats")
    def sessions_stats() -> Response:
        return jsonify(finite(ask(stats)))

    @app.get("/api/sessions")
    def sessions() -> Response:
        return jsonify(finite({"sessions": ask(stats)["sessions"]}))

    @app.post("/api/sessions/<name>/end")
    def ending(name: str) -> Answer:
        if not ask(lambda: end(name)):
            message = f"there is no session {name[:64]!r} that anything could still come for"
            return jsonify(success=False, message=message), 404
        return jsonify(success=True, message="the session ends with what it has"), 200

    @app.get("/sessions/<name>/<file>")
    def result(name: str, file: str) -> Answer | Response:
        if not _NAME.fullmatch(name) or file not in FILES:
            return jsonify(error=f"of a session there are {', '.join(FILES)}"), 404
        inside = folder.expanduser().absolute() / name
        found = sorted(inside.glob("signal.*")) if file == "signal" else []
        file = found[0].name if found else file
        if not (inside / file).is_file():
            return jsonify(error=f"session {name!r} has no {file}, or not yet"), 404
        # What strangers call a page or a script is to be no such thing here.
        strange = {"mimetype": "application/octet-stream", "as_attachment": True} if found else {}
        return download(inside, file, **strange)

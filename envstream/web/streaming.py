"""`/api/streaming`: what streaming costs, and another quality while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, jsonify, request

from envstream.config import PRESETS
from envstream.errors import SettingError
from envstream.hub import Hub
from envstream.performance import performance
from envstream.stream import Stream
from envstream.web.asking import Ask
from envstream.wire import finite

Chosen = Callable[[Stream], None]
MaySteer = Callable[[Mapping[str, str]], bool]


def add_streaming(app: Flask, hub: Hub, chosen: Chosen, may_steer: MaySteer, ask: Ask) -> None:
    """Add the addresses to the app; see `create_app`."""

    @app.get("/api/streaming/stats")
    def streaming_stats() -> tuple[Response, int]:
        name = request.args.get("stream")
        stream = ask(lambda: hub.find(name))
        if stream is not None:
            return jsonify(finite(ask(stream.performance))), 200
        if name is not None:
            return jsonify(error=f"there is no stream {name[:200]!r}"), 404
        config = hub.config
        return jsonify(performance(None, None, None, 0, 0, config.preset, config.capture_fps)), 200

    @app.route("/api/streaming/quality/<level>", methods=["GET", "POST"])
    def streaming_quality(level: str) -> tuple[Response, int]:
        # Asked here, where the way of the address is behind us: there are many spellings of one.
        if not may_steer({name.lower(): value for name, value in request.headers}):
            return jsonify(_answer(False, None, "a page of another site asked for this")), 403
        name = request.args.get("stream")
        streams = ask(lambda: _meant(hub, name))
        if not streams:
            what = "there is no stream yet" if name is None else f"there is no stream {name[:200]!r}"
            return jsonify(_answer(False, None, what)), 404
        if request.method == "HEAD":  # To look is not to choose.
            return jsonify(_answer(True, streams[0].quality, "")), 200
        quality = int(level) if level.isascii() and level.isdecimal() and len(level) < 4 else level

        def choose() -> None:
            for stream in streams:
                stream.choose(quality)
            for stream in streams:
                chosen(stream)

        try:
            ask(choose)
        except SettingError:
            expected = f"choose one of {', '.join(PRESETS)}, or a JPEG quality from 1 to 100"
            message = f"{level[:40]!r} is no streaming quality; {expected}"
            return jsonify(_answer(False, streams[0].quality, message)), 404
        return jsonify(_answer(True, quality, f"Streaming quality changed to {quality}")), 200


def _meant(hub: Hub, name: str | None) -> list[Stream]:
    """The stream of that name; without one, every stream that has not ended."""
    if name is not None:
        stream = hub.find(name)
        return [] if stream is None else [stream]
    return [stream for stream in hub.streams.values() if not stream.ended]


def _answer(success: bool, quality: int | str | None, message: str) -> dict[str, Any]:
    return {
        "success": success,
        "quality": quality,
        "message": message,
        "available_qualities": list(PRESETS),
    }

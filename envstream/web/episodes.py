"""`/api/episodes`, `/api/replay`, `/api/record` and `/recordings`: what was, on a page and as files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

from envstream import codec, video
from envstream.clip import Clip
from envstream.errors import EnvstreamError
from envstream.film import mp4_bytes
from envstream.frame import Pixels
from envstream.hub import Hub
from envstream.stream import Stream
from envstream.web.asking import Ask
from envstream.web.download import attachment, download
from envstream.web.streaming import MaySteer
from envstream.wire import finite

Answer = tuple[Response, int]
Command = Callable[[str, bool], tuple[int, dict[str, Any]]]

GONE = "this episode is kept no more; the newest, the best and the worst are kept longest"
NOTHING_YET = "nothing of this stream was watched in the last seconds"
ELSEWHERE = "a page of another site asked for this"
SUFFIXES = (".mp4", ".json")
MOST_FILMS = 2  # Episodes that are made into films at one time, each by one of Flask's threads.

_FILMING = threading.BoundedSemaphore(MOST_FILMS)


def nobody_records(name: str, on: bool) -> tuple[int, dict[str, Any]]:
    """The answer of a server without a recorder."""
    return 503, {"success": False, "message": "nothing is recorded here", "recording": None, "file": None}


def add_episodes(app: Flask, hub: Hub, command: Command, may_steer: MaySteer, ask: Ask) -> None:
    """Add the addresses to the app; see `create_app`."""

    @app.get("/api/episodes")
    def episodes() -> Answer:
        stream = _named(hub, ask)
        if stream is None:
            return _no_stream()
        best, worst = hub.archive.extremes(stream.name)
        clips = [
            {**clip.about(), "best": clip is best, "worst": clip is worst}
            for clip in hub.archive.of(stream.name)
        ]
        return jsonify(finite({"stream": stream.name, "clips": clips})), 200

    @app.get("/api/episodes/<name>")
    def episode(name: str) -> Answer | Response:
        clip = hub.archive.get(name.removesuffix(".mp4"))
        if clip is None:
            return jsonify(error=GONE), 404
        return _movie(clip) if name.endswith(".mp4") else (jsonify(finite(_described(hub, clip))), 200)

    @app.get("/api/episodes/<name>/pictures")
    def pictures(name: str) -> Answer | Response:
        clip = hub.archive.get(name)
        if clip is None:
            return jsonify(error=GONE), 404
        answer = Response(clip.data(), mimetype="application/octet-stream")
        answer.content_length = clip.size
        answer.make_conditional(request.environ, True, clip.size)
        return answer

    _add_replay(app, hub, may_steer, ask)
    _add_recordings(app, hub, command, may_steer, ask)


def _add_replay(app: Flask, hub: Hub, may_steer: MaySteer, ask: Ask) -> None:
    @app.post("/api/replay")
    def replay() -> Answer:
        if not may_steer({name.lower(): value for name, value in request.headers}):
            return jsonify(error=ELSEWHERE), 403
        stream = _named(hub, ask)
        if stream is None:
            return _no_stream()
        clip = ask(lambda: stream.replay.clip(hub.archive.name("replay"), stream.name, stream.title))
        if clip is None:
            return jsonify(error=NOTHING_YET), 404
        hub.archive.add(clip)
        return jsonify(finite(_described(hub, clip))), 200


def _add_recordings(app: Flask, hub: Hub, command: Command, may_steer: MaySteer, ask: Ask) -> None:
    @app.post("/api/record/<what>")
    def record(what: str) -> Answer:
        if not may_steer({name.lower(): value for name, value in request.headers}):
            return jsonify(success=False, message=ELSEWHERE), 403
        name = request.args.get("stream")
        stream = ask(lambda: hub.find(name))
        if what not in ("start", "stop") or stream is None:
            missing = "there is no such stream" if stream is None else "say start or stop"
            return jsonify(success=False, message=missing, recording=None, file=None), 404
        status, answer = ask(lambda: command(stream.name, what == "start"))
        return jsonify(finite(answer)), status

    @app.get("/recordings/<name>")
    def recording(name: str) -> Answer | Response:
        folder = Path(hub.config.videoRecordFolder).absolute()
        if not name.endswith(SUFFIXES) or name.startswith("."):
            return jsonify(error="recordings are .mp4 files, and .json files that tell of them"), 404
        return download(folder, name)


def _named(hub: Hub, ask: Ask) -> Stream | None:
    name = request.args.get("stream")
    stream: Stream | None = ask(lambda: hub.find(name))
    return stream if stream is None or stream.plays is None else stream.plays


def _no_stream() -> Answer:
    name = request.args.get("stream")
    what = "there is no stream yet" if name is None else f"there is no stream {name[:200]!r}"
    return jsonify(error=what), 404


def _described(hub: Hub, clip: Clip) -> dict[str, Any]:
    best, worst = hub.archive.extremes(clip.stream)
    return {**clip.described(), "best": clip is best, "worst": clip is worst}


def _movie(clip: Clip) -> Answer | Response:
    """A clip as an MP4 to be saved."""
    lacking = video.missing()
    if lacking is not None:
        return jsonify(error=lacking), 501
    if not _FILMING.acquire(blocking=False):
        return jsonify(error=f"{MOST_FILMS} films are being made already; try again"), 503
    try:
        data = mp4_bytes(_decoded(clip), clip.fps / clip.every)
    except EnvstreamError as error:
        return jsonify(error=str(error)), 507 if isinstance(error.__cause__, OSError) else 422
    finally:
        _FILMING.release()
    what = f"episode-{clip.episode}" if clip.kind == "episode" else "replay"
    name = "".join(char if char.isalnum() or char in "-_." else "-" for char in f"{clip.title}-{what}.mp4")
    return Response(data, mimetype="video/mp4", headers={"Content-Disposition": attachment(name)})


def _decoded(clip: Clip) -> Iterator[tuple[Pixels, float]]:
    size: tuple[int, int] | None = None
    for still in list(clip.stills):
        pixels = codec.decode(still.data)
        size = size or (pixels.shape[1], pixels.shape[0])
        yield codec.resize(pixels, *size), still.time

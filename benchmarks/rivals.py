"""What people put into a training script today: each starts a server in the trainer and says where it is.

Every function here gives `(put, port, path)`: `put(pixels)` is what the training loop calls with each
picture it rendered. They are written the way their own documentation or the usual blog post shows them.
Imports stand inside the functions: a rival that is not installed is skipped.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

FPS = 30.0
QUALITY = 85


class Rival(NamedTuple):
    """A running server: what it is fed with, and where its MJPEG is."""

    put: Callable[[Pixels], None]
    port: int
    path: str


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Newest:
    """The global with the newest JPEG that such scripts have, and a condition to wait for the next one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._part = b""
        self._number = 0

    def put(self, part: bytes) -> None:
        with self._changed:
            self._part = part
            self._number += 1
            self._changed.notify_all()

    def parts(self) -> Iterator[bytes]:
        seen = 0
        while True:
            with self._changed:
                while self._number == seen:
                    self._changed.wait()
                seen, part = self._number, self._part
            yield part


def flask_thread() -> Rival:
    """The classic: Flask in a thread of the trainer, a thread per viewer, encoding in the training loop."""
    import simplejpeg
    from flask import Flask, Response
    from werkzeug.serving import make_server

    newest = _Newest()
    app = Flask("classic")

    @app.get("/video")
    def video() -> Response:
        return Response(newest.parts(), mimetype="multipart/x-mixed-replace; boundary=frame")

    def put(pixels: Pixels) -> None:
        captured = time.monotonic()
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), QUALITY, "RGB", "444")
        head = f"Content-Type: image/jpeg\r\nX-Timestamp: {captured:.6f}\r\n\r\n".encode()
        newest.put(b"--frame\r\n" + head + jpeg + b"\r\n--frame\r\n")

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return Rival(put, server.server_port, "/video")


def mjpeg_streamer() -> Rival:
    """PyPI's mjpeg-streamer: aiohttp in a thread of the trainer, encodes with OpenCV for each viewer."""
    package = import_module("mjpeg_streamer")
    stream = package.Stream("video", quality=QUALITY, fps=int(FPS))
    port = free_port()
    server = package.MjpegServer("localhost", port)
    server.add_stream(stream)
    server.start()
    return Rival(lambda pixels: stream.set_frame(pixels[..., ::-1]), port, "/video")


def webgear() -> Rival:
    """vidgear's WebGear with a custom frame source, as its documentation shows, under uvicorn in a thread."""
    import simplejpeg
    import uvicorn

    held: dict[str, tuple[Pixels, float]] = {}
    web = import_module("vidgear.gears.asyncio").WebGear(skip_generate_webdata=True)

    async def frames() -> AsyncIterator[bytes]:
        while True:
            if "frame" in held:
                pixels, captured = held["frame"]
                jpeg = simplejpeg.encode_jpeg(pixels, QUALITY, "RGB", "422", fastdct=True)
                head = f"Content-Type:image/jpeg\r\nX-Timestamp:{captured:.6f}\r\n\r\n".encode()
                yield b"--frame\r\n" + head + jpeg + b"\r\n"
            await asyncio.sleep(1 / FPS)

    web.config["generator"] = frames
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(web(), log_level="critical", lifespan="off"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()

    def put(pixels: Pixels) -> None:
        held["frame"] = np.ascontiguousarray(pixels), time.monotonic()

    return Rival(put, listener.getsockname()[1], "/video")


RIVALS: dict[str, Callable[[], Rival]] = {
    "flask": flask_thread,
    "mjpeg-streamer": mjpeg_streamer,
    "webgear": webgear,
}


def record_video(env: Any, folder: str) -> Any:
    """Gymnasium's RecordVideo as its documentation shows it (default trigger)."""
    from gymnasium.wrappers import RecordVideo

    return RecordVideo(env, folder, disable_logger=True)

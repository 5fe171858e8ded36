"""Cameras for tests: pages that have one, as far as the server sees of them, and what they look at."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import senders
from envstream import codec
from envstream.detection.boxes import Box, iou
from envstream.detection.drawing import COLOURS, corners
from envstream.detection.shapes import Scene
from envstream.frame import Pixels

SIZE = (480, 270)
Message = dict[str, Any]


class View(NamedTuple):
    """One picture of the scene: as JPEG, with the truth about it."""

    jpeg: bytes
    truths: list[Box]


@cache
def views(count: int = 12, seed: int = 3) -> list[View]:
    """What a camera sees."""
    scene = Scene(*SIZE, count=5, seed=seed)
    seen = [scene.at(0.4 * number) for number in range(count)]
    return [View(codec.encode(pixels, "jpeg", 90), truths) for pixels, truths in seen]


@cache
def jpeg(width: int, height: int, grey: int = 120) -> bytes:
    """A picture of one grey."""
    return codec.encode(np.full((height, width, 3), grey, np.uint8), "jpeg", 90)


class Camera(senders.Publisher):
    """One connection of a camera."""

    def __init__(self, port: int, token: str, **options: Any) -> None:
        self._stack = contextlib.ExitStack()
        url = f"ws://127.0.0.1:{port}/ws/camera/{token}"
        self.socket: ClientConnection = self._stack.enter_context(
            connect(url, compression=None, max_size=None, close_timeout=1, **options)
        )
        self.heard: list[Message] = []
        self.ack = self.message("session_ack")

    def __enter__(self) -> Camera:
        return self

    def shoot(self, number: int, data: bytes | None = None, **about: Any) -> None:
        """Sends a picture, the first of the scene unless another is given."""
        said = {"frameNumber": number, "width": SIZE[0], "height": SIZE[1], "timestamp": 1.7e12, **about}
        self.say("frame_metadata", **said)
        self.socket.send(views()[0].jpeg if data is None else data)

    def landed(self, number: int) -> Message:
        """The acknowledgement of a picture, by the camera's own number."""
        while True:
            said = self.message("frame_ack")
            if said["frameNumber"] == number:
                return said


class Running:
    """A camera that sends all the while, and does what an honest one does.

    Attributes:
        truths: what was in the pictures, by the moment when they were taken.
        demands: what it was told of who watches.
    """

    def __init__(self, port: int, token: str, fps: float = 15.0, still: bool = False) -> None:
        self.camera = Camera(port, token)
        self.truths: dict[float, list[Box]] = {}
        self.demands: list[Message] = []
        self.errors: list[Message] = []
        self.sent = self.landed = 0
        self._wait, self._still = 1 / fps, still
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._send, self._hear)]

    def __enter__(self) -> Running:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._threads[0].join()
        self.camera.__exit__(*exc)
        self._threads[1].join()

    def _send(self) -> None:
        seen = itertools.repeat(views()[0]) if self._still else itertools.cycle(views())
        with contextlib.suppress(ConnectionClosed):
            while not self._stop.wait(self._wait):
                view, captured, self.sent = next(seen), time.monotonic(), self.sent + 1
                self.truths[round(captured, 6)] = view.truths
                self.camera.shoot(self.sent, view.jpeg, captured=round(captured, 6), captureMs=2, quality=90)

    def _hear(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                said = json.loads(self.camera.socket.recv())
                if said["type"] == "frame_ack":
                    self.landed = said["frameNumber"] or 0
                elif said["type"] in ("error", "demand"):
                    (self.errors if said["type"] == "error" else self.demands).append(said)


def edges(box: Box | Message) -> list[float]:
    """Left, top, right and lower edge, as shares."""
    x, y, width, height = box[:4] if isinstance(box, Box) else [box[k] for k in ("x", "y", "width", "height")]
    return [x, y, x + width, y + height]


def right(boxes: list[Message], truths: list[Box]) -> int:
    """How many of the truths were found: what they are, and about where."""
    return sum(
        any(box["label"] == truth.label and iou(edges(box), edges(truth))[0, 0] > 0.5 for box in boxes)
        for truth in truths
    )


def outlined(pixels: Pixels, box: Message) -> bool:
    """Whether a box is drawn into a picture: along its lower edge there is hardly anything but its colour."""
    height, width = pixels.shape[:2]
    found = Box(*(box[key] for key in ("x", "y", "width", "height", "score", "label", "index")))
    left, _, right, low = corners(found, width, height)
    line = pixels[max(0, low - 4) : low + 5, left : right + 1].astype(int)
    near = np.abs(line - COLOURS[found.index % len(COLOURS)]).max(axis=2) < 60
    return bool(near.mean(axis=1).max() > 0.8)

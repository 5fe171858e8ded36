"""Somebody who looks at every stream of a page, and at the page again whenever it went away.

Notes when it had the newest picture of each, and when that was captured: from that follows how long after a
moment everything was to be seen again. All processes are on one machine, and share its monotonic clock.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

AGAIN = 0.05  # Seconds until it tries again.
FPS = 10.0  # Of each stream.


class Lookout:
    """One page, looked at in a thread.

    Args:
        port: of the page.

    Attributes:
        oldest: seconds, the greatest age of a picture when it came, since `oldest` was last set.
        broken: how often the connection ended.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.oldest = 0.0
        self.broken = 0
        self._lock = threading.Lock()
        self._titles: dict[str, str] = {}  # Name → title, of what has not ended.
        self._came: dict[str, list[tuple[float, float]]] = {}  # Title → captured, came.
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Lookout:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(5)

    def forget(self) -> None:
        """What came so far does not matter any more."""
        with self._lock:
            self._came.clear()
            self.oldest = 0.0

    def shown(self, titles: Iterable[str], since: float) -> float | None:
        """When each of these had been seen with a picture captured after a moment; None: not yet."""
        with self._lock:
            moments = [self._first(title, since) for title in titles]
        known = [moment for moment in moments if moment is not None]
        return max(known) if len(known) == len(moments) else None

    def _first(self, title: str, since: float) -> float | None:
        return next((came for captured, came in self._came.get(title, ()) if captured > since), None)

    def _run(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError, WebSocketException):
                with connect(
                    f"ws://127.0.0.1:{self.port}/ws", max_size=1 << 24, open_timeout=2, compression=None
                ) as line:
                    self._look(line)
            self.broken += not self._over.is_set()
            self._over.wait(AGAIN)

    def _look(self, line: ClientConnection) -> None:
        about: dict[str, Any] = {}
        self._titles = {}
        self._watch(line)
        while not self._over.is_set():
            try:
                message = line.recv(timeout=0.2)
            except TimeoutError:
                continue
            if isinstance(message, bytes):
                self._picture(line, about, time.monotonic())
                continue
            said = json.loads(message)
            if said["type"] == "frame_metadata":
                about = said
            elif said["type"] == "streams":
                self._listed(line, said)

    def _listed(self, line: ClientConnection, said: dict[str, Any]) -> None:
        before = dict(self._titles)
        if said["complete"]:
            self._titles = {}
        for stream in said["streams"]:
            self._titles.pop(stream["name"], None)
            if stream["state"] != "ended":
                self._titles[stream["name"]] = stream["title"]
        if self._titles != before:
            self._watch(line)

    def _watch(self, line: ClientConnection) -> None:
        streams = [{"name": name, "fps": FPS, "format": "jpeg", "quality": 70} for name in self._titles]
        line.send(json.dumps({"type": "watch", "streams": streams, "status": True}))

    def _picture(self, line: ClientConnection, about: dict[str, Any], now: float) -> None:
        name, captured = about["stream"], about["timestamp"]
        line.send(json.dumps({"type": "ack", "stream": name, "frameNumber": about["frameNumber"]}))
        with self._lock:
            self.oldest = max(self.oldest, now - captured)
            self._came.setdefault(self._titles.get(name, name), []).append((captured, now))

"""Encode once, serve many: compressed pictures of the newest frames, made on demand by a thread pool."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from envstream import codec
from envstream.frame import Frame
from envstream.wire import compact

MOST_RUNGS = 16  # Pictures of one frame that are kept: viewers choose widths, and must not choose memory.


class Rung(NamedTuple):
    """What a viewer is sent: format, JPEG quality, and the widest picture it wants (None = any)."""

    format: str = "jpeg"
    quality: int = 85
    max_width: int | None = None
    scale: int = 1


@dataclass(frozen=True)
class Picture:
    """One frame, compressed. `described` is its metadata as JSON without the closing brace."""

    stream: str
    frame: Frame
    data: bytes
    format: str
    width: int
    height: int
    encode_seconds: float
    encoded_at: float
    described: str

    @property
    def mime(self) -> str:
        return codec.MIME[self.format]


class Encoder:
    """The encode-once cache of one stream. Safe to call from any thread.

    Keyed by frame number, never by an object's address (addresses are reused). Single flight: who asks
    while a picture is being made gets the same future. Keeps the pictures of the `frames` frames that were
    asked for last.
    """

    def __init__(
        self, stream: str, frames: int, pool: ThreadPoolExecutor, max_pixels: int = 33_000_000
    ) -> None:
        self._stream = stream
        self._frames = frames
        self._pool = pool
        self._max_pixels = max_pixels
        # Protects the cache and the counts; held for dictionary work only, never while encoding.
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, dict[Rung, Future[Picture]]] = OrderedDict()
        self.hits = 0
        self.encodes = 0
        self.encode_seconds = 0.0
        self.encoded_bytes = 0

    def picture(self, frame: Frame, rung: Rung) -> Future[Picture]:
        """The picture of `frame` at `rung`, made now or already made."""
        with self._lock:
            rungs = self._cache.get(frame.number)
            if rungs is None:
                rungs = self._cache[frame.number] = {}
                while len(self._cache) > self._frames:
                    self._cache.popitem(last=False)
            future = rungs.get(rung)
            if future is not None:
                self.hits += 1
                return future
            while len(rungs) >= MOST_RUNGS:
                del rungs[next(iter(rungs))]
            future = rungs[rung] = self._pool.submit(self._encode, frame, rung)
            return future

    def _encode(self, frame: Frame, rung: Rung) -> Picture:
        started = time.perf_counter()
        pixels = codec.fit(frame.pixels, rung.max_width)
        height, width = pixels.shape[:2]
        # Who asks for an enlargement must not choose how much memory it takes.
        scale = max(1, min(rung.scale, math.isqrt(self._max_pixels // (height * width))))
        pixels = codec.resize(pixels, width * scale, height * scale)
        data = codec.encode(pixels, rung.format, rung.quality)
        seconds = time.perf_counter() - started
        now = time.monotonic()
        with self._lock:
            self.encodes += 1
            self.encode_seconds += seconds
            self.encoded_bytes += len(data)
        height, width = pixels.shape[:2]
        described = describe(self._stream, frame, rung.format, width, height, seconds, now)
        return Picture(self._stream, frame, data, rung.format, width, height, seconds, now, described)


def describe(
    stream: str, frame: Frame, format: str, width: int, height: int, seconds: float, encoded_at: float
) -> str:
    """A frame's metadata as JSON, left open so that `sent_at` can be added for each sending."""
    about: dict[str, Any] = {
        "type": "frame_metadata",
        "stream": stream,
        "frameNumber": frame.number,
        "timestamp": frame.captured,
        "width": width,
        "height": height,
        "format": format,
        "processing_time_ms": round(seconds * 1000, 3),
        "processed_at": encoded_at,
        "sourceWidth": frame.width,
        "sourceHeight": frame.height,
        "renderMs": round(frame.cost * 1000, 3),
    }
    about.update(frame.info)
    return compact(about)[:-1]


def encoding_pool() -> ThreadPoolExecutor:
    """Threads for encoding. JPEG is compressed without the GIL, so that more than one helps."""
    workers = max(1, min(4, (os.cpu_count() or 2) // 2))
    return ThreadPoolExecutor(workers, thread_name_prefix="envstream-encode")

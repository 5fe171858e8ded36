"""Encode once, serve many: compressed pictures of the newest frames, made on demand by a thread pool."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from envstream import codec
from envstream.config import Preset
from envstream.frame import Frame, Pixels
from envstream.wire import compact

MOST_RUNGS = 16  # Pictures of one frame that are kept: viewers choose widths, and must not choose memory.
COMPARED_EVERY = 30  # Frames for which it is remembered whether JPEG or lossless is the smaller.
RECENT = 100  # Pictures over which the time of an encode is averaged.
PLAIN = Preset(1, 30.0, 85)  # What holds where nobody says anything about quality.


class Rung(NamedTuple):
    """What a viewer is sent.

    Attributes:
        format: `jpeg`, `png`, `webp` (both without loss), or `auto`: without loss where that is smaller.
        quality: JPEG quality; None = the stream's own.
        max_width: the widest picture that is wanted; None = any.
        scale: enlargement by repeated pixels; None = the stream's own.
    """

    format: str = "jpeg"
    quality: int | None = None
    max_width: int | None = None
    scale: int | None = 1


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


class Smaller:
    """The smaller of JPEG and lossless, for the pictures of one stream at one rung.

    Which of the two it is, is found out now and then and remembered in between, so that a photograph pays
    for one glance at its colours in 30 frames, and pixel art for one JPEG. Threads that meet here may each
    find out; nothing worse.
    """

    def __init__(self) -> None:
        self._left = 0
        self._jpeg_bytes = 0  # What a lossless picture has to stay below; 0 = JPEG is the smaller.

    def encode(self, pixels: Pixels, quality: int) -> tuple[str, bytes]:
        """The picture's format and its bytes."""
        self._left -= 1
        if self._left >= 0:
            if not self._jpeg_bytes:
                return "jpeg", codec.encode(pixels, "jpeg", quality)
            data = codec.encode(pixels, "webp")
            if len(data) < self._jpeg_bytes:
                return "webp", data
        return self._compare(pixels, quality)

    def _compare(self, pixels: Pixels, quality: int) -> tuple[str, bytes]:
        jpeg = codec.encode(pixels, "jpeg", quality)
        lossless = codec.encode(pixels, "webp") if codec.is_pixel_art(pixels) else None
        wins = lossless is not None and len(lossless) < len(jpeg)
        self._left, self._jpeg_bytes = COMPARED_EVERY - 1, len(jpeg) if wins else 0
        return ("webp", lossless) if wins and lossless is not None else ("jpeg", jpeg)


class Encoder:
    """The encode-once cache of one stream. Safe to call from any thread.

    Keyed by frame number, never by an object's address (addresses are reused). Single flight: who asks
    while a picture is being made gets the same future. Keeps the pictures of the `frames` frames that were
    asked for last. `preset` may be changed at any time; it holds for what is asked for from then on.
    """

    def __init__(
        self,
        stream: str,
        frames: int,
        pool: ThreadPoolExecutor,
        max_pixels: int = 33_000_000,
        preset: Preset = PLAIN,
    ) -> None:
        self._stream = stream
        self._frames = frames
        self._pool = pool
        self._max_pixels = max_pixels
        # Protects the cache and the counts; held for dictionary work only, never while encoding.
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, dict[Rung, Future[Picture]]] = OrderedDict()
        self._smaller: OrderedDict[Rung, Smaller] = OrderedDict()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self.preset = preset
        self.hits = 0
        self.encodes = 0
        self.encode_seconds = 0.0
        self.encoded_bytes = 0

    def picture(self, frame: Frame, rung: Rung) -> Future[Picture]:
        """The picture of `frame` at `rung`, made now or already made."""
        rung = self._settled(rung)
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

    def choose(self, preset: Preset) -> None:
        """Another quality from now on; what encodes take is measured anew."""
        with self._lock:
            self.preset = preset
            self._recent.clear()

    @property
    def latency(self) -> float | None:
        """Seconds that an encode took of late, on average, at the present quality; None before the first."""
        recent = list(self._recent)
        return sum(recent) / len(recent) if recent else None

    def _settled(self, rung: Rung) -> Rung:
        """The rung with what it leaves to the stream filled in."""
        scale, _, quality = self.preset
        return rung._replace(quality=rung.quality or quality, scale=rung.scale or scale)

    def _compressed(self, pixels: Pixels, rung: Rung) -> tuple[str, bytes]:
        quality = rung.quality or self.preset.compression
        if rung.format != "auto":
            return rung.format, codec.encode(pixels, rung.format, quality)
        with self._lock:
            smaller = self._smaller.setdefault(rung, Smaller())
            self._smaller.move_to_end(rung)
            while len(self._smaller) > MOST_RUNGS:
                self._smaller.popitem(last=False)
        return smaller.encode(pixels, quality)

    def _encode(self, frame: Frame, rung: Rung) -> Picture:
        started = time.perf_counter()
        pixels = codec.fit(frame.pixels, rung.max_width)
        height, width = pixels.shape[:2]
        # Who asks for an enlargement must not choose how much memory it takes.
        scale = max(1, min(rung.scale or 1, math.isqrt(self._max_pixels // (height * width))))
        pixels = codec.resize(pixels, width * scale, height * scale)
        format, data = self._compressed(pixels, rung)
        seconds = time.perf_counter() - started
        now = time.monotonic()
        with self._lock:
            self.encodes += 1
            self.encode_seconds += seconds
            self._recent.append(seconds)
            self.encoded_bytes += len(data)
        height, width = pixels.shape[:2]
        described = describe(self._stream, frame, format, width, height, seconds, now)
        return Picture(self._stream, frame, data, format, width, height, seconds, now, described)


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

"""Encode once, serve many: compressed pictures of the newest frames, made on demand by a thread pool."""

from __future__ import annotations

import itertools
import math
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from envstream import codec
from envstream.cache import MOST_RUNGS, Cache, Place
from envstream.config import Preset
from envstream.frame import Frame, Pixels
from envstream.histogram import Histogram
from envstream.smaller import Smaller
from envstream.track import Track
from envstream.wire import compact

SLACK = 2  # By which a picture that came compressed may be better than what is wanted.
RECENT = 300  # Pictures over which the time of an encode is told.
PLAIN = Preset(1, 30.0, 85)  # What holds where nobody says anything about quality.


class Rung(NamedTuple):
    """What a viewer is sent.

    Attributes:
        format: `jpeg`, `png`, `webp` (both without loss), or `auto`: without loss where that is smaller;
            `h264` for a track's.
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
    """One frame, compressed.

    Attributes:
        quality: what it was compressed with; None where nothing is lost.
        link: of an H.264 picture, its `codec`, its `chain` (the track's number) and whether it is a `key`.
    """

    stream: str
    frame: Frame
    data: bytes
    format: str
    width: int
    height: int
    quality: int | None
    encode_seconds: float
    encoded_at: float
    link: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mime(self) -> str:
        return codec.MIME[self.format]

    def of(self, frame: Frame) -> Picture:
        """The same picture as that of a later frame that looks the same."""
        if frame is self.frame:
            return self
        return replace(self, frame=frame)

    @cached_property
    def described(self) -> str:
        """Its metadata as JSON, left open so that `sent_at` can be added for each sending."""
        frame = self.frame
        about: dict[str, Any] = {
            "type": "frame_metadata",
            "stream": self.stream,
            "frameNumber": frame.number,
            "timestamp": frame.captured,
            "width": self.width,
            "height": self.height,
            "format": self.format,
            "quality": self.quality,
            "processing_time_ms": round(self.encode_seconds * 1000, 3),
            "processed_at": self.encoded_at,
            "sourceWidth": frame.width,
            "sourceHeight": frame.height,
            "renderMs": round(frame.cost * 1000, 3),
            **self.link,
        }
        about.update(frame.info)
        return compact(about)[:-1]


_owners = itertools.count(1)


class Encoder:
    """The encode-once cache of one stream. Safe to call from any thread.

    Keyed by the number of a frame's content, never by an object's address (addresses are reused). Keeps
    the pictures of the `frames` frames that were asked for last, within the bytes of the `cache` that all
    streams of a server share. `preset` may be changed at any time; it holds from then on.
    """

    def __init__(
        self,
        stream: str,
        frames: int,
        pool: ThreadPoolExecutor,
        max_pixels: int = 33_000_000,
        preset: Preset = PLAIN,
        cache: Cache | None = None,
    ) -> None:
        self._stream = stream
        self._frames = frames
        self._pool = pool
        self._max_pixels = max_pixels
        self._cache = cache or Cache()
        self._owner = next(_owners)
        # Protects the counts; held for a moment only, never while encoding.
        self._lock = threading.Lock()
        self._smaller: OrderedDict[Rung, Smaller] = OrderedDict()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._video: Track | None = None
        self.preset = preset
        self.hits = 0
        self.misses = 0
        self.encodes = 0
        self.encode_seconds = 0.0
        self.encoded_bytes = 0
        self.took: dict[str, Histogram] = {}  # Seconds that encodes took, by format.

    def picture(self, frame: Frame, rung: Rung, viewers: int = 1) -> Future[Picture]:
        """The picture of `frame` at `rung` for so many viewers, made now or already made."""
        rung = self._settled(rung)
        place = Place(self._owner, frame.content)

        def make() -> Future[Picture]:
            if _came_so(frame, rung):
                made: Future[Picture] = Future()
                made.set_result(self._passed_on(frame, rung))
                return made
            return self._pool.submit(self._encode, frame, rung)

        future, there = self._cache.picture(place, rung, self._frames, make)
        self._count(viewers, there)
        return future

    def has(self, frame: Frame, rung: Rung) -> bool:
        """Whether a frame came as it is wanted at `rung`."""
        return _came_so(frame, self._settled(rung))

    def next_of(self, track: Track, frame: Frame, rung: Rung, key: bool, viewers: int) -> Future[Picture]:
        """The next picture of an H.264 track, for so many viewers; `key`: one that builds on none before."""
        self._video = track
        self._count(viewers, False)
        return track.submit(lambda: self._encode(frame, rung, track, key))

    def choose(self, preset: Preset) -> None:
        """Another quality from now on; what encodes take is measured anew."""
        with self._lock:
            self.preset = preset
            self._recent.clear()

    def cached_qualities(self, frame: Frame) -> list[int]:
        """The JPEG qualities in which a frame's picture is there, or is being made, best first."""
        rungs = self._cache.rungs(Place(self._owner, frame.content))
        return sorted({rung.quality for rung in rungs}, reverse=True)

    def clear_cache(self) -> None:
        """Forget every picture; counts stay."""
        self._cache.clear(self._owner)

    @property
    def latency(self) -> float | None:
        """Seconds that an encode took of late, on average, at the present quality; None before the first."""
        recent = list(self._recent)
        return sum(recent) / len(recent) if recent else None

    def counts(self) -> dict[str, Any]:
        """Hits and misses of the cache, the bytes it holds, and what an encode takes, in milliseconds."""
        asked = self.hits + self.misses
        times = sorted(self._recent)
        return {
            "hits": self.hits,
            "misses": self.misses,
            "hitRate": round(self.hits / asked, 4) if asked else None,
            "bytes": self._cache.bytes_of(self._owner),
            "encodeMs": {
                f"p{share}": round(1000 * times[(len(times) - 1) * share // 100], 3) for share in (50, 95, 99)
            }
            if times
            else None,
        }

    @property
    def saving(self) -> dict[str, int] | None:
        """Bytes of an H.264 picture of the newest track, on average, and of the same as JPEG."""
        saving = self._video.saving if self._video is not None else None
        return None if saving is None else {"bytes": round(saving[0]), "jpegBytes": round(saving[1])}

    def _count(self, viewers: int, there: bool) -> None:
        with self._lock:
            self.hits += viewers - (not there)
            self.misses += not there

    def size(self, frame: Frame, rung: Rung) -> tuple[int, int]:
        """Width and height of the picture of `frame` at `rung`."""
        width, height = codec.fitted(frame.width, frame.height, rung.max_width)
        # Who asks for an enlargement must not choose how much memory it takes.
        most = math.isqrt(self._max_pixels // (height * width))
        scale = max(1, min(self._settled(rung).scale or 1, most))
        return width * scale, height * scale

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

    def _passed_on(self, frame: Frame, rung: Rung) -> Picture:
        """The picture as it came."""
        assert frame.source is not None
        data, now = frame.source.data, time.monotonic()
        return Picture(self._stream, frame, data, "jpeg", frame.width, frame.height, rung.quality, 0.0, now)

    def _encode(self, frame: Frame, rung: Rung, track: Track | None = None, key: bool = False) -> Picture:
        started = time.perf_counter()
        pixels = codec.resize(codec.fit(frame.pixels, rung.max_width), *self.size(frame, rung))
        link: dict[str, Any] = {}
        if track is None:
            format, data = self._compressed(pixels, rung)
        else:
            format, data = "h264", track.encode(pixels, key)
            link = {"codec": track.codec, "chain": track.number, "key": key}
        seconds = time.perf_counter() - started
        now = time.monotonic()
        with self._lock:
            self.encodes += 1
            self.encode_seconds += seconds
            self._recent.append(seconds)
            self.took.setdefault(format, Histogram()).observe(seconds)
            self.encoded_bytes += len(data)
        height, width = pixels.shape[:2]
        quality = rung.quality if format in ("jpeg", "h264") else None
        return Picture(self._stream, frame, data, format, width, height, quality, seconds, now, link)


def _came_so(frame: Frame, rung: Rung) -> bool:
    """Whether a frame came as it is wanted: to compress it anew would cost much and save nothing."""
    source = frame.source
    return (
        source is not None
        and rung.format in ("jpeg", "auto")
        and rung.scale == 1
        and (rung.max_width is None or frame.width <= rung.max_width)
        and source.quality <= (rung.quality or 0) + SLACK
    )


def encoding_pool() -> ThreadPoolExecutor:
    """Threads for encoding. JPEG is compressed without the GIL, so that more than one helps."""
    workers = max(1, min(4, (os.cpu_count() or 2) // 2))
    return ThreadPoolExecutor(workers, thread_name_prefix="envstream-encode")

"""A track: one H.264 encoder and the pictures that go through it, one after the other."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean

from envstream import codec
from envstream.frame import Pixels
from envstream.lane import Lane
from envstream.video import VideoEncoder

COMPARED_EVERY = 100  # Pictures of which one is compressed as JPEG as well, to know what is saved.


class Track(Lane):
    """Encodes pictures in the order in which they are given, each building on the one before.

    The encoder is made with the first picture, in the pool; what it raises comes out of the picture's
    future, and the track is of no use from then on.

    Args:
        number: tells it from all other tracks of this server.
        pool: where it encodes; of its pictures one at a time.
        fps: pictures a second that it is made for.
        quality: 1 to 100, as of a JPEG that looks the same.
        full_colour: see `VideoEncoder`.
    """

    def __init__(
        self, number: int, pool: ThreadPoolExecutor, fps: float, quality: int, full_colour: bool = False
    ) -> None:
        super().__init__(pool)
        self.number = number
        self.codec = ""
        self.failed = False
        self.size: tuple[int, int] | None = None  # Of the pictures it was begun with.
        self._fps = fps
        self._quality = quality
        self._full_colour = full_colour
        self._video: VideoEncoder | None = None
        self._closed = False
        self._count = 0
        self._bytes: deque[int] = deque(maxlen=300)
        self._jpeg_bytes: deque[int] = deque(maxlen=20)

    def encode(self, pixels: Pixels, key: bool) -> bytes:
        """The next picture as one H.264 access unit; for jobs only."""
        self.failed = True  # Until it is made.
        if self._video is None:
            height, width = pixels.shape[:2]
            self.size = width, height
            kind = {"flat": codec.is_flat(pixels), "full_colour": self._full_colour}
            self._video = VideoEncoder(width, height, self._fps, self._quality, **kind)
        data = self._video.encode(pixels, key)
        self.codec = self._video.codec
        self._bytes.append(len(data))
        if self._count % COMPARED_EVERY == 0:
            self._jpeg_bytes.append(len(codec.encode(pixels, "jpeg", self._quality)))
        self._count += 1
        self.failed = False
        return data

    @property
    def saving(self) -> tuple[float, float] | None:
        """Bytes of a picture on average, and of one as JPEG; None before the first."""
        pictures, jpegs = list(self._bytes), list(self._jpeg_bytes)
        return (fmean(pictures), fmean(jpegs)) if pictures and jpegs else None

    def close(self) -> None:
        """No more pictures: what is queued is done, then the encoder is let go of."""
        if not self._closed:
            self._closed = True
            self.submit(self._end)

    def _end(self) -> None:
        if self._video is not None:
            self._video.close()
            self._video = None

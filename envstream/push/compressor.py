"""A compressor: pixels to the bytes that are sent, in an encoding that may change from picture to picture."""

from __future__ import annotations

import numpy as np

from envstream import codec
from envstream.frame import Pixels
from envstream.push.choice import Rung
from envstream.video import VideoEncoder

KEY_SECONDS, KEY_PICTURES = 2.0, 60  # Between two pictures that build on none before, at most.


class Compressor:
    """Compresses the pictures of one session, in order. Not thread-safe.

    Args:
        fps: pictures a second, as H.264 spends more on pictures that stand longer.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._video: VideoEncoder | None = None
        self._of: tuple[int, int, int] | None = None  # Width, height and quality of that encoder.
        self._key_at, self._since_key = 0.0, 0

    def compress(
        self, pixels: Pixels, timestamp: float, rung: Rung, key: bool = False
    ) -> tuple[bytes | memoryview, bool]:
        """The bytes of a picture, and whether it builds on none before.

        Args:
            pixels: uint8 RGB. As `raw` they are not copied, so that they must not change any more.
            key: has it build on none before.

        Raises:
            EnvstreamError: it cannot be H.264.
        """
        if rung.encoding == "h264":
            return self._access_unit(pixels, timestamp, rung.quality, key)
        self._video = self._of = None
        if rung.encoding == "raw":
            return raw(pixels), True
        return codec.encode(pixels, rung.encoding, rung.quality), True

    def _access_unit(self, pixels: Pixels, timestamp: float, quality: int, key: bool) -> tuple[bytes, bool]:
        height, width = pixels.shape[:2]
        if self._video is None or self._of != (width, height, quality):
            flat = codec.is_flat(pixels)
            self._video = VideoEncoder(width, height, self._fps, quality, flat=flat)
            self._of, key = (width, height, quality), True
        key = key or self._since_key >= KEY_PICTURES or not 0 <= timestamp - self._key_at < KEY_SECONDS
        data = self._video.encode(pixels, key)
        self._since_key += 1
        if key:
            self._key_at, self._since_key = timestamp, 1
        return data, key


def raw(pixels: Pixels) -> memoryview:
    """The bytes of a picture as they lie in memory."""
    return np.ascontiguousarray(pixels).data.cast("B")

"""A reel: a video on its way to disk, all of one size, whatever comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from envstream import codec
from envstream.errors import EnvstreamError
from envstream.files import unwritable
from envstream.frame import Pixels
from envstream.video import VideoFile

QUALITY = 92  # As of a JPEG: the pictures were compressed once, and are not to suffer by it twice.


class Reel:
    """Writes pictures to an MP4; those of another size than the first are scaled. Never raises.

    Attributes:
        starts: seconds of the first picture; None before there is one.
        scaled: how many pictures had another size.
        sizes: which, up to ten.
        problem: why no more is written, a sentence; None while all is well.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self._fps = path, min(max(fps, 0.01), 1000.0)
        self.starts: float | None = None
        self.scaled = 0
        self.sizes: list[str] = []
        self.problem: str | None = None
        self._file: VideoFile | None = None
        self._size = 0, 0  # Width and height.

    def add(self, pixels: Pixels, at: float) -> None:
        """The next picture, and its time in seconds."""
        if self.problem is not None:
            return
        try:
            if self._file is None:
                self._size = int(pixels.shape[1]), int(pixels.shape[0])
                self._file = VideoFile(self.path, *self._size, self._fps, QUALITY)
                self.starts = at
            self._file.add(np.ascontiguousarray(self._fitting(pixels)), at)
        except (EnvstreamError, OSError, MemoryError) as error:
            odd = isinstance(error, OSError) and not isinstance(error, EnvstreamError)
            self.problem = str(unwritable(self.path, error) if odd else error) or type(error).__name__

    def close(self) -> None:
        """No more pictures."""
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        """No more pictures, and no file."""
        if self._file is not None:
            self._file.discard()
            self._file = None

    def said(self) -> dict[str, Any] | None:
        """What there is of it, for the result; None: nothing."""
        if self._file is None or not self._file.frames:
            return None
        return {
            "file": self.path.name,
            "frames": self._file.frames,
            "seconds": round(self._file.seconds, 6),
            "width": self._size[0],
            "height": self._size[1],
        }

    def _fitting(self, pixels: Pixels) -> Pixels:
        size = int(pixels.shape[1]), int(pixels.shape[0])
        if size == self._size:
            return pixels
        self.scaled += 1
        named = f"{size[0]}x{size[1]}"
        if named not in self.sizes and len(self.sizes) < 10:
            self.sizes.append(named)
        return codec.resize(pixels, *self._size)

"""A film: pictures with their times as an ordinary MP4 in memory, to be saved from a page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from envstream.errors import EnvstreamError
from envstream.files import unwritable
from envstream.frame import Pixels
from envstream.video import VideoFile


def mp4_bytes(pictures: Iterable[tuple[Pixels, float]], fps: float, quality: int = 85) -> bytes:
    """An ordinary MP4 of pictures with their times in seconds; raises what `VideoFile` does."""
    path, file = Path(tempfile.gettempdir()), None
    try:
        with tempfile.TemporaryDirectory(prefix="envstream-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "clip.mp4"
            try:
                for pixels, at in pictures:
                    if file is None:
                        file = VideoFile(path, pixels.shape[1], pixels.shape[0], fps, quality)
                    file.add(pixels, at)
            finally:
                if file is not None:
                    file.close()
            if file is None:
                raise EnvstreamError("a video takes one picture at least; there was none")
            return path.read_bytes()
    except OSError as error:
        raise unwritable(path, error) from error

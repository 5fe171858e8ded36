"""Pictures to the planes that H.264 is made of: even sides, and colours by the formula that it names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from envstream.errors import EnvstreamError
from envstream.frame import Pixels

TICKS = 90000  # A second's, as in all video.
_MOST = 16384  # Pixels that x264 takes either way.


class Planes:
    """Pictures of one size to frames for x264. Not thread-safe.

    Args:
        av: PyAV, which only `video` loads.
        format: `yuv420p`, where each chroma sample is the mean of its four pixels, or `yuv444p`.

    Raises:
        EnvstreamError: when no picture can ever be of that size.
    """

    def __init__(self, av: Any, width: int, height: int, format: str) -> None:
        if not (1 <= width <= _MOST and 1 <= height <= _MOST):
            raise EnvstreamError(
                f"a picture of {width}x{height} cannot be H.264: it takes 1 to {_MOST} pixels either way"
            )
        self._av, self._size, self._format = av, (height, width), format
        rows, columns = height + height % 2, width + width % 2
        # One frame for all pictures: the memory of another one each time costs as much as the conversion.
        self._source: Any = av.VideoFrame(columns, rows, "rgb24")
        (plane,) = self._source.planes
        lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:rows, : 3 * columns]
        self._pixels = lines.reshape(rows, columns, 3)
        self._reformatter: Any = av.video.reformatter.VideoReformatter()
        # JPEG's matrix; of the range, 16 to 235.
        known: Any = av.video.reformatter
        self._matrix = known.Colorspace.ITU601
        self._full, self._limited = known.ColorRange.JPEG, known.ColorRange.MPEG
        # Newer PyAV has swscale's faster way to the mean.
        kinds: Any = av.video.reformatter.Interpolation
        faster = getattr(kinds, "FULL_CHR_H_INP", None)
        self._halving = kinds.AREA if faster is None else kinds.AREA | faster

    def prepare(self, context: Any, fps: float) -> None:
        """Tells an encoder what is to come."""
        context.width, context.height, context.pix_fmt = self._source.width, self._source.height, self._format
        # At a low rate x264 spends more on each picture, as it is seen longer; JPEG does not.
        context.time_base, context.framerate = Fraction(1, TICKS), Fraction(min(1000, max(30, round(fps))))
        context.thread_count = 1

    def frame(self, pixels: Pixels, ticks: int, key: bool) -> Any:
        """A picture as PyAV's frame; `key`: one that builds on none before.

        Raises:
            EnvstreamError: when it has another size than those before, or is no picture.
        """
        height, width = pixels.shape[:2]
        if (height, width) != self._size:
            began = f"{self._size[1]}x{self._size[0]}"
            raise EnvstreamError(
                f"an H.264 stream of {began} cannot go on with a picture of {width}x{height}"
            )
        with self.errors():
            self._fill(pixels)
            frame = self._reformatter.reformat(
                self._source,
                format=self._format,
                interpolation=self._halving,
                dst_colorspace=self._matrix,
                src_color_range=self._full,
                dst_color_range=self._limited,
            )
            kinds = self._av.video.frame.PictureType
            frame.pts, frame.pict_type = ticks, kinds.I if key else kinds.NONE
        return frame

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Makes a sentence of what PyAV says of a picture."""
        try:
            yield
        except (self._av.error.FFmpegError, TypeError, ValueError, OverflowError, MemoryError) as error:
            height, width = self._size
            reason = getattr(error, "strerror", None) or error
            raise EnvstreamError(f"a picture of {width}x{height} cannot be H.264: {reason}") from error

    def _fill(self, pixels: Pixels) -> None:
        (height, width), source = self._size, self._pixels
        np.copyto(source[:height, :width], pixels, casting="no")
        # The edge once more, so that it has its own colour.
        source[:height, width:] = source[:height, width - 1 : width]
        source[height:] = source[height - 1]

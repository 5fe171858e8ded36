"""Footage: where pictures come from that are to be sent; and that of a video file."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from envstream.errors import EnvstreamError
from envstream.frame import Pixels

USUAL_FPS = 30.0
UNMADE: Pixels = np.zeros((0, 0, 3), np.uint8)


class Shot(NamedTuple):
    """A picture.

    Attributes:
        pixels: uint8 RGB of shape (height, width, 3), its own; `UNMADE` where nobody wants them.
        timestamp: seconds since the first one.
        info: what the env said.
    """

    pixels: Pixels
    timestamp: float
    info: Mapping[str, Any] = MappingProxyType({})


class Footage(Protocol):
    """Pictures, one after the other. Everything about it is done in one thread.

    Attributes:
        fps: pictures a second, as far as that is known.
        expected: how many there are; None where that is not known exactly.
        goes_on: whether it does so while nobody takes its pictures.
        damaged: pieces that could not be decoded.
        unwanted: of so many, the first ones, nobody wants the pixels. May be set while it is read.
    """

    fps: float
    expected: int | None
    goes_on: bool
    damaged: int
    unwanted: int

    def shots(self) -> Iterator[Shot]:
        """All pictures; once."""

    def close(self) -> None:
        """No more pictures. Never raises."""


def loaded() -> Any:
    """PyAV.

    Raises:
        EnvstreamError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise EnvstreamError(
            f'videos and cameras need PyAV: pip install "gymnasium-envstream[record]" ({error})'
        ) from error
    return av


def reason_of(error: BaseException) -> str:
    """Why something could not be read, in words."""
    return str(getattr(error, "strerror", None) or error)


class VideoFootage:
    """The pictures of a video file, as upright as players show them, at their own times.

    Raises:
        EnvstreamError: it cannot be read, or there is no video in it.
    """

    goes_on = False
    unwanted = 0

    def __init__(self, path: Path) -> None:
        self._av = loaded()
        if not path.is_file():
            raise EnvstreamError(f"{path}: expected a video file, and there is none")
        self._path, self.damaged = path, 0
        try:
            # Absolute: FFmpeg takes what is before a colon for a protocol.
            self._container: Any = self._av.open(str(path.absolute()))
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise EnvstreamError(f"{path}: expected a video file ({reason_of(error)})") from error
        if not self._container.streams.video:
            self._container.close()
            raise EnvstreamError(f"{path}: expected a video file, and there is no picture in it")
        self._stream: Any = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.fps = rate_of(self._stream)
        self.expected = self._exactly()

    def _exactly(self) -> int | None:
        """How many pictures there are, where the container has a table of them and shows them all."""
        stream = self._stream
        if "mp4" not in self._container.format.name or not stream.frames or not stream.duration:
            return None
        shown = float(stream.duration * stream.time_base * (stream.average_rate or 0))
        return int(stream.frames) if abs(stream.frames - shown) < 1 else None

    def shots(self) -> Iterator[Shot]:
        """All pictures that can be decoded."""
        first, at = None, -1 / self.fps
        for number, frame in enumerate(self._frames(), 1):
            when = frame.time if frame.time is not None and math.isfinite(frame.time) else None
            if first is None:
                first = when or 0.0
            # Times that go back belong to a file that was put together of several.
            at = at + 1 / self.fps if when is None else max(when - first, at, 0.0)
            yield Shot(pixels_of(frame) if number > self.unwanted else UNMADE, at)

    def _frames(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._av.error.FFmpegError as error:  # Cut off, as a copy that was interrupted.
                self.damaged += 1
                if isinstance(error, self._av.error.EOFError):
                    return
                packet = None
            try:
                yield from self._stream.decode(packet)
            except self._av.error.EOFError:
                return
            except self._av.error.FFmpegError:
                self.damaged += 1
            if packet is None:
                return

    def close(self) -> None:
        """No more pictures."""
        with contextlib.suppress(Exception):
            self._container.close()


def pixels_of(frame: Any) -> Pixels:
    """A decoded frame as pixels, turned as it says that it is to be shown."""
    pixels: Pixels = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4  # Counterclockwise.
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def rate_of(stream: Any) -> float:
    """Pictures a second of a stream of PyAV's."""
    rate = stream.average_rate or stream.guessed_rate
    return min(1000.0, max(0.01, float(rate))) if rate else USUAL_FPS

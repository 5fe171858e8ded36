"""Where a job's pictures come from: the tape of a session, or a video file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from envstream.decoder import MAX_PIXELS, VideoDecoder, count_of, frames_of, pixels_of
from envstream.errors import EnvstreamError
from envstream.frame import Pixels
from envstream.sessions.arrival import Arrival
from envstream.sessions.tape import Tape


class Taken(NamedTuple):
    """What there is of one number.

    Attributes:
        timestamp: in seconds; None = there is no such frame, it is lost.
        pixels: None = it cannot be decoded; `error` says why.
    """

    timestamp: float | None = None
    pixels: Pixels | None = None
    info: Mapping[str, Any] = {}
    error: str = ""


class Source(Protocol):
    """Gives pictures by number, from 1 on, each once and in their order."""

    total: int | None

    def take(self, number: int) -> Taken | None:
        """What there is of a number; None: this was the end."""

    def after(self, number: int, up_to: int) -> int:
        """The next number that there may be something of; `up_to` + 1: none up to there."""

    def close(self) -> None:
        """No more pictures."""


class Taped:
    """The frames of a session, also while more of them come. It has no end of its own.

    Args:
        max_pixels: larger pictures of H.264 are not decoded.
    """

    total: int | None = None

    def __init__(self, folder: Path, max_pixels: int = MAX_PIXELS) -> None:
        self._folder, self._max_pixels = folder, max_pixels
        self._tape: Tape | None = None
        self._decoder: VideoDecoder | None = None

    def take(self, number: int) -> Taken:
        """What there is of a number."""
        try:
            self._tape = self._tape or Tape(self._folder)
        except FileNotFoundError:  # Not one frame came.
            return Taken()
        arrival = self._tape.get(number)
        if arrival is None:
            if self._decoder is not None:
                self._decoder.lost()
            return Taken()
        try:
            return Taken(arrival.timestamp, self._decoded(arrival), arrival.info)
        except Exception as error:  # The bytes are a stranger's, and each format fails in its own way.
            return Taken(arrival.timestamp, None, arrival.info, f"{error or type(error).__name__}"[:200])

    def close(self) -> None:
        """No more pictures."""
        if self._tape is not None:
            self._tape.close()

    def after(self, number: int, up_to: int) -> int:
        """The next number that may be there; `up_to` + 1: none up to there."""
        return up_to + 1 if self._tape is None else self._tape.after(number, up_to)

    def _decoded(self, arrival: Arrival) -> Pixels:
        if arrival.encoding != "h264":
            return pixels_of(arrival)
        if self._decoder is None:
            self._decoder = VideoDecoder(self._max_pixels)
        pixels = self._decoder.decode(arrival.data)
        if pixels is None:
            raise EnvstreamError(
                "it is damaged, builds on a picture that is missing or damaged, or on a later one (encode "
                "with tune=zerolatency)"
            )
        return _cut(pixels, arrival.width, arrival.height)


class Filmed:
    """The pictures of a video file.

    Raises:
        EnvstreamError: no PyAV, or no video there.
    """

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS) -> None:
        self.total = count_of(path)
        self._frames = frames_of(path, max_pixels)

    def take(self, number: int) -> Taken | None:
        """The next picture, whatever its number; None: there is none any more."""
        found = next(self._frames, None)
        return None if found is None else Taken(*found)

    def after(self, number: int, up_to: int) -> int:
        """The next number."""
        return number + 1

    def close(self) -> None:
        """No more pictures."""
        self._frames.close()


def _cut(pixels: Pixels, width: int, height: int) -> Pixels:
    """Without the pixel that an odd side becomes longer by, as H.264 has even ones."""
    high, wide = pixels.shape[:2]
    if (wide, high) != (width, height) and (wide, high) == (width + width % 2, height + height % 2):
        return pixels[:height, :width].copy()
    return pixels

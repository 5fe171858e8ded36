"""A frame: one picture, when it was taken, and what the env was doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


class Source(NamedTuple):
    """A picture as it came: a JPEG, and the quality that it was compressed with."""

    data: bytes
    quality: int


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture. Immutable: it takes its pixels over and makes them read-only; see `copy_of`.

    Attributes:
        pixels: uint8 RGB of shape (height, width, 3), C-contiguous, read-only.
        number: sequence number within its stream, from 1; identity of the frame (never its address).
        captured: when the picture was taken, in seconds of the monotonic clock.
        cost: seconds the capture took from the training thread (render, convert, copy).
        info: what the env said: `episode`, `step`, `return`, `totalSteps`, …
        content: number of the first of consecutive frames with these very pixels; its own where it is new.
        source: the picture as it came, where it can be passed on so; see `sent.SentFrame`.
    """

    source: ClassVar[Source | None] = None

    pixels: Pixels
    number: int
    captured: float
    cost: float = 0.0
    info: Mapping[str, Any] = field(default_factory=dict)
    content: int = 0

    def __post_init__(self) -> None:
        if not self.content:
            object.__setattr__(self, "content", self.number)
        self.pixels.flags.writeable = False

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    def shows(self, other: Frame) -> bool:
        """Whether it is the same picture as another."""
        if self.source is not None or other.source is not None:
            return self.source == other.source
        return np.array_equal(self.pixels, other.pixels)

    def like(self, before: Frame) -> Frame:
        """The same frame, known to show what one before it shows, whose memory it shares."""
        return replace(self, pixels=before.pixels, content=before.content)

    def again(self, number: int, captured: float) -> Frame:
        """The same picture, taken at another moment."""
        return Frame(self.pixels, number, captured, 0.0, self.info)

    @classmethod
    def copy_of(cls, pixels: Pixels, number: int, captured: float, cost: float = 0.0, **info: Any) -> Frame:
        """A frame with its own copy of `pixels` (uint8, (height, width, 3))."""
        return cls(np.array(pixels, np.uint8, order="C", copy=True), number, captured, cost, info)

"""A clip: pictures kept for replay, compressed, each standing for itself, with what the env did at each."""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

VALUES = ("episode", "step", "action", "reward", "return")


class Still(NamedTuple):
    """One picture of a clip.

    Attributes:
        data: as JPEG, or without loss as WebP or PNG, as `format` says.
        time: seconds from the clip's beginning at which it is to be seen.
        captured: when it was taken, in seconds of the monotonic clock.
        values: what the env did there; those of `VALUES` that are known.
    """

    data: bytes
    format: str
    time: float
    captured: float
    width: int
    height: int
    values: Mapping[str, Any]


@dataclass
class Clip:
    """An episode, or some seconds of a live picture. Grows at its end until it is `done`. Pure.

    Attributes:
        name: its identity on this server.
        kind: `episode`, or `live` for what was seen in the live picture.
        fps: env steps a second at natural speed.
        every: each how many steps a picture was taken.
        first: the step of its first picture; 0 = the episode's beginning.
        ended: how the episode ended: `terminated`, `truncated`, `reset`, `closed`, or `cut` where it goes on.
        at: when it began, in seconds since 1970.
        made: the same by the monotonic clock, which nobody sets.
    """

    name: str
    stream: str
    title: str
    kind: str = "episode"
    fps: float = 30.0
    every: int = 1
    first: int = 0
    seed: Any = None
    episode: int | None = None
    steps: int = 0
    total: float | None = None
    ended: str | None = None
    done: bool = False
    at: float = field(default_factory=time.time)
    made: float = field(default_factory=time.monotonic)
    stills: list[Still] = field(default_factory=list)
    size: int = 0  # Of its pictures, in bytes.

    def add(self, still: Still) -> None:
        """A further picture; its time must not be before the last one's."""
        self.stills.append(still)
        self.size += len(still.data)
        values = still.values
        self.episode = values.get("episode", self.episode)
        self.steps, self.total = values.get("step") or 0, values.get("return")

    def finish(self, ended: str) -> None:
        """No further picture comes."""
        self.ended, self.done = ended, True

    @property
    def cut(self) -> bool:
        """Whether it ends before its episode does."""
        return self.ended in ("cut", "closed")

    @property
    def seconds(self) -> float:
        """How long it lasts; its last picture is seen for as long as a step takes."""
        return self.stills[-1].time + self.every / self.fps if self.stills else 0.0

    def index(self, seconds: float) -> int:
        """The picture that is to be seen so many seconds after the beginning."""
        # A hair's breadth early is on time: sums of moments are not exact.
        return max(0, bisect.bisect_right(self.stills, seconds + 1e-6, key=lambda still: still.time) - 1)

    def about(self) -> dict[str, Any]:
        """What `/api/episodes` tells of it."""
        return {
            "id": self.name,
            "kind": self.kind,
            "stream": self.stream,
            "episode": self.episode,
            "steps": self.steps,
            "return": self.total,
            "frames": len(self.stills),
            "every": self.every,
            "first": self.first,
            "cut": self.cut,
            "ended": self.ended,
            "fps": round(self.fps / self.every, 3),
            "naturalFps": self.fps,
            "seconds": round(self.seconds, 3),
            "bytes": self.size,
            "at": round(self.at, 3),
            "seed": self.seed,
        }

    def described(self) -> dict[str, Any]:
        """The same with each picture's values, and its place among all that `data` gives."""
        pictures, offset = [], 0
        for still in list(self.stills):
            values = {key: still.values.get(key) for key in VALUES}
            place = {"offset": offset, "size": len(still.data), "format": still.format}
            pictures.append({**place, "time": round(still.time, 4), **values})
            offset += len(still.data)
        first = self.stills[0] if self.stills else None
        size = {"width": first.width, "height": first.height} if first else {"width": None, "height": None}
        return {**self.about(), "title": self.title, **size, "pictures": pictures}

    def data(self) -> Iterable[bytes]:
        """Its pictures, one after the other."""
        return (still.data for still in list(self.stills))

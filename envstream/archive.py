"""The archive: the clips that one server keeps, bounded in number and bytes."""

from __future__ import annotations

import itertools
import threading
from collections import deque

from envstream.clip import Clip

SNAPSHOTS = 8  # Clips of live pictures that are kept, of those that were asked for last.


class Archive:
    """Keeps the best and the worst of each stream's episodes longest, and thins out the rest by age.

    Safe to call from any thread.

    Args:
        most: episodes of one stream.
        most_bytes: of all pictures together.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._clips: dict[str, list[Clip]] = {}
        self._snapshots: deque[Clip] = deque(maxlen=SNAPSHOTS)
        # Protects the lists; held for a moment only.
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self.edition: dict[str, int] = {}  # Stream → another number whenever its list has changed.

    def name(self, kind: str) -> str:
        """A new identity for a clip."""
        return f"{kind[0]}{next(self._numbers)}"

    def add(self, clip: Clip) -> None:
        """Keep a finished clip; others may have to go."""
        with self._lock:
            if clip.kind == "live":
                self._snapshots.append(clip)
                self._fit()
                return
            clips = self._clips.setdefault(clip.stream, [])
            clips.append(clip)
            while len(clips) > self._most:
                clips.remove(_expendable(clips))
            self._changed(clip.stream)
            self._fit()

    def get(self, name: str) -> Clip | None:
        """The clip of that name, if it is still kept."""
        with self._lock:
            kept = itertools.chain(self._snapshots, *self._clips.values())
            return next((clip for clip in kept if clip.name == name), None)

    def of(self, stream: str) -> list[Clip]:
        """The episodes kept of a stream, oldest first."""
        with self._lock:
            return list(self._clips.get(stream, ()))

    def extremes(self, stream: str) -> tuple[Clip | None, Clip | None]:
        """The best and the worst of them."""
        with self._lock:
            return _extremes(self._clips.get(stream, []))

    def forget(self, stream: str) -> None:
        """The stream is gone for good."""
        with self._lock:
            self._clips.pop(stream, None)
            self.edition.pop(stream, None)

    @property
    def bytes(self) -> int:
        kept = itertools.chain(self._snapshots, *self._clips.values())
        return sum(clip.size for clip in kept)

    def _changed(self, stream: str) -> None:
        self.edition[stream] = self.edition.get(stream, 0) + 1

    def _fit(self) -> None:
        while len(self._snapshots) > 1 and self.bytes > self._most_bytes:
            self._snapshots.popleft()  # They are looked at when they are asked for, and hardly later.
        total = self.bytes
        while self._clips and total > self._most_bytes:
            # From the stream that holds most, so that one with large pictures does not empty the others.
            stream = max(self._clips, key=lambda name: sum(clip.size for clip in self._clips[name]))
            clips = self._clips[stream]
            if len(clips) < 2:
                return  # One clip at least can always be looked at.
            gone = _expendable(clips)
            clips.remove(gone)
            total -= gone.size
            self._changed(stream)


def _extremes(clips: list[Clip]) -> tuple[Clip | None, Clip | None]:
    # Of those that are whole: what is left of an episode that was cut says nothing about it.
    whole = [clip for clip in clips if clip.total is not None and clip.ended in ("terminated", "truncated")]
    if not whole:
        return None, None
    return max(whole, key=_score), min(whole, key=_score)


def _score(clip: Clip) -> float:
    return clip.total if clip.total is not None else 0.0


def _expendable(clips: list[Clip]) -> Clip:
    """The clip that is missed least: the older, the farther apart the kept ones may lie."""
    kept = {id(clip) for clip in (*_extremes(clips), clips[-1]) if clip is not None}
    now = clips[-1].made
    best, least = None, float("inf")
    for index, clip in enumerate(clips):
        if id(clip) in kept:
            continue
        before = clips[index - 1].made if index else clip.made - 1.0
        gap = (clips[index + 1].made - before) / (now - clip.made + 1.0)
        if gap < least:
            best, least = clip, gap
    if best is not None:
        return best
    # Nothing but the best, the worst and the newest is left: the worst goes first.
    top, low = _extremes(clips)
    return low if low is not None and low is not top and low is not clips[-1] else clips[0]

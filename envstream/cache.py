"""The cache of encoded pictures: one for a whole server, so that one limit holds for all its streams."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, NamedTuple

MOST_RUNGS = 32  # Pictures of one frame that are kept: viewers choose widths, and must not choose memory.


class Place(NamedTuple):
    """Whose pictures of which frame; `owner` is one stream's life, `frame` a number in it."""

    owner: int
    frame: int


class Cache:
    """Encoded pictures by owner, frame and rung. Safe to call from any thread.

    Single flight: who asks while a picture is being made gets the same future. Bounded twice: each owner
    keeps the pictures of so many frames, and all together hold at most `max_bytes`; what was asked for
    longest ago goes first. A picture that is larger than everything that may be kept is made and not kept.
    """

    def __init__(self, max_bytes: int = 64_000_000) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        # Protects everything below; held for dictionary work only, never while encoding.
        self._lock = threading.Lock()
        self._frames: OrderedDict[Place, dict[Hashable, Future[Any]]] = OrderedDict()
        self._owned: dict[int, OrderedDict[int, None]] = {}  # The same frames for each owner, in that order.
        self._sizes: dict[Future[Any], int] = {}

    def picture(
        self, place: Place, rung: Hashable, frames: int, make: Callable[[], Future[Any]]
    ) -> tuple[Future[Any], bool]:
        """The picture at `place` and `rung`, and whether it was there; else the one that `make` begins.

        Args:
            frames: how many frames' pictures the owner keeps.
            make: begins to encode, at once and without waiting; the result has `data`.
        """
        with self._lock:
            pictures = self._frames.get(place)
            if pictures is None:
                pictures = self._frames[place] = {}
            else:
                self._frames.move_to_end(place)
            owned = self._owned.setdefault(place.owner, OrderedDict())
            owned[place.frame] = None
            owned.move_to_end(place.frame)
            future = pictures.get(rung)
            if future is not None:
                return future, True
            while len(owned) > frames:
                self._drop(Place(place.owner, next(iter(owned))))
            while len(pictures) >= MOST_RUNGS:
                self._let_go(pictures.pop(next(iter(pictures))))
            future = pictures[rung] = make()
        future.add_done_callback(lambda done: self._weigh(place, rung, done))
        return future, False

    def rungs(self, place: Place) -> list[Any]:
        """The rungs at which a frame is there, or is being made."""
        with self._lock:
            return list(self._frames.get(place, ()))

    def clear(self, owner: int) -> None:
        """Forget all pictures of one owner."""
        with self._lock:
            for frame in list(self._owned.get(owner, ())):
                self._drop(Place(owner, frame))
            self._owned.pop(owner, None)

    def bytes_of(self, owner: int) -> int:
        """Bytes that one owner's pictures hold."""
        with self._lock:
            frames = [self._frames[Place(owner, frame)] for frame in self._owned.get(owner, ())]
            return sum(self._sizes.get(future, 0) for pictures in frames for future in pictures.values())

    def _weigh(self, place: Place, rung: Hashable, future: Future[Any]) -> None:
        """A picture was made: it weighs what it weighs, and the oldest make room."""
        with self._lock:
            pictures = self._frames.get(place)
            if pictures is None or pictures.get(rung) is not future:
                return  # Dropped while it was made.
            if future.cancelled() or future.exception() is not None:
                del pictures[rung]  # The next one who asks has it tried again.
                return
            self._sizes[future] = size = len(future.result().data)
            self.bytes += size
            while self.bytes > self.max_bytes and self._frames:
                self._drop(next(iter(self._frames)))

    def _drop(self, place: Place) -> None:
        for future in self._frames.pop(place).values():
            self._let_go(future)
        owned = self._owned[place.owner]
        del owned[place.frame]
        if not owned:
            del self._owned[place.owner]

    def _let_go(self, future: Future[Any]) -> None:
        self.bytes -= self._sizes.pop(future, 0)

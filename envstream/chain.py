"""A chain: pictures of which each builds on the one before; who has them all may be sent the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from envstream.encoder import Rung

KEY_PAUSE = 1.0  # Seconds between two key pictures: one costs as much as twenty others, and costs everybody.


class ChainKey(NamedTuple):
    """What viewers have to have in common to share a chain."""

    rung: Rung
    fps: float
    width: int
    height: int
    full_colour: bool


@dataclass
class Chain:
    """One H.264 encoder's pictures and when the next one comes. Pure: time is passed in.

    Who has missed one, or comes anew, waits for a key picture, which builds on none before.

    Attributes:
        number: tells it from all other chains of this server.
        length: pictures made so far.
        used_at: when the last one was made.
    """

    number: int
    fps: float
    length: int = 0
    used_at: float = float("-inf")
    _next_at: float = float("-inf")
    _key_at: float = float("-inf")

    @property
    def here(self) -> tuple[int, int]:
        """The chain and its length: what somebody remembers who has all pictures so far."""
        return self.number, self.length

    def due(self, now: float) -> bool:
        """Whether it is time for the next picture."""
        return self._next_at <= now

    @property
    def next_at(self) -> float:
        return self._next_at

    def may_begin_anew(self, now: float) -> bool:
        """Whether the next one may be a key picture."""
        return self.length == 0 or now - self._key_at >= KEY_PAUSE

    def go_on(self, now: float, key: bool) -> None:
        """One more picture is made."""
        self.length += 1
        self.used_at = now
        if key:
            self._key_at = now
        self._next_at = max(self._next_at, now - 0.5 / self.fps) + 1.0 / self.fps

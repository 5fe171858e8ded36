"""Playback: which picture of which episode is to be seen now, and when the next episode is wanted. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from envstream.clip import Clip, Still

PAUSE = 0.5  # Seconds for which an episode's last picture stands before the next one begins.
SHARE = 0.8  # Of the budget that a played episode may take, so that it is paid before it is over.
# Seconds that each step is longer for being counted: at 150,000 steps a second there is less for pictures.
COUNTING = 1e-7
LONGEST = 60.0  # Seconds that an episode is played; a longer one is cut.
SOONEST, LATEST = 0.5, 10.0  # Seconds before the end of one episode at which the next one is ordered.
LATE = 0.1  # Seconds by which a picture may be late before the clock is set back.
LIVELY = 2.0  # Times natural speed from which on single moments of a training say nothing.
CALM = 1.3  # Times natural speed up to which they do again.


def stride(fps: float, most_fps: float, cost: float, share: float) -> int:
    """Each how many steps a picture is taken.

    Args:
        fps: env steps a second at natural speed.
        most_fps: pictures a second at most.
        cost: seconds of the trainer's time that a picture is charged with.
        share: of the trainer's time that there is for them, from 0 to 1.
    """
    return max(by_rate(fps, most_fps), math.ceil(cost * fps / share - 1e-9))


def by_rate(fps: float, most_fps: float) -> int:
    """Each how many of `fps` steps a second a picture is taken, for at most `most_fps` pictures a second."""
    return max(1, math.ceil(fps / most_fps - 1e-9))


def share_of(budget: float, steps: float | None, others: int) -> float:
    """The share of the trainer's time that there is for the pictures of an episode.

    Args:
        budget: what all captures may take, from 0 to 1.
        steps: env steps a second; None = not known.
        others: streams that share the budget.
    """
    free = SHARE * budget - COUNTING * (steps or 0.0)
    return max(free, budget / 4) / (1 + others)


class Playback:
    """Plays clips one after the other, at natural speed, while they may still grow. Time is passed in."""

    def __init__(self) -> None:
        self.clip: Clip | None = None
        self._begun = 0.0
        self._shown = -1
        self._next: Clip | None = None
        self._ordered: float | None = None
        self._latency = SOONEST

    # What is played.

    def offer(self, clip: Clip, now: float) -> None:
        """The first picture of an ordered episode has come."""
        if self._ordered is not None:
            self._latency = 0.7 * self._latency + 0.3 * (now - self._ordered)
            self._ordered = None
        self._next = clip

    def turn(self, now: float) -> tuple[Clip, int, Still] | None:
        """The picture that is to be shown from now on, where that is another one than before."""
        if self._next is not None and (self.clip is None or now >= self.ends_at + PAUSE):
            self.clip, self._next = self._next, None
            self._begun, self._shown = now, -1
        clip = self.clip
        if clip is None or not clip.stills:
            return None
        last = len(clip.stills) - 1
        index = clip.index(now - self._begun)
        if index == last and not clip.done:
            # It grows more slowly than it is played: the clock waits for it.
            self._begun = max(self._begun, now - clip.stills[last].time)
        if index == self._shown:
            return None
        # Each picture is shown: where one is late, the others are as well.
        index = min(index, self._shown + 1)
        late = now - self._begun - clip.stills[index].time
        if late > LATE:
            self._begun += late
        self._shown = index
        return clip, index, clip.stills[index]

    @property
    def ends_at(self) -> float:
        """When the clip on show is over, as far as is known."""
        return self._begun + self.clip.seconds if self.clip is not None else 0.0

    def next_at(self, now: float) -> float | None:
        """When `turn` will give something; None = not before a further picture or clip comes."""
        clip = self.clip
        if clip is not None and self._shown + 1 < len(clip.stills):
            return self._begun + clip.stills[self._shown + 1].time
        if self._next is not None:
            return now if clip is None else self.ends_at + PAUSE
        return None

    def state(self, now: float) -> str:
        """`waiting` for an episode to begin, `playing`, or `between` two of them."""
        if self.clip is None:
            return "waiting"
        if now < self.ends_at or not self.clip.done:
            return "playing"
        return "between" if now < self.ends_at + 2 * PAUSE or self._next is not None else "waiting"

    # When the next one is wanted.

    def wants(self, now: float) -> bool:
        """Whether an episode is to be ordered now."""
        if self._ordered is not None or self._next is not None:
            return False
        if self.clip is None:
            return True
        lead = min(max(2 * self._latency, SOONEST), LATEST)
        return self.clip.done and now >= self.ends_at - lead

    def order(self, now: float) -> None:
        """An episode was ordered."""
        self._ordered = now

    def waited(self, now: float) -> float:
        """Seconds for which an order has not been met; 0 = there is none."""
        return 0.0 if self._ordered is None else now - self._ordered

    def stop(self) -> None:
        """Nobody looks any more."""
        self.clip = self._next = self._ordered = None
        self._shown = -1


def lively(steps: float | None, fps: float, before: bool) -> bool:
    """Whether training runs so fast that whole episodes say more than single moments.

    Args:
        steps: env steps a second of one env; None = not known.
        before: what was said of it before: between the two bounds it stays so.
    """
    if steps is None:
        return before
    return steps > (CALM if before else LIVELY) * fps


@dataclass
class Screening:
    """How the episodes of a stream are shown.

    Attributes:
        natural_fps: env steps a second at natural speed.
        together: envs whose steps are counted together.
        order: has the trainer capture an episode: each how many steps a picture, how many at most, and
            whether what is left of the running one will do. None = there is none to be had.
        possible: whether there are whole episodes to be had while the run goes on.
        every: each how many steps a picture is ordered.
    """

    natural_fps: float
    together: int = 1
    order: Callable[[int, int, bool], None] | None = None
    possible: bool = False
    every: int = 1
    playback: Playback = field(default_factory=Playback)
    _lively: bool = False

    def view(self, wanted: str, steps: float | None) -> str:
        """`live` or `episode`: what is `wanted`, or for `auto` what fits so many steps a second."""
        if wanted != "auto" or not self.possible:
            return wanted if self.possible else "live"
        per_env = None if steps is None else steps / self.together
        self._lively = lively(per_env, self.natural_fps, self._lively)
        return "episode" if self._lively else "live"

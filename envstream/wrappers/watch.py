"""The watch: looks at envs that are simulated together on a device, and never waits for the device."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from envstream.config import StreamConfig
from envstream.errors import EnvstreamError
from envstream.sources.pixels import is_black, to_rgb
from envstream.sources.render import LATER
from envstream.sources.tensors import TensorPicture, is_tensor
from envstream.sources.transfer import Arrival, Carry, carry
from envstream.sources.views import Source, view_of
from envstream.wrappers.gallery import chosen
from envstream.wrappers.ledger import Ledger
from envstream.wrappers.tap import Tap

WARMING_UP = "camera warming up"
BLACK_WHILE_WARMING_UP = 30  # Black pictures at the beginning that are held back.

Take = Callable[[], object]


class Watch:
    """Looks at a batch of envs while they are stepped. Nothing here raises, and nothing waits.

    Args:
        env: many envs in one, whose results are tensors.
        source: what is looked at; see `StreamingBatchedWrapper`.
        given: the settings that were given, as plain data.
        carry: begins a copy; another one than torch's own in tests.

    Raises:
        SettingError: for a setting or a source that is wrong.
    """

    def __init__(self, env: Any, source: Source, given: dict[str, Any], carry: Carry = carry) -> None:
        config = StreamConfig(**given)
        inner = getattr(env, "unwrapped", env)
        spec = getattr(env, "spec", None)
        count = int(inner.num_envs)
        self._view = view = view_of(env, source)
        self._envs = chosen(config, count) if view.many else [0]
        self._config = config
        self._left_out = not view.many and config.videoStreamEnvs != [0]
        title = spec.id if spec is not None else type(inner).__name__
        self.tap = Tap(config, given, title, self._envs if view.many else None)
        self._ledger = Ledger(self._envs, count, carry)
        self._pictures = [
            TensorPicture(config.videoResolution, depth=view.depth, max_pixels=config.max_pixels, carry=carry)
            for _ in self._envs
        ]
        self._coming: dict[int, tuple[Arrival, float]] = {}  # By part: its picture, and the moment of it.
        self._begun = False
        self._black_so_far = 0
        self._warming_up = True

    def reset(self, *, some: bool = False) -> None:
        """All envs were begun anew, or `some` of them."""
        if not self._config.videoStream:
            return
        try:
            if not self.tap.ready:
                self.tap.open()
            if not some:
                self._ledger.reset()
            self._begin()
            if self.tap.due[0]:
                self._take()
        except Exception as error:
            self.tap.failed(error)

    def step(self, result: Any) -> None:
        """The envs were stepped, and `result` is what came of it: four or five things."""
        if not self._config.videoStream:
            return
        try:
            ledger = self._ledger
            if len(result) == 5:
                ledger.add(result[1], result[2], result[3])
            else:
                ledger.add(result[1], result[2])
            if not self._begun:  # As by learners that leave the first reset to the env.
                self.tap.open()
                self._begin()
            if ledger.waiting:
                self._note()
            if self._coming:
                self._show()
            if self.tap.due[0] and not self._coming:
                self._take()
        except Exception as error:
            self.tap.failed(error)

    def close(self) -> None:
        """The envs were closed: their streams have ended."""
        self._begun = False
        self._coming.clear()
        try:
            self._ledger.send()
            self._note()
        except Exception as error:
            self.tap.failed(error)
        self.tap.close()

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        if self._view.problem is not None:
            self.tap.warn(self._view.problem)
        elif self._left_out:
            self.tap.warn(
                "this source is one view of all envs, so videoStreamEnvs has no effect; name a camera as "
                "source to see single envs"
            )

    def _take(self) -> None:
        """Begin the pictures that are due; what is here already is shown at once."""
        if self._view.problem is not None:
            self.tap.due[0] = 0
            return
        self._ledger.send()  # First, so that it has come when the pictures have.
        self._note()
        taken: list[object] = []  # One batch has the pictures of all parts.
        for part in self.tap.wanted():
            self._capture(partial(self._one, part, taken), part)

    def _one(self, part: int, taken: list[object]) -> object:
        if not taken:
            taken.append(self._view.take())
        batch = taken[0]
        if not self._view.many and not is_tensor(batch):
            return batch
        arrival = self._pictures[part].begin(batch, self._envs[part])
        if not arrival.ready():
            self._coming[part] = arrival, time.monotonic()
            return LATER
        return _first(arrival)

    def _show(self) -> None:
        """Show the pictures that have come."""
        for part in [part for part, (arrival, _) in self._coming.items() if arrival.ready()]:
            arrival, moment = self._coming.pop(part)
            self._capture(partial(_first, arrival), part, moment)

    def _capture(self, take: Take, part: int, moment: float | None = None) -> None:
        info = {**self._ledger.info(part), "method": self._view.method}
        if self._warming_up:
            take = partial(self._unless_black, take)
        self.tap.capture(take, info, depth=self._view.depth, part=part, captured=moment)
        if self._warming_up and self._black_so_far:
            self.tap.open()  # It was no failure that counts against it.

    def _unless_black(self, take: Take) -> object:
        """The first pictures of a simulator are black until its renderer has loaded everything."""
        picture = take()
        if picture is LATER or picture is None:
            return picture
        pixels = to_rgb(picture, depth=self._view.depth, max_pixels=self._config.max_pixels)
        if is_black(pixels) and self._black_so_far < BLACK_WHILE_WARMING_UP:
            self._black_so_far += 1
            raise EnvstreamError(WARMING_UP)
        self._warming_up = False
        return picture

    def _note(self) -> None:
        for (part, number, steps, total), all_steps in self._ledger.receive():
            self.tap.note_episode(number, steps, total, all_steps, part)
            if not self.tap.ready:  # It was given up; a new episode is a new chance.
                self.tap.open()


def _first(arrival: Arrival) -> object:
    return arrival.collect()[0]

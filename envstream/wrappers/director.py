"""The director: which episodes are captured step by step: those that are recorded, and those asked for."""

from __future__ import annotations

import importlib.util
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from envstream import triggers
from envstream.config import StreamConfig
from envstream.errors import SettingError
from envstream.pace import charged, smoothed
from envstream.wire import brief
from envstream.wrappers.tap import Tap

# Numbers of takes: others after a fork or in another process of the same server would be others as well.
_numbers = itertools.count(1)


SETTLED = 5  # Pictures of a take after which it is known what they cost.
LONGEST = 3600.0  # Seconds of playing time for which an episode is recorded.
TOO_LONG = (
    "an episode was recorded for an hour of playing time, and its recording is cut there; set "
    "videoRecordLength to the number of pictures that you want"
)
NO_PYAV = 'videoRecord=True: recordings need PyAV; pip install "gymnasium-envstream[record]"'


@dataclass
class Take:
    """One episode that is captured step by step.

    Attributes:
        every: each how many steps a picture is taken; the last one always.
        most: pictures after which it is over; 0 = with its episode.
        record: whether it becomes a file, of which no picture may be left out.
        spans: whether it goes on with the next episode.
        best: whether its file is kept only when its return is the best so far.
    """

    number: int
    about: dict[str, Any]
    every: int = 1
    most: int = 0
    record: bool = False
    spans: bool = False
    best: bool = False
    taken: int = 0
    missing: int = 0
    cost: float | None = field(default=None, repr=False)  # Seconds that one of its pictures takes of late.
    left: int = field(default=0, repr=False)  # Steps until its next picture.

    def wants(self) -> bool:
        """Whether the moment that is looked at now is one of its pictures."""
        if self.left > 0:
            self.left -= 1
            return False
        self.left = self.every - 1
        return True

    @property
    def full(self) -> bool:
        return 0 < self.most <= self.taken


class Director:
    """Begins and ends takes. Nothing here raises into training but what its callers catch.

    Args:
        tap: where the pictures leave.
        config: the checked settings.
        envs: of a vector env, the sub-envs that can be shown, in the order of the tap's parts.

    Raises:
        SettingError: for a trigger that leads to no function, and where PyAV is missing that records.
    """

    def __init__(self, tap: Tap, config: StreamConfig, envs: list[int] | None = None) -> None:
        self._tap = tap
        tap.nature = tap.nature._replace(episodes=True)
        self._config = config
        self._envs = envs
        self._takes: dict[int, Take] = {}
        self._best = -math.inf
        self._broken: set[str] = set()  # Triggers that raised.
        self._episodes = self._steps = None
        if config.videoRecord:
            if importlib.util.find_spec("av") is None:  # Looked for only: the trainer need not load it.
                raise SettingError(NO_PYAV)
            self._episodes = triggers.read("videoRecordEpisodes", config.videoRecordEpisodes)
            self._steps = triggers.read("videoRecordSteps", config.videoRecordSteps)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_takes": {}}  # A copy's tap is not open yet.

    @property
    def active(self) -> bool:
        """Whether every step is to be looked at."""
        return bool(self._takes or self._steps is not None or self._behind)

    @property
    def attends(self) -> bool:
        """Whether it is to be told when episodes begin."""
        return self.active or self._episodes is not None or bool(self._orders)

    def parts(self) -> list[int]:
        """The parts that `look` and `shoot` are to be called for."""
        if self._steps is not None and self._envs is not None:
            return list(range(len(self._envs)))
        return list(dict.fromkeys([*self._takes, *self._orders]))

    def taking(self, part: int = 0) -> bool:
        """Whether a part's episode is captured step by step."""
        return part in self._takes

    def begin(self, part: int, info: dict[str, Any], seed: object = None) -> None:
        """An episode of a part has begun; `info` as of its first picture."""
        take = self._takes.get(part)
        if take is not None and not take.spans:
            self._end(part, take, "reset", None)
            take = None
        if take is not None:
            return
        episode = info["episode"] - 1
        if self._asks(self._episodes, "videoRecordEpisodes", episode):
            best = self._episodes is not None and self._episodes.best
            self._roll(part, info, f"episode-{episode}", seed, best=best)
        elif self._staged(part) == 1:
            self._roll(part, info, None, seed)

    def look(self, part: int, info: dict[str, Any]) -> None:
        """A step of a part was made: a take may begin in the midst of an episode."""
        if self._tap.channel is not None:
            self._tap.channel.flush()
        if part in self._takes:
            return
        if self._asks(self._steps, "videoRecordSteps", info["totalSteps"]):
            self._roll(part, info, f"step-{info['totalSteps']}", None)
        elif self._staged(part) == 2:
            self._roll(part, info, None, None)

    def shoot(
        self,
        part: int,
        picture: Callable[[], object],
        info: dict[str, Any],
        *,
        action: object = None,
        reward: object = None,
        ended: str | None = None,
        **kind: Any,
    ) -> bool:
        """The moment of a part's take, if there is one; False where the moment is none of its pictures.

        `ended` says how the episode ended, if it did; its last picture is taken always.
        """
        take = self._takes.get(part)
        if take is None:
            return False
        if not take.wants() and ended is None:
            return False
        take.taken += 1
        over = take.full or (ended is not None and not take.spans)
        said = {**info, "action": brief(action), "reward": brief(reward)}
        if take.taken == 1:
            said["begin"] = take.about
        if take.full and take.record and not take.spans and ended is None:
            self._tap.warn(TOO_LONG)
        if over:
            said["end"] = self._outcome(take, info, ended or "cut")
            del self._takes[part]
        before, began = self._tap.captures, time.perf_counter()
        self._tap.capture(picture, said, part=part, take=take, **kind)
        if self._tap.captures == before:
            take.missing += 1
            if over or take.taken == 1:  # What it said must be heard all the same.
                self._tap.cut(said, part, take)
        if not take.record:
            self._slow_down(take, time.perf_counter() - began, kind.get("weight", 1.0))
        return True

    def _slow_down(self, take: Take, took: float, weight: float) -> None:
        """Where pictures turn out to cost more than was thought, the rest of a take has fewer of them."""
        take.cost = smoothed(take.cost, weight * took)
        fps = self._tap.nature.fps or self._config.videoFps
        affordable = math.ceil(charged(take.cost) * fps / self._config.videoStreamMaxOverhead)
        if take.taken >= SETTLED and affordable > take.every:
            take.every = affordable

    def ended(self, part: int, info: dict[str, Any], how: str) -> None:
        """An episode of a part has ended, and there is no picture of its end."""
        take = self._takes.get(part)
        if take is not None and not take.spans:
            self._end(part, take, how, info)

    def close(self) -> None:
        """The env is closed: what was begun ends here."""
        for part, take in list(self._takes.items()):
            self._end(part, take, "closed", None)

    # What the server asks for, and has not yet taken.

    @property
    def _behind(self) -> int:
        return 0 if self._tap.channel is None else self._tap.channel.behind

    @property
    def _orders(self) -> list[int]:
        return [] if self._tap.channel is None else self._tap.channel.orders()

    def _staged(self, part: int) -> int:
        return 0 if self._tap.channel is None else self._tap.channel.staged(part)

    def _asks(self, trigger: triggers.Trigger | None, key: str, number: int) -> bool:
        if trigger is None:
            return False
        try:
            return bool(trigger.asks(number))
        except Exception as error:
            if key not in self._broken:  # Every episode it may have something else to say.
                self._broken.add(key)
                self._tap.warn(
                    f"{key} failed with {type(error).__name__}: {error}; nothing is recorded where it does"
                )
            return False

    def _roll(
        self, part: int, info: dict[str, Any], name: str | None, seed: object, best: bool = False
    ) -> None:
        """A take begins with the picture that is taken next."""
        config = self._config
        every, most = 1, 0
        if self._tap.channel is not None and self._staged(part):
            every, most = self._tap.channel.unstage(part)
        about: dict[str, Any] = {"clip": every if most else 0, "most": most, "seed": brief(seed)}
        about["first"] = info["step"]
        if self._envs is not None:
            about["env"] = self._envs[part]
        if name is not None:
            several = self._envs is not None and len(self._envs) > 1
            middle = f"env-{self._envs[part]}-" if several and self._envs is not None else ""
            about["record"] = f"{config.videoRecordPrefix}-{middle}{name}"
            every, most = 1, config.videoRecordLength
        record, spans = name is not None, name is not None and most > 0
        if record and not most:  # An episode without end must not slow the training for ever.
            most = int(LONGEST * (self._tap.nature.fps or config.videoFps))
        take = Take(next(_numbers), about, every, most, record, spans, best)
        self._takes[part] = take

    def _outcome(self, take: Take, info: dict[str, Any] | None, ended: str) -> dict[str, Any]:
        outcome: dict[str, Any] = {"ended": ended, "missing": take.missing}
        if info is not None:
            outcome.update(steps=info["step"], **{"return": info["return"]})
        if take.best:
            whole = info is not None and ended in ("terminated", "truncated")
            outcome["keep"] = keep = whole and info is not None and info["return"] > self._best
            if keep and info is not None:
                self._best = info["return"]
        return outcome

    def _end(self, part: int, take: Take, how: str, info: dict[str, Any] | None) -> None:
        del self._takes[part]
        if take.taken:
            self._tap.cut({"end": self._outcome(take, info, how)}, part, take)


def natural_fps(env: Any) -> float | None:
    """Steps a second at which an env looks natural, as its metadata says."""
    fps = (getattr(env, "metadata", None) or {}).get("render_fps")
    return float(fps) if isinstance(fps, (int, float)) and 0 < fps < float("inf") else None

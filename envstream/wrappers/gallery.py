"""The gallery: how the sub-envs of a vector env are shown, each as a stream, one picture at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from envstream.config import StreamConfig
from envstream.errors import SettingError
from envstream.links.channel import Nature
from envstream.pace import smoothed
from envstream.sources.render import LATER
from envstream.sources.subenvs import SubEnvs
from envstream.wrappers.director import Director, natural_fps
from envstream.wrappers.tally import Autoreset, Tally
from envstream.wrappers.tap import Tap

Records = Mapping[int, tuple[int, float]]
NO_RECORDS: Records = {}
COUNTED_TOGETHER = 64  # Steps that are put aside before they are counted, with nobody watching.
MOST_LISTED = 1024  # Sub-envs that `videoStreamEnvs=all` lists.


def chosen(config: StreamConfig, count: int) -> list[int]:
    """The sub-envs that `videoStreamEnvs` lets be shown.

    Raises:
        SettingError: when it names one that there is not.
    """
    wanted = config.videoStreamEnvs
    if wanted == "all":
        return list(range(min(count, MOST_LISTED)))
    if max(wanted) >= count:
        raise SettingError.value(
            "videoStreamEnvs", wanted, f"sub-envs of this vector env, which are 0 to {count - 1}, or all"
        )
    return list(dict.fromkeys(wanted))


class Gallery:
    """Counts episodes, and takes pictures of the sub-envs that somebody looks at. Nothing here raises.

    Args:
        vector_env: what is stepped; anything `SubEnvs` can take pictures of.
        config: the checked settings.
        settings: those that were given, as plain data.
        autoreset: when an ended sub-env begins anew.
        records: tells of a step's infos which sub-envs ended an episode, with its steps and return, where
            somebody closer to the envs counts; None = nobody does.

    Raises:
        SettingError: when `videoStreamEnvs` names a sub-env that there is not.
    """

    def __init__(
        self,
        vector_env: Any,
        config: StreamConfig,
        settings: dict[str, Any],
        autoreset: Autoreset,
        records: Callable[[Any], Records] | None = None,
    ) -> None:
        self._sub_envs = sub_envs = SubEnvs(vector_env)
        self._envs = chosen(config, sub_envs.count)
        self._parts = {env: part for part, env in enumerate(self._envs)}
        # A vector env of one is shown like any single env.
        title = sub_envs.title() if config.videoStream or config.videoRecord else ""
        envs = self._envs if sub_envs.count > 1 else None
        self.tap = Tap(config, settings, title, envs, Nature(natural_fps(vector_env), sub_envs.count))
        self._director = Director(self.tap, config, self._envs)
        self._tally = Tally(sub_envs.count, autoreset)
        self._streams = self.tap.wants
        self._records = records
        self._steps: list[tuple[Any, Any, Any, Any, Any]] = []
        self._announced: list[int] = []  # Parts whose picture comes with the next step.
        self._a_step: float | None = None  # Seconds that counting takes of each step of a sub-env, of late.
        self._begun = False
        self._attends = False  # Whether the director is to see each step.
        self._cut = config.videoStreamEnvs == "all" and len(self._envs) < sub_envs.count

    def reset(self, mask: Sequence[bool] | None = None) -> None:
        """Sub-envs were told to begin anew: those of `mask`, or all of them."""
        if not self._streams:
            return
        try:
            self._settle()
            self._tally.reset(mask)
            if not self.tap.ready:
                self.tap.open()
            if not self._begun:
                self._begin()
            self._begin_episodes()
            if self.tap.due[0] or self._director.active:
                self._take({}, None, None)
        except Exception as error:
            self.tap.failed(error)

    def step(
        self, rewards: Any, terminated: Any, truncated: Any, infos: Any = None, actions: Any = None
    ) -> None:
        """All sub-envs were stepped: take the pictures that are due.

        What came of it is only put aside, and counted later, many steps at once: where the workers of a
        vector env keep every core busy, each line of code here is run with cold caches, ten times as slow.
        """
        if not self._streams:
            return
        try:
            # Copies, as what was returned may be changed by whoever got it. The infos are large, with the
            # last observations of episodes in them: they are held only where they are read.
            kept = None if self._records is None else infos
            if not self._attends:
                actions = None
            self._steps.append((np.array(rewards), np.array(terminated), np.array(truncated), kept, actions))
            if self.tap.due[0] or self._announced or self._attends or len(self._steps) >= COUNTED_TOGETHER:
                self._settle()
        except Exception as error:
            self.tap.failed(error)

    def close(self) -> None:
        """The envs were closed: their streams have ended."""
        try:
            self._settle(look=False)
        except Exception as error:
            self.tap.failed(error)
        self._begun = False
        self._director.close()
        self.tap.close()

    def _settle(self, *, look: bool = True) -> None:
        """Count the steps that were put aside; `look` = take the pictures that are due of the last one."""
        steps, self._steps = self._steps, []
        tally = self._tally
        began = time.perf_counter() if look and self.tap.due[0] else None  # Measured while somebody watches.
        for number, (rewards, terminated, truncated, infos, actions) in enumerate(steps, 1 - len(steps)):
            records = NO_RECORDS
            if self._records is not None and np.count_nonzero(terminated):
                records = self._records(infos)
                terminated = np.array([env in records for env in range(tally.count)])
            ended = tally.step(rewards, terminated, truncated)
            how = self._how(ended, truncated) if ended and self._director.active else {}
            # Where the env has begun anew already, the picture shows the new episode; else the old one's end.
            if ended and tally.autoreset == "same_step":
                for part, reason in how.items():
                    self._last_look(part, reason)
                self._note(ended, records)
                ended, how = (), {}
            if look and number == 0:
                if began is not None:
                    self._meter(time.perf_counter() - began, steps)
                self._look(how, rewards, actions)
            if ended:
                self._note(ended, records)

    def _meter(self, counting: float, steps: Sequence[tuple[Any, ...]]) -> None:
        """So many steps took so long to count; to put them aside takes as long as doing it once more."""
        again = time.perf_counter()
        for each in steps[-1][:3]:
            np.array(each)
        seconds = counting / len(steps) + time.perf_counter() - again
        self._a_step = smoothed(self._a_step, seconds / self._tally.count)
        if self.tap.channel is not None:
            self.tap.channel.counted(self._a_step)

    def _last_look(self, part: int, reason: str) -> None:
        """A sub-env's episode has ended, and the next one has begun already."""
        director, env = self._director, self._envs[part]
        info, picture = self._info(env), None
        if director.taking(part) and self._sub_envs.problem is None:
            picture = self._sub_envs.last(env)
        if picture is None or not director.shoot(part, lambda: picture, info, ended=reason):
            director.ended(part, info, reason)

    def _how(self, ended: Sequence[int], truncated: Any) -> dict[int, str]:
        """Part → how its episode ended."""
        parts = {env: self._parts[env] for env in ended if env in self._parts}
        return {part: "truncated" if truncated[env] else "terminated" for env, part in parts.items()}

    def _look(self, how: dict[int, str], rewards: Any, actions: Any) -> None:
        """The last of the steps is what the envs show now."""
        if self._attends:
            self._begin_episodes()
        if self.tap.due[0] or self._announced or self._director.active:
            self._take(how, rewards, actions)
        self._attends = self._director.attends

    def _begin_episodes(self) -> None:
        """Tell the director of the episodes that have begun just now."""
        if self._director.attends and self._sub_envs.problem is None:
            for part, env in enumerate(self._envs):
                if self._tally.begins(env):
                    self._director.begin(part, self._tally.info(env))
                    if self._tally.autoreset == "same_step" and self._director.taking(part):
                        self._sub_envs.arm(env)
        self._attends = self._director.attends

    def _begin(self) -> None:
        self._begun = True
        if self._sub_envs.problem is not None:
            self.tap.warn(self._sub_envs.problem)
        elif self._sub_envs.renders_all:
            self.tap.warn(
                "this vector env can only render all its sub-envs at once: each picture costs as much as all "
                "of them"
            )
        if self._cut:
            self.tap.warn(
                f"of {self._sub_envs.count} sub-envs the first {len(self._envs)} are listed; choose others "
                f"with videoStreamEnvs"
            )

    def _take(self, how: dict[int, str], rewards: Any, actions: Any) -> None:
        """Take the pictures that are due, and those of episodes that are captured step by step."""
        if self._sub_envs.problem is not None:
            self.tap.due[0] = 0
            return
        director, sub_envs = self._director, self._sub_envs
        announced, self._announced = self._announced, []
        depth, weight = sub_envs.depth, sub_envs.weight
        for part in director.parts() if director.active or self._attends else ():
            env = self._envs[part]
            info = self._info(env)
            director.look(part, info)
            said: dict[str, Any] = {"ended": how.get(part)}
            if info["step"]:  # To the first picture of an episode nothing has led.
                said |= {"action": _one(actions, env), "reward": _one(rewards, env)}
            take = partial(sub_envs.take, env, True)
            director.shoot(part, take, info, depth=depth, weight=weight, **said)
        for part in dict.fromkeys([*announced, *self.tap.wanted()]):
            env = self._envs[part]
            take = partial(self._picture, part)
            self.tap.capture(take, self._info(env), depth=depth, part=part, weight=weight)

    def _info(self, env: int) -> dict[str, Any]:
        return {**self._tally.info(env), "method": self._sub_envs.method}

    def _picture(self, part: int) -> object:
        picture = self._sub_envs.take(self._envs[part])
        if picture is LATER:
            self._announced.append(part)
        return picture

    def _note(self, envs: Sequence[int], records: Records) -> None:
        total = self._tally.total_steps
        for env, number, steps, score in self._tally.end(envs):
            steps, score = records.get(env, (steps, score))
            part = self._parts.get(env)
            if part is not None:
                self.tap.note_episode(number, steps, score, total, part)


def _one(values: Any, env: int) -> Any:
    """What of many belongs to one env; None where that cannot be told."""
    try:
        return None if values is None else values[env]
    except (TypeError, LookupError):
        return None

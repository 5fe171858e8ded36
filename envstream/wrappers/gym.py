"""`StreamingWrapper`: one line around a Gymnasium env, and the page shows it live."""

from __future__ import annotations

from typing import Any, SupportsFloat, TypeVar

import gymnasium as gym

from envstream import settings as settings_module
from envstream.config import StreamConfig
from envstream.links.channel import Nature
from envstream.sources.render import RenderSource
from envstream.wrappers.director import Director, natural_fps
from envstream.wrappers.meter import Still, seconds_beyond
from envstream.wrappers.tap import Tap

ALWAYS = b"\1"  # What is due while every step is looked at.
Obs = TypeVar("Obs")
Act = TypeVar("Act")


class StreamingWrapper(gym.Wrapper[Obs, Act, Obs, Act], gym.utils.RecordConstructorArgs):
    """Streams what the env renders to a page in the browser, and changes nothing for who trains it.

    What the env returns is passed on untouched, the same objects. Nobody watching: no `render()`, no lock,
    no clock. Somebody watching: pictures are taken at their pace, within `videoStreamMaxOverhead`.

    Args:
        env: any Gymnasium env; to be seen it needs a render mode that gives pictures, such as `rgb_array`.
        config: a `StreamConfig`, a Hydra/OmegaConf node, or a dict of settings.
        settings: single settings, in camelCase or snake_case; they win over `config`. Where neither says
            anything about `videoStream`, it is on.

    Raises:
        SettingError: for an unknown setting or a value outside its range.

    Example:
        >>> env = StreamingWrapper(gym.make("CartPole-v1", render_mode="rgb_array"))
    """

    def __init__(self, env: gym.Env[Obs, Act], config: object = None, **settings: Any) -> None:
        given = settings_module.settings_of(config, **settings)
        given.setdefault("videoStream", True)
        checked = StreamConfig(**given)
        gym.utils.RecordConstructorArgs.__init__(self, **given)
        gym.Wrapper.__init__(self, env)
        title = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        self._tap = Tap(checked, given, title, nature=Nature(natural_fps(env)))
        self._director = Director(self._tap, checked)
        self._source = RenderSource(env)
        self._streams = self._tap.wants
        self._begun = self._metered = False
        self._look_up()
        self._episode = 0
        self._steps = 0
        self._steps_before = 0
        self._return: Any = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Reset the env; the first call starts the server beside the training."""
        result = self.env.reset(seed=seed, options=options)
        if self._streams:
            try:
                self._steps_before += self._steps
                self._episode += 1
                self._steps, self._return = 0, 0.0
                if not self._goes_on:
                    self._begin(seed)
                if self._due[0]:
                    self._take()
            except Exception as error:
                self._failed(error)
        return result

    def step(self, action: Act) -> tuple[Obs, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the env; when a picture is due, take it."""
        result = self.env.step(action)
        if self._streams:
            try:
                self._steps += 1
                self._return += result[1]
                if result[2] or result[3]:
                    self._end(action, result)
                elif self._due[0]:
                    self._take(action, result[1])
            except Exception as error:
                self._failed(error)
        return result

    def render(self) -> Any:
        """What the env renders. A picture that happens to be due is taken from it at no cost."""
        picture = self._source.render()
        if self._begun and self._tap.due[0] and not self._director.taking():
            self._tap.capture(lambda: picture, self._info(), depth=self._source.depth)
            self._look_up()
        return picture

    def close(self) -> None:
        """Close the env and end its stream."""
        try:
            self.env.close()
        finally:
            self._begun = False
            self._director.close()
            self._tap.close()
            self._look_up()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_due", "_note")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._look_up()

    @property
    def stream_url(self) -> str | None:
        """The page's address, token included; waits up to 10 s for the server, None when there is none."""
        return self._tap.url

    def _end(self, action: Act, result: Any) -> None:
        """An episode has ended."""
        if self._due[0]:
            self._take(action, result[1], "terminated" if result[2] else "truncated")
        steps = self._steps
        self._note(self._episode, steps, self._return, self._steps_before + steps)

    def _begin(self, seed: int | None) -> None:
        """What an episode begins with the first time, after failures, and where episodes are asked for."""
        if not self._tap.ready:
            self._tap.open()
        if not self._begun:
            self._begun = True
            self._metered = False
            if self._source.problem is not None:
                self._tap.warn(self._source.problem)
        if self._source.keeps:
            self._source.reset()
        if self._source.problem is None:
            self._director.begin(0, self._info(), seed)
        self._look_up()

    def _look_up(self) -> None:
        # What `step()` and `reset()` look at of the tap: an attribute less on a way so often gone.
        tap, director = self._tap, self._director
        self._due, self._note = ALWAYS if director.active and tap.ready else tap.due, tap.note_episode
        # A reset has only to count.
        self._goes_on = tap.ready and not self._source.keeps and not director.attends

    def _take(self, action: object = None, reward: object = None, ended: str | None = None) -> None:
        """A picture is due, or every step is looked at."""
        tap, director, source = self._tap, self._director, self._source
        if not self._metered and tap.due[0]:
            self._meter()
        if source.problem is not None:
            tap.due[0] = 0
        else:
            info, depth = self._info(), source.depth
            if director.attends:
                director.look(0, info)
            said: dict[str, Any] = {"action": action, "reward": reward, "ended": ended}
            if not director.shoot(0, source.take_each, info, depth=depth, **said) and tap.due[0]:
                tap.capture(source.take_or_announce, info, depth=depth)
        self._look_up()

    def _meter(self) -> None:
        """Measure what counting takes of a step, once somebody watches; `step()` itself reads no clock."""
        self._metered = True
        if self._tap.channel is not None:
            still = Still()
            probe: Any = object.__new__(StreamingWrapper)
            vars(probe).update(env=still, _streams=True, _steps=0, _return=0.0, _due=b"\0")
            self._tap.channel.counted(seconds_beyond(probe.step, still.step))

    def _failed(self, error: Exception) -> None:
        self._tap.failed(error)
        self._look_up()

    def _info(self) -> dict[str, Any]:
        return {
            "episode": self._episode,
            "step": self._steps,
            "return": float(self._return),
            "totalSteps": self._steps_before + self._steps,
            "method": self._source.method,
        }

    def _repr_html_(self) -> str:
        """The live picture, where a notebook shows this env as a cell's result."""
        return self._tap.html(str(self))

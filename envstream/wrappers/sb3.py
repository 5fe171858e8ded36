"""`StreamingVecEnv`: one line around a Stable-Baselines3 `VecEnv`; its envs are seen one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from envstream import settings as settings_module
from envstream.config import StreamConfig
from envstream.wrappers.gallery import Gallery


class StreamingVecEnv(VecEnvWrapper):
    """Streams envs of a `VecEnv` to a page in the browser, and changes nothing for who trains them.

    `videoStreamEnvs` says which envs can be looked at (`[0]`, or `all`): each is a stream of its own. Only
    those that somebody looks at are rendered, one at a time, all together within `videoStreamMaxOverhead`.

    Args:
        venv: a `DummyVecEnv`, a `SubprocVecEnv`, or a wrapper around one, of envs made with a render mode
            that gives pictures, such as `rgb_array`.
        config: a `StreamConfig`, a Hydra/OmegaConf node, or a dict of settings.
        settings: single settings, in camelCase or snake_case; they win over `config`. Where neither says
            anything about `videoStream`, it is on.

    Raises:
        SettingError: for an unknown setting, a value outside its range, or an env that there is not.

    Example:
        >>> envs = StreamingVecEnv(SubprocVecEnv([make] * 8), videoStreamEnvs="all")
    """

    def __init__(self, venv: VecEnv, config: object = None, **settings: Any) -> None:
        super().__init__(venv)
        given = settings_module.settings_of(config, **settings)
        given.setdefault("videoStream", True)
        checked = StreamConfig(**given)
        # What a Monitor says of an episode is true to the env; wrappers around it clip rewards, and end an
        # episode with each life that is lost.
        monitored = all(venv.env_is_wrapped(Monitor))
        self._gallery = Gallery(venv, checked, given, "same_step", _records if monitored else None)
        self._actions: Any = None
        self._never = np.zeros(venv.num_envs, bool)

    def reset(self) -> VecEnvObs:
        """Reset the envs; the first call starts the server beside the training."""
        result = self.venv.reset()
        self._gallery.reset()
        return result

    def step_async(self, actions: Any) -> None:
        """Begin a step."""
        self._actions = actions
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the step that was begun; take the pictures that are due."""
        result = self.venv.step_wait()
        self._gallery.step(result[1], result[2], self._never, result[3], self._actions)
        return result

    def close(self) -> None:
        """Close the envs and end their streams."""
        try:
            self.venv.close()
        finally:
            self._gallery.close()

    @property
    def stream_url(self) -> str | None:
        """The page's address, token included; waits up to 10 s for the server, None when there is none."""
        return self._gallery.tap.url

    def _repr_html_(self) -> str:
        """The live picture, where a notebook shows this env as a cell's result."""
        return self._gallery.tap.html(repr(self))


def _records(infos: list[dict[str, Any]]) -> dict[int, tuple[int, float]]:
    """Env → steps and return of the episode that ended just now, as its Monitor tells it."""
    told = {env: info["episode"] for env, info in enumerate(infos) if "episode" in info}
    return {env: (int(episode["l"]), float(episode["r"])) for env, episode in told.items()}

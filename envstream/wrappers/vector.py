"""`StreamingVectorWrapper`: one line around a Gymnasium vector env; its sub-envs are seen one by one."""

from __future__ import annotations

from typing import Any, TypeVar

import gymnasium as gym
from gymnasium.vector import VectorEnv, VectorWrapper

from envstream import settings as settings_module
from envstream.config import StreamConfig
from envstream.wrappers.gallery import Gallery
from envstream.wrappers.tally import Autoreset

Obs = TypeVar("Obs")
Act = TypeVar("Act")
Array = TypeVar("Array")

_AUTORESETS: dict[str, Autoreset] = {
    "NextStep": "next_step",
    "SameStep": "same_step",
    "Disabled": "disabled",
}


class StreamingVectorWrapper(VectorWrapper[Obs, Act, Obs, Act, Array], gym.utils.RecordConstructorArgs):
    """Streams sub-envs of a vector env to a page in the browser, and changes nothing for who trains them.

    `videoStreamEnvs` says which sub-envs can be looked at (`[0]`, or `all`): each is a stream of its own.
    Only those that somebody looks at are rendered, one at a time, all together within
    `videoStreamMaxOverhead`.

    Args:
        env: any Gymnasium vector env, made with a render mode that gives pictures, such as `rgb_array`.
        config: a `StreamConfig`, a Hydra/OmegaConf node, or a dict of settings.
        settings: single settings, in camelCase or snake_case; they win over `config`. Where neither says
            anything about `videoStream`, it is on.

    Raises:
        SettingError: for an unknown setting, a value outside its range, or a sub-env that there is not.

    Example:
        >>> envs = gym.make_vec("CartPole-v1", num_envs=8, render_mode="rgb_array")
        >>> envs = StreamingVectorWrapper(envs, videoStreamEnvs="all")
    """

    def __init__(self, env: VectorEnv[Obs, Act, Array], config: object = None, **settings: Any) -> None:
        given = settings_module.settings_of(config, **settings)
        given.setdefault("videoStream", True)
        checked = StreamConfig(**given)
        gym.utils.RecordConstructorArgs.__init__(self, **given)
        VectorWrapper.__init__(self, env)
        mode = env.metadata.get("autoreset_mode")
        autoreset = _AUTORESETS.get(getattr(mode, "value", ""), "next_step")
        self._gallery = Gallery(env, checked, given, autoreset)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """Reset the sub-envs; the first call starts the server beside the training."""
        # Looked up before: the envs take it out of the options.
        mask = (options or {}).get("reset_mask")
        result = self.env.reset(seed=seed, options=options)
        self._gallery.reset(mask)
        return result

    def step(self, actions: Act) -> tuple[Obs, Array, Array, Array, dict[str, Any]]:
        """Step the sub-envs; take the pictures that are due."""
        result = self.env.step(actions)
        self._gallery.step(result[1], result[2], result[3], actions=actions)
        return result

    def close(self, **kwargs: Any) -> None:
        """Close the sub-envs and end their streams."""
        try:
            self.env.close(**kwargs)
        finally:
            self._gallery.close()

    @property
    def stream_url(self) -> str | None:
        """The page's address, token included; waits up to 10 s for the server, None when there is none."""
        return self._gallery.tap.url

    def _repr_html_(self) -> str:
        """The live picture, where a notebook shows this env as a cell's result."""
        return self._gallery.tap.html(repr(self))

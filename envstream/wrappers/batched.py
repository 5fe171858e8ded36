"""`StreamingBatchedWrapper`: Isaac Lab, mjlab and Isaac Gym, whose envs are stepped together on a device."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from envstream import settings as settings_module
from envstream.sources.views import Source
from envstream.wrappers.watch import Watch


def accepts(env: object) -> bool:
    """Whether an env is one of those: many envs in one, whose results are tensors. Imports nothing."""
    if isinstance(env, gym.vector.VectorEnv) or hasattr(
        env, "step_async"
    ):  # Gymnasium's, Stable-Baselines3's
        return False
    inner = getattr(env, "unwrapped", env)
    if getattr(inner, "is_vector_env", False) is True:  # Isaac Lab, mjlab
        return True
    on_a_device = hasattr(inner, "device") or hasattr(inner, "rl_device")
    steps = callable(getattr(inner, "step", None)) and callable(getattr(inner, "reset", None))
    return on_a_device and steps and isinstance(getattr(inner, "num_envs", None), int)  # Isaac Gym


class StreamingBatchedWrapper:
    """Streams envs that are simulated together on a device, and changes nothing for who trains them.

    For Isaac Lab's and mjlab's envs, and for the four-tuple tasks of Isaac Gym. Results are passed on
    untouched; the device is never waited for: pictures, returns and ends come over when they come, and are
    shown with a later step. What else the env has, its wrapper has as well.

    Args:
        env: the env. Around a Gymnasium env the wrapper is a Gymnasium env, too.
        config: a `StreamConfig`, a Hydra/OmegaConf node, or a dict of settings.
        source: what is looked at. `render` is the env's own `render()`, which is one view;
            `camera:NAME` a camera sensor of the scene and `camera:NAME:depth` its distances; `visualizer`
            Isaac Lab's; otherwise the path of a tensor below the env, or a callable that is given the env
            and returns one. Of tensors `videoStreamEnvs` says whose pictures can be shown.
        settings: single settings, in camelCase or snake_case; they win over `config`. Where neither says
            anything about `videoStream`, it is on.

    Raises:
        SettingError: for an unknown setting, a value outside its range, or an env that there is not.

    Example:
        >>> env = gym.make("Isaac-Cartpole-RGB-v0", cfg=cfg)
        >>> env = StreamingBatchedWrapper(env, source="camera:tiled_camera", videoStreamEnvs=[0, 7])
    """

    def __new__(cls, env: Any = None, *_: Any, **__: Any) -> StreamingBatchedWrapper:
        """A Gymnasium wrapper around a Gymnasium env; otherwise an object that is like the env."""
        fits = _GymnasiumBatchedWrapper if isinstance(env, gym.Env) else cls
        return object.__new__(fits if cls is StreamingBatchedWrapper else cls)

    def __init__(
        self, env: Any, config: object = None, *, source: Source = "render", **settings: Any
    ) -> None:
        given = settings_module.settings_of(config, **settings)
        given.setdefault("videoStream", True)
        object.__setattr__(self, "env", env)
        object.__setattr__(self, "_watch", Watch(env, source, given))

    def __getattr__(self, name: str) -> Any:
        if name in ("env", "_watch"):  # Not yet made, as while it is copied.
            raise AttributeError(name)
        return getattr(self.env, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.env, name, value)

    def reset(self, *args: Any, **kwargs: Any) -> Any:
        """Reset the env; the first call starts the server beside the training."""
        result = self.env.reset(*args, **kwargs)
        self._watch.reset(some=bool(args) or kwargs.get("env_ids") is not None)
        return result

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """Step the env; begin the pictures that are due, show those that have come."""
        result = self.env.step(*args, **kwargs)
        self._watch.step(result)
        return result

    def render(self, *args: Any, **kwargs: Any) -> Any:
        """What the env renders."""
        return self.env.render(*args, **kwargs)

    def close(self) -> None:
        """Close the env, where that is possible, and end its streams."""
        try:
            if callable(close := getattr(self.env, "close", None)):
                close()
        finally:
            self._watch.close()

    @property
    def unwrapped(self) -> Any:
        """The env below all wrappers."""
        return getattr(self.env, "unwrapped", self.env)

    @property
    def stream_url(self) -> str | None:
        """The page's address, token included; waits up to 10 s for the server, None when there is none."""
        url: str | None = self._watch.tap.url
        return url

    def __str__(self) -> str:
        return f"<{type(self).__name__.lstrip('_')}{self.env}>"

    def _repr_html_(self) -> str:
        """The live picture, where a notebook shows this env as a cell's result."""
        html: str = self._watch.tap.html(str(self))
        return html


class _GymnasiumBatchedWrapper(StreamingBatchedWrapper, gym.Wrapper, gym.utils.RecordConstructorArgs):
    """The same as a Gymnasium wrapper."""

    def __init__(
        self, env: Any, config: object = None, *, source: Source = "render", **settings: Any
    ) -> None:
        given = settings_module.settings_of(config, **settings)
        given.setdefault("videoStream", True)
        gym.utils.RecordConstructorArgs.__init__(self, source=source, **given)
        gym.Wrapper.__init__(self, env)
        self._watch = Watch(env, source, given)

    def __getattr__(self, name: str) -> Any:
        if name in ("env", "_watch"):
            raise AttributeError(name)
        env = self.env
        return getattr(env if hasattr(env, name) else env.unwrapped, name)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

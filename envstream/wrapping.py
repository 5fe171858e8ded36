"""`wrap()`: the right wrapper for whatever is given."""

from __future__ import annotations

import sys
from typing import Any

import gymnasium as gym


def wrap(env: Any, config: object = None, **settings: Any) -> Any:
    """Wrap anything that can be stepped, so that it is seen on a page while it is trained.

    Args:
        env: a Gymnasium env, a Gymnasium vector env, a Stable-Baselines3 `VecEnv`, an env of Isaac Lab or
            mjlab, a task of Isaac Gym, or a `PyBoy` emulator.
        config: a `StreamConfig`, a Hydra/OmegaConf node, or a dict of settings.
        settings: single settings, in camelCase or snake_case; they win over `config`.

    Returns:
        The same thing, seen: a `StreamingWrapper`, `StreamingVectorWrapper`, `StreamingVecEnv`,
        `StreamingBatchedWrapper`, or a running `PyBoyVideoStreamer`.

    Raises:
        TypeError: for anything else; it says what is accepted.
        SettingError: for a setting that is wrong.
    """
    if _is_vec_env(env):
        from envstream.wrappers.sb3 import StreamingVecEnv

        return StreamingVecEnv(env, config, **settings)
    if isinstance(env, gym.vector.VectorEnv):
        from envstream.wrappers.vector import StreamingVectorWrapper

        return StreamingVectorWrapper(env, config, **settings)
    from envstream.wrappers.batched import StreamingBatchedWrapper, accepts

    if accepts(env):
        return StreamingBatchedWrapper(env, config, **settings)
    if isinstance(env, gym.Env):
        from envstream.wrappers.gym import StreamingWrapper

        return StreamingWrapper(env, config, **settings)
    if _is_pyboy(env):
        from envstream.streamer import create_video_streamer

        streamer = create_video_streamer(env, config=config, **settings)
        streamer.start_streaming()
        return streamer
    raise TypeError(
        f"expected a Gymnasium env or vector env, a Stable-Baselines3 VecEnv, an Isaac Lab, mjlab or Isaac "
        f"Gym env, or a PyBoy emulator, got {_name(type(env))}; from a loop around anything else call "
        f"envstream.publish(picture)"
    )


def _is_vec_env(env: object) -> bool:
    # Whoever made one has imported it: nothing is imported to find out.
    module = sys.modules.get("stable_baselines3.common.vec_env")
    return module is not None and isinstance(env, module.VecEnv)


def _is_pyboy(env: object) -> bool:
    module = sys.modules.get("pyboy")
    return module is not None and isinstance(env, module.PyBoy)


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"

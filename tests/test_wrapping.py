"""`wrap()` finds the right wrapper, and says what it accepts."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

from envstream import StreamingVectorWrapper, StreamingWrapper, wrap
from envstream.errors import SettingError
from fakes import PictureEnv


def test_an_env_gets_the_wrapper_of_envs() -> None:
    env = wrap(PictureEnv(), videoFps=12)
    assert isinstance(env, StreamingWrapper)


def test_a_vector_env_gets_the_wrapper_of_vector_envs() -> None:
    assert isinstance(wrap(gym.vector.SyncVectorEnv([PictureEnv])), StreamingVectorWrapper)


def test_a_native_vector_env_gets_the_wrapper_of_vector_envs() -> None:
    envs = gym.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point", render_mode="rgb_array")
    assert isinstance(wrap(envs), StreamingVectorWrapper)
    envs.close()


def test_a_vec_env_gets_the_wrapper_of_vec_envs() -> None:
    vec_env = pytest.importorskip("stable_baselines3.common.vec_env", reason="pip install -e '.[train]'")
    from envstream.wrappers.sb3 import StreamingVecEnv

    assert isinstance(wrap(vec_env.DummyVecEnv([PictureEnv])), StreamingVecEnv)


@pytest.mark.parametrize("thing", [None, 3, "CartPole-v1", object(), PictureEnv])
def test_anything_else_is_told_what_is_accepted(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a Gymnasium env .* call envstream\.publish"):
        wrap(thing)


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(SettingError, match="videoFps"):
        wrap(PictureEnv(), videoFsp=12)

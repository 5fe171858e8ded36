"""The wrapper of Stable-Baselines3's vectorized envs, under its own algorithms."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="pip install -e '.[train]'")

from stable_baselines3 import A2C
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

from envstream.errors import SettingError
from envstream.wrappers.sb3 import StreamingVecEnv
from fakes import PictureEnv, QuietOutlet, quiet_outlet
from serving import Watcher, training, until


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> QuietOutlet:
    return quiet_outlet(monkeypatch)


def picture_env(n: int, length: int = 5) -> gym.Env[Any, Any]:
    return PictureEnv(np.full((4, 6, 3), 10 * n + 10, np.uint8), length=length)


def envs(count: int = 3, **settings: Any) -> tuple[DummyVecEnv, StreamingVecEnv]:
    inner = DummyVecEnv([partial(picture_env, n) for n in range(count)])
    return inner, StreamingVecEnv(inner, **{"videoStreamEnvs": "all", **settings})


def test_what_the_envs_return_is_passed_on(quiet: QuietOutlet) -> None:
    _, env = envs()
    plain = DummyVecEnv([partial(picture_env, n) for n in range(3)])
    assert np.array_equal(env.reset(), plain.reset())
    for _ in range(12):
        ours, theirs = env.step(np.zeros(3, int)), plain.step(np.zeros(3, int))
        for mine, other in zip(ours[:3], theirs[:3], strict=True):
            assert np.array_equal(mine, other)
        assert [sorted(info) for info in ours[3]] == [sorted(info) for info in theirs[3]]


def test_one_env_is_rendered_when_it_is_looked_at(quiet: QuietOutlet) -> None:
    inner, env = envs()
    env.reset()
    quiet.ask(2)
    env.step(np.zeros(3, int))
    assert [(picture.part, picture.pixels.max()) for picture in quiet.pictures()] == [(2, 30)]
    assert [one.renders for one in inner.envs] == [0, 0, 1]  # type: ignore[attr-defined]


def test_each_env_has_its_own_episodes(quiet: QuietOutlet) -> None:
    inner = DummyVecEnv([partial(picture_env, 0, 2), partial(picture_env, 1, 3)])
    env = StreamingVecEnv(inner, videoStreamEnvs="all")
    env.reset()
    for _ in range(3):
        env.step(np.zeros(2, int))
    env.close()
    assert quiet.episodes_of_parts() == [(1, 2, 3.0, 0), (1, 3, 4.5, 1)]


class HalfLives(gym.Wrapper[Any, Any, Any, Any]):
    """Ends an episode for the learner twice as often, and clips its rewards, as wrappers of games do."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        lost = terminated or self.env.unwrapped.now == 2  # type: ignore[attr-defined]
        return observation, min(float(reward), 1.0), lost, truncated, info

    def reset(self, **kwargs: Any) -> Any:
        inner: Any = self.env.unwrapped
        return (inner.now, {}) if 0 < inner.now < inner.length else self.env.reset(**kwargs)


def test_an_episode_is_what_the_monitor_says_it_is(quiet: QuietOutlet) -> None:
    inner = DummyVecEnv([lambda: HalfLives(Monitor(picture_env(0)))])
    env = StreamingVecEnv(inner)
    env.reset()
    for _ in range(5):
        env.step(np.zeros(1, int))
    env.close()
    assert quiet.episodes() == [(1, 5, 7.5)]


def test_an_env_that_there_is_not_is_refused() -> None:
    with pytest.raises(SettingError, match="0 to 2, or all"):
        envs(3, videoStreamEnvs=[5])


def test_a_learner_trains_through_it(quiet: QuietOutlet) -> None:
    inner = DummyVecEnv([lambda: Monitor(gym.make("CartPole-v1", render_mode="rgb_array"))] * 2)
    env = StreamingVecEnv(VecNormalize(inner))
    A2C("MlpPolicy", env, n_steps=8, device="cpu").learn(64)
    env.close()
    assert len(quiet.closed) == 1


SCRIPT = """
from functools import partial
import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import SubprocVecEnv
from envstream import wrap
def main():
    envs = wrap(SubprocVecEnv([partial(gym.make, "CartPole-v1", render_mode="rgb_array")] * 2),
                videoStreamPort=0, videoStreamEnvs="all")
    envs.reset()
    print(envs.stream_url, flush=True)
    while True:
        envs.step(np.array([envs.action_space.sample() for _ in range(2)]))
if __name__ == "__main__":
    main()
"""


def test_envs_in_processes_of_their_own_are_seen() -> None:
    streams = "CartPole-v1/0", "CartPole-v1/1"
    with training(script=SCRIPT) as trainer, Watcher(trainer.port, *streams) as watcher:
        seen: set[str] = set()
        until(lambda: seen.add(watcher.frame()[0]["stream"]) or len(seen) == 2, "pictures of both")
    assert SubprocVecEnv.__name__ in SCRIPT

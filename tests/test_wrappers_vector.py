"""The wrapper of vector envs: results untouched, one sub-env rendered, counts of each by itself."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from envstream import StreamingVectorWrapper
from envstream.errors import SettingError
from fakes import PictureEnv, QuietOutlet, quiet_outlet
from serving import Watcher, training, until


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> QuietOutlet:
    return quiet_outlet(monkeypatch)


def envs(*lengths: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP, render_mode: Any = "rgb_array") -> Any:
    makers = [
        lambda n=n, length=length: PictureEnv(np.full((4, 6, 3), 10 * n + 10, np.uint8), render_mode, length)
        for n, length in enumerate(lengths)
    ]
    return SyncVectorEnv(makers, autoreset_mode=mode)


def wrapped(inner: Any, **settings: Any) -> StreamingVectorWrapper[Any, Any, Any]:
    return StreamingVectorWrapper(inner, **{"videoStreamEnvs": "all", **settings})


def renders(inner: Any) -> list[int]:
    return [env.unwrapped.renders for env in inner.envs]


def go(env: Any, steps: int = 1) -> Any:
    for _ in range(steps):
        result = env.step(np.zeros(env.num_envs, int))
    return result


def test_what_the_envs_return_is_returned_the_same_objects(quiet: QuietOutlet) -> None:
    class Fixed(gym.vector.VectorWrapper[Any, Any, Any, Any, Any]):
        results: Any = None

        def step(self, actions: Any) -> Any:
            self.results = self.env.step(actions)
            return self.results

    inner = Fixed(envs(5, 5))
    env = wrapped(inner)
    env.reset()
    assert go(env) is inner.results


def test_with_nobody_watching_nothing_is_rendered(quiet: QuietOutlet) -> None:
    inner = envs(3, 4)
    env = wrapped(inner)
    env.reset()
    go(env, 50)
    assert renders(inner) == [0, 0]


def test_the_sub_env_that_is_looked_at_is_rendered_and_no_other(quiet: QuietOutlet) -> None:
    inner = envs(50, 50, 50)
    env = wrapped(inner)
    env.reset()
    quiet.ask(1)
    go(env, 3)
    (picture,) = quiet.pictures()
    assert (picture.part, picture.pixels.max(), renders(inner)) == (1, 20, [0, 1, 0])
    assert picture.info == {"episode": 1, "step": 1, "return": 1.5, "totalSteps": 3, "method": "render"}


def test_a_sub_env_can_be_chosen_by_its_index(quiet: QuietOutlet) -> None:
    env = wrapped(envs(50, 50, 50), videoStreamEnvs=[2])
    env.reset()
    assert quiet.channels[-1].envs == [2]
    quiet.ask()
    go(env)
    assert quiet.pictures()[0].pixels.max() == 30


def test_an_index_out_of_range_names_the_range() -> None:
    with pytest.raises(SettingError, match=r"videoStreamEnvs.*0 to 2, or all"):
        wrapped(envs(5, 5, 5), videoStreamEnvs=[0, 3])


def test_a_vector_env_of_one_is_shown_like_a_single_env(quiet: QuietOutlet) -> None:
    env = wrapped(envs(5))
    env.reset()
    assert quiet.channels[-1].envs is None
    quiet.ask()
    go(env)
    assert len(quiet.pictures()) == 1


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_each_sub_env_has_its_own_episodes(quiet: QuietOutlet, mode: AutoresetMode) -> None:
    env = wrapped(envs(2, 3, mode=mode))
    env.reset()
    go(env, 3)
    env.close()
    assert quiet.episodes_of_parts() == [(1, 2, 3.0, 0), (1, 3, 4.5, 1)]


def test_where_envs_wait_for_a_masked_reset_each_begins_anew_by_itself(quiet: QuietOutlet) -> None:
    env = wrapped(envs(2, 30, mode=AutoresetMode.DISABLED))
    env.reset()
    go(env, 2)
    env.reset(options={"reset_mask": np.array([True, False])})
    quiet.ask(0)
    quiet.ask(1)
    go(env)
    told = {picture.part: (picture.info["episode"], picture.info["step"]) for picture in quiet.pictures()}
    assert told == {0: (2, 1), 1: (1, 3)}


def test_the_last_picture_of_an_episode_belongs_to_it(quiet: QuietOutlet) -> None:
    env = wrapped(envs(2, 5))
    env.reset()
    go(env)
    quiet.ask(0)
    go(env)
    assert quiet.pictures()[0].info["episode"] == 1


def test_where_it_begins_anew_at_once_the_picture_belongs_to_the_next_episode(quiet: QuietOutlet) -> None:
    env = wrapped(envs(2, 5, mode=AutoresetMode.SAME_STEP))
    env.reset()
    go(env)
    quiet.ask(0)
    go(env)
    assert (quiet.pictures()[0].info["episode"], quiet.pictures()) == (2, [])


def test_envs_without_pictures_are_warned_of_once_and_trained(
    quiet: QuietOutlet, caplog: pytest.LogCaptureFixture
) -> None:
    env = wrapped(envs(2, 2, render_mode=None))
    env.reset()
    quiet.ask(0)
    go(env, 10)
    assert caplog.text.count("these envs render nothing") == 1


def test_a_render_that_fails_is_warned_of_and_training_goes_on(
    quiet: QuietOutlet, caplog: pytest.LogCaptureFixture
) -> None:
    inner = SyncVectorEnv([lambda: PictureEnv(RuntimeError("no GL"))] * 2)
    env = wrapped(inner)
    env.reset()
    for _ in range(20):
        quiet.ask(0)
        go(env)
    assert caplog.text.count("no GL") == 1


def test_switched_off_it_passes_everything_through(quiet: QuietOutlet) -> None:
    env = wrapped(envs(2, 2), videoStream=False)
    env.reset()
    go(env, 5)
    assert not quiet.channels


def test_closing_twice_and_stepping_with_keywords_of_close_are_fine(quiet: QuietOutlet) -> None:
    env = wrapped(envs(2, 2))
    env.reset()
    env.close(terminate=True)
    env.close()
    assert len(quiet.closed) == 1


def test_a_copy_of_the_wrapper_streams_by_itself(quiet: QuietOutlet) -> None:
    env = wrapped(envs(5, 5))
    other = copy.deepcopy(env)
    env.reset()
    other.reset()
    assert len(quiet.channels) == 2


def test_all_that_cannot_be_listed_is_said(
    quiet: QuietOutlet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("envstream.wrappers.gallery.MOST_LISTED", 2)
    env = wrapped(envs(5, 5, 5))
    env.reset()
    assert quiet.channels[-1].envs == [0, 1]
    assert "of 3 sub-envs the first 2 are listed" in caplog.text


SCRIPT = """
import gymnasium as gym
from envstream import StreamingVectorWrapper
def main():
    envs = gym.make_vec("CartPole-v1", num_envs=3, vectorization_mode={mode!r}, render_mode="rgb_array")
    envs = StreamingVectorWrapper(envs, videoStreamPort=0, videoStreamEnvs="all")
    envs.reset(seed=1)
    print(envs.stream_url, flush=True)
    while True:
        envs.step(envs.action_space.sample())
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("mode", ["sync", "async", "vector_entry_point"])
def test_viewers_choose_among_sub_envs(mode: str) -> None:
    with training(script=SCRIPT.format(mode=mode)) as trainer:
        with Watcher(trainer.port, "CartPole-v1/0", "CartPole-v1/2") as watcher:
            seen: set[str] = set()
            until(lambda: seen.add(watcher.frame()[0]["stream"]) or len(seen) == 2, "pictures of both")
            assert seen == {"CartPole-v1/0", "CartPole-v1/2"}


WRAPPED_INSIDE = """
import gymnasium as gym
from envstream import StreamingWrapper
def main():
    envs = gym.make_vec(
        "CartPole-v1", num_envs=3, vectorization_mode={mode!r}, render_mode="rgb_array",
        wrappers=(StreamingWrapper,),
    )
    envs.reset(seed=1)
    print(envs.get_attr("stream_url")[0], flush=True)
    print(len(set(envs.get_attr("stream_url"))), flush=True)
    while True:
        envs.step(envs.action_space.sample())
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(("mode", "name"), [("sync", "CartPole-v1"), ("async", "CartPole-v1 · rank 0")])
def test_envs_that_are_wrapped_inside_share_a_page_wherever_they_run(mode: str, name: str) -> None:
    with training(script=WRAPPED_INSIDE.format(mode=mode)) as trainer:
        assert trainer.line() == "1"
        with Watcher(trainer.port, name) as watcher:
            assert watcher.frame()[1]

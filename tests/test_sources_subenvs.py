"""Sub-envs: one of them is rendered, in whatever process it lives, and no error gets to who steps them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envstream.errors import EnvstreamError, PictureError
from envstream.sources.subenvs import RemoteRender, SubEnvs
from fakes import PictureEnv


def grey(value: int, mode: str | None = "rgb_array") -> gym.Env[Any, Any]:
    return PictureEnv(np.full((4, 6, 3), value, np.uint8), render_mode=mode)


def broken() -> gym.Env[Any, Any]:
    return PictureEnv(RuntimeError("no GL"))


def unpicklable() -> gym.Env[Any, Any]:
    return PictureEnv(memoryview(b"a picture that cannot leave its process"))


def cart_pole() -> gym.Env[Any, Any]:
    return gym.make("CartPole-v1", render_mode="rgb_array")


def gymnasium_sync(makers: list[Callable[[], Any]]) -> Any:
    return gym.vector.SyncVectorEnv(makers)


def gymnasium_async(makers: list[Callable[[], Any]]) -> Any:
    return gym.vector.AsyncVectorEnv(makers, context="forkserver")


def sb3_dummy(makers: list[Callable[[], Any]]) -> Any:
    vec_env = pytest.importorskip("stable_baselines3.common.vec_env", reason="pip install -e '.[train]'")
    return vec_env.DummyVecEnv(makers)


def sb3_subproc(makers: list[Callable[[], Any]]) -> Any:
    vec_env = pytest.importorskip("stable_baselines3.common.vec_env", reason="pip install -e '.[train]'")
    # Not forked: this process has threads, and what they hold at that moment would be held for ever.
    return vec_env.SubprocVecEnv(makers, start_method="forkserver")


# Its workers take half a minute to import what they need; what else they are asked is of `WORKERS`.
KINDS = [gymnasium_sync, gymnasium_async, sb3_dummy, pytest.param(sb3_subproc, marks=pytest.mark.long)]
WORKERS = [gymnasium_async, sb3_subproc]

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def make() -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def making(kind: Callable[..., Any], makers: list[Callable[[], Any]]) -> Any:
        made.append(kind(makers))
        made[-1].reset()
        return made[-1]

    yield making
    for envs in made:
        envs.close()


def step(envs: Any) -> Any:
    return envs.step(np.zeros(envs.num_envs, int))


@pytest.mark.parametrize("kind", KINDS)
def test_the_sub_env_that_is_asked_for_is_seen(make: Callable[..., Any], kind: Callable[..., Any]) -> None:
    envs = make(kind, [partial(grey, 10 * n) for n in range(3)])
    sub_envs = SubEnvs(envs)
    assert (sub_envs.problem, sub_envs.renders_all, sub_envs.count) == (None, False, 3)
    for env in (2, 0, 2):
        assert np.asarray(sub_envs.take(env)).max() == 10 * env
    step(envs)


@pytest.mark.parametrize("kind", KINDS)
def test_the_envs_are_called_what_one_of_them_is(make: Callable[..., Any], kind: Callable[..., Any]) -> None:
    assert SubEnvs(make(kind, [partial(grey, 1)] * 2)).title() == "PictureEnv"
    assert SubEnvs(make(kind, [cart_pole] * 2)).title() == "CartPole-v1"


@pytest.mark.parametrize("kind", [gymnasium_sync, sb3_dummy])
def test_the_others_are_not_rendered(make: Callable[..., Any], kind: Callable[..., Any]) -> None:
    envs = make(kind, [partial(grey, 10 * n) for n in range(3)])
    SubEnvs(envs).take(1)
    assert [env.unwrapped.renders for env in envs.envs] == [0, 1, 0]


@pytest.mark.parametrize("kind", WORKERS)
def test_a_render_that_fails_in_a_worker_is_a_sentence_and_training_goes_on(
    make: Callable[..., Any], kind: Callable[..., Any]
) -> None:
    envs = make(kind, [broken, partial(grey, 5)])
    sub_envs = SubEnvs(envs)
    for _ in range(2):
        with pytest.raises(
            EnvstreamError, match="sub-env 0 cannot be rendered in its worker: RuntimeError: no GL"
        ):
            sub_envs.take(0)
        step(envs)
    assert np.asarray(sub_envs.take(1)).max() == 5


@pytest.mark.parametrize("kind", WORKERS)
def test_a_picture_that_cannot_leave_its_worker_is_a_sentence_and_training_goes_on(
    make: Callable[..., Any], kind: Callable[..., Any]
) -> None:
    envs = make(kind, [unpicklable, partial(grey, 5)])
    sub_envs = SubEnvs(envs)
    with pytest.raises(EnvstreamError, match="sub-env 0 cannot be rendered in its worker: TypeError"):
        sub_envs.take(0)
    step(envs)


@pytest.mark.parametrize("kind", WORKERS)
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_died_is_named(kind: Callable[..., Any]) -> None:
    envs = kind([partial(grey, 5), partial(grey, 6)])
    envs.reset()
    sub_envs = SubEnvs(envs)
    processes = envs.processes
    os.kill(processes[0].pid, signal.SIGKILL)
    processes[0].join()
    with pytest.raises(EnvstreamError, match="the worker of sub-env 0 does not answer"):
        sub_envs.take(0)
    assert np.asarray(sub_envs.take(1)).max() == 6
    for process in processes:
        process.kill()
        process.join()
    if hasattr(envs, "parent_pipes"):
        envs.closed = True


def test_between_step_async_and_its_answer_nothing_is_asked(make: Callable[..., Any]) -> None:
    envs = make(gymnasium_async, [partial(grey, 5), partial(grey, 6)])
    sub_envs = SubEnvs(envs)
    envs.step_async(np.zeros(2, int))
    with pytest.raises(EnvstreamError, match="between steps"):
        sub_envs.take(0)
    envs.step_wait()
    assert np.asarray(sub_envs.take(0)).max() == 5


@pytest.mark.parametrize("kind", KINDS)
def test_envs_that_render_nothing_are_a_problem_that_names_its_cure(
    make: Callable[..., Any], kind: Callable[..., Any]
) -> None:
    envs = make(kind, [partial(grey, 5, None)] * 2)
    assert "render_mode='rgb_array'" in str(SubEnvs(envs).problem)


def test_wrappers_around_the_vector_env_are_looked_through(make: Callable[..., Any]) -> None:
    envs = make(gymnasium_sync, [partial(grey, 7)] * 2)
    sub_envs = SubEnvs(gym.wrappers.vector.RecordEpisodeStatistics(envs))
    assert (np.asarray(sub_envs.take(1)).max(), sub_envs.renders_all) == (7, False)


def test_wrappers_around_a_vec_env_are_looked_through(make: Callable[..., Any]) -> None:
    envs = make(sb3_dummy, [partial(grey, 7)] * 2)
    vec_env = pytest.importorskip("stable_baselines3.common.vec_env", reason="pip install -e '.[train]'")
    assert np.asarray(SubEnvs(vec_env.VecMonitor(envs)).take(1)).max() == 7


def test_an_env_that_can_only_render_all_says_so() -> None:
    envs = gym.make_vec("CartPole-v1", 3, vectorization_mode="vector_entry_point", render_mode="rgb_array")
    envs.reset()
    sub_envs = SubEnvs(envs)
    assert sub_envs.renders_all
    assert np.asarray(sub_envs.take(2)).shape == (400, 600, 3)
    envs.close()


def test_fewer_pictures_than_sub_envs_are_refused() -> None:
    class Odd:
        num_envs = 4
        render_mode = "rgb_array"

        def render(self) -> list[Any]:
            return [np.zeros((4, 6, 3), np.uint8)]

    with pytest.raises(PictureError, match="1 pictures for 4 sub-envs"):
        SubEnvs(Odd()).take(2)


def test_a_remote_render_whose_caller_has_no_env_says_what_went_wrong() -> None:
    picture, complaint = RemoteRender()()
    assert picture is None
    assert "KeyError" in str(complaint)

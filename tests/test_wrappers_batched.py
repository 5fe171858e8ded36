"""Isaac Lab, mjlab and Isaac Gym: one contract, for stand-ins and, where they are, for the real ones."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import envstream
from batches import LabEnv, Task
from envstream.errors import SettingError
from envstream.wrappers.batched import StreamingBatchedWrapper, accepts
from fakes import PictureEnv, QuietOutlet, quiet_outlet

if os.name == "posix":
    os.environ.setdefault("MUJOCO_GL", "egl")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> QuietOutlet:
    return quiet_outlet(monkeypatch)


# --- the simulators ------------------------------------------------------------------------------------


def settings(task: str, source: str) -> Any:
    """What a recipe needs to know to make an env of a real simulator."""
    env = SimpleNamespace(
        id=task,
        source=source,
        numEnvs=4,
        viewer=False,
        shadows=False,
        videoStream=True,
        videoResolution=[160, 120],
    )
    return SimpleNamespace(env=env, train=SimpleNamespace(seed=0, device="auto", threads=1))


def real_mjlab() -> Any:
    from envstream.recipes import mjlab

    return mjlab.task_env(settings("Mjlab-Cartpole-Balance", "render"))


def real_isaac_lab() -> Any:
    from envstream.recipes import isaac

    return isaac.task_env(settings("Isaac-Cartpole-RGB-v0", "camera:tiled_camera"))


def real_isaac_gym() -> Any:
    from envstream.recipes import isaac

    return isaac.task_env(settings("Cartpole", "render"))


# What is looked at, what makes the env, and the package without which there is none.
SIMULATORS: dict[str, tuple[str, Callable[[], Any], str]] = {
    "stand-in of Isaac Lab, render": ("render", LabEnv, "torch"),
    "stand-in of Isaac Lab, camera": ("camera:tiled_camera", LabEnv, "torch"),
    "stand-in of Isaac Gym, render": ("render", Task, "torch"),
    "stand-in of Isaac Gym, tensors": ("camera_tensors", Task, "torch"),
    "mjlab": ("render", real_mjlab, "mjlab"),
    "Isaac Lab": ("camera:tiled_camera", real_isaac_lab, "isaaclab"),
    "Isaac Gym": ("render", real_isaac_gym, "isaacgym"),
}


class Simulator:
    """An env, what to look at in it, and what it did."""

    def __init__(self, env: Any, source: str) -> None:
        self.env = env
        self.source = source
        self.returned: list[Any] = []
        self.rendered: list[Any] = []
        self._spy("reset", self.returned)
        self._spy("step", self.returned)
        self._spy("render", self.rendered)

    def wrapped(self, **given: Any) -> Any:
        return StreamingBatchedWrapper(self.env, source=self.source, **given)

    @property
    def action(self) -> torch.Tensor:
        inner = getattr(self.env, "unwrapped", self.env)
        return torch.zeros(inner.num_envs, inner.action_space.shape[-1], device=inner.device)

    def restore(self) -> None:
        for name in ("reset", "step", "render"):
            delattr(self.env, name)

    def _spy(self, name: str, kept: list[Any]) -> None:
        original = getattr(self.env, name)

        @wraps(original)
        def spy(*args: Any, **kwargs: Any) -> Any:
            kept.append(original(*args, **kwargs))
            return kept[-1]

        setattr(self.env, name, spy)


@pytest.fixture(scope="module", params=SIMULATORS)
def real(request: pytest.FixtureRequest) -> Iterator[tuple[Any, str]]:
    """An env that several tests share: real ones take their time to be made."""
    source, make, package = SIMULATORS[request.param]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed; its tests run where it is")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Theirs, not ours.
        env = make()
        getattr(env, "unwrapped", env).reset()  # Compiles what it has to.
    yield env, source
    if callable(getattr(env, "close", None)):
        env.close()


@pytest.fixture
def simulator(real: tuple[Any, str], quiet: QuietOutlet) -> Iterator[Simulator]:
    simulator = Simulator(*real)
    yield simulator
    simulator.restore()


# --- the contract --------------------------------------------------------------------------------------


def test_it_is_accepted(simulator: Simulator) -> None:
    assert accepts(simulator.env)


def test_what_the_env_returns_is_passed_on_untouched(simulator: Simulator) -> None:
    env = simulator.wrapped()
    results = [env.reset(), env.step(simulator.action), env.step(simulator.action)]
    assert all(got is gave for got, gave in zip(results, simulator.returned, strict=True))


def test_what_else_the_env_has_its_wrapper_has_too(simulator: Simulator) -> None:
    env = simulator.wrapped()
    inner = getattr(simulator.env, "unwrapped", simulator.env)
    assert env.unwrapped is inner
    assert (env.num_envs, env.device, env.action_space) == (inner.num_envs, inner.device, inner.action_space)
    with pytest.raises(AttributeError):
        env.nothing_of_that_name  # noqa: B018


def test_nobody_watching_means_no_picture_is_made(simulator: Simulator, quiet: QuietOutlet) -> None:
    env = simulator.wrapped()
    env.reset()
    for _ in range(3):
        env.step(simulator.action)
    assert simulator.rendered == [] and quiet.pictures() == []


def test_a_picture_that_is_asked_for_comes(simulator: Simulator, quiet: QuietOutlet) -> None:
    env = simulator.wrapped()
    env.reset()
    pictures: list[Any] = []
    for _ in range(50):  # From a GPU, or from a camera that warms up, it takes some steps.
        quiet.ask()
        env.step(simulator.action)
        pictures += quiet.pictures()
        if pictures:
            break
    assert pictures[0].pixels.any() and pictures[0].pixels.shape[2] == 3
    assert set(pictures[0].info) == {"episode", "step", "return", "totalSteps", "method"}
    assert pictures[0].info["totalSteps"] % env.num_envs == 0


def test_no_step_waits_for_the_device(simulator: Simulator, quiet: QuietOutlet) -> None:
    env = simulator.wrapped()
    env.reset()
    result = env.step(simulator.action)
    if result[1].device.type != "cuda":
        pytest.skip("needs a simulator that runs on a GPU")
    quiet.ask()
    env._watch.step(result)  # The first one sets up a stream and page-locked memory.
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(100):
            quiet.ask()
            env._watch.step(result)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert env._watch.tap.failures == 0


def test_a_failure_in_streaming_does_not_reach_the_training(simulator: Simulator, quiet: QuietOutlet) -> None:
    env = simulator.wrapped(videoStreamQuality=50)
    env._watch._view.take = lambda: 1 / 0
    env.reset()
    for _ in range(3):
        quiet.ask()
        assert env.step(simulator.action) is simulator.returned[-1]
    assert "ZeroDivisionError" in quiet.notes[0]


def test_without_streaming_it_is_only_passed_through(simulator: Simulator, quiet: QuietOutlet) -> None:
    env = simulator.wrapped(videoStream=False)
    env.reset()
    assert env.step(simulator.action) is simulator.returned[-1]
    assert quiet.channels == [] and env.stream_url is None


# --- which envs those are ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "env",
    [
        PictureEnv(),
        gym.vector.SyncVectorEnv([PictureEnv]),
        SimpleNamespace(num_envs=4, device="cpu", step=print, reset=print, step_async=print),
        SimpleNamespace(num_envs=4, device="cpu"),
        SimpleNamespace(num_envs=4, step=print, reset=print),
        None,
        7,
    ],
    ids=["env", "vector env", "vec env", "no step", "no device", "none", "number"],
)
def test_others_are_not_accepted(env: object) -> None:
    assert not accepts(env)


def test_an_isaac_lab_env_is_accepted_below_other_wrappers() -> None:
    assert accepts(gym.wrappers.TimeLimit(LabEnv(), 10))


@pytest.mark.parametrize("env", [LabEnv(), Task()], ids=["Isaac Lab", "Isaac Gym"])
def test_wrap_finds_it(quiet: QuietOutlet, env: Any) -> None:
    assert isinstance(envstream.wrap(env, videoStreamQuality=50), StreamingBatchedWrapper)


# --- around a Gymnasium env ----------------------------------------------------------------------------


def test_around_a_gymnasium_env_it_is_a_gymnasium_wrapper(quiet: QuietOutlet) -> None:
    env: Any = gym.wrappers.TimeLimit(StreamingBatchedWrapper(LabEnv()), 10)
    assert isinstance(env.unwrapped, LabEnv)
    assert env.get_wrapper_attr("stream_url") is None
    assert env.metadata["render_fps"] == pytest.approx(50)


def test_what_is_set_on_a_gymnasium_wrapper_stays_there(quiet: QuietOutlet) -> None:
    inner = LabEnv()
    env: Any = StreamingBatchedWrapper(inner)
    env.mine = 1
    assert env.mine == 1 and not hasattr(inner, "mine")


def test_it_finds_what_other_wrappers_hide(quiet: QuietOutlet) -> None:
    env: Any = StreamingBatchedWrapper(gym.wrappers.TimeLimit(LabEnv(7), 10))
    assert env.num_envs == 7


def test_the_spec_remembers_how_it_was_wrapped(quiet: QuietOutlet) -> None:
    gym.register("StandIn/Lab-v0", LabEnv, disable_env_checker=True, order_enforce=False)
    env: Any = StreamingBatchedWrapper(gym.make("StandIn/Lab-v0"), source="camera:tiled_camera", videoFps=7)
    (spec,) = env.spec.additional_wrappers
    assert spec.kwargs == {"source": "camera:tiled_camera", "videoFps": 7, "videoStream": True}
    assert isinstance(gym.make(env.spec), StreamingBatchedWrapper)


# --- around anything else ------------------------------------------------------------------------------


def test_what_is_set_on_the_wrapper_of_a_task_is_set_on_the_task(quiet: QuietOutlet) -> None:
    """As rsl-rl does with `episode_length_buf`."""
    task = Task()
    env: Any = StreamingBatchedWrapper(task)
    env.episode_length_buf = torch.ones(4)
    assert task.episode_length_buf.tolist() == [1, 1, 1, 1]  # type: ignore[attr-defined]


def test_a_task_that_cannot_be_closed_is_not(quiet: QuietOutlet) -> None:
    env = StreamingBatchedWrapper(Task())
    env.reset()
    env.close()
    assert quiet.closed == quiet.channels


def test_what_the_user_renders_is_the_users(quiet: QuietOutlet) -> None:
    env = StreamingBatchedWrapper(Task())
    assert env.render(mode="human") is None
    assert np.asarray(env.render()).mean() == 77


def test_episodes_of_the_envs_that_are_shown_are_noted(quiet: QuietOutlet) -> None:
    env = StreamingBatchedWrapper(Task(length=3), source="camera_tensors", videoStreamEnvs=[1, 3])
    env.reset()
    for _ in range(7):
        env.step(torch.zeros(4, 2))
    quiet.ask(1)
    env.step(torch.zeros(4, 2))
    assert quiet.episodes_of_parts() == [(1, 3, 6.0, 0), (1, 3, 12.0, 1), (2, 3, 6.0, 0), (2, 3, 12.0, 1)]
    (capture,) = quiet.pictures()
    assert (capture.part, int(capture.pixels[0, 0, 0])) == (1, 40)
    assert capture.info == {"episode": 3, "step": 2, "return": 8.0, "totalSteps": 32, "method": "tensor"}


def test_a_wrapper_that_is_not_made_yet_has_nothing() -> None:
    bare = StreamingBatchedWrapper.__new__(StreamingBatchedWrapper)
    with pytest.raises(AttributeError):
        bare.anything  # noqa: B018


# --- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"source": "camera:"}, "source='camera:'"),
        ({"videoStreamPrt": 1}, "did you mean 'videoStreamPort'"),
        ({"source": "camera:tiled_camera", "videoStreamEnvs": [4]}, "0 to 3"),
    ],
)
def test_a_setting_that_is_wrong_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        StreamingBatchedWrapper(LabEnv(4), **given)


def test_a_wrapper_of_ones_own_is_one(quiet: QuietOutlet) -> None:
    class Mine(StreamingBatchedWrapper):
        """A subclass."""

    assert type(Mine(Task())) is Mine


def test_in_a_notebook_it_shows_itself(quiet: QuietOutlet) -> None:
    env: Any = StreamingBatchedWrapper(Task())
    assert "StreamingBatchedWrapper" in env._repr_html_()
    env.reset()
    assert "http://127.0.0.1:8080/" in env._repr_html_()

"""Recipes: simulators with tools of their own, built and trained from this project's configs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from batches import LabEnv, Task
from envstream.recipes import isaac, mjlab, rollout
from envstream.recipes.rollout import Scored

ROOT = Path(__file__).parents[1]


class Stopped(BaseException):
    """As train.py's."""


def config(*overrides: str) -> Any:
    with initialize_config_dir(str(ROOT / "cfg"), version_base="1.3"):
        return compose("config", [*overrides, "train.progressBar=false", "env.videoStream=false"])


# --- what is not there ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "env", "package", "sentence"),
    [
        (mjlab, "env=mjlab", "mjlab", r"gymnasium-envstream\[mjlab\]"),
        (isaac, "env=isaac", "isaaclab", r"pip install \"isaaclab\[isaacsim,rsl-rl\]\""),
        (isaac, "env=isaac env.id=Ant train.algo=random", "isaacgym", "Preview 4 .* Python 3.6 to 3.8"),
    ],
)
def test_a_simulator_that_is_not_there_is_answered_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, recipe: Any, env: str, package: str, sentence: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit, match=sentence):
        recipe.train(config(*env.split()), Stopped)


@pytest.mark.parametrize("recipe", [mjlab, isaac])
def test_an_algorithm_that_is_not_there_is_answered_with_those_that_are(recipe: Any) -> None:
    with pytest.raises(SystemExit, match=r"train.algo=DQN: .*expected one of PPO, random"):
        recipe.train(config("env=mjlab", "train.algo=DQN"), Stopped)


def test_tasks_of_isaac_gym_are_not_trained_here() -> None:
    with pytest.raises(SystemExit, match=r"IsaacGymEnvs' own train.py; .*envstream.wrap\(task\)"):
        isaac.train(config("env=isaac", "env.id=Ant"), Stopped)


def test_which_isaac_is_meant_is_told_by_the_name() -> None:
    assert isaac.is_lab("Isaac-Cartpole-v0") and not isaac.is_lab("Cartpole")


# --- acting randomly -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [LabEnv, Task])
def test_random_actions_are_taken_for_as_many_steps_as_were_asked_for(make: Callable[..., Any]) -> None:
    env = make(num_envs=4, length=3)
    env.close = lambda: None
    scored = Scored(env)
    assert rollout.act_randomly(scored, 100, 0, Stopped) == "mean return of 32 episodes: 7.50"
    assert scored.steps == 100


def test_actions_lie_between_minus_one_and_one_and_follow_the_seed() -> None:
    taken: list[torch.Tensor] = []

    class Recording(LabEnv):
        def step(self, action: torch.Tensor) -> Any:
            taken.append(action)
            return super().step(action)

    for _ in range(2):
        rollout.act_randomly(Scored(Recording(64)), 64, 7, Stopped)
    first, second = taken
    assert first.shape == (64, 2) and torch.equal(first, second)
    assert -1 <= first.min() < -0.8 and 0.8 < first.max() <= 1


def test_who_stops_it_is_told_how_far_it_got() -> None:
    class Endless(LabEnv):
        def step(self, action: torch.Tensor) -> Any:
            if len(self.results) > 4:
                raise Stopped
            return super().step(action)

    env = Endless(4)
    assert rollout.act_randomly(Scored(env), 10**6, 0, Stopped) == (
        "stopped after 16 steps; mean return of 4 episodes: 7.50"
    )
    assert env.closed


# --- learning ------------------------------------------------------------------------------------------


class Runner:
    """As rsl-rl's: steps the env as often as it was told to."""

    cfg = {"num_steps_per_env": 5}

    def __init__(self, env: Any, stops: bool = False) -> None:
        self.env, self.stops = env, stops

    def learn(self, rounds: int, init_at_random_ep_len: bool) -> None:
        assert init_at_random_ep_len
        for _ in range(rounds * self.cfg["num_steps_per_env"]):
            self.env.step(torch.zeros(4, 2))
        if self.stops:
            raise Stopped

    def save(self, path: str) -> None:
        Path(path).write_text("the policy")


def settings(**train: Any) -> Any:
    return SimpleNamespace(train=SimpleNamespace(**{"totalTimesteps": 70, "save": None, **train}))


def test_a_learner_makes_whole_rounds() -> None:
    env = Scored(LabEnv(4))
    assert rollout.learn(env, lambda: Runner(env), settings(), Stopped) == "mean return of 24 episodes: 7.50"
    assert env.steps == 80 and env.unwrapped.closed


def test_a_policy_is_saved_where_it_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env, where = Scored(LabEnv(4)), tmp_path / "new" / "policy.pt"
    rollout.learn(env, lambda: Runner(env), settings(save=str(where)), Stopped)
    assert where.read_text() == "the policy" and str(where) in capsys.readouterr().out


def test_a_learner_that_is_stopped_saves_what_it_has(tmp_path: Path) -> None:
    env, where = Scored(LabEnv(4)), tmp_path / "policy.pt"
    said = rollout.learn(env, lambda: Runner(env, stops=True), settings(save=str(where)), Stopped)
    assert said.startswith("stopped after 80 steps; mean return") and where.exists()


def test_an_env_without_an_ended_episode_has_no_mean() -> None:
    assert Scored(LabEnv()).summary() == "finished before an episode ended"


def test_progress_is_shown_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    env = Scored(LabEnv(4), 8)
    env.step(torch.zeros(4, 2))
    env.close()
    assert "4/8" in capsys.readouterr().err


def test_settings_of_a_learner_are_changed_one_by_one() -> None:
    before = {"gamma": 0.9, "algorithm": {"clip": 0.2, "rate": 1}}
    after = rollout.merged(before, {"algorithm": {"rate": 2}})
    assert after == {"gamma": 0.9, "algorithm": {"clip": 0.2, "rate": 2}}
    assert before["algorithm"] == {"clip": 0.2, "rate": 1}


def test_a_setting_that_a_learner_has_not_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"train.kwargs.gama: .*gamma"):
        rollout.merged({"gamma": 0.9}, {"gama": 1})


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_device_that_is_named_is_taken(device: str) -> None:
    assert rollout.device_of(config("env=mjlab", f"train.device={device}")) == device


def test_otherwise_a_gpu_is_taken_where_there_is_one() -> None:
    expected = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert rollout.device_of(config("env=mjlab")) == expected


# --- mjlab itself --------------------------------------------------------------------------------------

TRAIN = """
import sys
from hydra import compose, initialize_config_dir
from envstream.recipes import mjlab
with initialize_config_dir(sys.argv[1], version_base="1.3"):
    print(mjlab.train(compose("config", sys.argv[2:]), SystemExit))
"""


@pytest.mark.skipif(find_spec("mjlab") is None, reason="mjlab is not installed; its tests run where it is")
class TestMjlab:
    """In processes of their own, as it prints much and warns at its import."""

    def train(self, *overrides: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", TRAIN, str(ROOT / "cfg"), "env=mjlab", "env.numEnvs=8"]
        command += ["train.progressBar=false", "train.device=cpu", "env.videoStreamPort=0", *overrides]
        env = {**os.environ, "MUJOCO_GL": "egl"}
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=600)

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("algo", ["PPO", "random"])
    def test_it_is_trained_with_a_page(self, tmp_path: Path, algo: str) -> None:
        where = tmp_path / "policy.pt"
        options = [f"train.algo={algo}", "train.totalTimesteps=500", f"train.save={where}"]
        run = self.train("env.videoStream=true", *options)
        assert run.returncode == 0, run.stderr
        assert "finished before" in run.stdout or "mean return of" in run.stdout
        assert "watch at http://127.0.0.1:" in run.stderr
        assert where.exists() == (algo == "PPO")

    @pytest.mark.timeout(600)
    def test_a_task_that_it_has_not_is_answered_with_those_that_it_has(self) -> None:
        run = self.train("env.id=Mjlab-Nope")
        assert run.returncode == 1 and "Mjlab-Cartpole-Balance" in run.stderr

"""Train an agent with a live page: `python train.py env.videoStream=true`."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from ctypes.util import find_library
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig

from envstream import wrap
from envstream.errors import SettingError

ALGORITHMS = ("PPO", "A2C", "DQN", "random")
VECTORIZATIONS = ("sync", "async")
Train = Callable[[DictConfig, type[BaseException]], str]
log = logging.getLogger("train")


class Stopped(BaseException):
    """Raised in the midst of training when somebody asks it to end; no `except Exception` stops it."""


class Stop:
    """Has SIGINT and SIGTERM end the training, with everything closed and saved; `status` to exit with."""

    def __init__(self) -> None:
        self.status = 0
        for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs ignore it.
            signal.signal(number, self.now)

    def now(self, number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # A second one does not wait for anything.
        self.status = 128 + number
        raise Stopped


def make_env(cfg: DictConfig, index: int) -> gym.Env[Any, Any]:
    """The env that `cfg.env` names, as it is."""
    if cfg.env.get("module"):
        gym.register_envs(importlib.import_module(cfg.env.module))
    try:
        mode = "human" if cfg.env.viewer else cfg.env.get("renderMode") or "rgb_array"
        env = gym.make(cfg.env.id, render_mode=mode, **(cfg.env.get("kwargs") or {}))
    except (gym.error.Error, ModuleNotFoundError, TypeError) as error:
        raise SystemExit(f"env.id={cfg.env.id}: {error}") from None
    env.action_space.seed(cfg.train.seed + index)
    return env


def learner_env(cfg: DictConfig, index: int) -> gym.Env[Any, Any]:
    """The env as its learner wants to see it: what `env.wrapper` names goes around it."""
    from stable_baselines3.common.monitor import Monitor

    env = make_env(cfg, index)
    if cfg.env.numEnvs == 1:
        env = wrap(env, cfg.env)
    env = Monitor(env)
    if cfg.env.get("wrapper"):
        module, _, name = cfg.env.wrapper.rpartition(".")
        env = getattr(importlib.import_module(module), name)(env)
    return env


def learner_envs(cfg: DictConfig) -> Any:
    """`env.numEnvs` of them, in this process or each in one of its own; several are streamed together."""
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack

    vectorized = {"sync": DummyVecEnv, "async": SubprocVecEnv}[cfg.env.vectorization]
    envs: VecEnv = vectorized([partial(learner_env, cfg, index) for index in range(cfg.env.numEnvs)])
    if cfg.env.numEnvs > 1:
        envs = wrap(envs, cfg.env)
    return VecFrameStack(envs, cfg.env.frameStack) if cfg.env.get("frameStack") else envs


def without_a_screen() -> None:
    """Where there is no display, have the simulators draw without one."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and sys.platform == "linux":
        if find_library("EGL"):  # Without it MuJoCo would not even be imported with this setting.
            os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def act_randomly(cfg: DictConfig, stopped: type[BaseException]) -> str:
    """Random actions for `train.totalTimesteps` steps; needs no learning library."""
    vectorized = {"sync": gym.vector.SyncVectorEnv, "async": gym.vector.AsyncVectorEnv}[cfg.env.vectorization]
    made = vectorized([partial(make_env, cfg, index) for index in range(cfg.env.numEnvs)])
    envs = wrap(gym.wrappers.vector.RecordEpisodeStatistics(made), cfg.env)
    envs.action_space.seed(cfg.train.seed)
    returns: deque[float] = deque(maxlen=100)
    steps = 0
    try:
        envs.reset(seed=cfg.train.seed)
        while steps < cfg.train.totalTimesteps:
            steps += cfg.env.numEnvs
            *_, infos = envs.step(envs.action_space.sample())
            if "episode" in infos:
                returns.extend(infos["episode"]["r"][infos["_episode"]])
    except stopped:
        return f"stopped after {steps:,} steps; {summary(list(returns))}"
    finally:
        envs.close()
    return summary(list(returns))


def learn(cfg: DictConfig, stopped: type[BaseException]) -> str:
    """Train with Stable-Baselines3."""
    if cfg.train.save:  # At the end it would be too late to find out.
        Path(cfg.train.save).expanduser().parent.mkdir(parents=True, exist_ok=True)
    try:
        import stable_baselines3 as sb3
        import torch
    except ImportError as error:
        raise SystemExit(f'{error}; install what training needs: pip install -e ".[train]"') from None
    torch.set_num_threads(cfg.train.threads)
    envs = learner_envs(cfg)
    try:
        algorithm = getattr(sb3, cfg.train.algo)
        kwargs = instantiate(cfg.train.kwargs, _convert_="all")
        model = algorithm(policy_for(envs), envs, seed=cfg.train.seed, device=cfg.train.device, **kwargs)
    except (AssertionError, TypeError, ValueError) as error:
        envs.close()
        raise SystemExit(f"train.algo={cfg.train.algo} cannot train {cfg.env.id}: {error}") from None
    begun = ""
    try:
        model.learn(cfg.train.totalTimesteps, progress_bar=cfg.train.progressBar)
    except stopped:
        begun = f"stopped after {model.num_timesteps:,} steps; "
    finally:
        envs.close()
    if cfg.train.save:
        model.save(cfg.train.save)
        log.info("model saved to %s", cfg.train.save)
    return begun + summary([episode["r"] for episode in model.ep_info_buffer or ()])


def policy_for(envs: Any) -> str:
    """The kind of network that fits the observations."""
    from stable_baselines3.common.preprocessing import is_image_space

    space = envs.observation_space
    if isinstance(space, gym.spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if is_image_space(space) else "MlpPolicy"


def summary(returns: list[float]) -> str:
    """One line about how it went."""
    if not returns:
        return "finished before an episode ended"
    return f"mean return of the last {len(returns)} episodes: {sum(returns) / len(returns):.1f}"


def chosen(cfg: DictConfig) -> Train:
    """What trains: a simulator's own recipe, random actions, or Stable-Baselines3."""
    if cfg.env.get("recipe"):
        recipe: Train = importlib.import_module(cfg.env.recipe).train
        return recipe
    for key, value, known in (
        ("train.algo", cfg.train.algo, ALGORITHMS),
        ("env.vectorization", cfg.env.vectorization, VECTORIZATIONS),
    ):
        if value not in known:
            raise SystemExit(f"{key}={value}: expected one of {', '.join(known)}")
    return act_randomly if cfg.train.algo == "random" else learn


@hydra.main(version_base="1.3", config_path="cfg", config_name="config")
def main(cfg: DictConfig) -> None:
    train = chosen(cfg)
    without_a_screen()
    stop = Stop()
    try:
        said = train(cfg, Stopped)
    except SettingError as error:
        raise SystemExit(str(error)) from None
    print(said, flush=True)
    sys.exit(stop.status)


if __name__ == "__main__":
    main()

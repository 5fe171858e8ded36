"""Isaac Lab and Isaac Gym: which of them is meant is told by the task's name, as in `Isaac-Cartpole-v0`."""

from __future__ import annotations

import sys
from typing import Any

import gymnasium as gym

from envstream.recipes import rollout
from envstream.recipes.rollout import Scored
from envstream.wrappers.batched import StreamingBatchedWrapper

INSTALL_LAB = (
    'pip install "isaaclab[isaacsim,rsl-rl]" --extra-index-url https://pypi.nvidia.com in a Python that '
    "Isaac Lab supports (3.12 for Isaac Lab 3), on a machine with an NVIDIA GPU"
)
INSTALL_GYM = (
    "download Isaac Gym Preview 4 from https://developer.nvidia.com/isaac-gym, pip install -e "
    "isaacgym/python, then pip install -e IsaacGymEnvs from https://github.com/isaac-sim/IsaacGymEnvs; its "
    "bindings are for "
    f"Python 3.6 to 3.8, and this is {sys.version_info.major}.{sys.version_info.minor}"
)


def is_lab(task: str) -> bool:
    """Whether a task is one of Isaac Lab's, whose names begin so; Isaac Gym's are single words."""
    return task.startswith("Isaac-")


def make_env(cfg: Any) -> StreamingBatchedWrapper:
    """The task that `cfg.env.id` names, streamed where `env.videoStream` says so.

    Raises:
        SystemExit: its simulator is not there; it says what to install.
    """
    return StreamingBatchedWrapper(task_env(cfg), cfg.env, source=cfg.env.source)


def task_env(cfg: Any) -> Any:
    """The task that `cfg.env.id` names, as it is.

    Raises:
        SystemExit: its simulator is not there; it says what to install.
    """
    return _lab_env(cfg) if is_lab(cfg.env.id) else _gym_task(cfg)


def train(cfg: Any, stopped: type[BaseException]) -> str:
    """Train as `cfg` says, until it is done or `stopped` is raised; one line about how it went.

    Raises:
        SystemExit: what is asked for is not there.
    """
    rollout.check_algorithm(cfg.train.algo)
    if cfg.train.algo != "random" and not is_lab(cfg.env.id):
        raise SystemExit(
            f"env.id={cfg.env.id}: tasks of Isaac Gym are trained by IsaacGymEnvs' own train.py; wrap the "
            "task there with envstream.wrap(task), or have it act by train.algo=random here"
        )
    env = Scored(make_env(cfg), cfg.train.totalTimesteps if cfg.train.progressBar else None)
    if cfg.train.algo == "random":
        return rollout.act_randomly(env, cfg.train.totalTimesteps, cfg.train.seed, stopped)
    return rollout.learn(env, lambda: _runner(env, cfg), cfg, stopped)


def _lab_env(cfg: Any) -> gym.Env[Any, Any]:
    """Isaac Sim is started first: Isaac Lab's modules can be imported only inside it."""
    try:
        from isaaclab.app import AppLauncher
    except ImportError as error:
        raise SystemExit(f"env.id={cfg.env.id} needs Isaac Lab ({error}): {INSTALL_LAB}") from None
    looks = cfg.env.videoStream or cfg.env.source.startswith(("camera", "sensor"))
    AppLauncher({"headless": not cfg.env.viewer, "enable_cameras": bool(looks)})
    import isaaclab_tasks  # noqa: F401 - registers them
    from isaaclab_tasks.utils import parse_env_cfg

    try:
        task = parse_env_cfg(cfg.env.id, device=rollout.device_of(cfg), num_envs=cfg.env.numEnvs)
        task.seed = cfg.train.seed
        return gym.make(cfg.env.id, cfg=task, render_mode="rgb_array" if cfg.env.source == "render" else None)
    except gym.error.Error as error:
        raise SystemExit(f"env.id={cfg.env.id}: {error}") from None


def _gym_task(cfg: Any) -> Any:
    """A task of IsaacGymEnvs, with its screen captured where `render` is the source."""
    try:
        import isaacgym  # noqa: F401 - has to come before torch
        import isaacgymenvs
    except ImportError as error:
        raise SystemExit(f"env.id={cfg.env.id} needs Isaac Gym ({error}): {INSTALL_GYM}") from None
    device = rollout.device_of(cfg)
    captured = cfg.env.videoStream and cfg.env.source == "render"
    return isaacgymenvs.make(
        seed=cfg.train.seed,
        task=cfg.env.id,
        num_envs=cfg.env.numEnvs,
        sim_device=device,
        rl_device=device,
        graphics_device_id=0,
        headless=not (cfg.env.viewer or captured),
        virtual_screen_capture=captured,
        force_render=cfg.env.viewer,
    )


def _runner(env: Scored, cfg: Any) -> Any:
    """Isaac Lab's own trainer of this task, writing nothing."""
    from isaaclab_rl.rsl_rl import RslRlVecEnvWrapper
    from isaaclab_tasks.utils import load_cfg_from_registry
    from rsl_rl.runners import OnPolicyRunner

    settings: Any = load_cfg_from_registry(cfg.env.id, "rsl_rl_cfg_entry_point")
    envs = RslRlVecEnvWrapper(env, clip_actions=settings.clip_actions)
    return OnPolicyRunner(
        envs,
        rollout.merged(settings.to_dict(), cfg.train.kwargs),
        log_dir=None,
        device=env.unwrapped.device,
    )

"""mjlab: Isaac Lab's way of writing tasks, on MuJoCo Warp; for a GPU, but small tasks run on a CPU."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from envstream.recipes import rollout
from envstream.recipes.rollout import Scored
from envstream.wrappers.batched import StreamingBatchedWrapper

INSTALL = (
    'pip install "gymnasium-envstream[mjlab]" in a venv of its own: it needs an older MuJoCo than others'
)


def make_env(cfg: Any) -> StreamingBatchedWrapper:
    """The task that `cfg.env.id` names, streamed where `env.videoStream` says so.

    Raises:
        SystemExit: mjlab is not there, or has no such task.
    """
    named = {} if cfg.env.videoStreamName else {"videoStreamName": cfg.env.id}
    return StreamingBatchedWrapper(task_env(cfg), cfg.env, source=cfg.env.source, **named)


def task_env(cfg: Any) -> Any:
    """The task that `cfg.env.id` names, as it is.

    Raises:
        SystemExit: mjlab is not there, or has no such task.
    """
    try:
        import mjlab.tasks  # noqa: F401 - registers them
        from mjlab.envs import ManagerBasedRlEnv
        from mjlab.tasks import registry
    except ImportError as error:
        raise SystemExit(f"env.id={cfg.env.id} needs mjlab ({error}): {INSTALL}") from None
    if cfg.env.id not in registry.list_tasks():
        raise SystemExit(f"env.id={cfg.env.id}: mjlab's tasks are {', '.join(registry.list_tasks())}")
    task = registry.load_env_cfg(cfg.env.id)
    task.seed = cfg.train.seed
    task.scene.num_envs = cfg.env.numEnvs
    if cfg.env.videoResolution is not None:
        task.viewer.width, task.viewer.height = cfg.env.videoResolution
    task.viewer.enable_shadows = task.viewer.enable_reflections = cfg.env.shadows
    renders = cfg.env.videoStream and cfg.env.source == "render"
    mode = "rgb_array" if renders else None
    return ManagerBasedRlEnv(task, device=rollout.device_of(cfg), render_mode=mode)


def train(cfg: Any, stopped: type[BaseException]) -> str:
    """Train as `cfg` says, until it is done or `stopped` is raised; one line about how it went.

    Raises:
        SystemExit: what is asked for is not there.
    """
    rollout.check_algorithm(cfg.train.algo)
    env = Scored(make_env(cfg), cfg.train.totalTimesteps if cfg.train.progressBar else None)
    if cfg.train.algo == "random":
        return rollout.act_randomly(env, cfg.train.totalTimesteps, cfg.train.seed, stopped)
    return rollout.learn(env, lambda: _runner(env, cfg), cfg, stopped)


def _runner(env: Scored, cfg: Any) -> Any:
    """mjlab's own trainer of this task, writing nothing."""
    from mjlab.rl import MjlabOnPolicyRunner, RslRlVecEnvWrapper
    from mjlab.tasks import registry

    settings = registry.load_rl_cfg(cfg.env.id)
    settings.seed = cfg.train.seed
    settings.upload_model = False
    kind = registry.load_runner_cls(cfg.env.id) or MjlabOnPolicyRunner
    envs = RslRlVecEnvWrapper(env, clip_actions=settings.clip_actions)
    return kind(envs, rollout.merged(asdict(settings), cfg.train.kwargs), None, env.unwrapped.device)

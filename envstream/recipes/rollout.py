"""What all batched simulators are trained with: random actions, or rsl-rl's PPO."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ALGORITHMS = ("PPO", "random")


class Scored:
    """An env that knows how its episodes went. Sums are kept on the device until somebody asks.

    Args:
        env: an env whose `step` gives tensors, in four parts or five.
        steps: how many steps will be made, for the progress bar; None = no bar.
    """

    def __init__(self, env: Any, steps: int | None = None) -> None:
        self.env = env
        self.steps = 0
        self._running: Any = 0.0
        self._total: Any = 0.0
        self._episodes: Any = 0
        self._bar: Any = None
        if steps is not None:
            from tqdm import tqdm

            self._bar = tqdm(total=steps, unit=" steps")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    @property
    def unwrapped(self) -> Any:
        """The env below all wrappers."""
        return getattr(self.env, "unwrapped", self.env)

    def step(self, actions: Any) -> Any:
        """Step the env; what it gives is passed on untouched."""
        result = self.env.step(actions)
        ended = (result[2] | result[3] if len(result) == 5 else result[2]).bool()
        self._running = self._running + result[1]
        self._total = self._total + (self._running * ended).sum()
        self._episodes = self._episodes + ended.sum()
        self._running = self._running * ~ended
        self.steps += ended.shape[0]
        if self._bar is not None:
            self._bar.update(ended.shape[0])
        return result

    def close(self) -> None:
        """Close the env."""
        if self._bar is not None:
            self._bar.close()
        self.env.close()

    def summary(self) -> str:
        """One line about how it went."""
        episodes = int(self._episodes)
        if not episodes:
            return "finished before an episode ended"
        return f"mean return of {episodes:,} episodes: {float(self._total) / episodes:.2f}"


def check_algorithm(name: str) -> None:
    """Leave with a sentence where an algorithm is none of these."""
    if name not in ALGORITHMS:
        raise SystemExit(
            f"train.algo={name}: a batched simulator is trained by rsl-rl with PPO, or acts by random; "
            f"expected one of {', '.join(ALGORITHMS)}"
        )


def device_of(cfg: Any) -> str:
    """The device that `train.device` names; `auto` is a GPU where there is one."""
    import torch

    torch.set_num_threads(cfg.train.threads)
    if cfg.train.device != "auto":
        return str(cfg.train.device)
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def act_randomly(env: Scored, steps: int, seed: int, stopped: type[BaseException]) -> str:
    """Actions between -1 and 1 until `steps` steps of single envs are made."""
    import torch

    inner = env.unwrapped
    device = torch.device(getattr(inner, "rl_device", None) or inner.device)
    generator = torch.Generator(device).manual_seed(seed)
    shape = (inner.num_envs, inner.action_space.shape[-1])
    try:
        env.reset()
        while env.steps < steps:
            env.step(torch.rand(shape, generator=generator, device=device) * 2 - 1)
    except stopped:
        return f"stopped after {env.steps:,} steps; {env.summary()}"
    finally:
        env.close()
    return env.summary()


def learn(env: Scored, make_runner: Callable[[], Any], cfg: Any, stopped: type[BaseException]) -> str:
    """Train with the rsl-rl runner that `make_runner` makes, for `train.totalTimesteps` steps."""
    if cfg.train.save:  # At the end it would be too late to find out.
        Path(cfg.train.save).expanduser().parent.mkdir(parents=True, exist_ok=True)
    begun, runner = "", None
    try:
        runner = make_runner()
        a_round = env.unwrapped.num_envs * runner.cfg["num_steps_per_env"]
        runner.learn(math.ceil(cfg.train.totalTimesteps / a_round), init_at_random_ep_len=True)
    except stopped:
        begun = f"stopped after {env.steps:,} steps; "
    finally:
        env.close()
    if cfg.train.save and runner is not None:
        runner.save(str(Path(cfg.train.save).expanduser()))
        print(f"model saved to {cfg.train.save}")
    return begun + env.summary()


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with some of them changed.

    Raises:
        SystemExit: for a name that is not among the settings.
    """
    result = dict(settings)
    for name, value in changes.items():
        if name not in result:
            raise SystemExit(f"train.kwargs.{name}: rsl-rl has no such setting; it has {', '.join(result)}")
        nested = isinstance(value, Mapping) and isinstance(result[name], Mapping)
        result[name] = merged(result[name], value) if nested else value
    return result

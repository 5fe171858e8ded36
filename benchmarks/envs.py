"""Envs that cost next to nothing themselves, so that what is measured is what stands around them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def pictures(count: int = 8, noise: float = 4.0, width: int = 640, height: int = 480) -> list[Pixels]:
    """Moving shapes on a shaded ground with sensor noise: 40-60 KB each as JPEG at the default quality."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:height, 0:width]
    ground = np.stack([x * 200 / width, y * 200 / height, (x + y) * 200 / (width + height)], axis=2)
    made = []
    for index in range(count):
        picture = ground + 25 * np.sin((x + 40 * index) / 30)[..., None]
        left = 40 + index * (width - 160) // count
        picture[height // 3 : height // 2, left : left + 80] = (230, 60, 40)
        grain = random.normal(0, noise, (height // 2, width // 2, 1)).repeat(2, 0).repeat(2, 1)
        made.append(np.clip(picture + grain, 0, 255).astype(np.uint8))
    return made


class TrivialEnv(gym.Env[int, int]):
    """`step()` gives the same tuple for ever; counts how often it was asked to render."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space: gym.Space[Any] = gym.spaces.Discrete(2)
    action_space: gym.Space[Any] = gym.spaces.Discrete(2)
    render_mode = "rgb_array"

    def __init__(self) -> None:
        self.renders = 0
        self._picture = np.full((64, 64, 3), 128, np.uint8)
        self._result: tuple[int, float, bool, bool, dict[str, Any]] = (0, 1.0, False, False, {})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        return self._result

    def render(self) -> Any:
        self.renders += 1
        return self._picture


class BusyEnv(TrivialEnv):
    """A pure-Python simulation: `step()` holds the interpreter for some microseconds, `render()` is free."""

    def __init__(self, length: int = 500) -> None:
        super().__init__()
        self._pictures = pictures()
        self._length = length
        self._steps = 0
        self._state = 1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self._steps = 0
        return super().reset(seed=seed)

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        state = self._state
        for _ in range(40):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        self._state = state
        self._steps += 1
        return state & 1, 1.0, self._steps >= self._length, False, {}

    def render(self) -> Any:
        self.renders += 1
        return self._pictures[self.renders % len(self._pictures)]


class TensorBatch:
    """Stand-in for a batched simulator: 64 envs whose cameras' pictures are one tensor on the CPU.

    A step writes all pictures anew, and new observations, rewards and ends, as tensors.
    """

    num_envs = 64
    device = "cpu"
    is_vector_env = True
    render_mode = "rgb_array"
    spec = None
    action_space = gym.spaces.Box(-1, 1, (64, 4))

    def __init__(self) -> None:
        import torch

        self._torch = torch
        torch.set_num_threads(1)
        torch.manual_seed(1)
        self.pictures = torch.randint(0, 255, (self.num_envs, 240, 320, 3), dtype=torch.uint8)
        self._colours = torch.rand(self.pictures.shape) * 255
        self._shaded = torch.empty_like(self._colours)
        self._weights = torch.randn(4, 256), torch.randn(256, 256)
        self._steps = 0

    @property
    def unwrapped(self) -> TensorBatch:
        return self

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return {"policy": self._torch.zeros(self.num_envs, 256)}, {}

    def step(self, action: Any) -> Any:
        torch = self._torch
        self._steps += 1
        into, through = self._weights
        policy = torch.tanh(torch.tanh(torch.as_tensor(action) @ into) @ through)
        # All pictures are shaded anew, as a renderer must.
        light = 0.5 + 0.5 * (self._steps % 100) / 100
        self.pictures.copy_(torch.mul(self._colours, light, out=self._shaded))
        ended = torch.zeros(self.num_envs, dtype=torch.bool)
        ended[self._steps % self.num_envs] = True
        return {"policy": policy}, policy.sum(1), ended, torch.zeros_like(ended), {}

    def render(self) -> Any:
        return self.pictures[0].numpy()

    def close(self) -> None:
        pass


def many_envs(vectorized: str) -> Any:
    """Eight CartPoles, each in a process of its own."""

    def make() -> Any:
        return gym.make("CartPole-v1", render_mode="rgb_array")

    if vectorized == "gymnasium":
        return gym.vector.AsyncVectorEnv([make] * 8)
    from stable_baselines3.common.vec_env import SubprocVecEnv

    envs = SubprocVecEnv([make] * 8, start_method="fork")
    envs.draw = lambda: np.array([envs.action_space.sample() for _ in range(8)])  # type: ignore[attr-defined]
    return envs


KINDS: dict[str, Any] = {
    "async8": lambda: many_envs("gymnasium"),
    "subproc8": lambda: many_envs("sb3"),
    "pyboy": lambda: gym.make("envstream.envs:envstream/PyBoy-v0", frame_skip=24, render_mode="rgb_array"),
    "tensors": TensorBatch,
}

"""Batched simulators for tests: stand-ins with the signatures of the real ones, and copies that are late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch

HEIGHT, WIDTH = 6, 8


class LateCarry:
    """Begins copies as torch does from a GPU, but they arrive when the test says so.

    Tensors on the `meta` device have no values that could be read: `arrive` is told what comes.
    """

    def __init__(self) -> None:
        self.copies: list[LateArrival] = []

    def __call__(self, tensors: Sequence[Any]) -> LateArrival:
        self.copies.append(LateArrival(list(tensors)))
        return self.copies[-1]

    def arrive(self, *picture: Any) -> None:
        """Everything that was begun is there now; pictures are `picture`, and rows are zeros."""
        for copy in self.copies:
            copy.arrays = [
                picture[0] if tensor.ndim == 3 else np.zeros(tuple(tensor.shape)) for tensor in copy.tensors
            ]
        self.copies.clear()


class LateArrival:
    def __init__(self, tensors: list[Any]) -> None:
        self.tensors = tensors
        self.arrays: list[Any] | None = None

    def ready(self) -> bool:
        return self.arrays is not None

    def collect(self) -> list[Any]:
        assert self.arrays is not None, "waited for"
        return self.arrays


def pictures_of(count: int, device: str = "cpu", channels: int = 3) -> torch.Tensor:
    """A batch in which the picture of env `i` has the value 10 (i + 1) everywhere."""
    values = torch.arange(1, count + 1, dtype=torch.uint8) * 10
    return values[:, None, None, None].expand(count, HEIGHT, WIDTH, channels).to(device)


class CameraData:
    def __init__(self, output: dict[str, Any]) -> None:
        self.output = output


class TiledCamera:
    """A camera sensor as Isaac Lab has it; counts how often it is read."""

    def __init__(self, output: dict[str, Any]) -> None:
        self.output = output
        self.reads = 0

    @property
    def data(self) -> CameraData:
        self.reads += 1
        return CameraData(self.output)


class Scene:
    """An interactive scene: its sensors by name."""

    def __init__(self, **sensors: Any) -> None:
        self.sensors = sensors

    def __getitem__(self, name: str) -> Any:
        if name not in self.sensors:
            raise KeyError(f"Scene entity with key {name!r} not found. Available Entities: {[*self.sensors]}")
        return self.sensors[name]


class LabEnv(gym.Env[Any, Any]):
    """As Isaac Lab's `ManagerBasedRLEnv`: a Gymnasium env whose results are tensors; resets by itself."""

    is_vector_env = True
    metadata = {"render_modes": [None, "human", "rgb_array"]}

    def __init__(
        self, num_envs: int = 4, device: str = "cpu", length: int = 3, render_mode: str | None = "rgb_array"
    ) -> None:
        self.num_envs = num_envs
        self.device = device
        self.length = length
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": 1 / 0.02}
        self.scene = Scene(tiled_camera=TiledCamera({"rgb": pictures_of(num_envs, device)}))
        self.observation_space = gym.spaces.Box(-1, 1, (num_envs, 5))
        self.action_space = gym.spaces.Box(-1, 1, (num_envs, 2))
        self.reward_buf = torch.zeros(num_envs, device=device)
        self.episode_length_buf = torch.zeros(num_envs, dtype=torch.long, device=device)
        self.renders = 0
        self.closed = False
        self.results: list[Any] = []

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.episode_length_buf.zero_()
        self.results.append(({"policy": torch.zeros(self.num_envs, 5, device=self.device)}, {}))
        return self.results[-1]

    def step(self, action: torch.Tensor) -> Any:
        self.episode_length_buf += 1
        self.reward_buf[:] = torch.arange(1, self.num_envs + 1, device=self.device)
        truncated = self.episode_length_buf >= self.length
        self.episode_length_buf *= ~truncated
        observed = {"policy": torch.zeros(self.num_envs, 5, device=self.device)}
        self.results.append((observed, self.reward_buf, torch.zeros_like(truncated), truncated, {"log": {}}))
        return self.results[-1]

    def render(self, recompute: bool = False) -> Any:
        self.renders += 1
        return np.full((HEIGHT, WIDTH, 3), 77, np.uint8) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self.closed = True


class Task:
    """As IsaacGymEnvs' `VecTask`: no Gymnasium env, four-tuple steps, the render mode as an argument."""

    metadata = {"render.modes": ["human", "rgb_array"], "video.frames_per_second": 24}

    def __init__(self, num_envs: int = 4, rl_device: str = "cpu", length: int = 3) -> None:
        self.num_environments = num_envs
        self.device = self.rl_device = rl_device
        self.length = length
        self.control_steps = 0
        self.rew_buf = torch.zeros(num_envs, device=rl_device)
        self.reset_buf = torch.ones(num_envs, device=rl_device, dtype=torch.long)
        self.progress_buf = torch.zeros(num_envs, device=rl_device, dtype=torch.long)
        self.camera_tensors = list(pictures_of(num_envs, rl_device, channels=4))
        self.obs_dict: dict[str, Any] = {}
        self.renders = 0
        self.results: list[Any] = []

    @property
    def num_envs(self) -> int:
        return self.num_environments

    @property
    def action_space(self) -> gym.Space[Any]:
        return gym.spaces.Box(-1.0, 1.0, (2,))

    def reset(self) -> dict[str, torch.Tensor]:
        self.obs_dict["obs"] = torch.zeros(self.num_envs, 5, device=self.rl_device)
        self.results.append(self.obs_dict)
        return self.obs_dict

    def reset_idx(self, env_idx: torch.Tensor) -> None:
        self.progress_buf[env_idx] = 0

    def step(
        self, actions: torch.Tensor
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, dict[str, Any]]:
        self.progress_buf += 1
        self.control_steps += 1
        self.rew_buf[:] = torch.arange(1, self.num_envs + 1, device=self.rl_device)
        self.reset_buf[:] = (self.progress_buf >= self.length).long()
        self.progress_buf *= 1 - self.reset_buf
        self.results.append((self.obs_dict, self.rew_buf, self.reset_buf, {"time_outs": self.reset_buf}))
        return self.results[-1]

    def render(self, mode: str = "rgb_array") -> Any:
        self.renders += 1
        return np.full((HEIGHT, WIDTH, 3), 77, np.uint8) if mode == "rgb_array" else None

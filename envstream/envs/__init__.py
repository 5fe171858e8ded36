"""Envs that come with envstream. Importing this package registers them with Gymnasium.

`gym.make("envstream.envs:envstream/PyBoy-v0")` imports it by itself.
"""

from __future__ import annotations

import gymnasium as gym

gym.register("envstream/PyBoy-v0", entry_point="envstream.envs.pyboy:PyBoyEnv")

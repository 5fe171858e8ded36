"""The rules of Catch for a learner: what it sees, what it is paid for, and when a game is over.

Nothing here needs PyBoy itself: an emulator is known by its memory. The addresses are those of `catch.asm`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

STATE, LIVES, SCORE, SEED = 0xC000, 0xC001, 0xC002, 0xC010
NEW, PLAYING, OVER = 1, 2, 3
"""What the byte at `STATE` says."""

ACTIONS = ("none", "left", "right")

COLORS: dict[str, Any] = {
    "cgb": True,  # As a Game Boy Color shows an old cartridge: with a palette for each of its three layers.
    "cgb_color_palette": (
        (0xF8F8F0, 0x90CCF0, 0x58B048, 0x203850),
        (0x000000, 0xFFE070, 0xE83830, 0x501018),
        (0x000000, 0xF0C878, 0xB87030, 0x482010),
    ),
}
"""Arguments of the emulator that give the game its colours."""

_VARIABLES = slice(STATE, SEED)
_FARTHEST, _HIGHEST, _LOWEST = 142, 16, 120  # Where fruit can be: to the right, at its top, on the ground.


class Look(NamedTuple):
    """One look at the game's variables. Positions are pixels; the basket's and the fruit's left edges."""

    state: int
    lives: int
    score: int
    basket: int
    fruit_x: int
    fruit_y: int
    falling: bool


def look(pyboy: Any) -> Look:
    """The game as it stands."""
    memory = pyboy.memory[_VARIABLES]
    return Look(
        state=memory[0],
        lives=memory[1],
        score=memory[2] | memory[3] << 8,
        basket=memory[7],
        fruit_x=memory[8],
        fruit_y=memory[10],
        falling=memory[11] == 1,
    )


class Observation:
    """Four numbers from -1 to 1: the basket, the fruit, how far it is to the right of the basket, its height.

    A height of -1 is the top; between two fruits it is -1 as well.
    """

    space = gym.spaces.Box(-1, 1, (4,), np.float32)

    def __call__(self, pyboy: Any) -> npt.NDArray[np.float32]:
        now = look(pyboy)
        middle, fruit = now.basket + 16, now.fruit_x + 8
        height = (now.fruit_y - _HIGHEST) / (_LOWEST - _HIGHEST) if now.falling else 0.0
        numbers = (middle / 80 - 1, fruit / 80 - 1, (fruit - middle) / _FARTHEST, height * 2 - 1)
        return np.clip(np.array(numbers, np.float32), -1, 1)


class Reward:
    """One for each fruit that was caught since the last look, minus one for each that was missed."""

    def __init__(self) -> None:
        self._score = self._lives = 0

    def reset(self, pyboy: Any) -> None:
        """A new game has begun."""
        now = look(pyboy)
        self._score, self._lives = now.score, now.lives

    def __call__(self, pyboy: Any) -> float:
        now = look(pyboy)
        reward = now.score - self._score + now.lives - self._lives
        self._score, self._lives = now.score, now.lives
        return float(reward)


def done(pyboy: Any) -> bool:
    """Whether the last heart is gone."""
    return bool(pyboy.memory[STATE] == OVER)


def start(pyboy: Any, seed: int) -> None:
    """Begin a new game, whose fruit falls as the seed says."""
    pyboy.memory[SEED] = seed & 255
    pyboy.memory[SEED + 1] = seed >> 8 & 255
    pyboy.memory[STATE] = NEW
    for _ in range(10):
        pyboy.tick(1, False, False)
        if pyboy.memory[STATE] == PLAYING:
            return

"""A Game Boy game as an env: `gym.make("envstream.envs:envstream/PyBoy-v0", rom="game.gb")`.

Without `rom` it is Catch, the game that comes with envstream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envstream import checks
from envstream.envs.cartridge import BUTTONS
from envstream.envs.emulator import Buttons, Emulator
from envstream.envs.hooks import Ram, actions_of, begin, hook, space_of
from envstream.errors import SettingError
from envstream.pyboy_game import catch

_PIXELS = gym.spaces.Box(0, 255, (144, 160, 3), np.uint8)
_MODE = checks.or_none(checks.choice("rgb_array", "human"))
_SEEDS = 1 << 16

_Array = npt.NDArray[Any]
_State = str | PathLike[str]
Hook = str | Callable[..., Any]
"""A callable, or the name of one."""


class PyBoyEnv(gym.Env[_Array, int]):
    """A Game Boy that somebody plays: an action holds buttons down for a few frames.

    What a game means is said by functions of the emulator (`pyboy`, see PyBoy's documentation), given
    themselves or by name as `"package.module:name"`. A class works as well: an object of it is made with the
    env, and its `reset(pyboy)`, if it has one, is called when an episode begins, so that it can remember
    what was before.

    Args:
        rom: path of a ROM; None = Catch, for which every argument below has a fitting default.
        frame_skip: frames a step lasts (60 are a second).
        actions: what can be done, in order: `"none"`, a button (`"a"`, `"left"`, …), or several at once
            (`"a+left"`); None = nothing, and each button alone.
        hold: frames for which the buttons of an action are held; None = the whole step, and on into the
            next step when that has them too.
        observation: `"pixels"` (the screen, uint8 RGB), `"ram"` (the 8192 bytes from $C000), or a function
            of the emulator that gives an array. Its space is its `space` attribute, or is taken from the
            first array. None = pixels.
        reward: a function of the emulator that gives the reward of the step; None = always 0.
        done: a function of the emulator that says whether the episode has ended; None = never.
        start: called with the emulator and a number below 65536 when an episode begins; the number comes
            from the seed. None = every episode is the same.
        state: path of a state saved with PyBoy, in which episodes begin; None = power on.
        warmup: frames that are run once before the first episode; None = 120 after power on, 1 with `state`.
        max_steps: steps after which an episode is truncated; None = no limit.
        options: further arguments of `PyBoy(...)`, such as `{"cgb": True}`.
        render_mode: None, `"rgb_array"` (the screen in its own size) or `"human"` (a window, in real time).

    Raises:
        SettingError: an argument cannot be meant; CartridgeError where it is the ROM.
        gymnasium.error.DependencyNotInstalled: PyBoy is not installed.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array", "human"], "render_fps": 60}  # type: ignore[misc]

    def __init__(
        self,
        rom: str | PathLike[str] | None = None,
        frame_skip: int = 24,
        actions: Sequence[str | Sequence[str]] | None = None,
        hold: int | None = None,
        observation: Hook | None = None,
        reward: Hook | None = None,
        done: Hook | None = None,
        start: Hook | None = None,
        state: str | PathLike[str] | None = None,
        warmup: int | None = None,
        max_steps: int | None = None,
        options: Mapping[str, Any] | None = None,
        render_mode: str | None = None,
    ) -> None:
        ours = rom is None
        self._frame_skip = checks.whole(1, 100_000)("frame_skip", frame_skip)
        self._hold = self._frame_skip if hold is None else checks.whole(1, self._frame_skip)("hold", hold)
        self._max_steps = checks.or_none(checks.whole(1, 2**62))("max_steps", max_steps)
        self.render_mode = _MODE("render_mode", render_mode)
        self._actions = actions_of(actions or (catch.ACTIONS if ours else ("none", *BUTTONS)))
        self._observation = _observation(observation or (catch.Observation if ours else "pixels"))
        self._reward, self._done, self._start = _hooks(ours, reward=reward, done=done, start=start)
        self._steps = 0
        self._emulator = self._switched_on(rom, {**(catch.COLORS if ours else {}), **(options or {})})
        try:
            self._beginning = self._first_state(state, warmup)
            self.observation_space = self._space()
        except BaseException:
            self.close()
            raise
        self.action_space = gym.spaces.Discrete(len(self._actions))  # type: ignore[assignment]
        self.metadata = {**self.metadata, "render_fps": 60 / self._frame_skip}  # type: ignore[misc]
        if self._reward is None:
            gym.logger.warn("every reward is 0: say what is good with reward='package.module:function'")

    @property
    def pyboy(self) -> Any:
        """The emulator itself."""
        return self._emulator.pyboy

    @property
    def actions(self) -> tuple[Buttons, ...]:
        """The buttons that each action holds."""
        return self._actions

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[_Array, dict[str, Any]]:
        """Go back to where episodes begin; the same seeds give the same episodes."""
        super().reset(seed=seed)
        self._emulator.load(self._beginning)
        self._steps = 0
        if self._start is not None:
            self._start(self.pyboy, int(self.np_random.integers(1, _SEEDS)))
        for called in (self._observation, self._reward, self._done):
            if called is not None:
                begin(called, self.pyboy)
        return self._observe(), {}

    def step(self, action: int) -> tuple[_Array, float, bool, bool, dict[str, Any]]:
        """Hold an action's buttons while the game runs on."""
        rest = self._frame_skip - self._hold
        self._steps += 1
        self._emulator.press(self._actions[action])
        self._emulator.run(self._hold, seen=not rest)
        if rest:
            self._emulator.press(())
            self._emulator.run(rest)
        reward = 0.0 if self._reward is None else float(self._reward(self.pyboy))
        terminated = self._done is not None and bool(self._done(self.pyboy))
        return self._observe(), reward, terminated, self._steps == self._max_steps, {}

    def render(self) -> Any:
        """For `"rgb_array"` a copy of the screen: uint8 RGB of shape (144, 160, 3)."""
        return self._emulator.look() if self.render_mode == "rgb_array" else None

    def announce_render(self) -> bool:
        """Whether `render()` costs nothing now. If not, the next step draws its picture, and it will then."""
        return self._emulator.announce()

    def close(self) -> None:
        """Switch the emulator off. Nothing is saved."""
        self._emulator.stop()

    def _observe(self) -> _Array:
        if self._observation is None:
            return self._emulator.look()
        return np.asarray(self._observation(self.pyboy))

    def _space(self) -> gym.Space[Any]:
        return _PIXELS if self._observation is None else space_of(self._observation, self.pyboy)

    def _switched_on(self, rom: str | PathLike[str] | None, options: Mapping[str, Any]) -> Emulator:
        window, pixels = self.render_mode == "human", self._observation is None
        return Emulator(rom, window=window, always_drawn=pixels, options=options)

    def _first_state(self, path: _State | None, warmup: int | None) -> bytes:
        """The state in which episodes begin."""
        frames = 120 if path is None else 1
        if warmup is not None:
            frames = checks.whole(0, 1_000_000)("warmup", warmup)
        if path is not None:
            saved = _saved(path)
            try:
                self._emulator.load(saved)
            except Exception as error:
                expected = f"a state that this version of PyBoy saved of this ROM ({error})"
                raise SettingError.value("state", str(path), expected) from None
            self._emulator.release()
        self._emulator.run(frames)
        return self._emulator.save()


def _observation(given: object) -> Callable[..., Any] | None:
    """What is observed: a callable, or None for the screen."""
    if isinstance(given, str) and given in ("pixels", "ram"):
        return Ram() if given == "ram" else None
    return hook("observation", given)


def _hooks(ours: bool, **given: object) -> list[Callable[..., Any] | None]:
    """The callables that are given; where none is, that of Catch, or none in a game of others."""
    known: dict[str, object] = {"reward": catch.Reward, "done": catch.done, "start": catch.start}
    said = {key: value or (known[key] if ours else None) for key, value in given.items()}
    return [None if value is None else hook(key, value) for key, value in said.items()]


def _saved(path: _State) -> bytes:
    file = Path(path).expanduser() if isinstance(path, str | PathLike) else None
    if file is None or not file.is_file():
        raise SettingError.value("state", str(path), "an existing file, saved with PyBoy's save_state")
    return file.read_bytes()

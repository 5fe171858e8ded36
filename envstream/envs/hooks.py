"""What a user says about a game: the buttons it is played with, and functions of their own, found by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envstream.envs.cartridge import BUTTONS
from envstream.errors import SettingError

_RAM, _RAM_BYTES = slice(0xC000, 0xE000), 0x2000


def actions_of(given: object) -> tuple[tuple[str, ...], ...]:
    """The buttons of each action: `"none"`, `"left"`, `"a+left"`; `["a", "left"]` are both at once as well.

    Raises:
        SettingError: there is no such button.
    """
    expected = f"a list of none, {', '.join(BUTTONS)}, or several at once as a+left"
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise SettingError.value("actions", given, expected)
    found = []
    for action in given:
        names = action.split("+") if isinstance(action, str) else action or ()
        buttons = [str(name).strip().lower() for name in names] if isinstance(names, Sequence) else [""]
        if not set(buttons) <= {"none", *BUTTONS}:
            raise SettingError.value("actions", action, expected)
        found.append(tuple(dict.fromkeys(button for button in buttons if button != "none")))
    return tuple(found)


class Ram:
    """The 8192 bytes from $C000 on, in which games keep what goes on."""

    space = gym.spaces.Box(0, 255, (_RAM_BYTES,), np.uint8)

    def __call__(self, pyboy: Any) -> npt.NDArray[np.uint8]:
        return np.array(pyboy.memory[_RAM], np.uint8)


def hook(key: str, given: object) -> Callable[..., Any]:
    """The callable that a setting names.

    Args:
        key: the setting, for what is said when it cannot be meant.
        given: `"package.module:name"`, `"package.module.name"`, or the callable itself. A class is called
            without arguments, and its object is the callable: so it can remember what was before.

    Raises:
        SettingError: nothing of that name can be called.
    """
    found = _named(key, given) if isinstance(given, str) else given
    if isinstance(found, type):
        found = found()
    if not callable(found):
        raise SettingError.value(key, given, "a function, or the name of one as package.module:name")
    return found


def begin(called: Callable[..., Any], pyboy: Any) -> None:
    """Tell a callable that an episode begins, if it has a `reset` for that."""
    reset = getattr(called, "reset", None)
    if reset is not None:
        reset(pyboy)


def _named(key: str, name: str) -> object:
    module, colon, attribute = name.partition(":")
    if not colon:
        module, _, attribute = name.rpartition(".")
    expected = "the name of a function as package.module:name"
    if not module or not attribute:
        raise SettingError.value(key, name, expected)
    try:
        found: object = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SettingError.value(key, name, f"{expected} ({error})") from None
    return found


def space_of(observation: Callable[..., Any], pyboy: Any) -> gym.Space[Any]:
    """The space of what a callable observes: its own `space`, or that of the array which it gives now.

    Raises:
        SettingError: what it gives are no numbers.
    """
    space = getattr(observation, "space", None)
    if isinstance(space, gym.Space):
        return space
    begin(observation, pyboy)
    first = np.asarray(observation(pyboy))
    if first.dtype.kind not in "iuf":
        raise SettingError.value("observation", observation, f"a function that gives numbers, not {first!r}")
    if first.dtype.kind == "f":
        return gym.spaces.Box(-np.inf, np.inf, first.shape, first.dtype.type)
    limits = np.iinfo(first.dtype)
    return gym.spaces.Box(limits.min, limits.max, first.shape, first.dtype.type)

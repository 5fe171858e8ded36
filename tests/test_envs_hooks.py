"""What a user says about a game: buttons, and functions by their names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envstream.envs.hooks import Ram, actions_of, begin, hook, space_of
from envstream.errors import SettingError


class Counts:
    """A hook that remembers."""

    def __init__(self) -> None:
        self.calls = 0

    def reset(self, pyboy: Any) -> None:
        self.calls = 0

    def __call__(self, pyboy: Any) -> int:
        self.calls += 1
        return self.calls


def test_actions_are_buttons_held_together() -> None:
    given = ["none", "A", "a+left", ["b", "b", "up"], None, "right + none"]
    assert actions_of(given) == ((), ("a",), ("a", "left"), ("b", "up"), (), ("right",))


@pytest.mark.parametrize("given", ["left", [], 3, ["jump"], ["a+"], [5], [["x"]]])
def test_actions_that_no_game_boy_has_are_refused(given: Any) -> None:
    with pytest.raises(SettingError, match="expected a list of none, a, b, start"):
        actions_of(given)


@pytest.mark.parametrize("name", ["os.path:basename", "os.path.basename"])
def test_a_function_is_found_by_its_name(name: str) -> None:
    import os.path

    assert hook("reward", name) is os.path.basename


def test_a_class_becomes_an_object_that_can_remember() -> None:
    one, other = hook("reward", "test_envs_hooks:Counts"), hook("reward", Counts)
    assert (one(None), one(None), other(None)) == (1, 2, 1)
    begin(one, None)
    assert one(None) == 1
    begin(len, None)  # has no reset, and needs none


@pytest.mark.parametrize(
    "name", ["reward", "nowhere:reward", "os:nothing", "os:path.nothing", ":x", "os:", "os:sep", 7]
)
def test_a_name_of_nothing_is_refused_with_the_setting_it_came_from(name: Any) -> None:
    with pytest.raises(SettingError, match=r"^reward=.*package\.module:name"):
        hook("reward", name)


@pytest.mark.parametrize(
    ("first", "space"),
    [
        (np.zeros((2, 3), np.uint8), gym.spaces.Box(0, 255, (2, 3), np.uint8)),
        (np.zeros(4, np.float32), gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)),
        (np.zeros(1, np.int16), gym.spaces.Box(-(2**15), 2**15 - 1, (1,), np.int16)),
    ],
)
def test_the_space_is_that_of_the_first_array(first: Any, space: gym.Space[Any]) -> None:
    assert space_of(lambda pyboy: first, None) == space


def test_a_function_may_say_its_space_itself() -> None:
    assert space_of(Ram(), None) == gym.spaces.Box(0, 255, (8192,), np.uint8)


def test_what_gives_no_numbers_has_no_space() -> None:
    with pytest.raises(SettingError, match="a function that gives numbers"):
        space_of(lambda pyboy: "a text", None)


def test_ram_is_read_as_bytes() -> None:
    memory = {slice(0xC000, 0xE000).start: 1}
    seen = Ram()(SimpleNamespace(memory=_Memory(memory)))
    assert seen.dtype == np.uint8 and seen[0] == 1 and seen.shape == (8192,)


class _Memory:
    def __init__(self, bytes_: dict[int, int]) -> None:
        self.bytes = bytes_

    def __getitem__(self, where: slice) -> list[int]:
        return [self.bytes.get(address, 0) for address in range(where.start, where.stop)]

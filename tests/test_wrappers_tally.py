"""The tally: episodes, steps and returns of each sub-env, whenever it begins anew."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from envstream.wrappers.tally import Autoreset, Ended, Tally
from fakes import PictureEnv

NO = np.zeros(2, bool)


def ones(*values: float) -> Any:
    return np.array(values)


def flags(*values: bool) -> Any:
    return np.array(values)


def made(autoreset: Autoreset) -> Tally:
    tally = Tally(2, autoreset)
    tally.reset()
    return tally


def test_each_sub_env_has_its_own_return_and_steps() -> None:
    tally = made("next_step")
    tally.step(ones(1, 10), NO, NO)
    tally.step(ones(2, 20), NO, NO)
    assert tally.info(0) == {"episode": 1, "step": 2, "return": 3.0, "totalSteps": 4}
    assert tally.info(1) == {"episode": 1, "step": 2, "return": 30.0, "totalSteps": 4}


def test_what_ended_is_told_of_as_it_was_until_the_books_are_closed() -> None:
    tally = made("next_step")
    tally.step(ones(1, 1), NO, NO)
    ended = tally.step(ones(1, 1), flags(False, True), NO)
    assert ended == [1]
    assert tally.info(1)["episode"] == 1
    assert tally.end(ended) == [Ended(1, 1, 2, 2.0)]
    assert (tally.info(1)["episode"], tally.info(0)["episode"]) == (2, 1)


def test_a_truncated_episode_has_ended_too() -> None:
    assert made("next_step").step(ones(1, 1), NO, flags(True, False)) == [0]


def test_the_step_that_resets_is_no_step_of_the_next_episode() -> None:
    tally = made("next_step")
    tally.end(tally.step(ones(1, 1), flags(True, False), NO))
    tally.step(ones(0, 1), NO, NO)  # Sub-env 0 is reset.
    assert tally.info(0) == {"episode": 2, "step": 0, "return": 0.0, "totalSteps": 3}
    tally.step(ones(5, 1), NO, NO)
    assert tally.info(0) == {"episode": 2, "step": 1, "return": 5.0, "totalSteps": 5}


def test_where_it_begins_anew_at_once_every_step_counts() -> None:
    tally = made("same_step")
    tally.end(tally.step(ones(1, 1), flags(True, False), NO))
    tally.step(ones(5, 1), NO, NO)
    assert tally.info(0) == {"episode": 2, "step": 1, "return": 5.0, "totalSteps": 4}


def test_where_it_waits_to_be_told_an_end_is_an_end_once() -> None:
    tally = made("disabled")
    tally.end(tally.step(ones(1, 1), flags(True, False), NO))
    assert tally.step(ones(0, 1), flags(True, False), NO) == []
    tally.reset(flags(True, False))
    assert (tally.info(0)["episode"], tally.info(0)["step"], tally.info(1)["step"]) == (2, 0, 2)


def test_a_reset_in_the_midst_of_an_episode_begins_the_next() -> None:
    tally = made("next_step")
    tally.step(ones(1, 1), NO, NO)
    tally.reset()
    assert (tally.info(0)["episode"], tally.info(0)["return"]) == (2, 0.0)


def test_two_resets_in_a_row_begin_one_episode() -> None:
    tally = made("next_step")
    tally.reset()
    assert tally.info(0)["episode"] == 1


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_it_agrees_with_envs_that_count_for_themselves(mode: AutoresetMode) -> None:
    lengths = [2, 3, 5]
    envs = SyncVectorEnv([lambda n=n: PictureEnv(length=n) for n in lengths], autoreset_mode=mode)  # type: ignore[misc]
    names: dict[str, Autoreset] = {
        "NextStep": "next_step",
        "SameStep": "same_step",
        "Disabled": "disabled",
    }
    tally = Tally(3, names[mode.value])
    envs.reset()
    tally.reset()
    ended: list[Ended] = []
    for _ in range(60):
        _, rewards, terminated, truncated, _ = envs.step(np.zeros(3, int))
        over = tally.step(rewards, terminated, truncated)
        ended += tally.end(over)
        if mode is AutoresetMode.DISABLED and (terminated | truncated).any():
            mask = terminated | truncated
            envs.reset(options={"reset_mask": mask})
            tally.reset(mask)
    assert ended
    assert all(one.steps == lengths[one.env] for one in ended)
    for env in range(3):
        numbers = [one.number for one in ended if one.env == env]
        assert numbers == list(range(1, len(numbers) + 1))
    assert isinstance(envs, gym.vector.VectorEnv)

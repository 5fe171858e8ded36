"""The ledger: episodes are counted from what lies on the device, and nobody waits for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from batches import LateCarry
from envstream.wrappers.ledger import ROWS, Ledger


def play(ledger: Ledger, steps: int, length: int = 3, count: int = 4) -> None:
    """Steps in which env `i` gets `i` and all episodes last `length`."""
    for step in range(1, steps + 1):
        ended = torch.full((count,), step % length == 0)
        ledger.add(torch.arange(float(count)), ended, torch.zeros(count, dtype=torch.bool))


def received(ledger: Ledger) -> list[tuple[int, int, int, float, int]]:
    ledger.send()
    return [(*ended, steps) for ended, steps in ledger.receive()]


def test_episodes_are_counted_for_the_envs_that_are_shown() -> None:
    ledger = Ledger([3, 1], 4)
    play(ledger, 6)
    assert received(ledger) == [
        (0, 1, 3, 9.0, 12),
        (1, 1, 3, 3.0, 12),
        (0, 2, 3, 9.0, 24),
        (1, 2, 3, 3.0, 24),
    ]


def test_a_picture_is_told_where_its_env_stands() -> None:
    ledger = Ledger([3, 1], 4)
    play(ledger, 5)
    received(ledger)
    assert ledger.info(0) == {"episode": 2, "step": 2, "return": 6.0, "totalSteps": 20}
    assert ledger.info(1)["return"] == 2.0


def test_an_episode_ends_for_one_reason_or_another() -> None:
    for ends in ([1, 0], [0, 1], [1, 1]):
        ledger = Ledger([0], 1)
        ledger.add(torch.ones(1), *(torch.tensor([bool(end)]) for end in ends))
        assert len(received(ledger)) == 1


def test_isaac_gym_says_in_whole_numbers_that_an_env_is_done() -> None:
    ledger = Ledger([0], 2)
    ledger.add(torch.ones(2), torch.tensor([1, 0]))
    assert received(ledger) == [(0, 1, 1, 1.0, 2)]


def test_the_rows_are_sent_when_they_are_full() -> None:
    ledger = Ledger([0], 4)
    play(ledger, ROWS - 1)
    assert not ledger.waiting
    play(ledger, 1)
    assert ledger.waiting
    assert len(ledger.receive()) == (ROWS - 1) // 3


def test_nothing_is_read_before_it_has_come() -> None:
    late = LateCarry()
    ledger = Ledger([2], 4, late)
    values = torch.zeros(4, device="meta")  # Reading one would raise.
    for _ in range(2 * ROWS):
        ledger.add(values, values.bool(), values.bool())
        assert ledger.receive() == []
    assert len(late.copies) == 2 and ledger.info(0)["step"] == 0
    late.arrive()
    ledger.receive()
    assert ledger.info(0)["step"] == 2 * ROWS


def test_a_reset_of_all_begins_a_new_episode_that_is_not_counted_as_ended() -> None:
    ledger = Ledger([1], 4)
    ledger.reset()
    play(ledger, 2)
    ledger.reset()
    play(ledger, 1)
    assert received(ledger) == []
    assert ledger.info(0) == {"episode": 2, "step": 1, "return": 1.0, "totalSteps": 12}


def test_a_reset_waits_its_turn_behind_what_was_sent_before_it() -> None:
    late = LateCarry()
    ledger = Ledger([0], 1, late)
    ledger.add(torch.ones(1), torch.zeros(1, dtype=torch.bool))
    ledger.reset()
    ledger.receive()
    assert ledger.waiting and ledger.info(0)["episode"] == 1


@pytest.mark.parametrize(
    "rewards", [{"agent": torch.zeros(4)}, torch.zeros(3), torch.zeros(4, 2), None], ids=str
)
def test_what_is_not_one_reward_an_env_is_not_counted(rewards: Any) -> None:
    ledger = Ledger([0], 4)
    for _ in range(2):
        ledger.add(rewards, torch.zeros(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool))
    assert received(ledger) == [] and ledger.info(0) == {}


def test_arrays_of_numpy_are_counted_as_well() -> None:
    ledger = Ledger([1], 2)
    ledger.add(np.array([1.0, 2.0]), np.array([False, True]), np.array([False, False]))
    assert received(ledger) == [(0, 1, 1, 2.0, 2)]


def test_a_learner_may_step_in_inference_mode_and_out_of_it() -> None:
    ledger = Ledger([0], 4)
    with torch.inference_mode():
        play(ledger, 3)
    play(ledger, 3)
    with torch.inference_mode():
        play(ledger, 3)
    assert len(received(ledger)) == 3

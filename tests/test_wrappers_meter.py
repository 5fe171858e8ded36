"""Meter: what a wrapper takes of a step, found out beside the training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from envstream import StreamingWrapper
from envstream.config import StreamConfig
from envstream.wrappers.gallery import Gallery
from envstream.wrappers.meter import ROUNDS, TURNS, Still, seconds_beyond
from fakes import PictureEnv, quiet_outlet


def work(action: object) -> Any:
    return sum(range(2000))


def test_a_step_that_does_more_takes_longer() -> None:
    assert seconds_beyond(work, Still().step) > 1e-6


def test_a_step_that_does_less_than_nothing_costs_nothing() -> None:
    assert seconds_beyond(Still().step, work) == 0.0


def test_so_many_steps_are_made_and_no_more() -> None:
    made: list[object] = []
    seconds_beyond(made.append, lambda action: None)
    assert len(made) == ROUNDS * TURNS


def counted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was told of counting, by every channel from now on."""
    told: list[float] = []
    monkeypatch.setattr("envstream.links.channel.Channel.counted", lambda self, seconds: told.append(seconds))
    return told


def test_a_wrapper_measures_itself_once_when_somebody_watches_and_its_counts_stay_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet_outlet(monkeypatch)
    told = counted(monkeypatch)
    env = PictureEnv(length=1000)
    wrapped = StreamingWrapper(env)
    wrapped.reset()
    for _ in range(5):
        wrapped.step(0)
    assert told == []  # Nobody watches.
    for _ in range(3):
        wrapped._tap.due[0] = 1
        wrapped.step(0)
    assert len(told) == 1 and 0 < told[0] < 0.001
    assert (env.now, wrapped._steps, wrapped._return) == (8, 8, 12.0)
    wrapped.close()


class Envs:
    """A vector env reduced to what a gallery needs of it."""

    num_envs = 2
    render_mode = "rgb_array"

    def __init__(self) -> None:
        self.envs = [PictureEnv(), PictureEnv()]


def test_a_vector_env_measures_the_steps_that_it_counts_when_a_picture_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet_outlet(monkeypatch)
    told = counted(monkeypatch)
    gallery = Gallery(Envs(), StreamConfig(videoStream=True), {}, "same_step")
    gallery.reset()
    no = np.zeros(2, bool)
    for _ in range(100):
        gallery.step(np.ones(2), no, no)
    assert told == []  # Nobody watches.
    gallery.tap.due[0] = 1
    gallery.step(np.ones(2), no, no)
    assert len(told) == 1 and 0 < told[0] < 0.01
    gallery.close()

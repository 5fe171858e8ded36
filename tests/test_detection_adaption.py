"""Adaption: models of many speeds, that get slow and recover, in simulated time."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import pytest

from envstream.detection.adaption import BUDGET, Adaption, within

SIZES = list(range(320, 641, 32))

# Seconds that a model takes: those that grow with the pixels of its square, and those that do not.
MODELS = {
    "quick": (1e-8, 0.002),
    "even": (5e-8, 0.002),
    "middling": (1e-7, 0.003),
    "flat": (2e-8, 0.03),
    "slow": (3e-7, 0.01),
    "very slow": (1e-6, 0.05),
}

every_model = pytest.mark.parametrize("model", MODELS)


class State(NamedTuple):
    at: float
    size: int
    fps: float
    confidence: float


def simulate(
    model: str,
    until: float,
    adaption: Adaption | None = None,
    load: Callable[[float], float] = lambda at: 1.0,
    noise: float = 0.0,
    boxes: Callable[[float, float], int] = lambda at, confidence: 3,
    seed: int = 0,
) -> list[State]:
    """What was asked for, from when on; detections are begun as often as asked for, where it can be."""
    area, fixed = MODELS[model]
    adaption, chance = adaption or Adaption(SIZES), random.Random(seed)
    now, states = 0.0, [State(0.0, adaption.size, adaption.fps, adaption.confidence)]
    while now < until:
        seconds = (area * adaption.size**2 + fixed) * load(now) * math.exp(chance.gauss(0, noise))
        begun, now = now, now + seconds
        adaption.measured(seconds, now, boxes(now, adaption.confidence))
        state = State(now, adaption.size, adaption.fps, adaption.confidence)
        if state[1:] != states[-1][1:]:
            states.append(state)
        now = max(now, begun + 1 / adaption.fps)
    return states


def at(states: list[State], when: float) -> State:
    return [state for state in states if state.at <= when][-1]


def takes(model: str, size: int) -> float:
    area, fixed = MODELS[model]
    return area * size**2 + fixed


def ten_times(at: float) -> float:
    return 10.0 if 20 <= at < 60 else 1.0


# --- where it settles ----------------------------------------------------------------------------------


@every_model
def test_it_is_stable_after_three_seconds_and_stays_there(model: str) -> None:
    assert simulate(model, 300)[-1].at <= 3


@every_model
def test_what_it_settles_on_can_be_kept(model: str) -> None:
    last = simulate(model, 60)[-1]
    assert takes(model, last.size) <= 1.1 * BUDGET or last.size == 320
    assert takes(model, last.size) * last.fps <= 1


def test_a_quick_model_is_asked_for_everything() -> None:
    assert simulate("quick", 60) == [State(0.0, 640, 30.0, 0.15)]


def test_the_size_goes_down_before_the_rate_suffers_and_the_confidence_stays() -> None:
    small, rare = simulate("slow", 60)[-1], simulate("very slow", 60)[-1]
    assert small.size < 640 and small.fps >= 15
    assert (rare.size, rare.fps) == (320, 5.0) or (rare.size == 320 and 4 <= rare.fps <= 6)
    assert small.confidence == rare.confidence == 0.15


# --- a model that gets slow, and recovers --------------------------------------------------------------


@every_model
def test_a_model_that_gets_ten_times_slower_is_asked_for_less_within_three_seconds(model: str) -> None:
    states = simulate(model, 60, load=ten_times)
    two = 20 * takes(model, at(states, 20).size)  # Pictures; fewer tell nothing.
    settled, later = at(states, 20.2 + max(2.8, two)), at(states, 59.9)
    assert (settled.size, settled.fps) == (later.size, later.fps)
    assert settled.size == 320 or model == "quick"
    assert 10 * takes(model, settled.size) * settled.fps <= 1 or settled.fps == 1


@every_model
def test_one_that_recovers_is_asked_for_as_much_as_before_within_twenty_seconds(model: str) -> None:
    states = simulate(model, 200, load=ten_times)
    before, after = at(states, 19), at(states, 80)
    assert after.size >= before.size - 32
    assert after.fps >= 0.65 * before.fps
    assert after.confidence == before.confidence
    assert at(states, 200).size >= before.size - 32


def test_the_confidence_rises_where_the_rate_cannot_fall_any_further() -> None:
    states = simulate("very slow", 120, load=ten_times)
    assert at(states, 24).fps == 1 and at(states, 59).confidence == 0.5
    assert at(states, 120).confidence == 0.15
    levels = [state.confidence for state in states]
    assert all(abs(first - second) < 0.051 for first, second in pairwise(levels))


def test_a_model_that_takes_seconds_does_not_have_to_do_so_twice() -> None:
    adaption = Adaption(SIZES)
    adaption.measured(3.0, 3.0)
    assert adaption.size == 320 and adaption.fps <= 2


# --- what it is not moved by ---------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize(("noise", "seed"), [(0.1, 0), (0.5, 1), (0.8, 2)])
def test_noise_changes_it_twice_a_minute_at_most(model: str, noise: float, seed: int) -> None:
    states = [state for state in simulate(model, 660, noise=noise, seed=seed) if state.at > 60]
    assert len(states) <= 2 * 10


def test_single_pictures_that_take_long_are_no_reason() -> None:
    adaption = Adaption(SIZES)
    for number in range(600):
        adaption.measured(0.4 if number % 20 == 0 else 0.02, number / 20)
    assert (adaption.size, adaption.fps) == (640, 30)


def test_other_load_that_comes_and_goes_is_left_room_for() -> None:
    states = simulate("middling", 660, load=lambda now: 3.0 if now % 10 > 5 else 1.0)
    late = [state for state in states if state.at > 60]
    assert len(late) <= 2 * 10
    assert takes("middling", states[-1].size) * 3 <= 2 * BUDGET


def test_a_climb_that_goes_wrong_is_tried_again_later_each_time() -> None:
    # It takes long at all sizes but the smallest, as where a memory is just too small.
    adaption, now, climbs = Adaption([320, 640], rate=(10.0, 10.0)), 0.0, []
    for _ in range(5000):
        size = adaption.size
        adaption.measured(0.2 if size == 640 else 0.005, now)
        now += 0.1
        if adaption.size > size:
            climbs.append(now)
    apart = [second - first for first, second in pairwise(climbs)]
    assert all(second > first - 1 for first, second in pairwise(apart)) and apart[-1] > 100


# --- many boxes ----------------------------------------------------------------------------------------


def test_where_there_is_too_much_to_find_only_what_is_surer_is_looked_for() -> None:
    def crowd(now: float, confidence: float) -> int:
        return int(400 * math.exp(-8 * (confidence - 0.15))) if now < 50 else 2

    states = simulate("quick", 100, boxes=crowd)
    busy = at(states, 10)
    assert 0.3 <= busy.confidence < 0.5 and crowd(10, busy.confidence) <= 100
    assert at(states, 49).confidence == busy.confidence
    assert at(states, 70).confidence == 0.15
    assert busy.size == 640 and busy.fps == 30


def test_a_crowd_that_any_step_thins_out_does_not_make_it_flap() -> None:
    states = simulate("quick", 660, boxes=lambda now, confidence: 150 if confidence < 0.3 else 10)
    assert len([state for state in states if state.at > 60]) <= 2 * 10


# --- bounds --------------------------------------------------------------------------------------------


@every_model
def test_all_bounds_are_kept(model: str) -> None:
    adaption = Adaption([384, 512], (0.2, 0.33), (3.0, 7.0))
    states = simulate(model, 120, adaption, ten_times, 0.3, lambda now, confidence: int(now * 20) % 300)
    assert {state.size for state in states} <= {384, 512}
    assert all(3 <= state.fps <= 7 and 0.2 <= state.confidence <= 0.33 for state in states)
    assert states[0][1:] == (512, 7.0, 0.2)


def test_bounds_that_leave_no_choice_leave_none() -> None:
    adaption = Adaption([416], (0.3, 0.3), (5.0, 5.0))
    assert len(simulate("very slow", 60, adaption, ten_times)) == 1
    assert (adaption.size, adaption.confidence, adaption.fps) == (416, 0.3, 5.0)


def test_a_larger_budget_keeps_the_size_and_lowers_the_rate() -> None:
    last = simulate("slow", 60, Adaption(SIZES, budget=0.2))[-1]
    assert last.size == 640 and last.fps == 6


def test_sizes_within_bounds_are_taken_or_the_nearest() -> None:
    assert within(SIZES, 330, 400) == [352, 384]
    assert within([224], 320, 640) == [224]
    assert within([800, 1024], 320, 640) == [800]


def test_it_says_how_it_is() -> None:
    adaption = Adaption(SIZES)
    assert adaption.said()["inference_ms"] is None
    adaption.measured(0.02, 1.0)
    assert adaption.said() == {
        "inference_size": 640,
        "confidence_threshold": 0.15,
        "target_fps": 30.0,
        "inference_ms": 20.0,
    }

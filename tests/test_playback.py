"""Playback: natural speed, one episode after the other, the next one ordered in time."""

from __future__ import annotations

import pytest

from envstream.clip import Clip, Still
from envstream.playback import LONGEST, PAUSE, SHARE, Playback, lively, share_of, stride


def clip(frames: int, fps: float = 50.0, every: int = 2, done: bool = True, name: str = "e1") -> Clip:
    made = Clip(name, "env", "title", fps=fps, every=every)
    grow(made, frames)
    if done:
        made.finish("terminated")
    return made


def grow(made: Clip, frames: int) -> None:
    for _ in range(frames):
        step = len(made.stills) * made.every
        made.add(Still(b"x", "jpeg", step / made.fps, 0.0, 6, 4, {"step": step}))


def shown(playback: Playback, since: float, until: float) -> list[tuple[float, int]]:
    """The pictures shown, with their moments, when it is asked each millisecond."""
    found = []
    for tick in range(round((until - since) * 1000)):
        now = since + tick / 1000
        turn = playback.turn(now)
        if turn is not None:
            found.append((round(now - since, 3), turn[1]))
    return found


def test_every_picture_is_shown_in_order_at_natural_speed() -> None:
    playback = Playback()
    playback.offer(clip(10), 5.0)
    assert shown(playback, 5.0, 6.0) == [(pytest.approx(0.04 * n, abs=0.0015), n) for n in range(10)]


def test_the_next_episode_begins_after_a_pause() -> None:
    playback = Playback()
    playback.offer(clip(5), 0.0)
    playback.turn(0.0)
    playback.offer(clip(5, name="e2"), 0.05)
    at = [moment for moment, index in shown(playback, 0.0, 2.0) if index == 0]
    assert at == [pytest.approx(5 * 0.04 + PAUSE, abs=0.002)]


def test_an_episode_that_is_still_captured_is_played_as_far_as_it_goes() -> None:
    playback, growing = Playback(), clip(1, done=False)
    playback.offer(growing, 0.0)
    assert shown(playback, 0.0, 1.0) == [(0.0, 0)]
    grow(growing, 3)
    seen = shown(playback, 1.0, 1.5)
    assert [index for _, index in seen][-1] == 3
    grow(growing, 2)
    growing.finish("terminated")
    later = shown(playback, 1.5, 2.0)
    assert [index for _, index in later] == [4, 5]
    assert [at for at, _ in later] == pytest.approx([0.04, 0.08], abs=0.0015), "the clock has waited"


def test_it_says_when_it_will_have_something_to_show() -> None:
    playback = Playback()
    assert playback.next_at(0.0) is None
    playback.offer(clip(2), 0.0)
    assert playback.next_at(0.0) == 0.0
    playback.turn(0.0)
    assert playback.next_at(0.0) == pytest.approx(0.04)
    playback.turn(0.04)
    assert playback.next_at(0.04) is None


def test_one_episode_is_ordered_at_a_time_and_in_time() -> None:
    playback = Playback()
    assert playback.wants(0.0)
    playback.order(0.0)
    assert not playback.wants(0.1) and playback.waited(0.1) == pytest.approx(0.1)
    playback.offer(clip(100), 0.2)
    playback.turn(0.2)
    assert playback.waited(0.2) == 0.0
    assert not playback.wants(0.3), "four seconds are left"
    assert playback.wants(4.0)
    playback.order(4.0)
    assert not playback.wants(4.1)


def test_the_longer_an_episode_has_to_be_waited_for_the_earlier_it_is_ordered() -> None:
    playback = Playback()
    for _ in range(20):
        playback.order(0.0)
        playback.offer(clip(500, name="e2"), 3.0)
    playback.turn(3.0)
    assert playback.ends_at == pytest.approx(23.0)
    assert not playback.wants(15.0) and playback.wants(17.5)


def test_it_says_what_it_is_doing() -> None:
    playback = Playback()
    assert playback.state(0.0) == "waiting"
    playback.offer(clip(5), 0.0)
    playback.turn(0.0)
    assert (playback.state(0.1), playback.state(0.4), playback.state(9.0)) == (
        "playing",
        "between",
        "waiting",
    )


def test_after_a_stop_it_begins_anew() -> None:
    playback = Playback()
    playback.offer(clip(5), 0.0)
    playback.turn(0.0)
    playback.stop()
    assert playback.clip is None and playback.turn(1.0) is None and playback.wants(1.0)


@pytest.mark.parametrize(
    ("fps", "most", "cost", "expected"),
    [
        (50, 30, 0.0005, 2),
        (30, 30, 0.0005, 1),
        (60, 30, 0.0, 2),
        (20, 30, 0.048, 24),
        (50, 30, 0.0011, 2),
        (50, 30, 0.0018, 3),
    ],
)
def test_of_steps_that_cost_too_much_each_kth_is_captured(
    fps: float, most: float, cost: float, expected: int
) -> None:
    assert stride(fps, most, cost, 0.04) == expected


def test_what_counting_takes_is_no_more_there_for_pictures() -> None:
    assert share_of(0.05, None, 0) == pytest.approx(0.04)
    assert share_of(0.05, 1_000, 0) == pytest.approx(0.0399)
    assert share_of(0.05, 150_000, 0) == pytest.approx(0.025)
    assert share_of(0.05, 10_000_000, 0) == pytest.approx(0.0125), "some is always left"
    assert share_of(0.05, None, 3) == pytest.approx(0.01)


def test_a_played_episode_is_paid_before_it_is_over() -> None:
    for cost in (0.0003, 0.001, 0.02, 0.3):
        every = stride(50.0, 30.0, cost, SHARE * 0.05)
        pictures = LONGEST * 50.0 / every
        assert pictures * cost / 0.05 <= SHARE * LONGEST * 1.001


def test_training_is_lively_from_twice_natural_speed_and_stays_so_for_a_while() -> None:
    assert not lively(None, 50, False) and lively(None, 50, True)
    assert [lively(steps, 50, False) for steps in (50, 99, 101, 5000)] == [False, False, True, True]
    assert [lively(steps, 50, True) for steps in (64, 66, 99)] == [False, True, True]

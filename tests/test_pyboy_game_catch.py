"""Catch, played: the rules that its source says and that its learner is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from envstream.pyboy_game import catch
from envstream.pyboy_game.build import build


@pytest.fixture
def pyboy() -> Iterator[Any]:
    """The game in an emulator, with its title on the screen."""
    from emulators import emulator

    with emulator() as running:
        running.tick(120, False, False)
        yield running


def play(pyboy: Any, frames: int, button: str | None = None) -> catch.Look:
    if button:
        pyboy.button_press(button)
    pyboy.tick(frames, False, False)
    if button:
        pyboy.button_release(button)
    return catch.look(pyboy)


def follow(pyboy: Any, frames: int) -> catch.Look:
    """Play as somebody would who sees the fruit."""
    now = catch.look(pyboy)
    for _ in range(frames // 2):
        away = now.fruit_x + 8 - now.basket - 16
        now = play(pyboy, 2, "right" if away > 4 else "left" if away < -4 else None)
    return now


def test_the_addresses_are_those_of_the_source() -> None:
    symbols = build().symbols
    told = {"state": catch.STATE, "lives": catch.LIVES, "score": catch.SCORE, "seed": catch.SEED}
    assert {name: symbols[name] for name in told} == told
    told = {"NEW": catch.NEW, "PLAYING": catch.PLAYING, "OVER": catch.OVER}
    assert {name: symbols[name] for name in told} == told
    read = {"basket": 6, "fruit_x": 8, "fruit_y": 9, "falling": 11}
    assert {name: symbols[name] - catch.STATE for name in read} == read


def test_it_waits_for_somebody_to_press_start(pyboy: Any) -> None:
    assert play(pyboy, 300).state not in (catch.NEW, catch.PLAYING, catch.OVER)
    play(pyboy, 2, "start")
    now = play(pyboy, 2)
    assert (now.state, now.lives, now.score) == (catch.PLAYING, 3, 0)


def test_who_stands_still_loses_after_a_few_fruits_and_can_begin_again(pyboy: Any) -> None:
    catch.start(pyboy, 7)
    lives = [catch.look(pyboy).lives]
    for _ in range(3000):
        now = play(pyboy, 1)
        if now.lives != lives[-1]:
            lives.append(now.lives)
        if now.state == catch.OVER:
            break
    assert lives == [3, 2, 1, 0]
    assert catch.done(pyboy)
    play(pyboy, 2, "start")
    assert play(pyboy, 2).state == catch.PLAYING and not catch.done(pyboy)


def test_who_follows_the_fruit_catches_it_and_it_falls_faster(pyboy: Any) -> None:
    catch.start(pyboy, 7)
    symbols = build().symbols
    speed = slice(symbols["speed"], symbols["speed"] + 2)
    before = int.from_bytes(bytes(pyboy.memory[speed]), "little")
    now = follow(pyboy, 4000)
    assert now.score > 20 and now.lives == 3
    assert int.from_bytes(bytes(pyboy.memory[speed]), "little") == before + 2 * now.score


def test_the_score_is_shown_in_decimal_digits(pyboy: Any) -> None:
    catch.start(pyboy, 7)
    digits = build().symbols["digits"]
    for _ in range(200):
        now = follow(pyboy, 20)
        high, low = pyboy.memory[digits + 1], pyboy.memory[digits]
        assert f"{high:02x}{low:02x}" == f"{now.score:04d}"
    shown = bytes(pyboy.memory[0x9807:0x980B]).decode()
    assert shown == f"{now.score:04d}" and now.score > 10


def test_the_speed_ends_somewhere(pyboy: Any) -> None:
    catch.start(pyboy, 3)
    symbols = build().symbols
    pyboy.memory[symbols["speed"]], pyboy.memory[symbols["speed"] + 1] = 0x3E, 0x01
    follow(pyboy, 1500)
    speed = bytes(pyboy.memory[symbols["speed"] : symbols["speed"] + 2])
    assert int.from_bytes(speed, "little") == symbols["SPEED_LAST"]


def test_the_basket_stays_on_the_screen(pyboy: Any) -> None:
    catch.start(pyboy, 1)
    assert play(pyboy, 200, "left").basket == 0
    assert play(pyboy, 200, "right").basket == 128


def test_the_same_seed_gives_the_same_fruit_and_another_one_other_fruit(pyboy: Any) -> None:
    def fruit(seed: int) -> list[int]:
        catch.start(pyboy, seed)
        return [play(pyboy, 50).fruit_x for _ in range(8)]

    first = fruit(11)
    assert fruit(12) != first and fruit(11) == first
    assert all(0 <= x <= 142 for x in first)


def test_a_seed_of_zero_plays_as_well(pyboy: Any) -> None:
    catch.start(pyboy, 0)
    assert len({play(pyboy, 150).fruit_x for _ in range(4)}) > 1


def test_the_reward_counts_what_was_caught_and_missed(pyboy: Any) -> None:
    catch.start(pyboy, 7)
    reward = catch.Reward()
    reward.reset(pyboy)
    assert reward(pyboy) == 0
    total = 0.0
    for _ in range(100):
        follow(pyboy, 10)
        total += reward(pyboy)
    now = catch.look(pyboy)
    assert total == now.score > 0
    while not catch.done(pyboy):
        play(pyboy, 10, "left")
        total += reward(pyboy)
    now = catch.look(pyboy)
    assert total == now.score - 3


def test_what_is_observed_lies_in_its_space_and_says_where_the_fruit_is(pyboy: Any) -> None:
    catch.start(pyboy, 7)
    observe = catch.Observation()
    heights = []
    for _ in range(40):
        seen, now = observe(pyboy), catch.look(pyboy)
        assert observe.space.contains(seen)
        assert np.sign(seen[2]) == np.sign(now.fruit_x + 8 - now.basket - 16)
        heights.append(float(seen[3]))
        play(pyboy, 4)
    assert min(heights) == -1 and max(heights) > 0.5


def test_a_console_of_that_time_would_show_it_in_grey() -> None:
    from emulators import emulator

    with emulator(cgb=False) as running:
        running.tick(200)
        shades = {tuple(pixel) for row in running.screen.ndarray for pixel in row}
    assert len(shades) == 4 and all(red == green == blue for red, green, blue, _ in shades)

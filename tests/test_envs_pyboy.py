"""The Game Boy as an env: Gymnasium's rules, a user's own game, and what is said of what cannot be meant."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envstream.envs  # noqa: F401
from emulators import emulator, need_pyboy
from envstream import StreamingVectorWrapper, StreamingWrapper
from envstream.envs.pyboy import PyBoyEnv
from envstream.errors import CartridgeError, SettingError
from envstream.pyboy_game import catch
from envstream.pyboy_game.build import CARTRIDGE
from fakes import quiet_outlet

ID = "envstream/PyBoy-v0"
NO_REWARD = pytest.mark.filterwarnings("ignore:.*every reward is 0")


@pytest.fixture(autouse=True)
def pyboy_is_there() -> None:
    need_pyboy()


@pytest.fixture
def make() -> Iterator[Callable[..., PyBoyEnv]]:
    """Makes envs that are closed after the test."""
    made: list[PyBoyEnv] = []

    def make(**arguments: Any) -> PyBoyEnv:
        made.append(PyBoyEnv(**arguments))
        return made[-1]

    yield make
    for env in made:
        env.close()


def played(env: PyBoyEnv, choose: Callable[[Any], int], seed: int) -> float:
    """The return of one episode."""
    observation, _ = env.reset(seed=seed)
    total, over = 0.0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(choose(observation))
        total += reward
        over = terminated or truncated
    return total


def follow(observation: Any) -> int:
    """Go where the fruit is."""
    away = observation[2]
    return 0 if abs(away) < 0.1 else 2 if away > 0 else 1


# --- Gymnasium -----------------------------------------------------------------------------------------


def test_gymnasium_can_make_it_by_its_name_alone() -> None:
    code = f"import gymnasium as gym; env = gym.make('envstream.envs:{ID}'); env.reset(seed=1); env.close()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_importing_the_envs_does_not_load_pyboy() -> None:
    code = "import sys, envstream.envs; print('pyboy' in sys.modules, 'gymnasium' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("observation", [None, "pixels", "ram"])
def test_gymnasiums_checker_finds_nothing(observation: str | None) -> None:
    env = gym.make(ID, render_mode="rgb_array", observation=observation)
    check_env(env.unwrapped)
    env.close()


def test_its_spec_makes_it_again() -> None:
    env = gym.make(ID, frame_skip=8)
    again = gym.make(env.spec)  # type: ignore[arg-type]
    assert again.metadata["render_fps"] == 60 / 8
    env.close()
    again.close()


def test_it_can_be_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = quiet_outlet(monkeypatch)
    env = StreamingWrapper(gym.make(ID, render_mode="rgb_array"), videoStream=True)
    env.reset(seed=1)
    quiet.ask()
    env.step(0)
    assert quiet.pictures() == []  # The next step draws it: drawing this one now would cost a saved state.
    env.step(0)
    (picture,) = quiet.pictures()
    assert (picture.pixels.shape, picture.info["step"]) == ((144, 160, 3), 2)
    env.step(0)
    assert quiet.pictures() == []
    env.close()


def test_several_of_them_can_be_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = quiet_outlet(monkeypatch)
    envs = gym.vector.SyncVectorEnv([lambda: gym.make(ID, render_mode="rgb_array")] * 2)
    env = StreamingVectorWrapper(envs, videoStreamEnvs="all")
    env.reset(seed=1)
    quiet.ask(1)
    for _ in range(4):
        env.step(np.zeros(2, int))
    assert [picture.part for picture in quiet.pictures()] == [1]
    env.close()


def test_an_announced_picture_is_drawn_by_the_next_step_and_by_no_further_one(
    make: Callable[..., PyBoyEnv],
) -> None:
    env = make(render_mode="rgb_array")
    env.reset(seed=1)
    env.step(0)
    assert not env.announce_render()
    env.step(0)
    assert env.announce_render()
    seen = env.render()
    env.step(0)
    assert not env.announce_render()
    assert seen.shape == (144, 160, 3)


# --- Catch ---------------------------------------------------------------------------------------------


def test_who_follows_the_fruit_gets_more_than_who_stands_still(make: Callable[..., PyBoyEnv]) -> None:
    env = make(max_steps=150)
    still = [played(env, lambda observation: 0, seed) for seed in range(3)]
    good = [played(env, follow, seed) for seed in range(3)]
    assert max(still) < 0 < 20 < min(good)


def test_the_same_seed_and_actions_give_the_same_episode(make: Callable[..., PyBoyEnv]) -> None:
    def episode(env: PyBoyEnv, seed: int | None) -> list[Any]:
        seen = [env.reset(seed=seed)[0]]
        for action in [1, 2, 2, 0, 1] * 6:
            seen += env.step(action)[:1]
        return [tuple(observation) for observation in seen]

    env, other = make(), make(render_mode="rgb_array")
    first, next_one = episode(env, 3), episode(env, None)
    assert first != next_one
    other.reset(seed=99)
    other.render()
    assert [episode(other, 3), episode(other, None)] == [first, next_one]


def test_an_episode_ends_with_the_last_heart_or_after_so_many_steps(make: Callable[..., PyBoyEnv]) -> None:
    env = make(max_steps=5)
    env.reset(seed=0)
    assert [env.step(0)[2:4] for _ in range(5)][-2:] == [(False, False), (False, True)]
    env = make()
    assert played(env, lambda observation: 0, 0) == catch.look(env.pyboy).score - 3


def test_actions_do_what_they_say(make: Callable[..., PyBoyEnv]) -> None:
    env = make()
    assert env.actions == ((), ("left",), ("right",)) and env.action_space == gym.spaces.Discrete(3)
    places = []
    for action in (0, 1, 2):
        env.reset(seed=0)
        env.step(action)
        places.append(catch.look(env.pyboy).basket)
    assert places[1] < places[0] == 64 < places[2]


def test_buttons_are_held_as_long_as_was_said(make: Callable[..., PyBoyEnv]) -> None:
    ways = []
    for hold in (6, 12, 24, None):
        env = make(hold=hold)
        env.reset(seed=0)
        env.step(2)
        ways.append(catch.look(env.pyboy).basket - 64)
    assert ways == [9, 18, 36, 36]


# --- pictures ------------------------------------------------------------------------------------------


def test_pictures_are_copies_in_the_games_colours(make: Callable[..., PyBoyEnv]) -> None:
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    kept = picture.copy()
    env.step(2)
    assert picture.shape == (144, 160, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture, kept) and not np.array_equal(env.render(), kept)
    assert {tuple(picture[20, 3]), tuple(picture[30, 3])} <= {(0x58, 0xB0, 0x48), (0x90, 0xCC, 0xF0)}


def test_without_a_render_mode_nothing_is_rendered(make: Callable[..., PyBoyEnv]) -> None:
    env = make()
    env.reset(seed=0)
    assert env.render() is None


def test_pixels_are_what_render_shows(make: Callable[..., PyBoyEnv]) -> None:
    env = make(observation="pixels", render_mode="rgb_array")
    env.reset(seed=0)
    observation = env.step(2)[0]
    assert env.observation_space.contains(observation)
    assert np.array_equal(observation, env.render())


def test_a_window_opens_only_for_a_human(make: Callable[..., PyBoyEnv]) -> None:
    env = make(render_mode="human", frame_skip=2)  # The tests' SDL draws without a display.
    env.reset(seed=0)
    env.step(0)
    assert env.render() is None


# --- a user's own game ---------------------------------------------------------------------------------


class Moves:
    """Pays for each pixel that the basket moved."""

    def reset(self, pyboy: Any) -> None:
        self.before = catch.look(pyboy).basket

    def __call__(self, pyboy: Any) -> int:
        before, self.before = self.before, catch.look(pyboy).basket
        return abs(self.before - before)


def at_the_edge(pyboy: Any) -> bool:
    return catch.look(pyboy).basket == 128


def place(pyboy: Any) -> Any:
    return np.array([catch.look(pyboy).basket], np.uint8)


def own(**arguments: Any) -> dict[str, Any]:
    return {"rom": CARTRIDGE, "start": "envstream.pyboy_game.catch:start", **arguments}


def test_a_game_is_told_by_functions_of_its_player(make: Callable[..., PyBoyEnv]) -> None:
    named = {"reward": "test_envs_pyboy:Moves", "done": "test_envs_pyboy.at_the_edge", "observation": place}
    env = make(**own(**named, actions=["none", "left", "right", "left+right"]))
    assert env.observation_space == gym.spaces.Box(0, 255, (1,), np.uint8)
    for _ in range(2):
        env.reset(seed=0)
        steps = [env.step(2) for _ in range(2)]
        assert [(int(step[0][0]), step[1], step[2]) for step in steps] == [(100, 36, False), (128, 28, True)]


def test_without_a_reward_it_is_zero_and_that_is_said(make: Callable[..., PyBoyEnv]) -> None:
    with pytest.warns(UserWarning, match="reward='package.module:function'"):
        env = make(rom=CARTRIDGE)
    env.reset(seed=0)
    assert env.step(1)[1:4] == (0.0, False, False)
    assert env.observation_space.shape == (144, 160, 3)
    assert len(env.actions) == 9 and env.actions[0] == ()


@NO_REWARD
def test_episodes_begin_in_a_saved_state(make: Callable[..., PyBoyEnv], tmp_path: Path) -> None:
    saved = tmp_path / "game.state"
    with emulator() as pyboy:
        pyboy.tick(120, False)
        catch.start(pyboy, 5)
        pyboy.button_press("right")
        pyboy.tick(30)
        state = io.BytesIO()
        pyboy.save_state(state)
        saved.write_bytes(state.getvalue())
        begins = catch.look(pyboy)
    env = make(rom=CARTRIDGE, state=str(saved), frame_skip=2)
    for _ in range(2):
        env.reset()
        assert abs(catch.look(env.pyboy).basket - begins.basket) <= 2  # The frame that releases the button.
        before = catch.look(env.pyboy).basket
        env.step(0)
        assert catch.look(env.pyboy).basket == before
        env.step(env.actions.index(("left",)))


@NO_REWARD
def test_nothing_is_written_beside_the_rom(make: Callable[..., PyBoyEnv], tmp_path: Path) -> None:
    rom = bytearray(CARTRIDGE.read_bytes())
    rom[0x147], rom[0x149] = 0x03, 0x02  # A cartridge with a battery.
    rom[0x14D] = -sum(byte + 1 for byte in rom[0x134:0x14D]) & 0xFF
    path = tmp_path / "saves.gb"
    path.write_bytes(rom)
    env = make(rom=path)
    env.reset()
    env.step(0)
    env.close()
    assert list(tmp_path.iterdir()) == [path]


def test_it_can_be_closed_twice(make: Callable[..., PyBoyEnv]) -> None:
    env = make()
    env.close()
    env.close()


# --- what cannot be meant ------------------------------------------------------------------------------


@NO_REWARD
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"frame_skip": 0}, "frame_skip=0: expected a whole number from 1"),
        ({"hold": 25}, "hold=25: expected a whole number from 1 to 24"),
        ({"max_steps": -1}, "max_steps=-1: expected"),
        ({"warmup": 1.5}, "warmup=1.5: expected a whole number"),
        ({"actions": ["jump"]}, "actions='jump': expected a list of none, a, b"),
        ({"reward": "nowhere:reward"}, "reward='nowhere:reward': expected"),
        ({"done": 3}, "done=3: expected a function"),
        ({"observation": "rom"}, "observation='rom': expected"),
        ({"observation": lambda pyboy: "text"}, "a function that gives numbers"),
        ({"render_mode": "ansi"}, "render_mode='ansi': expected"),
        ({"options": {"colour": 1}}, "expected arguments of PyBoy"),
        ({"state": "/no/state"}, "state='/no/state': expected an existing file"),
        ({"state": 5}, "state='5': expected an existing file"),
        ({"state": str(CARTRIDGE)}, "expected a state that this version of PyBoy saved"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError) as error:
        PyBoyEnv(**arguments)
    assert said in str(error.value)


@NO_REWARD
def test_a_file_that_is_no_rom_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CartridgeError, match="expected the file of a Game Boy ROM"):
        gym.make(ID, rom=str(tmp_path / "none.gb"))

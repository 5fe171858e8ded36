"""Footage that goes on: a camera's pictures as they come, an env's at its natural speed."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium
import numpy as np
import pytest

from envstream.errors import EnvstreamError
from envstream.push.live import Beat, CameraFootage, EnvFootage

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

TEST = "lavfi:testsrc=size=64x48:rate=50"


# --- a camera ------------------------------------------------------------------------------------------


def test_a_test_picture_comes_at_its_own_rate() -> None:
    camera = CameraFootage(TEST)
    shots = list(itertools.islice(camera.shots(), 11))
    camera.close()
    assert shots[0].timestamp == 0 and shots[-1].timestamp >= 10 / 50 - 0.005
    assert shots[0].pixels.shape == (48, 64, 3) and (camera.fps, camera.expected, camera.goes_on) == (
        50,
        None,
        True,
    )


def test_of_a_camera_no_more_is_taken_than_was_said() -> None:
    camera = CameraFootage(TEST, 10)
    shots = list(itertools.islice(camera.shots(), 4))
    camera.close()
    assert camera.fps == 10 and shots[3].timestamp >= 0.3 - 0.03


def test_a_camera_that_ends_ends() -> None:
    assert 2 <= len(list(CameraFootage(f"{TEST}:duration=0.06").shots())) <= 4


@pytest.mark.parametrize("device", ["97", "/dev/nowhere", "lavfi:nothing=1"])
def test_a_camera_that_is_not_there_is_one_sentence(device: str) -> None:
    with pytest.raises(EnvstreamError, match="cannot be opened"):
        CameraFootage(device)


# --- an env --------------------------------------------------------------------------------------------


def test_an_env_is_played_at_its_natural_speed_and_says_how_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    cart = "gymnasium.envs.classic_control.cartpole:CartPoleEnv"
    short = gymnasium.envs.registration.EnvSpec("Short-v0", cart, max_episode_steps=5)
    monkeypatch.setitem(gymnasium.registry, "Short-v0", short)
    footage = EnvFootage("Short-v0")
    shots = list(itertools.islice(footage.shots(), 20))
    footage.close()
    assert footage.fps == 50 and shots[-1].timestamp >= 19 / 50 - 0.02
    assert shots[0].info == {"episode": 1, "step": 0, "return": 0.0, "totalSteps": 0}
    assert shots[1].info == {"episode": 1, "step": 1, "return": 1.0, "totalSteps": 1}
    assert [shot.info["episode"] for shot in shots] == [1 + number // 6 for number in range(20)]
    assert shots[-1].info == {"episode": 4, "step": 1, "return": 1.0, "totalSteps": 16}


def test_of_an_env_no_more_is_rendered_than_was_said() -> None:
    footage = EnvFootage("CartPole-v1", 10)
    shots = list(itertools.islice(footage.shots(), 3))
    footage.close()
    assert footage.fps == 10
    assert shots[2].info["totalSteps"] + shots[2].info["episode"] > 4, (
        "steps and resets are more than pictures"
    )


def test_an_env_that_cannot_be_made_is_one_sentence() -> None:
    with pytest.raises(EnvstreamError, match="env 'NoSuchEnv-v0' cannot be made"):
        EnvFootage("NoSuchEnv-v0")


def test_an_env_without_pictures_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(gymnasium.Env[Any, Any]):
        metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
        observation_space = action_space = gymnasium.spaces.Discrete(2)

        def __init__(self, render_mode: str | None = None) -> None:
            self.render_mode = render_mode

        def reset(self, **options: Any) -> Any:
            return 0, {}

        def render(self) -> Any:
            return np.zeros((4, 4), np.float32)

    monkeypatch.setitem(
        gymnasium.registry,
        "Blind-v0",
        gymnasium.envs.registration.EnvSpec("Blind-v0", Blind, disable_env_checker=True),
    )
    footage = EnvFootage("Blind-v0")
    with pytest.raises(EnvstreamError, match=r"renders float32 of shape \(4, 4\): expected uint8 RGB"):
        next(footage.shots())
    footage.close()


# --- a beat --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "wanted"), [(30, 10), (30, 20), (60, 25), (30, 29)])
def test_of_a_quick_source_so_many_a_second_are_taken(source: int, wanted: int) -> None:
    beat = Beat(wanted)
    taken = sum(beat.due(number / source) for number in range(10 * source))
    assert taken == pytest.approx(10 * wanted, rel=0.05)


def test_without_a_rate_all_are_taken() -> None:
    beat = Beat(None)
    assert all(beat.due(at) for at in (0.0, 0.0, 0.001, 7.0, 7.0))


def test_a_source_of_that_rate_loses_no_picture_that_is_a_little_early_or_late() -> None:
    beat = Beat(30)
    assert all(beat.due(number / 30 + 0.006 * (-1) ** number) for number in range(1, 300))


def test_after_a_pause_none_are_made_up_for() -> None:
    beat = Beat(10)
    assert beat.due(0.0) and beat.due(5.0)
    assert sum(beat.due(5.0 + number / 1000) for number in range(1, 200)) <= 3

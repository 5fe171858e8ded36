"""`StreamingWrapper`: what it passes on, what it shows, and what it survives."""

from __future__ import annotations

import copy
import logging
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit
from omegaconf import OmegaConf
from PIL import Image

from envstream import StreamConfig, StreamingWrapper
from envstream.errors import SettingError
from fakes import PictureEnv, QuietOutlet, quiet_outlet


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> QuietOutlet:
    return quiet_outlet(monkeypatch)


def test_what_the_env_returns_is_passed_on_as_the_same_objects(quiet: QuietOutlet) -> None:
    class Remembering(PictureEnv):
        def step(self, action: int) -> Any:
            self.last = super().step(action)
            return self.last

    inner = Remembering()
    env = StreamingWrapper(inner)
    _, info = env.reset()
    assert info is inner.info
    quiet.ask()
    assert env.step(0) is inner.last


def test_nobody_watching_means_no_render(quiet: QuietOutlet) -> None:
    inner = PictureEnv(length=10)
    env = StreamingWrapper(inner)
    for _ in range(3):
        env.reset()
        for _ in range(10):
            env.step(0)
    assert inner.renders == 0
    assert quiet.pictures() == []


def test_a_due_picture_is_taken_once_with_what_the_env_was_doing(quiet: QuietOutlet) -> None:
    inner = PictureEnv()
    env = StreamingWrapper(inner)
    env.reset()
    env.step(0)
    quiet.ask()
    env.step(0)
    env.step(0)
    (capture,) = quiet.pictures()
    assert inner.renders == 1
    said = {"episode": 1, "step": 2, "return": 3.0, "totalSteps": 2, "method": "render"}
    assert capture.info == said
    assert (capture.pixels == 200).all()


def test_the_first_picture_of_an_episode_can_be_the_reset_state(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv())
    env.reset()
    quiet.ask()
    env.reset()
    assert quiet.pictures()[0].info["step"] == 0


def test_a_terminal_picture_belongs_to_the_episode_that_ends(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv(length=3))
    env.reset()
    env.step(0)
    env.step(0)
    quiet.ask()
    env.step(0)
    said = {"episode": 1, "step": 3, "return": 4.5, "totalSteps": 3, "method": "render"}
    assert quiet.pictures()[0].info == said
    assert quiet.episodes() == [(1, 3, 4.5)]


def test_episodes_are_counted_across_resets_and_an_aborted_one_is_not_a_finished_one(
    quiet: QuietOutlet,
) -> None:
    env = StreamingWrapper(PictureEnv(length=2))
    env.reset()
    env.step(0)
    env.reset()
    env.step(0)
    env.step(0)
    env.reset()
    assert quiet.episodes() == [(2, 2, 3.0)]


def test_switched_off_it_is_a_pass_through(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv(), videoStream=False)
    env.reset()
    env.step(0)
    env.close()
    assert quiet.channels == []


@pytest.mark.parametrize(
    "config",
    [
        StreamConfig(videoStream=True, videoStreamPort=9001),
        OmegaConf.create({"id": "X-v0", "numEnvs": 3, "videoStream": True, "videoStreamPort": 9001}),
        {"videoStreamPort": 9001},
        {"video_stream_port": 9001},
    ],
    ids=["StreamConfig", "OmegaConf", "dict", "snake_case"],
)
def test_settings_come_in_every_form(quiet: QuietOutlet, config: object) -> None:
    env = StreamingWrapper(PictureEnv(), config)
    env.reset()
    assert quiet.channels[0].settings["videoStreamPort"] == 9001


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="videoStreamPort"):
        StreamingWrapper(PictureEnv(), videoStreamPrt=1)


def test_an_env_can_be_made_again_from_its_spec(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(gym.make("CartPole-v1", render_mode="rgb_array"), {"videoStreamPort": 9002})
    assert env.spec is not None
    again = gym.make(pickle.loads(pickle.dumps(env.spec)))
    assert isinstance(again, StreamingWrapper)
    again.reset(seed=1)
    assert quiet.channels[0].settings["videoStreamPort"] == 9002
    again.close()


def test_a_spec_survives_json(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(gym.make("CartPole-v1", render_mode="rgb_array"), videoResolution=[64, 48])
    assert env.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert isinstance(again, StreamingWrapper)


def test_make_takes_it_as_an_additional_wrapper(quiet: QuietOutlet) -> None:
    spec = copy.deepcopy(gym.spec("CartPole-v1"))  # The registry keeps the other one.
    spec.additional_wrappers = (StreamingWrapper.wrapper_spec(videoStreamPort=9003),)
    env = gym.make(spec, render_mode="rgb_array")
    assert isinstance(env, StreamingWrapper)
    env.reset(seed=1)
    assert quiet.channels[0].settings["videoStreamPort"] == 9003


def test_it_works_below_and_above_other_wrappers(quiet: QuietOutlet) -> None:
    env = RecordEpisodeStatistics(StreamingWrapper(TimeLimit(PictureEnv(length=100), 4)))
    env.reset()
    quiet.ask()
    for _ in range(4):
        *_, truncated, info = env.step(0)
    assert truncated and info["episode"]["l"] == 4
    assert len(quiet.pictures()) == 1


def test_closing_twice_is_once_and_ends_the_stream(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv())
    env.reset()
    env.close()
    env.close()
    assert quiet.closed == quiet.channels[:1]


def test_after_close_steps_pass_through_and_a_reset_streams_anew(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv())
    env.reset()
    env.close()
    quiet.readers[0].due[0] = 1
    env.step(0)
    assert quiet.pictures() == []
    env.reset()
    quiet.ask()
    env.step(0)
    assert len(quiet.channels) == 2 and len(quiet.pictures()) == 1


def test_a_stream_ends_even_when_closing_the_env_fails(quiet: QuietOutlet) -> None:
    class Stuck(PictureEnv):
        def close(self) -> None:
            raise RuntimeError("stuck")

    env = StreamingWrapper(Stuck())
    env.reset()
    with pytest.raises(RuntimeError, match="stuck"):
        env.close()
    assert quiet.closed


def test_a_pickled_or_copied_wrapper_is_a_tap_of_its_own(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv())
    env.reset()
    for twin in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        twin.reset()
        quiet.ask()
        twin.step(0)
        assert len(quiet.pictures()) == 1
    assert len(quiet.channels) == 3


PICTURES = {
    "changing size": np.full((9, 7, 3), 200, np.uint8),
    "RGBA": np.full((4, 6, 4), (200, 200, 200, 255), np.uint8),
    "grey": np.full((4, 6), 200, np.uint8),
    "(H,W,1)": np.full((4, 6, 1), 200, np.uint8),
    "float 0-1": np.full((4, 6, 3), 200 / 255, np.float32),
    "non-contiguous": np.full((4, 12, 3), 200, np.uint8)[:, ::2],
    "upside down": np.full((4, 6, 3), 200, np.uint8)[::-1],
    "PIL": Image.new("RGB", (6, 4), (200, 200, 200)),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_of_every_kind_are_shown(quiet: QuietOutlet, kind: str) -> None:
    env = StreamingWrapper(PictureEnv(PICTURES[kind]))
    env.reset()
    quiet.ask()
    env.step(0)
    (capture,) = quiet.pictures()
    assert (capture.pixels == 200).all()
    assert capture.pixels.shape[2] == 3


def test_text_is_drawn(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(gym.make("FrozenLake-v1", render_mode="ansi"))
    env.reset(seed=1)
    quiet.ask()
    env.step(0)
    (capture,) = quiet.pictures()
    assert capture.pixels.std() > 5
    env.close()


def test_depths_are_shown_as_grey(quiet: QuietOutlet) -> None:
    depths = np.linspace(3.0, 9.0, 24, dtype=np.float32).reshape(4, 6)
    env = StreamingWrapper(PictureEnv(depths, "depth_array"))
    env.reset()
    quiet.ask()
    env.step(0)
    (capture,) = quiet.pictures()
    assert capture.pixels.min() == 0 and capture.pixels.max() == 255


def test_collected_frames_stay_the_users(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(gym.make("CartPole-v1", render_mode="rgb_array_list"))
    env.reset(seed=1)
    quiet.ask()
    env.step(0)
    env.step(1)
    assert len(quiet.pictures()) == 1
    assert len(env.render()) == 3
    env.close()


def test_an_env_that_pops_its_frames_gives_them_back_to_the_user(quiet: QuietOutlet) -> None:
    class Popping(PictureEnv):
        def render(self) -> Any:
            return [np.full((2, 2, 3), self.now, np.uint8)]

    env = StreamingWrapper(Popping(render_mode="rgb_array_list"))
    env.reset()
    quiet.ask()
    env.step(0)
    env.step(0)
    assert [frame[0, 0, 0] for frame in env.render()] == [1, 2]


def test_a_render_of_the_users_own_serves_the_page_too(quiet: QuietOutlet) -> None:
    inner = PictureEnv()
    env = StreamingWrapper(inner)
    env.reset()
    quiet.ask()
    assert env.render() is inner.picture
    assert inner.renders == 1 and len(quiet.pictures()) == 1


@pytest.mark.parametrize("mode", [None, "human"])
def test_what_cannot_be_streamed_is_said_once_with_the_fix(
    quiet: QuietOutlet, mode: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    inner = PictureEnv(render_mode=mode)
    env = StreamingWrapper(inner)
    for _ in range(3):
        env.reset()
        quiet.ask()
        env.step(0)
    assert [r.message for r in caplog.records if "render_mode='rgb_array'" in r.message] == [
        caplog.messages[0]
    ]
    assert inner.renders == 0
    assert len(quiet.notes) == 1


def test_a_render_that_raises_costs_one_warning_and_no_step(
    quiet: QuietOutlet, caplog: pytest.LogCaptureFixture
) -> None:
    env = StreamingWrapper(PictureEnv(RuntimeError("no display"), length=100))
    env.reset()
    for step in range(20):
        quiet.ask()
        assert env.step(0)[0] == step + 1
    assert len(caplog.records) == 1 and "no display" in caplog.text
    assert quiet.readers[0].failures >= 1


def test_a_render_that_keeps_failing_is_left_alone_until_the_next_episode(quiet: QuietOutlet) -> None:
    inner = PictureEnv(RuntimeError("no display"), length=1000)
    env = StreamingWrapper(inner)
    env.reset()
    for _ in range(50):
        quiet.ask()
        env.step(0)
    assert inner.renders == 5
    inner.picture = np.zeros((4, 4, 3), np.uint8)
    quiet.ask()
    env.reset()
    assert len(quiet.pictures()) == 1


@pytest.mark.parametrize(
    "nothing", [np.zeros((0, 5, 3)), "", [], object()], ids=lambda nothing: type(nothing).__name__
)
def test_a_render_that_gives_no_picture_is_named(
    quiet: QuietOutlet, nothing: object, caplog: pytest.LogCaptureFixture
) -> None:
    env = StreamingWrapper(PictureEnv(nothing))
    env.reset()
    quiet.ask()
    env.step(0)
    assert len(caplog.records) <= 1


def test_black_pictures_are_shown_and_the_remedy_is_named_once(
    quiet: QuietOutlet, caplog: pytest.LogCaptureFixture
) -> None:
    env = StreamingWrapper(PictureEnv(np.zeros((8, 8, 3), np.uint8), length=1000))
    env.reset()
    for _ in range(12):
        quiet.ask()
        env.step(0)
        assert len(quiet.pictures()) == 1
    assert [r.message for r in caplog.records] == [
        r.message for r in caplog.records if "MUJOCO_GL=egl" in r.message
    ]
    assert len(caplog.records) == 1


def test_odd_rewards_never_reach_the_training_as_errors(quiet: QuietOutlet) -> None:
    class Odd(PictureEnv):
        def step(self, action: int) -> Any:
            return 0, None, False, False, {}

    env = StreamingWrapper(Odd())
    env.reset()
    quiet.ask()
    assert env.step(0) == (0, None, False, False, {})


def test_a_resolution_is_applied(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv(), videoResolution=[32, 16])
    env.reset()
    quiet.ask()
    env.step(0)
    assert quiet.pictures()[0].pixels.shape == (16, 32, 3)


def test_the_page_names_the_env_or_what_the_user_chose(quiet: QuietOutlet) -> None:
    StreamingWrapper(gym.make("CartPole-v1")).reset()
    StreamingWrapper(PictureEnv(), videoStreamName="my run").reset()
    StreamingWrapper(PictureEnv()).reset()
    assert [channel.title for channel in quiet.channels] == ["CartPole-v1", "my run", "PictureEnv"]


def test_a_server_that_cannot_be_had_leaves_the_training_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(config: object) -> Any:
        raise OSError("no sockets today")

    monkeypatch.setattr("envstream.outlet.connect", refuse)
    env = StreamingWrapper(PictureEnv())
    for _ in range(3):
        env.reset()
        env.step(0)
    env.close()
    assert len(caplog.records) == 1 and caplog.records[0].levelno == logging.WARNING

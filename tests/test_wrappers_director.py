"""The director: which episodes are captured step by step, what is said of them, and how they end."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv

from envstream import StreamingWrapper
from envstream.errors import SettingError
from envstream.wrappers import director
from envstream.wrappers.sb3 import StreamingVecEnv
from envstream.wrappers.vector import StreamingVectorWrapper
from fakes import PictureEnv, QuietOutlet, quiet_outlet


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> QuietOutlet:
    return quiet_outlet(monkeypatch)


class Scored(PictureEnv):
    """An env whose episodes last and return what the test says."""

    def __init__(self, *episodes: tuple[int, float]) -> None:
        super().__init__()
        self.episodes = list(episodes)

    def reset(self, **given: Any) -> Any:
        self.length, self.total = self.episodes.pop(0) if self.episodes else (3, 0.0)
        return super().reset(**given)

    def step(self, action: int) -> Any:
        self.now += 1
        over = self.now >= self.length
        return self.now, self.total if over else 0.0, over, False, {}


def recorder(env: Any = None, **settings: Any) -> StreamingWrapper[Any, Any]:
    return StreamingWrapper(env or PictureEnv(length=3), videoStream=False, videoRecord=True, **settings)


def run(env: Any, quiet: QuietOutlet, episodes: int) -> list[Any]:
    """Play episodes, and give what was captured."""
    captured: list[Any] = []
    for episode in range(episodes):
        env.reset(seed=episode)
        captured += quiet.pictures()
        over = False
        while not over:
            *_, terminated, truncated, _ = env.step(1)
            over = terminated or truncated
            captured += quiet.pictures()
    return captured


def takes(captured: list[Any]) -> list[list[Any]]:
    """The captures by the take they belong to, in order."""
    numbers = list(dict.fromkeys(one.take for one in captured if one.take))
    return [[one for one in captured if one.take == number] for number in numbers]


def names(captured: list[Any]) -> list[str]:
    return [take[0].info["begin"]["record"] for take in takes(captured)]


def test_a_recorded_episode_has_every_picture_from_reset_to_the_terminal_one(quiet: QuietOutlet) -> None:
    (take,) = takes(run(recorder(videoRecordEpisodes="every: 10"), quiet, 5))
    assert [one.info["step"] for one in take] == [0, 1, 2, 3]
    assert [one.info["return"] for one in take] == [0.0, 1.5, 3.0, 4.5]
    assert [one.info["action"] for one in take] == [None, 1, 1, 1]
    assert take[-1].info["end"] == {"ended": "terminated", "missing": 0, "steps": 3, "return": 4.5}


def test_the_trigger_is_asked_with_record_videos_numbers(quiet: QuietOutlet) -> None:
    asked: list[int] = []
    env = recorder(videoRecordEpisodes=lambda number: bool(asked.append(number)) or number == 1)
    assert names(run(env, quiet, 4)) == ["rl-video-episode-1"]
    assert asked == [0, 1, 2, 3]


def test_files_are_named_as_record_video_names_them(quiet: QuietOutlet) -> None:
    env = recorder(videoRecordEpisodes="every: 2", videoRecordPrefix="cart")
    assert names(run(env, quiet, 4)) == ["cart-episode-0", "cart-episode-2"]


def test_a_step_trigger_begins_where_it_says(quiet: QuietOutlet) -> None:
    env = recorder(videoRecordEpisodes=None, videoRecordSteps="every: 5")
    (first, second) = takes(run(env, quiet, 4))[:2]
    assert first[0].info["begin"]["record"] == "rl-video-step-0"
    assert (second[0].info["begin"]["record"], second[0].info["step"]) == ("rl-video-step-5", 2)
    assert [one.info["step"] for one in second] == [2, 3], "it ends with its episode"


def test_a_recording_of_some_length_goes_on_over_episodes(quiet: QuietOutlet) -> None:
    env = recorder(videoRecordEpisodes="every: 100", videoRecordLength=6)
    (take,) = takes(run(env, quiet, 4))
    assert [one.info["step"] for one in take] == [0, 1, 2, 3, 0, 1]
    assert "end" in take[-1].info


def test_of_the_best_only_what_is_better_than_all_before_is_kept(quiet: QuietOutlet) -> None:
    env = recorder(Scored((2, 1.0), (2, 0.5), (2, 3.0), (2, 3.0), (2, 4.0)), videoRecordEpisodes="best")
    kept = [take[-1].info["end"]["keep"] for take in takes(run(env, quiet, 5))]
    assert kept == [True, False, True, False, True]


def test_an_episode_that_is_broken_off_says_so_and_the_next_is_recorded(quiet: QuietOutlet) -> None:
    env = recorder(videoRecordEpisodes="all")
    env.reset()
    env.step(1)
    env.reset()
    first, second = takes(quiet.pictures())
    assert first[-1].picture is None and first[-1].info["end"]["ended"] == "reset"
    assert second[0].info["begin"]["record"] == "rl-video-episode-1"


def test_an_env_that_is_closed_ends_its_recording(quiet: QuietOutlet) -> None:
    env = recorder(videoRecordEpisodes="all")
    env.reset()
    env.close()
    assert quiet.pictures()[-1].info["end"]["ended"] == "closed"


def test_an_episode_without_end_is_not_recorded_for_ever(
    quiet: QuietOutlet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(director, "LONGEST", 0.5)
    env = recorder(PictureEnv(length=10**9), videoRecordEpisodes="all")
    env.reset()
    captured = []
    for _ in range(40):
        env.step(1)
        captured += quiet.pictures()
    (take,) = takes(captured)
    assert len(take) == 15, "half a second of 30 steps a second"
    assert take[-1].info["end"]["ended"] == "cut"
    assert "set videoRecordLength" in caplog.text


def test_a_trigger_that_raises_is_warned_of_once_and_training_goes_on(
    quiet: QuietOutlet, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(number: int) -> bool:
        raise KeyError(number)

    assert run(recorder(videoRecordEpisodes=broken), quiet, 3) == []
    (said,) = [record.message for record in caplog.records]
    assert "videoRecordEpisodes failed with KeyError: 0; nothing is recorded where it does" in said


def test_a_trigger_that_leads_nowhere_is_said_at_once() -> None:
    with pytest.raises(SettingError, match="the path of a function"):
        recorder(videoRecordEpisodes="no_such_module.trigger")


def test_an_episode_that_is_asked_for_is_captured_from_its_beginning(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv(length=6))
    env.reset()
    env.step(1)
    quiet.pictures()
    quiet.readers[-1].stage(0, every=2, most=100)
    (take,) = takes(run(env, quiet, 3))
    assert [one.info["step"] for one in take] == [0, 2, 4, 6]
    assert take[0].info["begin"]["clip"] == 2 and "record" not in take[0].info["begin"]


def test_the_last_picture_is_taken_whatever_the_stride(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv(length=5))
    env.reset()
    quiet.readers[-1].stage(0, every=3, most=100)
    (take,) = takes(run(env, quiet, 3))
    assert [one.info["step"] for one in take] == [0, 3, 5]


def test_a_long_episode_that_is_asked_for_is_cut(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv(length=50))
    env.reset()
    quiet.readers[-1].stage(0, every=2, most=4)
    (take,) = takes(run(env, quiet, 2))
    assert [one.info["step"] for one in take] == [0, 2, 4, 6]
    assert take[-1].info["end"]["ended"] == "cut"


def test_in_an_episode_without_end_what_is_left_will_do(quiet: QuietOutlet) -> None:
    env = StreamingWrapper(PictureEnv(length=10**9))
    env.reset()
    for _ in range(7):
        env.step(1)
    quiet.readers[-1].stage(0, 1, 3, True)
    for _ in range(9):
        env.step(1)
    (take,) = takes(quiet.pictures())
    assert [one.info["step"] for one in take] == [8, 9, 10]
    assert take[0].info["begin"]["first"] == 8


def test_nobody_asking_means_no_render_and_nothing_to_look_at(quiet: QuietOutlet) -> None:
    inner = PictureEnv(length=3)
    env = StreamingWrapper(inner)
    run(env, quiet, 5)
    assert inner.renders == 0


def test_a_recorded_picture_is_charged_to_nobody_and_one_to_be_watched_is(quiet: QuietOutlet) -> None:
    run(recorder(videoRecordEpisodes="all"), quiet, 2)
    assert quiet.readers[-1].spent() == 0.0
    env = StreamingWrapper(PictureEnv(length=3))
    env.reset()
    quiet.readers[-1].stage(0, every=1, most=100)
    run(env, quiet, 2)
    assert quiet.readers[-1].spent() > 0.0


def test_pictures_that_cannot_be_taken_are_counted_and_the_take_still_ends(quiet: QuietOutlet) -> None:
    inner = PictureEnv(length=4)
    env = recorder(inner, videoRecordEpisodes="every: 100")
    env.reset()
    inner.picture = RuntimeError("lost the context")
    env.step(1)
    inner.picture = np.zeros((4, 6, 3), np.uint8)
    captured = run(env, quiet, 0) + quiet.pictures()
    for _ in range(3):
        env.step(1)
    captured += quiet.pictures()
    (take,) = takes(captured)
    assert [one.info["step"] for one in take] == [0, 2, 3, 4]
    assert take[-1].info["end"]["missing"] == 1


def test_a_seed_and_odd_actions_are_told_in_little_space(quiet: QuietOutlet) -> None:
    env = recorder(videoRecordEpisodes="all")
    env.reset(seed=12)
    env.step(np.zeros((200, 200)))
    env.step({"arm": np.float32(0.5), "other": object()})
    first, second, third = quiet.pictures()
    assert first.info["begin"]["seed"] == 12
    assert len(second.info["action"]) == 16
    assert third.info["action"] == {"arm": 0.5, "other": None}


def test_a_user_who_renders_while_recording_gets_his_picture_and_the_take_all_of_its(
    quiet: QuietOutlet,
) -> None:
    env = recorder(videoRecordEpisodes="all")
    env.reset()
    assert env.render() is not None
    env.step(1)
    assert [one.info["step"] for one in quiet.pictures()] == [0, 1]


def test_what_waits_is_handed_over_with_later_steps(quiet: QuietOutlet) -> None:
    env = recorder(PictureEnv(length=30), videoRecordEpisodes="every: 100")
    env.reset()
    for _ in range(30):
        env.step(1)
    captured = quiet.pictures()
    env.reset()
    for _ in range(10):
        env.step(1)
        captured += quiet.pictures()
    assert [one.info["step"] for one in captured] == list(range(31))


def test_without_pyav_recording_says_at_once_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"gymnasium-envstream\[record\]"):
        recorder()
    StreamingWrapper(PictureEnv())  # Watching goes without.


def test_where_recordings_go_is_said_once(
    quiet: QuietOutlet, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for _ in range(2):
        recorder(videoRecordFolder=str(tmp_path / "somewhere")).reset()
    assert capsys.readouterr().err == f"envstream: recording to {tmp_path / 'somewhere'}\n"


# --- vector envs ---------------------------------------------------------------------------------------


def vector(mode: str, lengths: list[int], **settings: Any) -> StreamingVectorWrapper[Any, Any, Any]:
    envs = [partial(PictureEnv, length=length) for length in lengths]
    inner = gym.vector.SyncVectorEnv(envs, autoreset_mode=gym.vector.AutoresetMode(mode))
    return StreamingVectorWrapper(inner, videoStream=False, videoRecord=True, **settings)


def play(envs: Any, quiet: QuietOutlet, steps: int) -> list[Any]:
    captured = []
    envs.reset(seed=1)
    for _ in range(steps):
        captured += quiet.pictures()
        envs.step(np.ones(envs.num_envs, int))
    return captured + quiet.pictures()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_of_a_vector_env_each_recorded_episode_has_its_first_and_its_last_picture(
    quiet: QuietOutlet, mode: str
) -> None:
    envs = vector(mode, [3, 5], videoRecordEpisodes="all", videoStreamEnvs="all")
    captured = play(envs, quiet, 16)
    whole = [take for take in takes(captured) if "end" in take[-1].info]
    for take in whole:
        last = {"rl-video-env-0": 3, "rl-video-env-1": 5}[take[0].info["begin"]["record"][:14]]
        assert [one.info["step"] for one in take] == list(range(last + 1)), mode
        assert take[-1].info["end"]["steps"] == last and take[-1].picture is not None
    assert {take[0].info["begin"]["record"] for take in whole} >= {
        "rl-video-env-0-episode-0",
        "rl-video-env-0-episode-2",
        "rl-video-env-1-episode-1",
    }


def test_of_one_recorded_sub_env_the_names_are_as_of_a_single_env(quiet: QuietOutlet) -> None:
    envs = vector("NextStep", [3, 5], videoRecordEpisodes="every: 2")
    assert names(play(envs, quiet, 12)) == ["rl-video-episode-0", "rl-video-episode-2"]


def test_a_sub_envs_episode_that_is_asked_for_is_captured_and_the_others_are_not(quiet: QuietOutlet) -> None:
    made = [partial(PictureEnv, length=length) for length in (4, 6)]
    envs = StreamingVectorWrapper(gym.vector.SyncVectorEnv(made), videoStreamEnvs="all")
    envs.reset()
    quiet.readers[-1].stage(1, every=2, most=100)
    captured = []
    for _ in range(20):
        envs.step(np.ones(2, int))
        captured += quiet.pictures()
    (take,) = takes(captured)
    assert {one.part for one in take} == {1}
    assert [one.info["step"] for one in take] == [0, 2, 4, 6]
    assert [one.info["action"] for one in take] == [None, 1, 1, 1]


def test_stable_baselines_envs_are_recorded_with_their_last_picture(quiet: QuietOutlet) -> None:
    venv = DummyVecEnv([partial(PictureEnv, length=4)])
    envs = StreamingVecEnv(venv, videoStream=False, videoRecord=True, videoRecordEpisodes="every: 2")
    captured = []
    envs.reset()
    for _ in range(15):
        captured += quiet.pictures()
        envs.step(np.array([1]))
    first, second = takes(captured + quiet.pictures())[:2]
    for take in (first, second):
        assert [one.info["step"] for one in take] == [0, 1, 2, 3, 4]
        assert take[-1].picture is not None and take[-1].info["end"]["ended"] == "terminated"

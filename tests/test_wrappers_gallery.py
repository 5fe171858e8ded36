"""The gallery's part that no wrapper shows: which sub-envs are chosen, and who counts an episode."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from envstream.config import StreamConfig
from envstream.errors import SettingError
from envstream.wrappers.gallery import COUNTED_TOGETHER, MOST_LISTED, Gallery, chosen
from fakes import PictureEnv, quiet_outlet


@pytest.mark.parametrize(
    ("wanted", "count", "envs"),
    [([0], 8, [0]), ([3, 1, 3], 8, [3, 1]), ("all", 3, [0, 1, 2]), ("all", 5000, list(range(MOST_LISTED)))],
)
def test_the_sub_envs_that_are_shown(wanted: object, count: int, envs: list[int]) -> None:
    assert chosen(StreamConfig(videoStreamEnvs=wanted), count) == envs


def test_a_sub_env_that_there_is_not_is_refused() -> None:
    with pytest.raises(SettingError, match="0 to 7"):
        chosen(StreamConfig(videoStreamEnvs=[8]), 8)


class Infos(list[dict[str, object]]):
    """What a step says of each env, and whether somebody still holds it."""


class Envs:
    """A vector env reduced to what a gallery needs of it."""

    num_envs = 2
    render_mode = "rgb_array"

    def __init__(self) -> None:
        self.envs = [PictureEnv(), PictureEnv()]


def test_a_record_from_closer_to_the_env_counts_more_than_the_gallery_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet = quiet_outlet(monkeypatch)
    config = StreamConfig(videoStream=True, videoStreamEnvs="all")
    gallery = Gallery(Envs(), config, {}, "same_step", lambda infos: infos)
    gallery.reset()
    over = np.array([True, True])
    gallery.step(np.ones(2), over, np.zeros(2, bool), {1: (40, 123.0)})
    gallery.close()
    assert quiet.episodes_of_parts() == [(1, 40, 123.0, 1)]


def test_steps_are_counted_together_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = quiet_outlet(monkeypatch)
    config = StreamConfig(videoStream=True, videoStreamEnvs="all")
    gallery = Gallery(Envs(), config, {}, "same_step")
    gallery.reset()
    no, over = np.zeros(2, bool), np.array([True, False])
    for _ in range(COUNTED_TOGETHER - 1):
        gallery.step(np.ones(2), no, no)
    assert quiet.episodes_of_parts() == []
    gallery.step(np.ones(2), over, no)
    assert quiet.episodes_of_parts() == [(1, COUNTED_TOGETHER, float(COUNTED_TOGETHER), 0)]


def test_infos_are_held_only_where_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet_outlet(monkeypatch)
    gallery = Gallery(Envs(), StreamConfig(videoStream=True), {}, "same_step")
    gallery.reset()
    infos = Infos()
    alive = weakref.ref(infos)
    gallery.step(np.ones(2), np.zeros(2, bool), np.zeros(2, bool), infos)
    del infos
    assert alive() is None


def test_what_was_returned_may_be_changed_by_whoever_got_it(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = quiet_outlet(monkeypatch)
    gallery = Gallery(Envs(), StreamConfig(videoStream=True), {}, "same_step")
    gallery.reset()
    rewards, over = np.ones(2), np.array([True, True])
    gallery.step(rewards, over, np.zeros(2, bool))
    rewards *= 100
    over[:] = False
    gallery.close()
    assert quiet.episodes_of_parts() == [(1, 1, 1.0, 0)]


def test_rewards_that_are_no_numbers_do_not_disturb_training(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quiet_outlet(monkeypatch)
    gallery = Gallery(Envs(), StreamConfig(videoStream=True), {}, "same_step")
    gallery.reset()
    for _ in range(10):
        gallery.step(["a", "b"], np.zeros(2, bool), np.zeros(2, bool))
    assert caplog.text.count("UFuncTypeError") <= 1

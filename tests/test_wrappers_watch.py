"""The watch: pictures come over when they come, the first black ones are held back, and nothing raises."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from batches import HEIGHT, WIDTH, LabEnv, LateCarry, pictures_of
from envstream.wrappers.tap import FAILURES_BEFORE_SILENCE
from envstream.wrappers.watch import BLACK_WHILE_WARMING_UP, WARMING_UP, Watch
from fakes import QuietOutlet, quiet_outlet

PICTURE = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> QuietOutlet:
    return quiet_outlet(monkeypatch)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.WARNING, "envstream")
    return lambda: [record.getMessage() for record in caplog.records]


def watch(env: Any, source: Any = "camera:tiled_camera", carry: Any = None, **settings: Any) -> Watch:
    given = {"videoStream": True, **settings}
    return Watch(env, source, given, carry) if carry else Watch(env, source, given)


def stepped(watched: Watch, env: LabEnv, times: int = 1) -> None:
    for _ in range(times):
        watched.step(env.step(torch.zeros(env.num_envs, 2)))


class Unreadable:
    """An env on a device from which nothing can be read in time, with copies that arrive when told."""

    def __init__(self, quiet: QuietOutlet, **settings: Any) -> None:
        self.quiet = quiet
        self.late = LateCarry()
        self.env = LabEnv(device="meta")
        self.watch = watch(self.env, carry=self.late, **settings)
        self.watch.reset()

    def step(self) -> None:
        values = torch.zeros(4, device="meta")
        self.watch.step(({}, values, values.bool(), values.bool(), {}))

    def ask(self, *parts: int) -> None:
        for part in parts or (0,):
            self.quiet.ask(part)


# --- pictures that come later --------------------------------------------------------------------------


def test_a_picture_is_begun_at_one_step_and_shown_at_a_later_one(quiet: QuietOutlet) -> None:
    far = Unreadable(quiet)
    far.step()
    assert far.late.copies == []
    far.ask()
    far.step()
    assert len(far.late.copies) == 2  # The rows so far and the picture.
    far.step()
    assert quiet.pictures() == []
    far.late.arrive(PICTURE)
    far.step()
    (capture,) = quiet.pictures()
    assert (capture.pixels == 200).all() and capture.info["step"] == 2


def test_a_picture_has_the_time_at_which_it_was_begun(
    quiet: QuietOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Unreadable(quiet)
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    far.ask()
    far.step()
    far.late.arrive(PICTURE)
    monkeypatch.setattr("time.monotonic", lambda: 200.0)
    far.step()
    assert quiet.pictures()[0].captured == 100.0


def test_while_a_picture_is_on_its_way_no_other_is_begun(quiet: QuietOutlet) -> None:
    far = Unreadable(quiet, videoStreamEnvs=[0, 2])
    far.ask(0)
    far.step()
    begun = len(far.late.copies)
    far.ask(1)
    far.step()
    assert len(far.late.copies) == begun
    far.late.arrive(PICTURE)
    far.step()
    assert [capture.part for capture in quiet.pictures()] == [0]
    far.late.arrive(PICTURE)
    far.step()
    assert [capture.part for capture in quiet.pictures()] == [1]


def test_the_camera_is_read_once_for_all_that_look(quiet: QuietOutlet) -> None:
    env = LabEnv()
    watched = watch(env, videoStreamEnvs="all")
    watched.reset()
    for part in range(3):
        quiet.ask(part)
    stepped(watched, env)
    assert [(c.part, int(c.pixels[0, 0, 0])) for c in quiet.pictures()] == [(0, 10), (1, 20), (2, 30)]
    assert env.scene.sensors["tiled_camera"].reads == 1


def test_what_begins_a_picture_is_paid_for_with_it(quiet: QuietOutlet) -> None:
    far = Unreadable(quiet)
    far.ask()
    far.step()
    far.late.arrive(PICTURE)
    far.step()
    assert quiet.pictures()[0].cost > 0


def test_a_picture_is_small_before_it_comes_over(quiet: QuietOutlet) -> None:
    env = LabEnv(device="meta")
    env.scene.sensors["tiled_camera"].output["rgb"] = torch.zeros(4, 60, 80, 3, device="meta")
    late = LateCarry()
    watched = watch(env, carry=late, videoResolution=[40, 30])
    watched.reset()
    quiet.ask()
    watched.step(({}, None, None, None, {}))
    assert tuple(late.copies[-1].tensors[0].shape) == (30, 40, 3)


# --- black at the beginning ----------------------------------------------------------------------------


def test_the_first_black_pictures_are_held_back_and_said_to_be_a_warm_up(
    quiet: QuietOutlet, warnings: Callable[[], list[str]]
) -> None:
    env = LabEnv()
    env.scene.sensors["tiled_camera"].output["rgb"] = torch.zeros(4, HEIGHT, WIDTH, 3)
    watched = watch(env)
    watched.reset()
    for _ in range(BLACK_WHILE_WARMING_UP - 1):
        quiet.ask()
        stepped(watched, env)
    assert quiet.pictures() == [] and quiet.notes == [WARMING_UP]
    env.scene.sensors["tiled_camera"].output["rgb"] = pictures_of(4)
    quiet.ask()
    stepped(watched, env)
    assert len(quiet.pictures()) == 1 and len(warnings()) == 1


def test_a_camera_that_stays_black_is_shown_and_remarked_on(
    quiet: QuietOutlet, warnings: Callable[[], list[str]]
) -> None:
    env = LabEnv()
    env.scene.sensors["tiled_camera"].output["rgb"] = torch.zeros(4, HEIGHT, WIDTH, 3)
    watched = watch(env)
    watched.reset()
    shown = 0
    for _ in range(BLACK_WHILE_WARMING_UP + 10):
        quiet.ask()
        stepped(watched, env)
        shown += len(quiet.pictures())
    assert shown == 10 and "--enable_cameras" in warnings()[-1]


def test_black_in_the_middle_of_a_run_is_a_picture(quiet: QuietOutlet) -> None:
    env = LabEnv()
    watched = watch(env)
    watched.reset()
    for batch in (pictures_of(4), torch.zeros(4, HEIGHT, WIDTH, 3)):
        env.scene.sensors["tiled_camera"].output["rgb"] = batch
        quiet.ask()
        stepped(watched, env)
    assert len(quiet.pictures()) == 2


# --- what goes wrong -----------------------------------------------------------------------------------


def test_a_source_that_fails_is_said_once_and_left_alone(
    quiet: QuietOutlet, warnings: Callable[[], list[str]]
) -> None:
    env = LabEnv(length=10**6)
    watched = watch(env, "camera:front")
    watched.reset()
    for _ in range(3 * FAILURES_BEFORE_SILENCE):
        quiet.ask()
        stepped(watched, env)
    assert len(warnings()) == 1 and "there is no such camera" in warnings()[0]
    assert watched.tap.failures == FAILURES_BEFORE_SILENCE


def test_it_has_a_new_chance_when_an_episode_ends(quiet: QuietOutlet) -> None:
    env = LabEnv(length=FAILURES_BEFORE_SILENCE + 1)
    watched = watch(env, "camera:front")
    watched.reset()
    for _ in range(FAILURES_BEFORE_SILENCE):
        quiet.ask()
        stepped(watched, env)
    env.scene.sensors["front"] = env.scene.sensors["tiled_camera"]
    stepped(watched, env, 100)
    quiet.ask()
    stepped(watched, env)
    assert len(quiet.pictures()) == 1


def test_results_that_nobody_understands_are_no_harm(quiet: QuietOutlet) -> None:
    watched = watch(LabEnv())
    watched.reset()
    for result in (None, (), (1, 2, 3), "what", ({}, {}, {}, {}, {})):
        watched.step(result)
    assert quiet.pictures() == []


def test_an_env_that_renders_nothing_is_said_so_once_and_never_rendered(
    quiet: QuietOutlet, warnings: Callable[[], list[str]]
) -> None:
    env = LabEnv(render_mode=None)
    watched = watch(env, "render")
    for _ in range(2):
        watched.reset()
        quiet.ask()
        stepped(watched, env)
    assert len(warnings()) == 1 and env.renders == 0 and not watched.tap.due[0]


def test_one_view_cannot_show_single_envs(quiet: QuietOutlet, warnings: Callable[[], list[str]]) -> None:
    watch(LabEnv(), "render", videoStreamEnvs=[1]).reset()
    assert "videoStreamEnvs has no effect" in warnings()[0]


# --- the beginning and the end -------------------------------------------------------------------------


def test_an_env_that_is_stepped_before_it_is_reset_is_seen(quiet: QuietOutlet) -> None:
    env = LabEnv()
    watched = watch(env)
    stepped(watched, env)
    quiet.ask()
    stepped(watched, env)
    assert len(quiet.pictures()) == 1


def test_a_reset_of_some_envs_is_not_one_of_all(quiet: QuietOutlet) -> None:
    env = LabEnv(length=10)
    watched = watch(env)
    watched.reset()
    stepped(watched, env, 2)
    watched.reset(some=True)
    quiet.ask()
    stepped(watched, env)
    assert quiet.pictures()[0].info["step"] == 3


def test_what_ended_before_the_end_is_noted(quiet: QuietOutlet) -> None:
    env = LabEnv(length=3)
    watched = watch(env, videoStreamEnvs=[0, 3])
    watched.reset()
    stepped(watched, env, 4)
    watched.close()
    assert quiet.episodes_of_parts() == [(1, 3, 3.0, 0), (1, 3, 12.0, 1)]
    assert quiet.closed == quiet.channels


def test_without_streaming_nothing_is_looked_at(quiet: QuietOutlet) -> None:
    env = LabEnv()
    watched = watch(env, videoStream=False)
    watched.reset()
    stepped(watched, env, 3)
    assert quiet.channels == [] and not watched.tap.ready

"""What is looked at in a simulator: its render(), a camera, a visualizer, a tensor somewhere below it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from batches import LabEnv, Scene, Task, TiledCamera, pictures_of
from envstream.errors import PictureError, SettingError
from envstream.sources.views import view_of


class Visualizer:
    cfg = SimpleNamespace(visualizer_type="newton_gl")

    def render_rgb_array(self) -> Any:
        return np.full((6, 8, 3), 5, np.uint8)


# --- render --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env", [LabEnv(), Task()], ids=["no argument", "a mode"])
def test_an_env_is_rendered_as_it_wants_to_be(env: Any) -> None:
    view = view_of(env, "render")
    assert np.asarray(view.take()).mean() == 77
    assert (view.many, view.depth, view.problem, view.method) == (False, False, None, "render")


@pytest.mark.parametrize("mode", [None, "human"])
def test_an_env_that_renders_no_pictures_is_said_so(mode: str | None) -> None:
    problem = view_of(LabEnv(render_mode=mode), "render").problem
    assert problem is not None and "render_mode='rgb_array'" in problem and "camera:NAME" in problem


def test_a_render_that_gives_nothing_names_the_cameras_of_the_scene() -> None:
    env = LabEnv()
    env.render = lambda: None  # type: ignore[method-assign, assignment, misc]
    with pytest.raises(PictureError, match=r"camera:tiled_camera.*virtual_screen_capture=True"):
        view_of(env, "render").take()


# --- cameras -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["camera:tiled_camera", "sensor:tiled_camera", "camera:tiled_camera:rgb"])
def test_a_camera_of_the_scene_gives_a_batch(source: str) -> None:
    view = view_of(LabEnv(4), source)
    batch: Any = view.take()
    assert view.many and batch.shape[0] == 4 and view.method == "camera"


@pytest.mark.parametrize("output", ["depth", "distance_to_image_plane"])
def test_distances_are_known_by_their_name(output: str) -> None:
    env = LabEnv()
    env.scene.sensors["tiled_camera"].output[output] = torch.zeros(4, 6, 8, 1)
    view = view_of(env, f"camera:tiled_camera:{output}")
    assert view.depth and tuple(view.take().shape) == (4, 6, 8, 1)  # type: ignore[attr-defined]


def test_a_camera_without_rgb_may_have_rgba() -> None:
    env = LabEnv()
    env.scene = Scene(tiled_camera=TiledCamera({"rgba": pictures_of(4, channels=4)}))
    assert view_of(env, "camera:tiled_camera").take().shape[3] == 4  # type: ignore[attr-defined]


def test_a_camera_of_mjlab_has_its_pictures_as_attributes() -> None:
    env = LabEnv()
    data = SimpleNamespace(rgb=pictures_of(4), depth=None, segmentation=None)
    env.scene = Scene(eye=SimpleNamespace(data=data))
    assert view_of(env, "camera:eye").take() is data.rgb
    with pytest.raises(PictureError, match=r"gives no 'depth'; its outputs are: rgb\."):
        view_of(env, "camera:eye:depth").take()


def test_a_camera_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(PictureError, match="its cameras are: tiled_camera"):
        view_of(LabEnv(), "camera:front").take()


def test_an_env_without_a_scene_has_no_cameras() -> None:
    with pytest.raises(PictureError, match="Task has no scene"):
        view_of(Task(), "camera:front").take()


# --- visualizers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["visualizer", "visualizer:newton_gl"])
def test_a_visualizer_that_can_be_photographed_is(source: str) -> None:
    env: Any = LabEnv()
    env.sim = SimpleNamespace(visualizers=[SimpleNamespace(), Visualizer()])
    assert np.asarray(view_of(env, source).take()).mean() == 5


def test_a_visualizer_that_is_not_active_is_answered_with_those_that_are() -> None:
    env: Any = LabEnv()
    env.sim = SimpleNamespace(visualizers=[Visualizer()])
    with pytest.raises(PictureError, match=r"\(active: newton_gl\)"):
        view_of(env, "visualizer:kit").take()


# --- tensors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    ["camera_tensors", "cameras.front.0", "unwrapped.camera_tensors", lambda env: env.camera_tensors, "grab"],
)
def test_a_tensor_is_found_below_the_env(source: Any) -> None:
    task: Any = Task()
    task.cameras = {"front": [task.camera_tensors]}
    task.unwrapped = task
    task.grab = lambda: task.camera_tensors
    view = view_of(task, source)
    assert view.many and view.take() is task.camera_tensors


def test_a_path_that_leads_nowhere_says_where_it_ends() -> None:
    task: Any = Task()
    task.cameras = {}
    with pytest.raises(PictureError, match=r"env\.cameras \(dict\) has no 'front'"):
        view_of(task, "cameras.front").take()


@pytest.mark.parametrize("source", ["", "camera:", "render:all", "window:3", 7, None])
def test_a_source_that_cannot_be_meant_is_refused(source: Any) -> None:
    with pytest.raises(SettingError, match=r"source=.*expected 'render', 'camera:NAME'"):
        view_of(LabEnv(), source)

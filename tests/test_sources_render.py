"""Pictures from `render()` in every render mode, and what the user's own `render()` gives afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from envstream.sources.render import RenderSource


class FakeEnv:
    """An env that renders the number of its steps; in list modes all since the last `render()`."""

    def __init__(self, render_mode: str | None) -> None:
        self.render_mode = render_mode
        self.frames: list[str] = []

    def step(self) -> None:
        self.frames.append(f"frame {len(self.frames) + 1}")

    def render(self) -> Any:
        if self.render_mode is not None and self.render_mode.endswith("_list"):
            frames, self.frames = self.frames, []
            return frames
        if self.render_mode == "rgbd_tuple":
            return (self.frames[-1], "depth")
        return self.frames[-1] if self.frames else None


class Collection:
    """What Gymnasium's `RenderCollection` shows of itself: a wrapper that keeps the frames in a list."""

    def __init__(self, env: FakeEnv, reset_clean: bool = True) -> None:
        self.env = env
        self.frame_list: list[str] = []
        self.reset_clean = reset_clean
        self.render_mode: str | None = "rgb_array_list"

    def step(self) -> None:
        self.env.step()
        self.frame_list.append(self.env.frames[-1])

    def render(self) -> list[str]:
        frames, self.frame_list = self.frame_list, []
        return frames


class Around:
    """Any wrapper."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.render_mode = env.render_mode

    def render(self) -> Any:
        return self.env.render()


# --- what can be shown ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [None, "human"])
def test_what_gives_no_picture_is_a_problem_with_a_way_out(mode: str | None) -> None:
    problem = RenderSource(FakeEnv(mode)).problem
    assert problem is not None
    assert f"render_mode={mode!r}" in problem and "render_mode='rgb_array'" in problem


@pytest.mark.parametrize("mode", ["rgb_array", "rgb_array_list", "ansi", "depth_array", "rgbd_tuple"])
def test_what_gives_pictures_is_no_problem(mode: str) -> None:
    assert RenderSource(FakeEnv(mode)).problem is None


@pytest.mark.parametrize(
    ("mode", "depth"),
    [("depth_array", True), ("depth_array_list", True), ("rgb_array", False), (None, False)],
)
def test_depths_are_known_by_the_render_mode(mode: str | None, depth: bool) -> None:
    assert RenderSource(FakeEnv(mode)).depth == depth


# --- single pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["rgb_array", "ansi", "depth_array"])
def test_the_picture_is_what_render_gives(mode: str) -> None:
    env = FakeEnv(mode)
    env.step()
    assert RenderSource(env).take() == "frame 1"


def test_of_colours_and_depths_the_colours_are_shown() -> None:
    env = FakeEnv("rgbd_tuple")
    env.step()
    assert RenderSource(env).take() == "frame 1"


def test_an_env_that_renders_nothing_gives_nothing() -> None:
    assert RenderSource(FakeEnv("rgb_array")).take() is None


def test_the_users_render_is_passed_on() -> None:
    env = FakeEnv("rgb_array")
    env.step()
    source = RenderSource(env)
    source.take()
    assert source.render() == "frame 1"


# --- lists of pictures ---------------------------------------------------------------------------------


def test_of_a_list_the_newest_is_shown() -> None:
    env = FakeEnv("rgb_array_list")
    source = RenderSource(env)
    env.step()
    env.step()
    assert source.take() == "frame 2"


def test_an_empty_list_gives_nothing() -> None:
    assert RenderSource(FakeEnv("rgb_array_list")).take() is None


def test_the_user_gets_back_all_frames_of_a_list_once_and_in_order() -> None:
    env = FakeEnv("rgb_array_list")
    source = RenderSource(env)
    env.step()
    source.take()
    env.frames = ["frame 2"]
    source.take()
    env.frames = ["frame 3"]
    assert source.render() == ["frame 1", "frame 2", "frame 3"]
    assert source.render() == []


def test_a_reset_begins_a_new_list() -> None:
    env = FakeEnv("rgb_array_list")
    source = RenderSource(env)
    env.step()
    source.take()
    env.frames = []
    source.reset()
    assert source.render() == []


def test_a_wrapper_that_collects_frames_is_looked_into_and_not_emptied() -> None:
    collection = Collection(FakeEnv("rgb_array"))
    source = RenderSource(Around(collection))
    collection.step()
    collection.step()
    assert source.take() == "frame 2"
    assert source.render() == ["frame 1", "frame 2"]


def test_a_wrapper_that_has_collected_nothing_gives_nothing() -> None:
    assert RenderSource(Collection(FakeEnv("rgb_array"))).take() is None

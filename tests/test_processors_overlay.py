"""The overlay: the status line in the pixels, as far as there is room for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from envstream.frame import Frame
from envstream.processors.overlay import Overlay, fitting, sayings

INFO: dict[str, Any] = {"episode": 12, "step": 345, "return": -67.89}


def frame(height: int = 400, width: int = 600, **info: Any) -> Frame:
    return Frame(np.full((height, width, 3), 90, np.uint8), 5, 1.0, 0.0, info)


def test_it_writes_along_the_lower_edge_and_leaves_the_rest_alone() -> None:
    drawn = Overlay()(frame(**INFO)).pixels
    changed = (drawn != 90).any(axis=(1, 2))
    assert changed[-10:].all() and not changed[:360].any()
    assert (drawn == 255).any(), "the text is white"


def test_the_frame_that_is_given_is_left_as_it_is() -> None:
    given = frame(**INFO)
    drawn = Overlay()(given)
    assert (given.pixels == 90).all()
    assert (drawn.number, drawn.captured, drawn.info) == (given.number, given.captured, given.info)


def test_another_step_is_another_picture() -> None:
    overlay = Overlay()
    pictures = [overlay(frame(**INFO | {"step": step})).pixels for step in (1, 2)]
    assert not np.array_equal(*pictures)


def test_it_says_the_most_important_first() -> None:
    assert sayings(INFO) == ["episode 12", "step 345", "return -67.9"]
    assert sayings({"return": 3.0, "step": 4}) == ["step 4", "return 3"]
    assert sayings({"return": 0.01234}) == ["return 0.0123"]


def test_what_does_not_fit_is_left_out() -> None:
    assert fitting(["episode 12", "step 345"], 12, 80) == "episode 12"
    assert fitting(["episode 12"], 12, 10) == ""


@pytest.mark.parametrize("size", [(10, 10), (1, 600), (400, 1), (17, 300), (18, 300), (144, 160)])
def test_pictures_of_any_size_come_through(size: tuple[int, int]) -> None:
    height, width = size
    assert Overlay()(frame(height, width, **INFO)).pixels.shape == (height, width, 3)


@pytest.mark.parametrize("info", [{}, {"episode": None, "step": "x"}])
def test_where_there_is_nothing_to_say_nothing_is_drawn(info: dict[str, Any]) -> None:
    given = frame(**info)
    assert Overlay()(given) is given


@pytest.mark.parametrize("total", [float("nan"), float("inf"), 1e300])
def test_odd_returns_are_written_or_left_out_but_never_fail(total: float) -> None:
    assert Overlay()(frame(episode=1, **{"return": total})).pixels.shape == (400, 600, 3)

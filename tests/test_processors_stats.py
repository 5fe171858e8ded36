"""Stats: what they say of pictures is what is in them, however many there are."""

from __future__ import annotations

import json

import numpy as np
import pytest

from envstream.frame import Frame, Pixels
from envstream.processors.stats import POINTS, Curve, Stats


def grey(level: int, height: int = 48, width: int = 64) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def said(*pictures: Pixels) -> dict[str, object]:
    stats = Stats()
    for number, pixels in enumerate(pictures, 1):
        frame = Frame(pixels, number, number / 10)
        assert stats(frame) is frame
    return dict(stats.finish({}))


def test_brightness_is_the_mean_luma_of_each_picture() -> None:
    found = said(grey(0), grey(51), grey(255))
    assert found["brightness"] == pytest.approx({"mean": 0.4, "min": 0.0, "max": 1.0})


@pytest.mark.parametrize(
    ("colour", "luma"), [((255, 0, 0), 0.299), ((0, 255, 0), 0.587), ((0, 0, 255), 0.114)]
)
def test_green_is_brighter_than_blue(colour: tuple[int, int, int], luma: float) -> None:
    picture = grey(0)
    picture[:] = colour
    assert said(picture)["brightness"] == pytest.approx({"mean": luma, "min": luma, "max": luma})


def test_motion_is_the_mean_difference_to_the_picture_before() -> None:
    half = grey(0)
    half[:, 32:] = 255
    assert said(grey(0), half, half, grey(0))["motion"] == pytest.approx(
        {"mean": 1 / 3, "max": 0.5}, abs=1e-5
    )


def test_a_picture_that_comes_twice_is_counted_and_one_that_differs_in_one_pixel_is_not() -> None:
    almost = grey(90, 480, 640)
    almost[1, 1] = (90, 90, 91)  # Where motion does not look.
    found = said(grey(90, 480, 640), grey(90, 480, 640), almost, almost, grey(90, 480, 640))
    assert found["duplicates"] == 2


def test_pictures_that_change_their_size_do_not_count_as_motion() -> None:
    found = said(grey(0), grey(255, 20, 30), grey(255, 20, 30))
    assert found["motion"] == {"mean": 0.0, "max": 0.0}
    assert (found["frames"], found["duplicates"]) == (3, 1)


def test_without_pictures_there_is_nothing_to_say() -> None:
    found = said()
    assert found["brightness"] == {"mean": None, "min": None, "max": None}
    assert found["motion"] == {"mean": None, "max": None}
    assert found["curve"] == {"time": [], "brightness": [], "motion": []}


def test_the_curve_has_a_point_for_each_picture_while_they_are_few() -> None:
    found = said(grey(0), grey(255))
    assert found["curve"] == {"time": [0.1, 0.2], "brightness": [0.0, 1.0], "motion": [0.0, 1.0]}
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("count", [1, POINTS, POINTS + 1, 2 * POINTS + 1, 10_007])
def test_the_curve_stays_short_and_no_value_is_lost(count: int) -> None:
    curve = Curve()
    for number in range(count):
        curve.add(float(number), float(number), 1.0)
    points = curve.said()
    assert POINTS / 2 - 1 <= len(points["time"]) <= POINTS or count < POINTS
    assert points["time"] == sorted(set(points["time"])) and points["time"][0] == 0
    apart = points["time"][1] if len(points["time"]) > 1 else count
    middles = [at + (min(apart, count - at) - 1) / 2 for at in points["time"]]
    assert points["brightness"] == pytest.approx(middles)
    assert set(points["motion"]) == {1.0}


def test_it_changes_no_picture() -> None:
    assert Stats.changes is False

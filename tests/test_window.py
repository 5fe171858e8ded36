"""Window: a long way is filled, a slow link is not, and whoever is slow is never further behind than it."""

from __future__ import annotations

import math

import pytest

from envstream.config import StreamConfig
from envstream.ladder import Ladder
from envstream.points import points_of
from envstream.window import LARGEST, SMALLEST, Floor, Window
from links import MEGA, Content, Link, Viewer, run, sharing, watch

ONE = points_of(StreamConfig(videoStreamAdaptive=False))
MANY = points_of(StreamConfig())


def sizes(viewer: Viewer, begin: float, end: float) -> set[int]:
    """How large its window was."""
    return {size for at, size in viewer.sizes if begin <= at < end}


def test_it_begins_with_two_frames() -> None:
    assert Window().size == SMALLEST == 2


@pytest.mark.parametrize("round_trip", [0.02, 0.06, 0.15, 0.3])
def test_a_viewer_far_away_gets_thirty_frames_a_second(round_trip: float) -> None:
    viewer = watch(Link(20 * MEGA, round_trip, jitter=0.005, seed=1), ONE, seconds=30)
    assert viewer.mean_fps(4, 30) > 29
    assert max(sizes(viewer, 4, 30)) <= math.ceil((round_trip + 0.03) * 30) + 1


def test_a_slow_link_is_not_filled_with_more_than_two_frames() -> None:
    viewer = watch(Link(4 * MEGA, 0.04), ONE, Content(50_000, scenes=0), seconds=60)
    assert sizes(viewer, 0, 60) <= {1, 2}
    assert viewer.oldest(1, 60) < 0.3


@pytest.mark.parametrize("megabits", [0.5, 1, 2, 4])
def test_on_a_link_that_is_too_slow_frames_get_no_older_than_a_few_of_them_take(megabits: float) -> None:
    viewer = watch(Link(megabits * MEGA, 0.1, jitter=0.01, seed=1), ONE, Content(scenes=0), seconds=60)
    assert viewer.oldest(5, 60) < 0.2 + 5 * 0.2 / megabits
    assert viewer.bitrate(5, 60) > 0.7 * megabits * MEGA


def test_streams_that_share_a_connection_share_its_floor_and_all_get_their_frames() -> None:
    viewers = sharing(4, ONE, lambda number: Content(10_000, seed=number))
    run(Link(20 * MEGA, 0.15, jitter=0.005, seed=1), viewers, 30)
    assert len({id(viewer.window.floor) for viewer in viewers}) == 1
    assert all(viewer.mean_fps(5, 30) > 29 for viewer in viewers)


def test_streams_that_share_a_slow_connection_stay_young() -> None:
    viewers = sharing(4, MANY, lambda number: Content(10_000, seed=number))
    run(Link(4 * MEGA, 0.06, jitter=0.005, seed=1), viewers, 60)
    assert all(viewer.oldest(5, 60) < 0.4 for viewer in viewers)
    assert all(viewer.mean_fps(5, 60) > 8 for viewer in viewers)


def test_a_way_that_got_longer_is_looked_at_again_and_filled_within_five_seconds() -> None:
    viewer = watch(Link(20 * MEGA, [(0, 0.02), (20, 0.15)], jitter=0.002, seed=1), ONE, seconds=40)
    assert viewer.mean_fps(10, 20) > 29
    assert viewer.mean_fps(25, 40) > 29


def test_while_it_looks_every_stream_of_the_connection_has_one_frame_under_way() -> None:
    floor = Floor()
    one, other = Window(floor), Window(floor)
    floor.saw(0.02, 0.02)
    floor.look(5.0)
    assert not floor.looking  # The last look was just before.
    floor.look(20.0)
    assert (one.size, other.size) == (1, 1)
    other.acknowledged(20.1, 0.2, 30)  # Was sent before.
    assert one.size == 1
    one.acknowledged(20.3, 0.15, 30)
    assert (one.size, other.size) == (2, 2)
    assert floor.lowest == 0.15


def test_a_slow_viewer_is_never_more_than_its_window_behind() -> None:
    viewer = Viewer(Ladder(ONE), Content(scenes=0))
    run(Link(MEGA, 0.05, paint=0.5, seed=1), [viewer], 60)
    assert len(viewer.flying) <= viewer.window.size <= LARGEST
    assert viewer.oldest(5, 60) < 1.5


@pytest.mark.parametrize("took", [0.0, -1.0, 1e-300, 1e300])
def test_acknowledgements_at_impossible_times_never_break_its_bounds(took: float) -> None:
    window = Window()
    for number in range(300):
        window.held_up()
        window.acknowledged(number / 30, took if number % 3 else 0.05, 30)
        assert 1 <= window.size <= LARGEST


def test_however_far_and_fast_it_is_never_more_than_the_largest() -> None:
    window = Window()
    for number in range(3000):
        window.held_up()
        window.acknowledged(number / 240, 10.0, 1e9)
    assert window.size <= LARGEST

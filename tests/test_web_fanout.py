"""The fan-out: who gets which frame, and when the trainer is asked for the next. Time passes by hand."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.encoder import Rung
from envstream.stream import Stream
from envstream.viewer import Viewer
from envstream.web import delivery as delivery_module
from envstream.web import fanout as fanout_module
from envstream.web.fanout import SOON
from envstream.web.seat import Seat
from fakes import Mailbox
from worlds import Loop, MakeFrame, World, received


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    for module in (fanout_module, delivery_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=loop.time))
    return loop


@pytest.fixture
def world(loop: Loop, frame: MakeFrame) -> World:
    return World(loop, frame)


# --- seats ---------------------------------------------------------------------------------------------


def test_no_more_seats_are_given_than_there_are(loop: Loop, frame: MakeFrame) -> None:
    world = World(loop, frame, videoStreamMaxViewers=2)
    assert [world.fanout.join(Seat(Viewer(), Mailbox())) for _ in range(3)] == [True, True, False]
    assert (world.hub.viewers, world.hub.refused) == (2, 1)


def test_a_seat_that_was_left_is_free(loop: Loop, frame: MakeFrame) -> None:
    world = World(loop, frame, videoStreamMaxViewers=1)
    world.fanout.leave(world.seat())
    assert world.hub.viewers == 0
    assert world.fanout.join(Seat(Viewer(), Mailbox()))


def test_a_stream_knows_how_many_watch_it(world: World) -> None:
    seats = [world.seat(), world.seat()]
    assert world.stream.viewers == 2
    world.watch(seats[0])
    assert world.stream.viewers == 1
    world.fanout.leave(seats[1])
    assert world.stream.viewers == 0


def test_leaving_twice_changes_nothing(world: World) -> None:
    seat = world.seat()
    world.fanout.leave(seat)
    world.fanout.leave(seat)
    assert (world.hub.viewers, world.stream.viewers) == (0, 0)


# --- frames --------------------------------------------------------------------------------------------


def test_a_frame_goes_to_everybody_who_watches(world: World) -> None:
    watching, elsewhere = world.seat(), world.seat("other")
    world.show(1)
    assert (received(watching), received(elsewhere)) == ([1], [])


def test_a_frame_is_compressed_once_for_all_who_want_the_same(world: World) -> None:
    seats = [world.seat() for _ in range(5)]
    small = [world.seat(rung=Rung(max_width=3)) for _ in range(5)]
    world.show(1)
    assert world.stream.encoder.encodes == 2
    assert [received(seat) for seat in seats + small] == [[1]] * 10


def test_what_most_want_comes_first_and_for_all_of_them_whatever_rate_they_want(world: World) -> None:
    small = [world.seat(rung=Rung(max_width=3)) for _ in range(2)]
    same = [world.seat(fps=fps) for fps in (None, 5, 2)]
    world.frame(1)
    assert len(world.pool.jobs) == 1
    world.pool.finish()
    world.loop.advance()
    assert [received(seat) for seat in same + small] == [[1]] * 3 + [[]] * 2
    world.compress()
    assert [received(seat) for seat in small] == [[1]] * 2


def test_among_as_many_who_came_first_is_first(world: World) -> None:
    kinds = [(format, width) for format in ("jpeg", "png", "webp") for width in range(1, 6)]
    seats = [world.seat(rung=Rung(format, max_width=width)) for format, width in kinds]
    world.fanout.leave(seats.pop(3))
    world.frame(1)
    for seat in seats:
        world.pool.finish()
        world.loop.advance()
        assert [one for one in seats if received(one)] == [seat]


def test_nothing_is_compressed_for_nobody(world: World) -> None:
    world.frame(1)
    assert world.pool.jobs == []


def test_a_new_viewer_gets_the_frame_that_is_there(world: World) -> None:
    world.frame(1)
    seat = world.seat()
    world.compress()
    assert received(seat) == [1]


def test_a_picture_made_already_is_handed_over_at_once(world: World) -> None:
    world.seat()
    world.show(1)
    assert received(world.seat()) == [1]


def test_a_slow_viewer_skips_to_the_newest_frame(world: World) -> None:
    slow = world.seat(window=1)
    for number in (1, 2, 3):
        world.show(number)
    assert received(slow) == [1]
    world.acknowledge(slow, 1)
    world.compress()
    assert received(slow) == [3]


def test_a_slow_viewer_does_not_hold_up_a_fast_one(world: World) -> None:
    world.seat(window=1)
    fast = world.seat(window=1)
    for number in (1, 2, 3):
        world.show(number)
        world.acknowledge(fast, number)
    assert received(fast) == [1, 2, 3]


def test_frames_reach_a_viewer_in_their_order_whichever_was_compressed_first(world: World) -> None:
    seat = world.seat(window=2)
    world.frame(1)
    world.frame(2)
    world.pool.finish(1)
    world.loop.advance()
    world.pool.finish(0)
    world.loop.advance()
    numbers = received(seat)
    assert numbers == sorted(numbers)
    assert numbers[-1] == 2


def test_a_picture_that_cannot_be_compressed_is_told_and_costs_the_viewer_nothing(world: World) -> None:
    seat = world.seat(window=1, rung=Rung("bmp"))
    world.frame(1)
    world.pool.jobs.pop()[0].set_exception(ValueError("too large"))
    world.loop.advance()
    assert "too large" in (world.stream.notices.newest or "")
    assert seat.viewer.ready_at("env") is not None


def test_a_compression_that_was_called_off_disturbs_nobody(world: World) -> None:
    world.seat()
    world.frame(1)
    world.pool.jobs.pop()[0].cancel()
    world.loop.advance()


def test_what_was_made_and_sent_goes_when_it_is_kept_no_more_without_a_collector(world: World) -> None:
    seat = world.seat(window=1)
    gc.disable()
    try:
        world.frame(1)
        made = weakref.ref(world.pool.jobs[0][0])
        for number in range(2, 6):
            world.compress()
            world.acknowledge(seat, number - 1)
            world.frame(number)
        assert world.stream.encoder.encodes == 4 and made() is None
    finally:
        gc.enable()


def test_a_picture_finished_after_the_loop_ended_disturbs_nobody(world: World) -> None:
    world.seat()
    world.frame(1)
    world.loop.closed = True
    world.pool.finish()


@given(
    st.lists(
        st.tuples(st.sampled_from(["frame", "compress", "ack", "fail", "watch"]), st.integers(0, 3)),
        max_size=60,
    ),
    st.integers(1, 3),
)
def test_whatever_happens_numbers_rise_the_window_holds_and_nobody_is_forgotten(
    frame: MakeFrame, events: list[tuple[str, int]], window: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        loop = Loop()
        for module in (fanout_module, delivery_module):
            patch.setattr(module, "time", SimpleNamespace(monotonic=loop.time))
        world = World(loop, frame)
        seat = world.seat(window=window)
        seen, acknowledged, number = [0], 0, 0
        for event, amount in events:
            jobs = world.pool.jobs
            if event == "frame":
                number += 1
                world.frame(number)
            elif event == "compress" and jobs:
                world.pool.finish(amount % len(jobs))
            elif event == "fail" and jobs:
                jobs.pop(amount % len(jobs))[0].set_exception(ValueError("too large"))
            elif event == "watch":
                world.watch(seat, "env", rung=Rung(max_width=16 + amount), window=window)
            elif event == "ack":
                acknowledged = seen[max(seen.index(acknowledged), len(seen) - 1 - amount)]
                world.acknowledge(seat, acknowledged)
            loop.advance(0.01)
            seen += received(seat)
            assert len([each for each in seen if each > acknowledged]) <= window
        world.frame(number + 1)
        for _ in range(3):  # Now the viewer has time: what is under way arrives, and then the newest.
            world.compress()
            seen += received(seat)
            world.acknowledge(seat, seen[-1])
    assert seen == sorted(set(seen))
    assert seen[-1] == number + 1


# --- demand --------------------------------------------------------------------------------------------


def test_nobody_watching_means_nothing_is_asked_for(world: World) -> None:
    world.frame(1)
    world.loop.advance(60)
    assert not world.stream.due[0]


def test_the_first_viewer_has_a_picture_taken_at_once(world: World) -> None:
    world.seat()
    assert world.stream.due[0]


def test_a_picture_under_way_is_not_asked_for_again(world: World) -> None:
    world.seat()
    world.stream.due[0] = 0  # The trainer is taking it.
    world.seat()
    assert not world.stream.due[0]


def test_the_next_picture_is_asked_for_at_the_pace(world: World) -> None:
    seat = world.seat()
    world.show(1)
    world.acknowledge(seat, 1)
    assert not world.stream.due[0]
    world.loop.advance(0.1)
    assert world.stream.due[0]


def test_an_expensive_picture_is_followed_by_a_rest(world: World) -> None:
    world.seat(window=10)
    world.frame(1, cost=1e-9)  # The first is on the house.
    world.loop.advance(0.1)
    world.frame(2, cost=0.05)  # At 5 % it buys a second and some, begun before it came.
    world.loop.advance(0.9)
    assert not world.stream.due[0]
    world.loop.advance(0.3)
    assert world.stream.due[0]


def test_nothing_is_asked_for_while_every_window_is_full(world: World) -> None:
    seat = world.seat(window=1)
    world.show(1)
    world.loop.advance(60)
    assert not world.stream.due[0]
    world.acknowledge(seat, 1)
    assert world.stream.due[0]


def test_a_viewer_of_few_frames_has_few_taken(world: World) -> None:
    world.seat(window=100, fps=1)
    taken = 0
    for _ in range(100):
        if world.stream.due[0]:
            taken += 1
            world.show(taken)
        world.loop.advance(0.1)
    assert 9 <= taken <= 12


def test_the_readiest_viewer_sets_the_time(world: World) -> None:
    world.seat(window=100, fps=0.1)
    world.seat(window=100)
    world.show(1)
    world.loop.advance(0.1)
    assert world.stream.due[0]


def test_however_many_wait_there_is_one_timer(world: World) -> None:
    seats = [world.seat() for _ in range(5)]
    world.show(1)
    for seat in seats:
        world.acknowledge(seat, 1)
    assert len(world.loop.timers) == 1


def test_the_last_viewer_to_leave_calls_everything_off(world: World) -> None:
    seat = world.seat()
    world.show(1)
    world.fanout.leave(seat)
    assert world.loop.timers == []


def test_a_picture_asked_for_is_called_off_when_nobody_is_left(world: World) -> None:
    world.fanout.leave(world.seat())
    assert not world.stream.due[0]


def test_an_ended_stream_is_asked_for_nothing(world: World) -> None:
    world.stream.finish()
    world.seat()
    world.loop.advance(60)
    assert not world.stream.asked


def test_a_capture_that_gave_nothing_is_asked_for_again(world: World) -> None:
    world.seat()
    world.stream.due[0] = 0
    world.stream.missed(1)
    world.loop.advance(1.0)
    world.fanout.revive()
    assert world.stream.due[0]


def test_a_capture_that_takes_its_time_is_not_asked_for_again(world: World) -> None:
    world.seat()
    world.stream.due[0] = 0
    world.loop.advance(1.0)
    world.fanout.revive()
    assert not world.stream.due[0]


# --- streams that come later, or again -----------------------------------------------------------------


def reopened(world: World) -> Stream:
    world.stream.finish()
    world.stream = world.hub.open("env", "env", world.hub.config)
    world.fanout.opened(world.stream)
    return world.stream


def test_a_stream_can_be_watched_before_it_is_there(world: World) -> None:
    world.seat("later")
    stream = world.hub.open("later", "later", world.hub.config)
    world.fanout.opened(stream)
    assert (stream.viewers, stream.due[0]) == (1, 1)


def test_a_stream_that_began_anew_is_shown_from_its_first_frame(world: World) -> None:
    seat = world.seat()
    world.show(500)
    received(seat)
    reopened(world)
    world.show(1)
    assert received(seat) == [1]


def test_a_picture_of_a_stream_that_was_replaced_is_not_shown_after_the_new_one(world: World) -> None:
    seat = world.seat()
    world.frame(500)
    reopened(world)
    world.frame(1)
    world.pool.finish(1)
    world.compress()
    assert received(seat) == [1]


def test_a_stream_that_began_anew_has_its_own_pace(world: World) -> None:
    seat = world.seat(window=1, fps=1)
    world.show(1)
    world.acknowledge(seat, 1)  # A timer of the old stream is running.
    stream = reopened(world)
    world.loop.advance(1.0)
    assert stream.due[0]


# --- a frame that is about to come ---------------------------------------------------------------------


def test_who_is_late_waits_for_a_frame_that_is_about_to_come_where_many_watch(world: World) -> None:
    late, other = world.seat(window=1), world.seat(window=1)
    world.show(1)
    world.acknowledge(other, 1)
    world.show(2)
    world.loop.advance(world.stream.pace.next_at - world.loop.now - SOON / 2)
    world.acknowledge(late, 1)
    assert world.pool.jobs == [] and received(late) == [1]
    world.loop.advance(SOON)
    world.show(3)
    assert received(late) == [3]


def test_who_waited_for_a_frame_that_does_not_come_gets_the_one_before_within_a_second(world: World) -> None:
    late, other = world.seat(window=1), world.seat(window=1)
    world.show(1)
    world.acknowledge(other, 1)
    world.show(2)
    world.loop.advance(world.stream.pace.next_at - world.loop.now - SOON / 2)
    world.acknowledge(late, 1)
    world.fanout.revive()
    world.compress()
    assert received(late) == [1, 2]


def test_who_is_alone_waits_for_nothing(world: World) -> None:
    late = world.seat(window=1)
    world.show(1)
    world.show(2)
    world.loop.advance(world.stream.pace.next_at - world.loop.now - SOON / 2)
    world.acknowledge(late, 1)
    world.compress()
    assert received(late) == [1, 2]


def test_what_those_who_watch_want_is_known_with_and_without_boxes(world: World) -> None:
    world.seat(fps=5)
    world.seat("env@boxes", fps=7)
    world.seat("other", fps=9)
    assert sorted(watch.fps or 0 for watch in world.fanout.watches(world.stream)) == [5, 7]

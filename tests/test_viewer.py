"""A viewer: a slow one skips frames, and never falls behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.encoder import Rung
from envstream.errors import MessageError
from envstream.viewer import Viewer, Watch


def watching(window: int = 2) -> Viewer:
    viewer = Viewer()
    viewer.watch({"env": Watch(Rung(), window=window)})
    return viewer


def acknowledge(viewer: Viewer, number: int, now: float = 1.0) -> None:
    viewer.acknowledge("env", number, now, 30.0)


# --- the window ----------------------------------------------------------------------------------------

events = st.lists(
    st.tuples(st.sampled_from(["frame", "skip", "ack", "watch", "again"]), st.integers(0, 5)), max_size=60
)


@given(st.integers(1, 4), events)
def test_never_more_than_the_window_is_in_flight_and_numbers_sent_rise(
    window: int, events: list[tuple[str, int]]
) -> None:
    viewer = watching(window)
    newest, sent, acknowledged = 0, [0], 0
    for event, amount in events:
        if event == "frame":
            newest += 1
            if viewer.take("env", newest, 0.0):
                sent.append(newest)
        elif event == "skip":
            newest += amount
        elif event == "ack":
            acknowledged = max(acknowledged, sent[-1 - min(amount, len(sent) - 1)])
            acknowledge(viewer, acknowledged)
        elif event == "watch":
            viewer.watch({"env": Watch(Rung(max_width=16 + amount), window=window)})
        elif newest and viewer.take("env", newest, 0.0):
            sent.append(newest)
    assert sent == sorted(set(sent))
    under_way = [number for number in sent if number > acknowledged]
    assert list(viewer.watches["env"].in_flight) == under_way
    assert len(under_way) <= window
    assert (viewer.ready_at("env") is None) == (len(under_way) == window)


def test_a_full_window_waits_for_an_acknowledgement() -> None:
    viewer = watching(window=2)
    assert [viewer.take("env", number, 0.0) for number in (1, 2, 3)] == [True, True, False]
    acknowledge(viewer, 1)
    assert viewer.take("env", 4, 0.0)


def test_an_acknowledgement_covers_all_frames_before_it() -> None:
    viewer = watching(window=2)
    viewer.take("env", 1, 0.0)
    viewer.take("env", 2, 0.0)
    acknowledge(viewer, 2)
    assert viewer.watches["env"].in_flight == {}


def test_an_acknowledgement_that_comes_late_takes_nothing_back() -> None:
    viewer = watching()
    viewer.take("env", 1, 0.0)
    viewer.take("env", 2, 0.0)
    acknowledge(viewer, 2)
    acknowledge(viewer, 1)
    assert viewer.watches["env"].acknowledged == 2


def test_a_frame_is_sent_once() -> None:
    viewer = watching()
    assert viewer.take("env", 1, 0.0)
    assert not viewer.take("env", 1, 0.0)


def test_frames_between_two_that_were_sent_were_skipped() -> None:
    viewer = watching()
    viewer.take("env", 5, 0.0)
    viewer.take("env", 9, 0.0)
    assert viewer.frames_skipped == 3


def test_a_stream_that_is_not_watched_is_not_sent() -> None:
    viewer = watching()
    assert not viewer.take("other", 1, 0.0)
    assert viewer.ready_at("other") is None


def test_acknowledging_what_was_never_sent_breaks_the_rules() -> None:
    viewer = watching()
    viewer.take("env", 1, 0.0)
    with pytest.raises(MessageError, match="frame 2 of 'env'"):
        acknowledge(viewer, 2)


def test_each_stream_has_a_window_of_its_own() -> None:
    viewer = Viewer()
    viewer.watch({"a": Watch(Rung(), window=1), "b": Watch(Rung(), window=1)})
    assert viewer.take("a", 1, 0.0)
    assert viewer.take("b", 1, 0.0)


# --- a wish for fewer frames ---------------------------------------------------------------------------


@given(st.floats(0.1, 60), st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_viewer_gets_no_more_frames_a_second_than_it_wants(fps: float, gaps: list[float]) -> None:
    viewer = watching(window=100)
    now, taken = 1000.0, []
    for number, gap in enumerate(gaps, 1):
        now += gap
        if viewer.take("env", number, now, fps=fps):
            taken.append(now)
    assert len(taken) <= (taken[-1] - taken[0]) * fps + 1.5 + 1e-6


def test_a_viewer_of_few_frames_says_when_it_is_ready() -> None:
    viewer = watching()
    viewer.take("env", 1, 10.0, fps=2)
    ready_at = viewer.ready_at("env")
    assert ready_at == pytest.approx(10.25)
    assert not viewer.take("env", 2, 10.2)
    assert viewer.take("env", 3, 10.25)


# --- changing what is watched --------------------------------------------------------------------------


def test_a_stream_that_stays_watched_keeps_its_place() -> None:
    viewer = watching(window=1)
    viewer.take("env", 5, 0.0)
    viewer.watch({"env": Watch(Rung(max_width=100), window=1)})
    assert not viewer.take("env", 6, 0.0)
    acknowledge(viewer, 5)
    assert viewer.take("env", 6, 0.0)


def test_the_last_acknowledgement_of_a_stream_no_longer_watched_is_no_fault() -> None:
    viewer = watching()
    viewer.take("env", 5, 0.0)
    viewer.watch({})
    acknowledge(viewer, 5)


def test_a_late_acknowledgement_from_before_a_stream_was_watched_again_is_no_fault() -> None:
    viewer = watching()
    viewer.take("env", 5, 0.0)
    viewer.watch({})
    viewer.watch({"env": Watch(Rung())})
    acknowledge(viewer, 5)


def test_a_late_acknowledgement_from_before_a_stream_began_anew_is_no_fault() -> None:
    viewer = watching()
    viewer.take("env", 500, 0.0)
    viewer.restart("env")
    acknowledge(viewer, 500)


def test_a_late_acknowledgement_does_not_hide_the_frames_of_a_stream_that_began_anew() -> None:
    viewer = watching(window=1)
    viewer.take("env", 500, 0.0)
    viewer.restart("env")
    viewer.take("env", 1, 0.0)
    acknowledge(viewer, 500)
    acknowledge(viewer, 1)
    assert viewer.take("env", 2, 0.0)


def test_a_stream_that_began_anew_is_sent_from_its_first_frame() -> None:
    viewer = watching(window=1)
    viewer.take("env", 500, 0.0)
    viewer.restart("env")
    assert viewer.take("env", 1, 0.0)


def test_restarting_what_is_not_watched_changes_nothing() -> None:
    viewer = watching()
    viewer.restart("other")
    assert list(viewer.watches) == ["env"]


# --- frames that are ready late, or never --------------------------------------------------------------


def test_a_frame_ready_after_a_later_one_is_not_sent_and_costs_no_credit() -> None:
    viewer = watching(window=2)
    viewer.take("env", 1, 0.0)
    viewer.take("env", 2, 0.0)
    assert viewer.due_to_be_sent("env", 2)
    assert not viewer.due_to_be_sent("env", 1)
    assert viewer.watches["env"].in_flight.keys() == {2}


def test_a_change_of_size_does_not_bring_back_a_frame_that_was_passed() -> None:
    viewer = watching(window=2)
    viewer.take("env", 1, 0.0)
    viewer.take("env", 2, 0.0)
    viewer.due_to_be_sent("env", 2)
    viewer.watch({"env": Watch(Rung(max_width=100), window=2)})
    assert not viewer.due_to_be_sent("env", 1)


def test_a_frame_that_will_not_be_sent_gives_its_credit_back_once() -> None:
    viewer = watching(window=2)
    viewer.take("env", 1, 0.0)
    viewer.take("env", 2, 0.0)
    viewer.give_back("env", 1)
    viewer.give_back("env", 1)
    assert viewer.watches["env"].in_flight.keys() == {2}


def test_a_frame_of_a_stream_no_longer_watched_is_not_sent() -> None:
    viewer = watching()
    viewer.take("env", 1, 0.0)
    viewer.watch({})
    assert not viewer.due_to_be_sent("env", 1)


# --- counts --------------------------------------------------------------------------------------------


def test_what_was_handed_to_the_connection_is_counted() -> None:
    viewer = watching()
    viewer.sent("env", 1, 100, 1.0)
    viewer.sent("env", 2, 50, 2.0)
    assert (viewer.frames_sent, viewer.bytes_sent) == (2, 150)
    assert viewer.rate.at(2.0) == pytest.approx(1.0)

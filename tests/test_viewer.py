"""A viewer: a slow one skips frames, and never falls behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.encoder import Rung
from envstream.errors import MessageError
from envstream.pace import Budget, Pace
from envstream.viewer import Viewer, Watch

PACE = Pace(30.0, Budget(1.0))


def watching(window: int = 2) -> Viewer:
    viewer = Viewer()
    viewer.watch({"env": Watch(Rung(), window=window)})
    return viewer


def take(viewer: Viewer, stream: str, number: int, now: float, fps: float | None = None) -> bool:
    """Frame `number` is there: whether it goes to this viewer."""
    watch = viewer.watches.get(stream)
    if watch is None or number <= watch.sent or watch.next_at > now or not watch.has_room(now):
        return False
    watch.reserve(number, now, fps)
    return True


def ready(viewer: Viewer, number: int) -> bool:
    """Frame `number` is compressed: whether it goes out."""
    watch = viewer.watches.get("env")
    return watch is not None and watch.post(number, 100, 0.5)


def acknowledge(viewer: Viewer, number: int, now: float = 1.0) -> None:
    viewer.acknowledge("env", number, now, PACE)


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
            if take(viewer, "env", newest, 0.0):
                sent.append(newest)
        elif event == "skip":
            newest += amount
        elif event == "ack":
            acknowledged = max(acknowledged, sent[-1 - min(amount, len(sent) - 1)])
            acknowledge(viewer, acknowledged)
        elif event == "watch":
            viewer.watch({"env": Watch(Rung(max_width=16 + amount), window=window)})
        elif newest and take(viewer, "env", newest, 0.0):
            sent.append(newest)
    assert sent == sorted(set(sent))
    under_way = [number for number in sent if number > acknowledged]
    assert list(viewer.watches["env"].in_flight) == under_way
    assert len(under_way) <= window
    assert (viewer.ready_at("env") is None) == (len(under_way) == window)


def test_a_full_window_waits_for_an_acknowledgement() -> None:
    viewer = watching(window=2)
    assert [take(viewer, "env", number, 0.0) for number in (1, 2, 3)] == [True, True, False]
    acknowledge(viewer, 1)
    assert take(viewer, "env", 4, 0.0)


def test_an_acknowledgement_covers_all_frames_before_it() -> None:
    viewer = watching(window=2)
    take(viewer, "env", 1, 0.0)
    take(viewer, "env", 2, 0.0)
    acknowledge(viewer, 2)
    assert viewer.watches["env"].in_flight == {}


def test_an_acknowledgement_that_comes_late_takes_nothing_back() -> None:
    viewer = watching()
    take(viewer, "env", 1, 0.0)
    take(viewer, "env", 2, 0.0)
    acknowledge(viewer, 2)
    assert take(viewer, "env", 3, 0.0)
    acknowledge(viewer, 1)
    assert list(viewer.watches["env"].in_flight) == [3]


def test_a_frame_is_sent_once() -> None:
    viewer = watching()
    assert take(viewer, "env", 1, 0.0)
    assert not take(viewer, "env", 1, 0.0)


def test_a_stream_that_is_not_watched_is_not_sent() -> None:
    viewer = watching()
    assert not take(viewer, "other", 1, 0.0)
    assert viewer.ready_at("other") is None


def test_acknowledging_what_was_never_sent_breaks_the_rules() -> None:
    viewer = watching()
    take(viewer, "env", 1, 0.0)
    with pytest.raises(MessageError, match="frame 2 of 'env'"):
        acknowledge(viewer, 2)


def test_each_stream_has_a_window_of_its_own() -> None:
    viewer = Viewer()
    viewer.watch({"a": Watch(Rung(), window=1), "b": Watch(Rung(), window=1)})
    assert take(viewer, "a", 1, 0.0)
    assert take(viewer, "b", 1, 0.0)


# --- a wish for fewer frames ---------------------------------------------------------------------------


@given(st.floats(0.1, 60), st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_viewer_gets_no_more_frames_a_second_than_it_wants(fps: float, gaps: list[float]) -> None:
    viewer = watching(window=100)
    now, taken = 1000.0, []
    for number, gap in enumerate(gaps, 1):
        now += gap
        if take(viewer, "env", number, now, fps=fps):
            taken.append(now)
    assert len(taken) <= (taken[-1] - taken[0]) * fps + 1.5 + 1e-6


def test_a_viewer_of_few_frames_says_when_it_is_ready() -> None:
    viewer = watching()
    take(viewer, "env", 1, 10.0, fps=2)
    ready_at = viewer.ready_at("env")
    assert ready_at == pytest.approx(10.25)
    assert not take(viewer, "env", 2, 10.2)
    assert take(viewer, "env", 3, 10.25)


# --- changing what is watched --------------------------------------------------------------------------


def test_a_stream_that_stays_watched_keeps_its_place() -> None:
    viewer = watching(window=1)
    take(viewer, "env", 5, 0.0)
    viewer.watch({"env": Watch(Rung(max_width=100), window=1)})
    assert not take(viewer, "env", 6, 0.0)
    acknowledge(viewer, 5)
    assert take(viewer, "env", 6, 0.0)


def test_the_last_acknowledgement_of_a_stream_no_longer_watched_is_no_fault() -> None:
    viewer = watching()
    take(viewer, "env", 5, 0.0)
    viewer.watch({})
    acknowledge(viewer, 5)


def test_a_late_acknowledgement_from_before_a_stream_was_watched_again_is_no_fault() -> None:
    viewer = watching()
    take(viewer, "env", 5, 0.0)
    viewer.watch({})
    viewer.watch({"env": Watch(Rung())})
    acknowledge(viewer, 5)


def test_a_late_acknowledgement_from_before_a_stream_began_anew_is_no_fault() -> None:
    viewer = watching()
    take(viewer, "env", 500, 0.0)
    viewer.restart("env")
    acknowledge(viewer, 500)


def test_a_late_acknowledgement_does_not_hide_the_frames_of_a_stream_that_began_anew() -> None:
    viewer = watching(window=1)
    take(viewer, "env", 500, 0.0)
    viewer.restart("env")
    take(viewer, "env", 1, 0.0)
    acknowledge(viewer, 500)
    acknowledge(viewer, 1)
    assert take(viewer, "env", 2, 0.0)


def test_a_stream_that_began_anew_is_sent_from_its_first_frame() -> None:
    viewer = watching(window=1)
    take(viewer, "env", 500, 0.0)
    viewer.restart("env")
    assert take(viewer, "env", 1, 0.0)


def test_restarting_what_is_not_watched_changes_nothing() -> None:
    viewer = watching()
    viewer.restart("other")
    assert list(viewer.watches) == ["env"]


# --- frames that are ready late, or never --------------------------------------------------------------


def test_a_frame_ready_after_a_later_one_is_not_sent_and_costs_no_credit() -> None:
    viewer = watching(window=2)
    take(viewer, "env", 1, 0.0)
    take(viewer, "env", 2, 0.0)
    assert ready(viewer, 2)
    assert not ready(viewer, 1)
    assert viewer.watches["env"].in_flight.keys() == {2}


def test_a_change_of_size_does_not_bring_back_a_frame_that_was_passed() -> None:
    viewer = watching(window=2)
    take(viewer, "env", 1, 0.0)
    take(viewer, "env", 2, 0.0)
    ready(viewer, 2)
    viewer.watch({"env": Watch(Rung(max_width=100), window=2)})
    assert not ready(viewer, 1)


def test_a_frame_that_will_not_be_sent_gives_its_credit_back_once() -> None:
    viewer = watching(window=2)
    take(viewer, "env", 1, 0.0)
    take(viewer, "env", 2, 0.0)
    viewer.watches["env"].give_back(1)
    viewer.watches["env"].give_back(1)
    assert viewer.watches["env"].in_flight.keys() == {2}


def test_a_frame_of_a_stream_no_longer_watched_is_not_sent() -> None:
    viewer = watching()
    take(viewer, "env", 1, 0.0)
    viewer.watch({})
    assert not ready(viewer, 1)


def test_who_missed_a_picture_of_a_chain_does_not_have_what_builds_on_it() -> None:
    viewer = watching()
    watch = viewer.watches["env"]
    take(viewer, "env", 1, 0.0)
    assert ready(viewer, 1)  # As it was asked for before: what is asked for now is another picture of it.
    acknowledge(viewer, 1)
    watch.linked = (1, 1)
    assert not ready(viewer, 1)
    assert watch.linked is None

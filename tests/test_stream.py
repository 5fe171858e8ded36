"""A stream: what the page is told about one env, by the clock that is passed in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from envstream.config import StreamConfig
from envstream.encoder import Rung
from envstream.frame import Frame
from envstream.report import counts, status
from envstream.stream import STALLED_AFTER, Stream

MakeFrame = Callable[..., Frame]


@pytest.fixture
def stream(pool: ThreadPoolExecutor) -> Stream:
    return Stream("env", "CartPole-v1", StreamConfig(), pool)


# --- states --------------------------------------------------------------------------------------------


def test_a_new_stream_waits_for_its_first_picture(stream: Stream) -> None:
    assert stream.state(0.0) == "waiting"


def test_a_stream_with_a_picture_is_live(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1), 1.0)
    assert stream.state(100.0) == "live"


def test_a_picture_that_lets_itself_be_waited_for_means_a_busy_learner(
    stream: Stream, frame: MakeFrame
) -> None:
    stream.put(frame(1), 1.0)
    stream.ask(2.0)
    assert stream.state(2.0 + STALLED_AFTER) == "live"
    assert stream.state(2.1 + STALLED_AFTER) == "stalled"


def test_the_picture_that_comes_ends_the_wait(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1), 1.0)
    stream.ask(2.0)
    stream.put(frame(2), 10.0)
    assert stream.state(10.0) == "live"


def test_a_closed_stream_has_ended(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1), 1.0)
    stream.finish()
    assert stream.state(1.0) == "ended"


# --- demand --------------------------------------------------------------------------------------------


def test_asking_sets_the_byte_that_step_looks_at(stream: Stream) -> None:
    stream.ask(1.0)
    assert stream.due[0] == 1
    assert stream.asked


def test_asking_keeps_the_pace(stream: Stream) -> None:
    stream.ask(1.0)
    assert stream.pace.next_at > 1.0


def test_nobody_waiting_clears_the_byte(stream: Stream) -> None:
    stream.ask(1.0)
    stream.unask()
    assert stream.due[0] == 0
    assert not stream.asked


def test_a_capture_that_failed_is_waited_for_no_longer(stream: Stream) -> None:
    stream.ask(1.0)
    stream.missed(1)
    assert not stream.asked


def test_a_failure_known_already_does_not_end_the_next_wait(stream: Stream) -> None:
    stream.missed(1)
    stream.ask(1.0)
    stream.missed(1)
    assert stream.asked


def test_an_ended_stream_waits_for_nothing(stream: Stream) -> None:
    stream.ask(1.0)
    stream.finish()
    assert not stream.asked


# --- figures -------------------------------------------------------------------------------------------


def test_the_first_capture_is_on_the_house(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1, cost=5.0), 10.0)
    assert stream.pace.next_at < 10.0


def test_every_further_capture_is_paid_for_out_of_the_budget(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1, cost=5.0), 10.0)
    stream.put(frame(2, cost=0.004), 20.0)
    assert stream.pace.next_at == pytest.approx(19.996 + 0.08)


def test_a_capture_without_a_picture_is_paid_for_as_well(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1, cost=1e-9), 10.0)
    stream.spent(20.0, 0.004)
    assert stream.pace.next_at == pytest.approx(19.996 + 0.08)


def test_captures_with_and_without_a_picture_count_as_overhead(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1, cost=0.1), 10.0)
    stream.spent(11.0, 0.3)
    assert stream.overhead(12.0) == pytest.approx(0.04)


def test_overhead_of_long_ago_is_forgotten(stream: Stream) -> None:
    stream.spent(10.0, 0.3)
    assert stream.overhead(20.1) == 0.0


def test_steps_a_second_come_from_two_looks(stream: Stream) -> None:
    stream.note_steps(10.0, 1000)
    assert stream.steps_per_second(10.0) is None
    stream.note_steps(12.0, 5000)
    assert stream.steps_per_second(12.0) == pytest.approx(2000)


def test_steps_that_fall_begin_a_new_count(stream: Stream) -> None:
    stream.note_steps(10.0, 1000)
    stream.note_steps(11.0, 5)
    assert stream.steps_per_second(11.0) is None


def test_steps_of_long_ago_do_not_weigh(stream: Stream) -> None:
    for second in range(60):
        stream.note_steps(second, 100 * second if second < 50 else 4900 + 10 * (second - 49))
    assert stream.steps_per_second(59.0) == pytest.approx(10.0)


def test_pictures_are_counted_by_viewer_and_frames_once(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1), 1.0)
    stream.put(frame(2), 2.0)
    newest = stream.buffer.newest()
    assert newest is not None
    picture = stream.encoder.picture(newest, Rung()).result()
    stream.shown(picture, 2.0, 1)
    stream.shown(picture, 2.0, 2)
    told = counts(stream, 2.0)
    assert (told["frames_received"], told["frames_served"], told["frames_dropped"]) == (2, 3, 1)


def test_the_encoders_work_is_among_the_counts(stream: Stream, frame: MakeFrame) -> None:
    assert counts(stream, 0.0)["encode_ms"] is None
    for _ in range(3):
        stream.encoder.picture(frame(1), Rung()).result()
    told = counts(stream, 0.0)
    assert (told["encodes"], told["cache_hits"]) == (1, 2)
    assert told["encode_ms"] > 0 and told["encoded_bytes"] > 0


# --- the status ----------------------------------------------------------------------------------------


def test_the_status_of_a_new_stream_knows_what_it_does_not_know(stream: Stream) -> None:
    told = status(stream, 5.0)
    assert (told["name"], told["title"], told["state"]) == ("env", "CartPole-v1", "waiting")
    assert {
        told[key] for key in ("width", "height", "episode", "age", "waiting", "limit", "frameNumber")
    } == {None}


def test_the_status_says_how_old_the_picture_is_and_what_it_shows(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(7, captured=10.0, episode=3, step=5, totalSteps=99), 10.1)
    told = status(stream, 12.5)
    assert (told["age"], told["width"], told["height"], told["frameNumber"]) == (2.5, 6, 4, 7)
    assert (told["episode"], told["step"], told["totalSteps"]) == (3, 5, 99)


def test_the_status_says_how_long_a_picture_has_been_waited_for(stream: Stream) -> None:
    stream.ask(10.0)
    assert status(stream, 11.5)["waiting"] == 1.5


def test_the_status_says_when_the_budget_sets_the_rate(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1, cost=1e-9), 10.0)
    stream.put(frame(2, cost=0.0425), 20.0)
    assert status(stream, 20.0)["limit"] == {
        "by": "budget",
        "share": 0.05,
        "renderMs": 42.5,
        "fps": 1.0,
    }


def test_the_status_names_no_limit_where_the_rate_is_reached(stream: Stream, frame: MakeFrame) -> None:
    stream.put(frame(1), 10.0)
    stream.put(frame(2, cost=0.001), 20.0)
    assert status(stream, 20.0)["limit"] is None

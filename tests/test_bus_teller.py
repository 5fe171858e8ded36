"""The teller: page servers are told what they do not know yet, and no more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from envstream.bus.layout import stream_id
from envstream.bus.teller import AT_ONCE, Teller
from envstream.config import StreamConfig
from envstream.episodes import RECENT
from envstream.stream import Place, Stream


@pytest.fixture
def stream(pool: ThreadPoolExecutor) -> Stream:
    return Stream("env", "env", StreamConfig(), pool)


def rounds(teller: Teller, stream: Stream, count: int = 2) -> list[dict[str, Any]]:
    """What is told of a stream in so many rounds."""
    told = [some for _ in range(count) for some in teller.news([stream], 1.0)]
    return [some[stream_id(stream.name)] for some in told]


def ends(stream: Stream, *totals: float) -> None:
    for total in totals:
        stream.episodes.add(stream.episodes.seen + 1, 10, total)


def test_who_hears_for_the_first_time_is_told_everything(stream: Stream) -> None:
    stream.note_steps(0.5, 70)
    ends(stream, 3.0, 5.0)
    said = {"quality": "medium", "message": None, "fps": 0.0, "bestReturn": 5.0, "totalSteps": 70}
    said["quality"] = stream.quality
    assert rounds(Teller(), stream) == [{**said, "seen": 2, "episodes": [[1, 10, 3.0], [2, 10, 5.0]]}]


def test_then_only_what_is_news(stream: Stream) -> None:
    teller = Teller()
    rounds(teller, stream)
    assert rounds(teller, stream) == []
    stream.note_steps(0.6, 80)
    assert rounds(teller, stream) == [{"totalSteps": 80}]
    stream.notices.say("something is wrong", "training")
    ends(stream, 2.0)
    assert rounds(teller, stream) == [
        {"message": "something is wrong", "bestReturn": 2.0, "seen": 1, "episodes": [[1, 10, 2.0]]}
    ]
    ends(stream, 1.0)
    assert rounds(teller, stream) == [{"seen": 2, "episodes": [[2, 10, 1.0]]}]


def test_what_somebody_watches_is_told_of_more_often(stream: Stream) -> None:
    told = []
    for viewers in (0, 1):
        teller = Teller()
        stream.watched(viewers)
        for step in range(6):
            stream.note_steps(step, step)
            told += [(viewers, step) for _ in teller.news([stream], 1.0)]
    assert told == [(0, 0), (0, 2), (0, 4), *((1, step) for step in range(6))]


def test_steps_of_thousands_that_step_together_are_no_news(pool: ThreadPoolExecutor) -> None:
    stream = Stream("envs/1", "env", StreamConfig(), pool, place=Place("envs", 1))
    teller = Teller()
    rounds(teller, stream)
    stream.note_steps(1.0, 80)
    assert rounds(teller, stream) == []
    stream.watched(1)
    (told,) = rounds(teller, stream)
    assert told["totalSteps"] == 80


def test_what_it_costs_the_trainer_is_told_while_somebody_watches(stream: Stream) -> None:
    teller = Teller()
    stream.note_steps(1.0, 80)
    assert "trainerCost" not in rounds(teller, stream)[0]
    stream.watched(1)
    stream.spent(1.0, 0.02)
    assert rounds(teller, stream)[0]["trainerCost"]["seconds"] == 0.02


def test_no_more_episodes_are_told_of_than_are_needed(stream: Stream) -> None:
    ends(stream, *range(RECENT + 50))
    (said,) = rounds(Teller(), stream)
    assert (said["seen"], len(said["episodes"])) == (RECENT + 50, RECENT)
    assert said["bestReturn"] == RECENT + 49


def test_somebody_new_is_told_everything_again(stream: Stream) -> None:
    teller = Teller()
    ends(stream, 2.0)
    first = rounds(teller, stream)
    teller.forget()
    assert rounds(teller, stream) == first


def test_many_streams_are_many_messages(pool: ThreadPoolExecutor) -> None:
    streams = [Stream(str(number), "env", StreamConfig(), pool) for number in range(2 * AT_ONCE + 1)]
    assert [len(some) for some in Teller().news(streams, 1.0)] == [AT_ONCE, AT_ONCE, 1]


def test_numbers_that_are_none_are_not_told(stream: Stream) -> None:
    from envstream.wire import compact

    ends(stream, float("nan"))
    assert '"episodes":[[1,10,null]]' in compact(rounds(Teller(), stream))

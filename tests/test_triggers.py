"""Triggers: what may be written, and which numbers it asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream import triggers
from envstream.config import StreamConfig
from envstream.errors import SettingError
from envstream.settings import read


def asked(written: object, upto: int = 30) -> list[int]:
    trigger = triggers.read("videoRecordEpisodes", triggers.check("videoRecordEpisodes", written))
    assert trigger is not None
    return [number for number in range(upto) if trigger.asks(number)]


def odd(number: int) -> bool:
    return number % 2 == 1


def test_cubic_is_record_videos_schedule() -> None:
    cubes = [0, 1, 8, 27, 64, 125, 216, 343, 512, 729]
    assert asked("cubic", 5000) == [*cubes, 1000, 2000, 3000, 4000]


@given(st.integers(1, 50))
def test_every_nth_begins_with_the_first(n: int) -> None:
    assert asked(f"every: {n}", 200) == list(range(0, 200, n))


@pytest.mark.parametrize("written", ["every: 10", "every:10", "  every :  10 ", {"every": 10}])
def test_every_can_be_written_as_it_comes_from_hydra(written: object) -> None:
    assert asked(written) == [0, 10, 20]


def test_a_function_of_ones_own_is_called_with_the_number() -> None:
    assert asked(odd, 6) == [1, 3, 5]


@pytest.mark.parametrize("path", ["test_triggers.odd", "test_triggers:odd"])
def test_a_dotted_path_leads_to_a_function(path: str) -> None:
    assert asked(path, 6) == [1, 3, 5]


def test_the_best_is_looked_for_among_all_or_among_those_that_are_asked_for() -> None:
    best = triggers.read("videoRecordEpisodes", "best")
    some = triggers.read("videoRecordEpisodes", "best of every: 4")
    other = triggers.read("videoRecordEpisodes", "every: 4")
    assert best is not None and some is not None and other is not None
    assert (best.best, some.best, other.best) == (True, True, False)
    assert best.asks(3) and not some.asks(3) and some.asks(4)


def test_null_records_nothing() -> None:
    assert triggers.read("videoRecordEpisodes", None) is None


@pytest.mark.parametrize(
    "written", ["", "every", "every: 0", "every: x", "sometimes", 7, True, {"each": 3}, ["every: 3"], "a b.c"]
)
def test_what_cannot_be_meant_is_refused_with_all_that_can(written: object) -> None:
    with pytest.raises(SettingError, match=r"videoRecordEpisodes=.*every: N.*dotted path"):
        StreamConfig(videoRecordEpisodes=written)


@pytest.mark.parametrize("path", ["no_such_module.at", "test_triggers.nothing", "test_triggers.__doc__"])
def test_a_path_that_leads_nowhere_is_said_when_it_is_followed(path: str) -> None:
    with pytest.raises(SettingError, match="the path of a function"):
        triggers.read("videoRecordEpisodes", path)


def test_record_videos_words_are_taken_for_ours() -> None:
    settings = read(
        episode_trigger=odd, step_trigger="every: 5", video_length=100, name_prefix="run", video_folder="out"
    )
    assert settings.videoRecordEpisodes is odd
    assert (settings.videoRecordSteps, settings.videoRecordLength) == ("every: 5", 100)
    assert (settings.videoRecordPrefix, settings.videoRecordFolder) == ("run", "out")

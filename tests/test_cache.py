"""The cache of encoded pictures: each is made once, and it never holds more than it may."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from envstream.cache import MOST_RUNGS, Cache, Place


class Maker:
    """Begins pictures that the test finishes, of so many bytes each."""

    def __init__(self) -> None:
        self.begun: list[Future[Any]] = []

    def __call__(self) -> Future[Any]:
        self.begun.append(Future())
        return self.begun[-1]

    def finish(self, size: int) -> None:
        for future in self.begun:
            if not future.done():
                future.set_result(SimpleNamespace(data=b"x" * size))


def ask(cache: Cache, make: Maker, frame: int, rung: str = "a", owner: int = 1, frames: int = 3) -> bool:
    return cache.picture(Place(owner, frame), rung, frames, make)[1]


def test_two_who_ask_at_once_cause_one_encode() -> None:
    cache, make = Cache(), Maker()
    first = cache.picture(Place(1, 1), "a", 3, make)
    second = cache.picture(Place(1, 1), "a", 3, make)
    assert first[0] is second[0] and (first[1], second[1]) == (False, True)
    assert len(make.begun) == 1


def test_owners_with_frames_of_the_same_number_do_not_meet() -> None:
    cache, make = Cache(), Maker()
    assert [ask(cache, make, 1, owner=owner) for owner in (1, 2)] == [False, False]


def test_each_owner_keeps_its_own_number_of_frames() -> None:
    cache, make = Cache(), Maker()
    for frame in (1, 2, 3, 4):
        ask(cache, make, frame, frames=2)
    ask(cache, make, 1, owner=2)
    assert [bool(cache.rungs(Place(1, frame))) for frame in (1, 2, 3, 4)] == [False, False, True, True]
    assert cache.rungs(Place(2, 1)) == ["a"]


def test_what_was_asked_for_longest_ago_goes_first_when_there_are_too_many_bytes() -> None:
    cache, make = Cache(max_bytes=250), Maker()
    for owner in (1, 2, 3):
        ask(cache, make, 1, owner=owner)
        make.finish(100)
    assert [bool(cache.rungs(Place(owner, 1))) for owner in (1, 2, 3)] == [False, True, True]
    assert cache.bytes == 200


def test_a_picture_larger_than_all_that_may_be_kept_is_made_and_not_kept() -> None:
    cache, make = Cache(max_bytes=50), Maker()
    future, _ = cache.picture(Place(1, 1), "a", 3, make)
    make.finish(100)
    assert len(future.result().data) == 100 and cache.bytes == 0


def test_a_picture_that_could_not_be_made_is_tried_again() -> None:
    cache, make = Cache(), Maker()
    ask(cache, make, 1)
    make.begun[0].set_exception(ValueError("too large"))
    assert not ask(cache, make, 1)


def test_a_frame_keeps_a_bounded_number_of_pictures() -> None:
    cache, make = Cache(), Maker()
    for rung in range(10 * MOST_RUNGS):
        ask(cache, make, 1, str(rung))
    assert len(cache.rungs(Place(1, 1))) == MOST_RUNGS


def test_what_is_cleared_is_gone_and_nobody_elses() -> None:
    cache, make = Cache(), Maker()
    ask(cache, make, 1, owner=1)
    ask(cache, make, 1, owner=2)
    make.finish(10)
    cache.clear(1)
    assert (cache.rungs(Place(1, 1)), cache.rungs(Place(2, 1)), cache.bytes) == ([], ["a"], 10)
    assert cache.bytes_of(1) == 0 and cache.bytes_of(2) == 10


def test_a_picture_dropped_while_it_was_made_weighs_nothing() -> None:
    cache, make = Cache(), Maker()
    ask(cache, make, 1)
    cache.clear(1)
    make.finish(10)
    assert cache.bytes == 0


events = st.lists(
    st.tuples(
        st.sampled_from(["ask", "finish", "fail", "clear"]),
        st.integers(1, 3),
        st.integers(1, 6),
        st.sampled_from("abc"),
        st.integers(0, 120),
    ),
    max_size=60,
)


@given(events)
def test_whatever_happens_the_bytes_are_those_of_the_pictures_that_are_there(
    events: list[tuple[str, int, int, str, int]],
) -> None:
    cache, make = Cache(max_bytes=300), Maker()
    for event, owner, frame, rung, size in events:
        waiting = [future for future in make.begun if not future.done()]
        if event == "ask":
            ask(cache, make, frame, rung, owner, frames=2)
        elif event == "finish" and waiting:
            waiting[size % len(waiting)].set_result(SimpleNamespace(data=b"x" * size))
        elif event == "fail" and waiting:
            waiting[size % len(waiting)].set_exception(ValueError("broken"))
        elif event == "clear":
            cache.clear(owner)
        assert cache.bytes == sum(cache.bytes_of(owner) for owner in (1, 2, 3)) <= 300
        for one in (1, 2, 3):
            assert sum(bool(cache.rungs(Place(one, number))) for number in range(1, 7)) <= 2

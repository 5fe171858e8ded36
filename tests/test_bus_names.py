"""Names: each stream of each worker has one of its own, and keeps it."""

from __future__ import annotations

import pytest

from envstream.bus import names as names_module
from envstream.bus.layout import Entry
from envstream.bus.names import Names
from envstream.identity import Identity

CARTPOLE = Entry("a", "CartPole-v1", "CartPole-v1")


@pytest.fixture
def names() -> Names:
    return Names({"taken"}.__contains__)


def test_a_title_that_is_free_is_the_name(names: Names) -> None:
    assert names.stream("w1", CARTPOLE, Identity("run-a", 3, "node")) == "CartPole-v1"


def test_else_it_says_whose_it_is(names: Names) -> None:
    who = Identity("run-a", 3, "node")
    assert [names.stream(f"w{number}", CARTPOLE, who) for number in range(5)] == [
        "CartPole-v1",
        "CartPole-v1 · run-a · rank 3",
        "CartPole-v1 · run-a · rank 3 · node",
        "CartPole-v1 · run-a · rank 3 · node · 2",
        "CartPole-v1 · run-a · rank 3 · node · 3",
    ]


def test_where_nobody_said_whose_it_is_there_is_a_number(names: Names) -> None:
    assert [names.stream(f"w{number}", CARTPOLE, Identity()) for number in range(3)] == [
        "CartPole-v1",
        "CartPole-v1 · 2",
        "CartPole-v1 · 3",
    ]


def test_what_something_else_is_called_nothing_else_is(names: Names) -> None:
    assert names.stream("w", Entry("a", "taken", "taken"), Identity(rank=0)) == "taken · rank 0"


def test_a_stream_keeps_its_name(names: Names) -> None:
    first = [names.stream(worker, CARTPOLE, Identity()) for worker in ("w1", "w2")]
    assert [names.stream(worker, CARTPOLE, Identity("other")) for worker in ("w1", "w2")] == first


def test_envs_of_one_vector_env_have_a_group_and_a_number(names: Names) -> None:
    def entry(env: int) -> Entry:
        return Entry(f"id{env}", f"envs/{env}", "Pong", "envs", env)

    for worker, group in (("w1", "Pong"), ("w2", "Pong · run-a · rank 1")):
        who = Identity("run-a", 1)
        assert [names.stream(worker, entry(env), who) for env in (0, 7)] == [f"{group}/0", f"{group}/7"]
        assert names.group(worker, entry(7), who) == group
    assert names.group("w1", CARTPOLE, Identity()) is None


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("x@episodes", "x episodes"),
        ("x@boxes", "x boxes"),
        ("camera abc", "env camera abc"),
        ("x" * 100, "x" * 100),
    ],
)
def test_no_name_means_anything_else_here(names: Names, title: str, name: str) -> None:
    assert names.stream("w", Entry("a", title, title), Identity()) == name


def test_a_name_fits_into_what_viewers_say(names: Names) -> None:
    long = Identity("r" * 100, 10**9, "h" * 100)
    made = [names.stream(f"w{number}", Entry("a", "x", "t" * 100), long) for number in range(4)]
    assert len(set(made)) == 4 and max(map(len, made)) <= 200


def test_names_without_number_are_not_remembered(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "KEPT", 2)
    assert [names.stream(f"w{number}", CARTPOLE, Identity()) for number in range(4)] == [
        "CartPole-v1",
        "CartPole-v1 · 2",
        "CartPole-v1 · 3",
        "CartPole-v1",
    ]

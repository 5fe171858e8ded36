"""Trainings that meet page servers at a Redis: any server shows any of them, and the loss of one is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import redises
from elsewhere import NAME, Service, run
from envstream.web.away import is_bus
from redises import Redis
from serving import Watcher, until


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redises.redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def url(redis: Redis, request: pytest.FixtureRequest) -> str:
    """The address of a bus that no other test uses."""
    return f"{redis.url}?prefix=test-{abs(hash(request.node.name))}"


def serving(folder: Path, url: str) -> Service:
    return Service(folder, f"env.videoStreamHub='{url}'")


def shows(service: Service, *names: str) -> None:
    def running() -> set[str]:
        return {name for name, status in service.streams().items() if status["state"] != "ended"}

    until(lambda: running() == set(names), f"{names}")


def test_a_server_shows_who_meets_it_and_nobody_watching_costs_nothing(tmp_path: Path, url: str) -> None:
    with run(tmp_path / "diary", videoStreamHub=url) as trainer, serving(tmp_path / "one", url) as service:
        shows(service, NAME)
        trainer.goes_on()
        assert trainer.diary["renders"] == 0
        with Watcher(service.port, NAME) as viewer:
            numbers = [viewer.frame()[0]["frameNumber"] for _ in range(20)]
        assert numbers == sorted(set(numbers))
        until(lambda: trainer.diary["renders"] > 0, "renders")
        before = trainer.diary["renders"]
        assert before <= trainer.diary["steps"]
        trainer.finish()
        until(lambda: service.streams()[NAME]["state"] == "ended", "its end")


def test_any_server_shows_all_and_the_loss_of_one_is_none(tmp_path: Path, url: str) -> None:
    names = ("first", "second")
    with (
        run(tmp_path / "a", videoStreamHub=url, videoStreamName="first"),
        run(tmp_path / "b", videoStreamHub=url, videoStreamName="second"),
        serving(tmp_path / "one", url) as one,
        serving(tmp_path / "two", url) as two,
    ):
        shows(one, *names)
        shows(two, *names)
        with Watcher(one.port, "first") as there, Watcher(two.port, "first", "second") as here:
            there.frame()
            here.frame()
            one.kill()
            for _ in range(20):
                here.frame()


def test_a_redis_that_is_killed_and_comes_back_empty_is_met_again(tmp_path: Path) -> None:
    with redises.redis_server(tmp_path) as redis:
        with run(tmp_path / "a", videoStreamHub=redis.url) as trainer:
            with serving(tmp_path / "one", redis.url) as service:
                shows(service, NAME)
                with Watcher(service.port, NAME) as viewer:
                    viewer.frame()
                    redis.kill()
                    trainer.goes_on()
                    redis.start()
                    last = viewer.frame(30)[0]["timestamp"]
                    until(lambda: viewer.frame()[0]["timestamp"] > last, "newer pictures")
                assert len(trainer.warnings) <= 2, trainer.warnings


def test_a_redis_that_is_not_there_is_one_sentence_and_training_goes_on(tmp_path: Path) -> None:
    with run(tmp_path / "a", videoStreamHub="redis://127.0.0.1:1/0") as trainer:
        until(lambda: trainer.warnings, "the sentence")
        trainer.goes_on()
        assert len(trainer.warnings) == 1 and "127.0.0.1:1" in trainer.warnings[0]


def test_a_run_says_where_it_is_shown_and_no_password(tmp_path: Path, redis: Redis) -> None:
    url = redis.url.replace("redis://", "redis://default:secret@")
    with run(tmp_path / "a", videoStreamHub=url) as trainer:
        until(lambda: trainer.errors, "its words")
        trainer.goes_on()
        assert not any("secret" in line for line in trainer.errors)


@pytest.mark.parametrize(
    ("address", "bus"),
    [
        ("redis://h", True),
        ("rediss://h:6379/0", True),
        ("ws://h", False),
        ("wss://h/stream", False),
        (None, False),
    ],
)
def test_which_addresses_are_a_bus(address: str | None, bus: bool) -> None:
    assert is_bus(address) is bus

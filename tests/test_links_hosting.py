"""Processes of one machine share one page: the first serves, others join it, one takes over when it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from elsewhere import free_port
from serving import Trainer, Watcher, alive, get, stats, until

WORKERS = ("process", "thread")
NAME = "CartPole-v1"


@contextlib.contextmanager
def trainers(count: int, **settings: Any) -> Iterator[list[Trainer]]:
    """So many training scripts that want one port."""
    settings = {"videoStreamPort": free_port(), **settings}
    running: list[Trainer] = []
    try:
        for _ in range(count):
            running.append(Trainer(**settings))
        yield running
    finally:
        for trainer in running:
            trainer.stop()


def streams(port: int) -> dict[str, str]:
    """The streams that a page lists, and their state; none while nothing answers."""
    with contextlib.suppress(OSError, ValueError):
        listed = json.loads(get(port, "/api/streams")[2])["streams"]
        return {each["name"]: each["state"] for each in listed}
    return {}


def running(port: int) -> set[str]:
    return {name for name, state in streams(port).items() if state != "ended"}


def server_of(port: int) -> int:
    """The process that listens there."""
    for connection in psutil.net_connections("tcp"):
        address: Any = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address.port == port and connection.pid:
            return connection.pid
    raise AssertionError(f"nobody listens at {port}")


def counted(*numbers: int) -> set[str]:
    return {NAME if number == 1 else f"{NAME}-{number}" for number in numbers}


@pytest.mark.parametrize("worker", WORKERS)
def test_those_who_come_later_are_on_the_page_of_the_first(worker: str) -> None:
    with trainers(3, videoStreamWorker=worker) as (first, second, third):
        assert first.url == second.url == third.url
        until(lambda: running(first.port) == counted(1, 2, 3), "all three")
        assert any("watch at" in line for line in first.errors)
        assert [line for line in second.errors if "ssh -L" in line] == [], "it is said once how to get there"
        with Watcher(first.port) as viewer:
            for name in counted(1, 2, 3):
                viewer.watch(name)
                assert until(lambda name=name: viewer.frame()[0]["stream"] == name, name)


def test_what_nobody_watches_of_another_is_not_rendered() -> None:
    with trainers(2) as (first, _), Watcher(first.port) as viewer:
        until(lambda: running(first.port) == counted(1, 2), "both")
        viewer.watch(NAME)
        for _ in range(20):
            viewer.frame()
        counts = stats(first.port)["streams"]
        assert counts[NAME]["frames_received"] >= 10
        assert counts[f"{NAME}-2"]["frames_received"] == 0


def test_the_server_stays_when_the_first_ends_and_goes_with_the_last() -> None:
    with trainers(2) as (first, second):
        until(lambda: running(first.port) == counted(1, 2), "both")
        server = server_of(first.port)
        with Watcher(first.port, f"{NAME}-2") as viewer:
            viewer.frame()
            first.stop()
            until(lambda: running(first.port) == counted(2), "the end of the first")
            for _ in range(10):
                viewer.frame()
        assert alive(server)
        second.stop()
        until(lambda: not alive(server), "the end of the server")


@pytest.mark.parametrize("worker", WORKERS)
def test_when_the_server_is_killed_another_one_is_there_with_the_same_names(worker: str) -> None:
    with trainers(3, videoStreamWorker=worker) as all_of_them:
        port = all_of_them[0].port
        until(lambda: running(port) == counted(1, 2, 3), "all three")
        os.kill(server_of(port), signal.SIGKILL)
        left = counted(1, 2, 3) if worker == "process" else counted(2, 3)
        until(lambda: running(port) == left, "those that are left")
        with Watcher(port) as viewer:
            for name in left:
                viewer.watch(name)
                viewer.frame()


def test_one_that_ends_and_comes_again_has_its_name_again() -> None:
    with trainers(2) as (first, second):
        until(lambda: running(first.port) == counted(1, 2), "both")
        second.stop()
        until(lambda: running(first.port) == counted(1), "its end")
        again = Trainer(videoStreamPort=first.port)
        try:
            until(lambda: running(first.port) == counted(1, 2), "both again")
        finally:
            again.stop()


def test_a_quality_that_is_chosen_goes_to_whom_it_is_for() -> None:
    extra = """
    while env._tap.channel.settings["videoStreamQuality"] != 40:
        *_, terminated, truncated, _ = env.step(0)
        if terminated or truncated:
            env.reset()
    print("chosen", flush=True)
    """
    port = free_port()
    first = Trainer(videoStreamPort=port)
    second = Trainer(extra, videoStreamPort=port, videoStreamQuality=85)
    try:
        until(lambda: running(port) == counted(1, 2), "both")
        assert get(port, f"/api/streaming/quality/40?stream={NAME}-2", method="POST")[0] == 200
        assert second.line() == "chosen"
    finally:
        first.stop()
        second.stop()


def test_each_ones_recordings_are_its_own_and_whole(tmp_path: Path) -> None:
    pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')
    settings = {"videoRecord": True, "videoRecordFolder": str(tmp_path), "videoRecordEpisodes": "all"}
    with trainers(2, **settings, videoRecordKeep=3) as (first, second):
        until(lambda: running(first.port) == counted(1, 2), "both")

        def finished() -> set[str]:
            told = []
            for path in tmp_path.glob("*.json"):
                with contextlib.suppress(FileNotFoundError):  # Three are kept.
                    told.append(json.loads(path.read_text() or "{}"))
            return {each["about"]["run"] for each in told if each.get("state") == "finished"}

        until(lambda: len(finished()) == 2, "recordings of both", 60)
        assert second.process.poll() is None


# --- who is not let in ---------------------------------------------------------------------------------


def test_who_wants_another_token_has_a_page_of_its_own_and_hears_why() -> None:
    port = free_port()
    with trainers(1, videoStreamPort=port, videoStreamToken="one-secret") as (first,):
        until(lambda: running(port) or get(port, "/stats")[0] == 401, "the first")
        second = Trainer(videoStreamPort=port, videoStreamToken="another-secret")
        try:
            assert second.port != first.port
            assert any("another videoStreamToken" in line for line in second.errors)
            assert not any("one-secret" in line for line in second.errors)
        finally:
            second.stop()


def test_processes_with_the_same_tokens_by_role_share_a_page_and_others_hear_why_not() -> None:
    roles = {"view": "auto", "admin": "steering-all-of-it"}
    with trainers(2, videoStreamTokens=roles) as (first, second):
        assert "token=steering-all-of-it" in first.url and first.url == second.url
        other = Trainer(videoStreamPort=first.port, videoStreamTokens={"view": "auto"})
        try:
            assert other.port != first.port
            assert any("other videoStreamTokens" in line for line in other.errors)
        finally:
            other.stop()


def test_a_token_that_is_made_is_the_same_for_all() -> None:
    with trainers(2, videoStreamToken="auto") as (first, second):
        assert "token=" in first.url and first.url == second.url


OLD = "import envstream._version as v; v.__version__ = '0.0.1'\n"


def test_another_version_has_a_page_of_its_own_and_hears_why() -> None:
    from serving import TRAINER

    port = free_port()
    script = OLD + TRAINER.format(
        tests=str(Path(__file__).parent), settings={"videoStreamPort": port}, extra=""
    )
    with trainers(1, videoStreamPort=port) as (first,):
        old = Trainer(script=script)
        try:
            assert old.port != first.port
            assert any("of version 0.0.1" in line for line in old.errors)
        finally:
            old.stop()


def test_beside_a_foreign_program_they_meet_at_the_next_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        with trainers(2, videoStreamPort=port) as (first, second):
            assert first.port == second.port != port


def test_one_that_does_not_answer_is_done_without(tmp_path: Path) -> None:
    port = free_port()
    with trainers(1, videoStreamPort=port) as (first,):
        server = server_of(port)
        os.kill(server, signal.SIGSTOP)
        try:
            second = Trainer(videoStreamPort=port)
            try:
                assert second.port != first.port
                assert any("does not answer" in line for line in second.errors)
            finally:
                second.stop()
        finally:
            os.kill(server, signal.SIGCONT)


# --- workers of vector envs ----------------------------------------------------------------------------

VECTOR = """
import sys, time
import gymnasium as gym
from envstream import StreamingWrapper

def make():
    env = gym.make("CartPole-v1", render_mode="rgb_array")
    return StreamingWrapper(env, videoStreamPort={port})

if __name__ == "__main__":
    envs = gym.vector.AsyncVectorEnv([make] * 4, context="{context}")
    envs.reset(seed=1)
    print("ready", flush=True)
    while True:
        envs.step(envs.action_space.sample())
"""


@pytest.mark.parametrize("context", ["forkserver", "spawn"])
def test_envs_that_are_wrapped_in_workers_share_a_page_by_rank(context: str, tmp_path: Path) -> None:
    port = free_port()
    script = tmp_path / "vector.py"
    script.write_text(VECTOR.format(port=port, context=context))
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            wanted = {f"{NAME} · rank {rank}" for rank in range(4)}
            until(lambda: running(port) == wanted, "all four", 40)
            listed = json.loads(get(port, "/api/streams")[2])["streams"]
            assert {each["rank"] for each in listed} == {0, 1, 2, 3}
            with Watcher(port, f"{NAME} · rank 2") as viewer:
                assert viewer.frame()[0]["stream"] == f"{NAME} · rank 2"
        finally:
            process.kill()
            until(lambda: not running(port), "their end")

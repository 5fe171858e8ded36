"""Processes that are killed at odd moments: no server outlives its trainer, and what was recorded plays."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from elsewhere import free_port
from faults import NAME, Training, crowd, handshake, playing, request, unharmed
from serving import alive, stats, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="speaks to Linux's processes")

LARGE = 320, 240

# Something that the trainer started in a bad moment holds its end of the control line open.
HOLDS = """if steps == 100:
        import subprocess
        line = env._tap.outlet._worker._line.fileno()
        print(subprocess.Popen(["sleep", "600"], pass_fds=[line], stdout=-3, stderr=-3).pid, flush=True)"""

# The same before the server has been told how to begin; and it never is.
HOLDS_EARLY = """
import subprocess
import envstream.links.worker as workers
def connect(self, line):
    holds = subprocess.Popen(["sleep", "600"], pass_fds=[line.fileno()], stdout=-3, stderr=-3)
    print(holds.pid, flush=True)
    time.sleep(600)
workers.Worker.connect = connect
"""


@pytest.fixture
def holders() -> Iterator[list[int]]:
    """Processes that are ended with the test."""
    started: list[int] = []
    yield started
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def gone(training: Training, child: int) -> None:
    """Kill the training; its server has to end by itself."""
    training.process.kill()
    until(lambda: not alive(child), "the server's end")


@pytest.mark.parametrize("moment", ["recording", "read by nobody", "joined halfway"])
def test_no_server_outlives_a_trainer_that_is_killed(moment: str, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    settings = {"videoRecord": True, "videoRecordFolder": str(videos), "videoRecordEpisodes": "every: 50"}
    with contextlib.ExitStack() as stack:
        training = Training(tmp_path, size=LARGE, videoStreamPort=free_port(), **settings)
        stack.callback(training.stop)
        child = until(training.child, "a server")
        until(lambda: list(videos.glob("*.mp4")), "a recording")
        if moment == "read by nobody":
            (videos / "large.bin").write_bytes(bytes(30_000_000))
            for asks in (request("/stream"), request("/recordings/large.bin"), handshake()):
                stack.enter_context(crowd(training.port, 4, asks, reads=4096))
        elif moment == "joined halfway":
            places = Path(os.environ["XDG_RUNTIME_DIR"], "envstream").glob("*.sock")
            place = max(places, key=lambda path: path.stat().st_mtime)
            knocking = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            knocking.connect(str(place))
            knocking.send(b'{"op": "sta')
        gone(training, child)
    playing(videos)


def test_no_server_outlives_a_trainer_whose_line_something_else_holds(
    tmp_path: Path, holders: list[int]
) -> None:
    training = Training(tmp_path, each=HOLDS)
    try:
        holders.append(int(training.line()))
        child = until(training.child, "a server")
        gone(training, child)
    finally:
        training.stop()


def test_no_server_waits_for_a_trainer_that_was_killed_before_its_first_word(
    tmp_path: Path, holders: list[int]
) -> None:
    training = Training(tmp_path, begin=HOLDS_EARLY, url="'http://127.0.0.1:0/'")
    try:
        holders.append(int(training.line()))
        child = until(training.child, "a server")
        gone(training, child)
    finally:
        training.stop()


def test_a_trainer_that_joined_and_was_killed_has_ended_whatever_holds_its_line(
    tmp_path: Path, holders: list[int]
) -> None:
    port = free_port()
    (tmp_path / "other").mkdir()
    with unharmed(tmp_path, videoStreamPort=port):
        joined = Training(tmp_path / "other", each=HOLDS, videoStreamPort=port)
        try:
            until(lambda: f"{NAME}-2" in states(port), "both")
            holders.append(int(joined.line()))
            joined.process.kill()
            until(lambda: states(port)[f"{NAME}-2"] == "ended", "its end")
        finally:
            joined.stop()


def states(port: int) -> dict[str, str]:
    """The streams that there are, and how they are."""
    return {name: said["state"] for name, said in stats(port)["streams"].items()}


def test_a_server_that_is_killed_again_and_again_comes_back_and_what_was_recorded_plays(
    tmp_path: Path,
) -> None:
    videos = tmp_path / "videos"
    settings = {"videoRecord": True, "videoRecordFolder": str(videos), "videoRecordEpisodes": "every: 50"}
    with unharmed(tmp_path, **settings) as training:
        for _ in range(2):
            child = until(training.child, "a server")
            os.kill(child, signal.SIGKILL)
            until(lambda child=child: not alive(child), "its death")
            training.is_seen()
    assert playing(videos)


# --- forks ---------------------------------------------------------------------------------------------

# While pictures are taken and while the server is started anew, from the loop and from another thread.
FORKING = """
import threading
def fork():
    child = os.fork()
    if child == 0:
        for _ in range(50):
            env.step(0)
        os._exit(0)
    os.waitpid(child, 0)
def forks():
    while True:
        time.sleep(0.05)
        fork()
threading.Thread(target=forks, daemon=True).start()
"""


def test_forks_at_any_moment_disturb_neither_the_training_nor_its_server(tmp_path: Path) -> None:
    each = "if steps % 5000 == 0: fork()"
    with unharmed(tmp_path, begin=FORKING, each=each) as training:
        training.is_seen(30)
        child = until(training.child, "a server")
        os.kill(child, signal.SIGKILL)
        training.is_seen(30)


# --- at random -----------------------------------------------------------------------------------------


@pytest.mark.long
def test_whatever_is_killed_at_random_the_rest_goes_on(tmp_path: Path) -> None:
    """Twenty seconds of what `benchmarks/faults.py --part kills` does for minutes."""
    moments, until_then = random.Random(7), time.monotonic() + 20.0
    videos = tmp_path / "videos"
    settings = {"videoRecord": True, "videoRecordFolder": str(videos), "videoRecordEpisodes": "every: 20"}
    while time.monotonic() < until_then:
        training = Training(tmp_path, size=LARGE, **settings)
        try:
            child = until(training.child, "a server")
            for _ in range(moments.randint(0, 2)):
                time.sleep(moments.uniform(0.1, 2.0))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                training.is_seen()
                child = until(training.child, "a server")
            time.sleep(moments.uniform(0.1, 2.0))
            training.is_unharmed()
            gone(training, child)
        finally:
            training.stop()
    assert playing(videos)

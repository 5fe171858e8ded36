"""Links that lose, reorder or are cut without a word: pictures go on coming, and seats are given back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from faults import LONGEST_STEP, Training, request
from netns import Far, far_network
from serving import get, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="makes networks of Linux's")

TOKEN = "token"
PUBLIC = {"videoStreamHost": "0.0.0.0", "videoStreamToken": TOKEN}

# Sees so many pictures, says so, and goes on.
VIEWER = """
import sys, time
sys.path.insert(0, {tests!r})
import serving
from websockets.sync.client import connect
serving.connect = lambda url, **how: connect(url.replace("127.0.0.1", {here!r}), open_timeout=60, **how)
with serving.Watcher({port}, "PictureEnv", path="/ws?token=token") as viewer:
    for number in range(10_000):
        viewer.frame(60)
        if number == 30:
            print("seen", flush=True)
"""

MJPEG = """
import socket, sys, time
with socket.create_connection(({here!r}, {port})) as viewer:
    viewer.sendall({asks!r})
    got = 0
    while True:
        got += len(viewer.recv(65536))
        if got > 500_000:
            print("seen", flush=True)
            got = -10**12
"""


def viewer(far: Far, script: str) -> subprocess.Popen[str]:
    """A viewer far away."""
    command = [*far.within, sys.executable, "-c", script]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def script_of(kind: str, far: Far, training: Training) -> str:
    asks = request(f"/stream?token={TOKEN}").replace(b"localhost", far.here.encode())
    script = VIEWER if kind == "socket" else MJPEG
    tests = str(Path(__file__).parent)
    return script.format(tests=tests, here=far.here, port=training.port, asks=asks)


def viewers(training: Training) -> int:
    return int(stats_of(training)["clients_connected"])


def stats_of(training: Training) -> dict[str, object]:

    return dict(json.loads(get(training.port, f"/stats?token={TOKEN}")[2]))


def test_over_a_way_that_loses_and_reorders_pictures_come_and_training_goes_on(tmp_path: Path) -> None:
    with far_network(disorderly=True) as far:
        training = Training(tmp_path, **PUBLIC)
        try:
            watching = viewer(far, script_of("socket", far, training))
            try:
                assert watching.stdout is not None and watching.stdout.readline() == "seen\n"
            finally:
                watching.kill()
                watching.communicate()
            training.is_unharmed()
        finally:
            training.stop()
        packets = far.carried()
        assert packets["lost"] > 5 and packets["overtaken"] > 20, packets


@pytest.mark.long
@pytest.mark.parametrize("kind", ["socket", "MJPEG"])
def test_a_viewer_whose_way_is_cut_without_a_word_gives_its_seat_back(kind: str, tmp_path: Path) -> None:
    with far_network() as far:
        training = Training(tmp_path, size=(320, 240), **PUBLIC)
        try:
            watching = viewer(far, script_of(kind, far, training))
            try:
                assert watching.stdout is not None and watching.stdout.readline() == "seen\n"
                assert viewers(training) == 1
                far.cut()
                until(lambda: viewers(training) == 0, "its seat", 90)
            finally:
                watching.kill()
                watching.communicate()
            training.goes_on()
            assert training.diary["slowest"] < LONGEST_STEP
        finally:
            training.stop()

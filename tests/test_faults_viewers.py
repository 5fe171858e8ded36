"""Viewers who never read, stop, dawdle or come in thousands: the training and the other viewers go on."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from faults import Training, answers, crowd, handshake, playing, request, unharmed
from serving import stats, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="speaks to Linux's processes")

IDLE, SLOW = 2000, 200
LARGE = 320, 240  # Noise of this size: no buffer holds many pictures of it.

VIEWER = """
import sys
sys.path.insert(0, {tests!r})
from serving import Watcher
with Watcher({port}, "PictureEnv") as viewer:
    for _ in range(3):
        viewer.frame(60)
    print("seen", flush=True)
    while True:
        viewer.frame(60)
"""


@pytest.fixture
def room() -> None:
    """As many descriptors as a crowd takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + SLOW + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} descriptors, and the system allows {hard}: raise its nofile")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def test_readers_who_never_read_hold_nobody_up(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    settings = {"videoRecord": True, "videoRecordFolder": str(videos), "videoRecordEpisodes": "every: 100"}
    with unharmed(tmp_path, size=LARGE, **settings) as training:
        until(lambda: list(videos.glob("*.mp4")), "a recording")
        (videos / "large.bin").write_bytes(bytes(30_000_000))
        asks = request("/stream"), request("/recordings/large.bin"), request("/screen")
        with crowd(training.port, 8, *asks[:1], reads=4096), crowd(training.port, 16, asks[1], reads=4096):
            with crowd(training.port, 8, handshake(), reads=4096):
                training.is_seen(20)
                assert answers(training.port, "/")
    playing(videos)


def test_a_viewer_that_is_stopped_and_goes_on_disturbs_nobody_and_sees_again(tmp_path: Path) -> None:
    with unharmed(tmp_path, size=LARGE) as training:
        script = VIEWER.format(tests=str(Path(__file__).parent), port=training.port)
        viewer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        try:
            assert viewer.stdout is not None and viewer.stdout.readline() == "seen\n"
            viewer.send_signal(signal.SIGSTOP)
            training.is_seen(20)
            training.goes_on()
            viewer.send_signal(signal.SIGCONT)
            before = psutil.Process(viewer.pid).cpu_times().user
            until(lambda: psutil.Process(viewer.pid).cpu_times().user > before, "its next picture")
            assert viewer.poll() is None and stats(training.port)["clients_connected"] >= 1
        finally:
            viewer.kill()
            viewer.communicate()


@pytest.mark.usefixtures("room")
def test_thousands_who_say_nothing_or_little_keep_nobody_out(tmp_path: Path) -> None:
    with unharmed(tmp_path) as training:
        half = request("/").removesuffix(b"\r\n\r\n")
        with crowd(training.port, IDLE), crowd(training.port, SLOW, half):
            for _ in range(3):
                training.is_seen()
            assert answers(training.port, "/")


def test_a_server_lets_as_many_in_as_the_system_allows_whatever_its_trainer_is_allowed(
    tmp_path: Path,
) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    begin = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, {hard}))"
    with unharmed(tmp_path, begin=begin) as training:
        with crowd(training.port, 300) as there:
            for one in (there[0], there[-1]):
                one.sendall(request("/health"))
                assert one.recv(12) == b"HTTP/1.1 200"
        assert resource.prlimit(training.process.pid, resource.RLIMIT_NOFILE)[0] == 128


def test_where_a_server_has_no_descriptors_left_who_comes_waits_and_it_is_said_once(tmp_path: Path) -> None:
    with unharmed(tmp_path) as training:
        child = until(training.child, "a server")
        held = len(list(Path(f"/proc/{child}/fd").iterdir()))
        resource.prlimit(child, resource.RLIMIT_NOFILE, (held + 80, held + 80))
        with crowd(training.port, held + 30):
            until(lambda: training.warnings("no further connection can be taken"), "a word about it")
            before = _cpu(child)
            time.sleep(1.0)
            assert _cpu(child) - before < 0.7  # It waits, and does not spin.
            training.goes_on()
            assert training.child() == child
        training.is_seen()
        with crowd(training.port, held + 30):
            training.goes_on()
        assert len(training.warnings("no further connection can be taken")) == 1


def _cpu(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


@pytest.mark.long
def test_who_never_reads_is_let_go_after_a_while(tmp_path: Path) -> None:
    training = Training(tmp_path, size=LARGE)
    try:
        with crowd(training.port, 1, request("/stream"), reads=4096):
            until(lambda: stats(training.port)["clients_connected"] == 1, "its seat")
            until(lambda: stats(training.port)["clients_connected"] == 0, "that to be free again", 90)
    finally:
        training.stop()

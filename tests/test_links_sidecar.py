"""The server beside a training run, in a process and in a thread: it lives and dies as it should."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving import TRAINER, Watcher, alive, get, stats, training, until

WORKERS = ["process", "thread"]
NAME = "CartPole-v1"

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.mark.parametrize("worker", WORKERS)
def test_a_viewer_sees_frames_that_tell_their_story(worker: str) -> None:
    with training(videoStreamWorker=worker) as trainer, Watcher(trainer.port, NAME) as watcher:
        first, picture = watcher.frame()
        second, _ = watcher.frame()
    assert picture[:2] == b"\xff\xd8"
    assert second["frameNumber"] > first["frameNumber"]
    assert first["timestamp"] <= first["processed_at"] <= first["sent_at"] <= time.monotonic()
    assert (first["width"], first["height"], first["format"]) == (600, 400, "jpeg")
    assert second["totalSteps"] > first["totalSteps"]


@pytest.mark.parametrize("worker", WORKERS)
def test_nobody_watching_means_nothing_is_captured(worker: str) -> None:
    with training(videoStreamWorker=worker) as trainer:
        until(lambda: stats(trainer.port)["streams"][NAME]["episodes"] > 20, "episodes")
        assert stats(trainer.port)["frames_received"] == 0


@linux_only
def test_the_process_worker_runs_beside_and_the_thread_worker_inside_the_trainer() -> None:
    with training(videoStreamWorker="process") as trainer:
        assert trainer.child() is not None
    with training(videoStreamWorker="thread") as trainer:
        assert trainer.child() is None


@linux_only
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGHUP]
)
def test_a_trainer_killed_by_any_signal_takes_its_server_with_it(number: signal.Signals) -> None:
    with training() as trainer, Watcher(trainer.port) as watcher:
        child = trainer.child()
        assert child is not None
        watcher.watch(NAME, status=True)
        watcher.frame()
        trainer.process.send_signal(number)
        until(lambda: watcher.message("streams")["streams"][0]["state"] == "ended", "the last words")
        until(lambda: not alive(child), "the server's end")


@linux_only
def test_a_killed_server_comes_back_at_its_place_and_training_goes_on() -> None:
    with training() as trainer:
        before = trainer.child()
        assert before is not None
        os.kill(before, signal.SIGKILL)
        after = until(lambda: (pid := trainer.child()) != before and pid, "a new server")
        assert after != before
        until(lambda: _answers(trainer.port), "the page at its old address")
        with Watcher(trainer.port, NAME) as watcher:
            watcher.frame()
        assert trainer.process.poll() is None
        assert len([line for line in trainer.errors if "the server process ended" in line]) == 1


@linux_only
def test_a_killed_server_does_not_kill_a_trainer_that_lets_sigpipe_kill() -> None:
    with training("import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)") as trainer:
        for _ in range(2):
            child = until(trainer.child, "a server")
            until(lambda: _answers(trainer.port), "the page")
            with Watcher(trainer.port, NAME) as watcher:
                watcher.frame()
                os.kill(child, signal.SIGKILL)
            until(lambda child=child: not alive(child), "the server's death")
        assert trainer.process.poll() is None


def _answers(port: int) -> bool:
    try:
        return get(port, "/health", timeout=2)[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize("worker", WORKERS)
def test_a_taken_port_leads_to_the_next_free_one(worker: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with training(videoStreamWorker=worker, videoStreamPort=port) as trainer:
            assert port < trainer.port < port + 100
            until(lambda: any(f":{trainer.port}/" in line for line in trainer.errors), "the printed address")


SCRIPT_THAT_ENDS = """
import sys
import gymnasium as gym
from envstream import StreamingWrapper
env = StreamingWrapper(gym.make("CartPole-v1", render_mode="rgb_array"), {settings!r})
env.reset(seed=1)
print(env.stream_url)
for _ in range(1000):
    *_, terminated, truncated, _ = env.step(env.action_space.sample())
    if terminated or truncated:
        env.reset()
env.close()
print("finished")
"""


def _run(
    settings: dict[str, object], before: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    script = before + SCRIPT_THAT_ENDS.format(settings={"videoStreamPort": 0, **settings})
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=env)


@pytest.mark.parametrize("worker", WORKERS)
def test_a_host_that_cannot_be_bound_is_said_once_and_training_goes_on(worker: str) -> None:
    run = _run({"videoStreamHost": "203.0.113.7", "videoStreamToken": "t", "videoStreamWorker": worker})
    assert run.stdout.split() == ["None", "finished"]
    assert run.stderr.count("cannot listen on 203.0.113.7") == 1
    assert "videoStreamHost" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize("worker", WORKERS)
def test_a_finished_script_leaves_nothing_behind(worker: str) -> None:
    run = _run({"videoStreamWorker": worker})
    assert run.stdout.split()[1] == "finished" and run.returncode == 0
    assert "Traceback" not in run.stderr
    port = int(run.stdout.split(":")[2].split("/")[0])
    until(lambda: not _answers(port), "the port's release")


def test_warnings_as_errors_neither_stop_training_nor_server() -> None:
    run = _run({}, PYTHONWARNINGS="error")
    assert "finished" in run.stdout, run.stderr


def test_a_server_that_cannot_be_started_falls_back_to_a_thread_and_says_what_it_costs() -> None:
    broken = "import envstream.links.sidecar as s; s.child_command = lambda: ['/nonexistent/python']\n"
    run = _run({}, broken)
    assert run.stdout.startswith("http://127.0.0.1:") and "finished" in run.stdout
    assert run.stderr.count("runs in a thread of the training process instead") == 1


def test_a_server_that_dies_at_its_start_falls_back_to_a_thread() -> None:
    broken = (
        "import sys, envstream.links.sidecar as s\n"
        "s.child_command = lambda: [sys.executable, '-c', 'raise SystemExit(3)']\n"
        "s._FIRST_PAUSE = s._LONGEST_PAUSE = 0.01\n"
    )
    run = _run({}, broken)
    assert run.stdout.startswith("http://127.0.0.1:") and "finished" in run.stdout
    assert run.stderr.count("runs in a thread of the training process instead") == 1


def test_no_shared_memory_falls_back_to_a_thread_and_says_so() -> None:
    broken = (
        "import envstream.links.block as b\n"
        "def none(size): raise OSError(28, 'No space left on device')\n"
        "b._memory_file = none\n"
    )
    run = _run({}, broken)
    assert run.stdout.startswith("http://127.0.0.1:") and "finished" in run.stdout
    assert run.stderr.count("no shared memory for frames") == 1


@linux_only
@pytest.mark.parametrize("memfd", [True, False], ids=["memfd", "unlinked file"])
def test_a_tiny_dev_shm_is_no_matter_or_an_error_but_never_a_crash(memfd: bool, tmp_path: Path) -> None:
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("needs root and the right to make a mount namespace: run the tests as root")
    without = "" if memfd else "import os; del os.memfd_create\n"
    script = without + TRAINER.format(
        tests=str(Path(__file__).parent), settings={"videoStreamPort": 0}, extra=""
    )
    # 128 KiB: the control page fits, one picture of 600×400 does not.
    shell = 'mount -t tmpfs -o size=144k tmpfs /dev/shm && exec "$0" -c "$1"'
    process = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", shell, sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        with Watcher(port) as watcher:
            watcher.watch(NAME, status=True)
            if memfd:
                watcher.frame()
            else:
                said = until(lambda: watcher.message("streams")["streams"][0]["message"], "the reason")
                assert "No space left" in said
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


@linux_only
@pytest.mark.parametrize("worker", WORKERS)
def test_a_fork_neither_streams_nor_disturbs_nor_keeps_the_server_alive(worker: str) -> None:
    extra = """
    import os
    child = os.fork()
    if child == 0:
        for _ in range(100_000):
            *_, terminated, truncated, _ = env.step(0)
            if terminated or truncated:
                env.reset()
        captures = env._tap.captures
        del env  # Dropped, not closed: the stream is the parent's all the same.
        import gc
        gc.collect()
        print("forked", os.getpid(), captures, flush=True)
        time.sleep(60)
        os._exit(0)
    """
    with training(extra, videoStreamWorker=worker) as trainer:
        with Watcher(trainer.port) as watcher:
            # Of a fixed quality: a picture that stands for a while is not sent once more at a better one.
            watcher.watch(NAME, quality=60)
            _, fork, captures = trainer.line().split()
            assert captures == "0"
            numbers = [watcher.frame()[0]["frameNumber"] for _ in range(5)]
            assert numbers == sorted(set(numbers))
        trainer.process.kill()
        until(lambda: not _answers(trainer.port), "the end of the server while the fork still lives")
        os.kill(int(fork), signal.SIGKILL)


@pytest.mark.parametrize("worker", WORKERS)
def test_two_envs_of_one_process_share_a_page(worker: str) -> None:
    extra = """
    other = StreamingWrapper(gym.make("CartPole-v1", render_mode="rgb_array"), videoStreamPort=0,
                             videoStreamWorker=%r)
    other.reset(seed=2)
    print(other.stream_url, flush=True)
    other.step(0)
    """
    with training(extra % worker, videoStreamWorker=worker) as trainer:
        assert trainer.line() == trainer.url
        names = until(lambda: len(s := stats(trainer.port)["streams"]) == 2 and sorted(s), "both streams")
        assert names == [NAME, NAME + "-2"]


@pytest.mark.parametrize("worker", WORKERS)
def test_closing_and_resetting_an_env_streams_again(worker: str) -> None:
    extra = """
    env.close()
    env.reset(seed=1)
    print(env.stream_url, flush=True)
    """
    with training(extra, videoStreamWorker=worker) as trainer:
        port = int(trainer.line().split(":")[2].split("/")[0])
        with Watcher(port, NAME) as watcher:
            watcher.frame()


def test_a_second_run_takes_the_place_of_a_killed_one() -> None:
    with training() as trainer:
        port = trainer.port
        trainer.process.kill()
        trainer.process.wait()
    with training(videoStreamPort=port) as again:
        assert again.port == port


@linux_only
def test_the_token_is_on_no_command_line() -> None:
    with training(videoStreamToken="very-secret") as trainer:
        child = trainer.child()
        assert "very-secret" not in Path(f"/proc/{child}/cmdline").read_text()
        assert get(trainer.port, "/stats")[0] == 401
        body = get(trainer.port, "/stats", {"Authorization": "Bearer very-secret"})[2]
        assert json.loads(body)["server_running"]


def test_the_server_gives_way_to_training_where_every_core_is_busy() -> None:
    with training() as trainer:
        child = trainer.child()
        assert child is not None
        until(lambda: os.getpriority(os.PRIO_PROCESS, child) > 0, "a lower priority")
        group = Path(f"/proc/{child}/autogroup")
        if group.exists():  # Priorities count within a session only, where the kernel groups by sessions.
            until(lambda: int(group.read_text().split()[-1]) > 0, "a lower priority of its session")

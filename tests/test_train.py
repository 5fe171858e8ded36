"""`train.py`, run as its user runs it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUICK = ["env.videoStreamPort=0", "train.progressBar=false"]
ENVS = sorted(path.stem for path in (ROOT / "cfg" / "env").glob("*.yaml") if path.stem != "stream")


def train(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "train.py"), *arguments, *QUICK]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, cwd=ROOT)


@contextlib.contextmanager
def watched(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A training without an end, and what it complained until it said where to watch."""
    command = [sys.executable, str(ROOT / "train.py"), *arguments, *QUICK, "train.totalTimesteps=100000000"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert run.stderr is not None
    try:
        before = ""
        while "ssh -L" not in before:
            line = run.stderr.readline()
            assert line, f"ended before it began: {before}"
            before += line
        yield run, before
    finally:
        run.kill()
        run.communicate()


def test_ppo_trains_on_cartpole_and_says_how_it_went() -> None:
    run = train("env.videoStream=true", "train.totalTimesteps=2048")
    assert run.returncode == 0, run.stderr
    assert "mean return of the last" in run.stdout


def test_the_streaming_config_streams_by_itself() -> None:
    with watched("--config-name", "test_stream", "train.algo=random") as (_, said):
        assert "watch at http://127.0.0.1:" in said


@pytest.mark.long
def test_several_envs_share_one_page() -> None:
    run = train("env.numEnvs=3", "env.videoStream=true", "train.totalTimesteps=6000")
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("watch at") == 1


@pytest.mark.long
def test_a_model_is_saved_where_it_was_asked_for(tmp_path: Path) -> None:
    run = train(f"train.save={tmp_path / 'model.zip'}", "train.totalTimesteps=300")
    assert run.returncode == 0 and (tmp_path / "model.zip").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train.algo=SAC9"], "expected one of PPO, A2C, DQN, random"),
        (["train.algo=random", "env.id=Nope-v1"], "env.id=Nope-v1: "),
        (["train.algo=DQN", "env.id=MountainCarContinuous-v0"], "train.algo=DQN cannot train"),
        (["train.algo=random", "env.videoFps=0"], "a number from 0.1 to 240"),
        (["train.algo=random", "+env.videoStreamPrt=1"], "did you mean 'videoStreamPort'"),
        (
            ["train.algo=random", "env.videoStream=true", "env.videoStreamTlsCert=/no/cert"],
            "an existing file",
        ),
    ],
)
def test_a_mistake_is_answered_with_one_sentence(arguments: list[str], sentence: str) -> None:
    run = train(*arguments)
    assert run.returncode == 1
    assert sentence in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("algo", ["PPO", "random"])
def test_ctrl_c_and_kill_end_cleanly(algo: str, number: signal.Signals) -> None:
    with watched(f"train.algo={algo}", "env.videoStream=true") as (run, _):
        run.send_signal(number)
        said, complained = run.communicate(timeout=30)
    assert run.returncode == 128 + number
    assert "stopped after" in said and "Traceback" not in complained


@pytest.mark.parametrize("env", ENVS)
def test_every_env_has_a_config_that_composes(env: str) -> None:
    run = train("--cfg", "job", "--resolve", f"env={env}")
    assert run.returncode == 0, run.stderr
    assert "videoStreamMaxOverhead: 0.05" in run.stdout and "totalTimesteps:" in run.stdout


def test_nothing_is_written_that_was_not_asked_for(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "train.py"),
        *QUICK,
        "train.algo=random",
        "train.totalTimesteps=100",
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, timeout=60)
    assert list(tmp_path.iterdir()) == []

"""`benchmarks/fuzz.py`: twenty thousand requests leave no server error, no crash, no hang and no leak."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from serving import BENCHMARKS

pytest.importorskip("psutil")

REQUESTS = 20_000

sys.path.insert(0, str(BENCHMARKS))

fuzzing = importlib.import_module("fuzzing")


def test_a_case_is_the_same_each_time() -> None:
    assert [fuzzing.case(3, index) for index in range(200)] == [
        fuzzing.case(3, index) for index in range(200)
    ]
    assert fuzzing.case(3, 1) != fuzzing.case(4, 1)


def test_every_address_and_every_socket_is_asked() -> None:
    asked = {fuzzing.case(1, index).where.split(" ")[-1] for index in range(4000)}
    assert set(fuzzing.DESCRIPTION["paths"]) <= asked
    assert {"/ws", "/stream", "/ws/camera/hall", "/ws/view/hall"} <= asked


@pytest.mark.long
def test_many_requests_leave_nothing_behind(tmp_path: Path) -> None:
    report, failures = tmp_path / "fuzz.json", tmp_path / "failures.jsonl"
    command = [
        sys.executable,
        str(BENCHMARKS / "fuzz.py"),
        "--requests",
        str(REQUESTS),
        "--json",
        str(report),
    ]
    done = subprocess.run(
        [*command, "--failures", str(failures)], capture_output=True, text=True, timeout=110, cwd=tmp_path
    )
    found = failures.read_text()[:3000] if failures.exists() else ""
    assert report.exists(), done.stdout + done.stderr
    said = json.loads(report.read_text())
    assert said["rows"][-1]["sent"] >= REQUESTS
    # What memory does in a minute says nothing yet.
    missed = [bar for bar in said["bars"] if not bar["held"] and "memory" not in bar["promise"]]
    assert missed == [], found + done.stderr

"""A clock that is set: nothing in the package measures with it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import envstream
from elsewhere import NAME
from fakes import PictureEnv
from serving import Watcher, get, streaming

ROOT = Path(envstream.__file__).parent

# Where the date is wanted: what tells people when something was.
DATES = {"clip.py", "recording.py", "process.py", "web/tls.py"}


def readers_of_the_date() -> set[str]:
    """The modules that look at the clock that can be set."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                said = ast.unparse(node)
                if said in ("time.time", "time.time_ns") or said.endswith(
                    ("datetime.now", "datetime.utcnow")
                ):
                    found.add(path.relative_to(ROOT).as_posix())
    return found


def test_only_what_tells_a_date_looks_at_the_clock_that_can_be_set() -> None:
    assert readers_of_the_date() == DATES


@pytest.mark.parametrize("step", [3600.0, -3600.0], ids=["forward", "back"])
def test_a_clock_that_steps_by_an_hour_changes_nothing(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    real: Callable[[], float] = time.time
    with streaming(PictureEnv(np.zeros((4, 6, 3), np.uint8)), videoStreamToken="token") as port:
        _, headers, _ = get(port, "/?token=token")
        cookie = {"Cookie": headers["set-cookie"].split(";")[0]}
        with Watcher(port, NAME, path="/ws?token=token") as viewer:
            viewer.frame()
            monkeypatch.setattr(time, "time", lambda: real() + step)
            for _ in range(5):
                about, _ = viewer.frame()
                assert 0 <= time.monotonic() - about["timestamp"] < 60
            status, _, body = get(port, "/stats", cookie)
            assert status == 200 and b'"uptime_seconds"' in body

"""The heap of a server's process: what was let go of between pieces that are held is given back."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import textwrap

import pytest

from envstream.web import heap

GLIBC = hasattr(ctypes, "CDLL") and sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")

HOLES = """
    import gc
    import threading
    from pathlib import Path
    from envstream.web.heap import EVERY, keep_small

    def megabytes():
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000

    go, done, slept = threading.Event(), threading.Event(), []

    def sleep(seconds):
        if slept:
            done.set()
            threading.Event().wait()
        slept.append(seconds)
        go.wait()

    keep_small(sleep)
    held = []
    for _ in range(2000):  # Small enough that none of them has a mapping of its own.
        filler = bytearray(b"x" * 60_000)
        held.append(bytes(bytearray(2000)))
        held.append(filler)
    held = [piece for piece in held if len(piece) == 2000]
    before = megabytes()
    go.set()
    assert done.wait(60)
    print(before - megabytes(), slept == [EVERY], gc.get_freeze_count() > 1000)
"""


@pytest.mark.skipif(not GLIBC, reason="only glibc gives back what is free in its midst")
def test_what_is_free_between_what_is_held_goes_back_to_the_system() -> None:
    code = textwrap.dedent(HOLES)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    given_back, slept, frozen = done.stdout.split()
    assert float(given_back) > 50 and (slept, frozen) == ("True", "True")


def test_where_the_c_library_cannot_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert heap.keep_small() is None


def test_where_the_c_library_has_no_name_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def windows(name: object) -> object:
        raise TypeError("a name is needed")

    monkeypatch.setattr(ctypes, "CDLL", windows)
    assert heap.keep_small() is None

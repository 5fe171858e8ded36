"""Memory and descriptors that run out, in the server and in the training; and memory that others touch."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import pytest

from faults import Training, unharmed
from serving import alive, get, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits Linux's processes")


def test_a_server_without_memory_may_die_and_comes_back_when_there_is_some(tmp_path: Path) -> None:
    with unharmed(tmp_path, silent=False, size=(320, 240)) as training:
        child = until(training.child, "a server")
        pages = int(Path(f"/proc/{child}/statm").read_text().split()[0])
        size = pages * os.sysconf("SC_PAGE_SIZE")
        resource.prlimit(child, resource.RLIMIT_AS, (size + 2_000_000, resource.RLIM_INFINITY))
        until_then = time.monotonic() + 3.0
        while time.monotonic() < until_then and alive(child):
            for path in ("/stats", "/screen?scale=8", "/screen?format=png"):
                try:
                    get(training.port, path, timeout=2)
                except OSError:
                    break
        training.goes_on()
        if alive(child):
            resource.prlimit(child, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        training.is_seen()


def test_a_training_without_descriptors_goes_on_and_its_server_comes_back_when_there_are_some(
    tmp_path: Path,
) -> None:
    each = """if steps == 3000:
        import resource
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        held = len(os.listdir("/proc/self/fd"))
        say()
        resource.setrlimit(resource.RLIMIT_NOFILE, (held - 1, limits[1]))
        print("short", flush=True)
        over = time.monotonic() + 2.0
    if steps > 3000 and over and time.monotonic() > over:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        over = 0
    elif steps > 3000 and over:
        told = now"""
    training = Training(tmp_path, each=each)
    try:
        assert training.line() == "short"
        child = training.child()
        if child is not None:
            os.kill(child, 9)
        training.is_seen()
        training.is_unharmed()
        assert training.child() not in (None, child)
    finally:
        training.stop()


@pytest.mark.parametrize("memfd", [True, False], ids=["memfd", "unlinked file"])
def test_memory_that_others_would_cut_off_stays_as_it_is(memfd: bool, tmp_path: Path) -> None:
    begin = "" if memfd else "import os; del os.memfd_create"
    with unharmed(tmp_path, begin=begin) as training:
        shared = [
            path
            for path in Path(f"/proc/{training.process.pid}/fd").iterdir()
            if "memfd:envstream" in str(path.readlink())
        ]
        assert bool(shared) is memfd
        for path in shared:
            with pytest.raises(PermissionError):
                os.truncate(path, 0)

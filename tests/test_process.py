"""Process: what this process uses of its machine."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from envstream.process import use


@pytest.mark.skipif(sys.platform != "linux", reason="what other systems tell is less")
def test_an_open_file_and_a_thread_more_are_seen(tmp_path: Path) -> None:
    before = use()
    assert before.descriptors is not None
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    with (tmp_path / "file").open("w"):
        thread.start()
        after = use()
    over.set()
    thread.join()
    assert (after.descriptors, after.threads) == (before.descriptors + 1, before.threads + 1)


@pytest.mark.skipif(sys.platform != "linux", reason="what other systems tell is less")
def test_memory_that_is_written_to_is_seen() -> None:
    before = use().rss
    held = bytearray(b"\1") * 50_000_000
    after = use().rss
    assert before is not None and after is not None and after - before > 40_000_000
    assert len(held) == 50_000_000


def test_work_is_seen_in_cpu_seconds_and_the_process_began_before_now() -> None:
    before = use()
    while time.process_time() < before.cpu + 0.02:
        pass
    after = use()
    assert after.cpu >= before.cpu + 0.02
    assert after.started == before.started <= time.time()

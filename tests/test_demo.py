"""The demo: every preset live, then two ways of getting pictures out of an emulator, measured in one run."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from cartridges import emulator as any_emulator
from envstream import demo
from envstream import outlet as outlets
from envstream.config import PRESETS
from envstream.demo import Cost, compare, comparison, run
from envstream.envs.emulator import Emulator
from serving import until


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with any_emulator():
        pass  # Skips where PyBoy is missing.
    emulator = Emulator(None, window=False, always_drawn=True, options={})
    yield emulator
    emulator.stop()


def test_every_preset_is_shown_and_the_table_is_printed(emulator: Emulator) -> None:
    outlets._outlets.clear()  # A server of its own, whatever other tests have running.
    said: list[str] = []
    run(None, 1.2, {"videoStreamPort": 0, "videoStreamWorker": "thread"}, said.append)
    text = "\n".join(said)
    assert "The page: http://127.0.0.1:" in text
    assert [line.split()[0] for line in said[2:6]] == list(PRESETS)
    assert "Capture latency" in text and "Memory buffer" in text
    until(lambda: not any(t.name == "envstream-server" for t in threading.enumerate()), "the server's end")


def test_both_ways_are_measured_and_ours_is_smaller(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "COMPARED", 40)
    before, after = compare(emulator)
    assert all(figure > 0 for figure in (*before, *after))
    assert after.size < before.size and after.bytes_kept < before.bytes_kept
    assert (before.frames_kept, after.frames_kept) == (30, 10)


def test_the_games_pictures_are_small(emulator: Emulator) -> None:
    assert compare(emulator)[1].size <= 800


def test_the_table_says_what_was_measured() -> None:
    table = comparison(Cost(10, 1, 3000, 90, 30, 3_000_000), Cost(1, 0.5, 800, 600, 10, 700_000)).splitlines()
    assert table[1].split() == ["Capture", "latency", "10.000", "ms", "1.000", "ms", "10.0x"]
    assert table[3].split() == ["File", "size", "3000", "bytes", "800", "bytes", "3.8x"]
    assert table[5].split()[2:] == ["30", "frames,", "3.00", "MB", "10", "frames,", "0.70", "MB", "4.3x"]

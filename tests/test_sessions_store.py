"""The folder of a session: what was taken is there, whatever happened to the process or the disk."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import disks
from arrivals import arrival
from envstream.errors import SessionError
from envstream.sessions.roll import Roll
from envstream.sessions.store import Store
from envstream.sessions.tape import ENTRY, HIGHEST, INDEX, LOG, Tape, head_of

HERE = str(Path(__file__).parent)

# Goes on with a folder for ever, and says the number of each frame when it is taken.
WRITES = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from arrivals import arrival
from envstream.sessions.store import Store
folder, number = Path(sys.argv[1]), int(sys.argv[2])
store = Store.open(folder) if folder.exists() else Store.create(folder)
while True:
    store.write(arrival(number))
    os.write(1, b"%d\\n" % number)
    number += 1
"""

# Files may be 3000 bytes long, then longer: what a full disk does, as far as a store sees it.
FULL = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from arrivals import arrival
from envstream.errors import SessionError
from envstream.sessions.store import Store
store = Store.create(Path(sys.argv[1]))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
said = []
def tried(does):
    before = store.size, *(path.read_bytes() for path in sorted(store.folder.glob("frames.*")))
    try:
        does()
        said.append("kept")
    except SessionError as error:
        after = store.size, *(path.read_bytes() for path in sorted(store.folder.glob("frames.*")))
        said.append([error.code, error.number, str(error), before == after])
tried(lambda: store.write(arrival(1, size=2000)))
tried(lambda: store.write(arrival(2, size=2000)))
tried(lambda: store.write(arrival(200, size=200)))
tried(lambda: store.write(arrival(3, size=200)))
tried(lambda: store.note({{"text": "x" * 4000}}))
tried(lambda: store.write_signal("x.csv", bytes(4000)))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
tried(lambda: store.write(arrival(2, size=2000)))
tried(lambda: store.write(arrival(200, size=200)))
store.close()
print(json.dumps(said))
"""


def kept(folder: Path, numbers: Iterable[int], size: int | None = None) -> list[int]:
    """Of these numbers, those whose frames are there as they were sent."""
    tape = Tape(folder)
    found = {number: tape.get(number) for number in numbers}
    tape.close()
    assert all(each in (None, arrival(number, size)) for number, each in found.items())
    return [number for number, each in found.items() if each is not None]


def filled(folder: Path, *numbers: int, size: int | None = None) -> Store:
    store = Store.create(folder)
    for number in numbers:
        store.write(arrival(number, size))
    return store


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def reopened(store: Store) -> Store:
    store.close()
    return Store.open(store.folder)


# ---- frames


def test_a_new_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "sessions" / "a")
    assert (store.folder, store.size, store.frames, store.signal) == (tmp_path / "sessions" / "a", 0, 0, None)
    assert names(store.folder) == [INDEX, LOG]
    store.close()


def test_what_is_there_is_nobody_elses(tmp_path: Path) -> None:
    filled(tmp_path / "x", 1).close()
    with pytest.raises(FileExistsError):
        Store.create(tmp_path / "x")
    assert kept(tmp_path / "x", [1]) == [1]


def test_a_folder_that_cannot_have_files_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(NotADirectoryError):
        Store.create(tmp_path / "x" / "y")
    monkeypatch.setattr("envstream.sessions.store.INDEX", "too-long" * 100)
    with pytest.raises(OSError, match="too long"):
        Store.create(tmp_path / "z")
    assert names(tmp_path) == ["x"]


def test_a_folder_that_is_not_there_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Store.open(tmp_path / "nowhere")


def test_a_frame_is_there_when_write_is_back(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "x")
    for number in (2, 1, 30):
        store.write(arrival(number))
        assert number in kept(tmp_path / "x", range(40))
    assert store.frames == 3
    store.close()


def test_the_size_is_that_of_what_was_written(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "x")
    assert store.write(arrival(1, size=1000)) + store.write(arrival(9, size=50)) == store.size
    assert store.size == (tmp_path / "x" / LOG).stat().st_size + 2 * ENTRY > 1050
    frames = store.size
    store.note({"state": "receiving"})
    store.write_signal("x.csv", bytes(100))
    assert store.size == frames + 100 + (tmp_path / "x" / "session.json").stat().st_size
    size = store.size
    store = reopened(store)
    assert (store.size, store.frames) == (size, 2)
    store.close()


def test_a_number_is_written_once(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 1, 2)
    for _ in range(2):
        with pytest.raises(ValueError, match="frame 2 is there already"):
            store.write(arrival(2, data=b"another"))
        store = reopened(store)
    assert kept(tmp_path / "x", [1, 2]) == [1, 2]
    store.close()


@pytest.mark.parametrize("number", [-1, 0, HIGHEST + 1, 2**70])
def test_a_number_that_cannot_be_is_refused(number: int, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "x")
    with pytest.raises(ValueError, match=f"frame {number}: expected a number from 1"):
        store.write(arrival(number))
    assert store.size == 0
    store.close()


def test_after_a_restart_it_goes_on_where_it_was(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 1, 2, 3)
    store.sync()
    store = reopened(store)
    store.write(arrival(4))
    store = reopened(store)
    assert store.frames == 4
    assert kept(tmp_path / "x", range(10)) == [1, 2, 3, 4]
    store.close()


def test_a_closed_store_takes_no_frame(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 1)
    store.close()
    store.close()
    store.sync()
    with pytest.raises(ValueError, match="closed"):
        store.write(arrival(2))
    assert kept(tmp_path / "x", [1, 2]) == [1]


def test_frames_that_are_forgotten_are_gone_and_all_else_stays(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 1, 2)
    store.note({"state": "complete"})
    store.write_signal("x.csv", b"1,2\n")
    (tmp_path / "x" / "result.json").write_text("{}")
    store.forget_frames()
    for _ in range(2):
        assert names(tmp_path / "x") == ["result.json", "session.json", "signal.csv"]
        assert store.size == sum((tmp_path / "x" / name).stat().st_size for name in names(store.folder)[1:])
        assert (store.said(), store.frames, store.roll([]).up_to) == ({"state": "complete"}, 0, 0)
        with pytest.raises(ValueError, match="forgot"):
            store.write(arrival(3))
        store.forget_frames()
        store = reopened(store)
    assert names(tmp_path / "x") == ["result.json", "session.json", "signal.csv"]


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    store, tiny = Store.create(tmp_path / "x"), arrival(1, size=8, info={})
    tracemalloc.start()
    try:
        memory = []
        for number in range(1, 20_001):
            store.write(tiny._replace(number=number))
            if number % 5000 == 0:  # By the first, Python has put aside what it takes for many small things.
                memory.append(tracemalloc.get_traced_memory()[0])
        store = reopened(store)
        assert store.roll([]).up_to == store.frames == 20_000
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max(*memory, now) - memory[0] < 15_000  # A byte a frame.
    assert most < 1_000_000
    store.close()


# ---- killed


def test_every_frame_that_was_taken_outlasts_the_process_that_is_killed(tmp_path: Path) -> None:
    folder, taken, chance = tmp_path / "x", 0, random.Random(7)
    for _ in range(12):
        script = [sys.executable, "-c", WRITES.format(tests=HERE), folder, str(taken + 1)]
        with subprocess.Popen(script, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randint(1, 60)):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            # The pipe has the numbers that it said until then, and perhaps half of one.
            rest = writer.stdout.read().splitlines(keepends=True)
            said = [int(line) for line in rest if line.endswith(b"\n")]
        store = Store.open(folder)
        taken, before = store.frames, taken
        assert taken >= max(said, default=before + 1) > before
        assert kept(folder, range(1, taken + 2)) == list(range(1, taken + 1))
        assert store.roll([]).up_to == taken
        store.close()


def killed(folder: Path, of_record: int, of_entry: int) -> tuple[Path, int]:
    """The folder of a process that was killed while it wrote frame 3; and how long the record would be.

    So many bytes of the record are on disk (-1: all), and so many of the entry.
    """
    store = filled(folder, 1, 2, size=40)
    log, index = ((folder / name).stat().st_size for name in (LOG, INDEX))
    whole = store.write(arrival(3, size=40)) - ENTRY
    store.close()
    os.truncate(folder / LOG, log + (whole if of_record < 0 else of_record))
    os.truncate(folder / INDEX, index + of_entry)
    return folder, whole


def test_a_record_that_is_torn_anywhere_is_cut_off(tmp_path: Path) -> None:
    _, whole = killed(tmp_path / "whole", -1, 0)
    for length in range(whole):
        folder, _ = killed(tmp_path / str(length), length, 0)
        store = Store.open(folder)
        assert (store.frames, (folder / LOG).stat().st_size) == (2, store.size - 2 * ENTRY)
        assert kept(folder, range(5), 40) == [1, 2]
        store.write(arrival(3, size=40))
        assert kept(folder, range(5), 40) == [1, 2, 3]
        store.close()


@pytest.mark.parametrize("of_entry", [0, 1, ENTRY - 1, ENTRY])
def test_a_record_that_is_whole_is_taken_in_however_little_the_index_says(
    of_entry: int, tmp_path: Path
) -> None:
    folder, _ = killed(tmp_path / "x", -1, of_entry)
    store = Store.open(folder)
    assert (store.frames, store.roll([]).up_to) == (3, 3)
    assert kept(folder, range(5), 40) == [1, 2, 3]
    store.close()


def test_an_entry_without_its_record_is_forgotten(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 1, 2, 3, size=40)
    os.truncate(tmp_path / "x" / LOG, (tmp_path / "x" / LOG).stat().st_size - 1)
    store = reopened(store)
    assert (store.frames, store.roll([]).up_to) == (2, 2)
    store.write(arrival(3, size=40))
    assert kept(tmp_path / "x", range(5), 40) == [1, 2, 3]
    store.close()


def test_a_lost_index_is_made_anew(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 5, 1, 2)
    (tmp_path / "x" / INDEX).unlink()
    store = reopened(store)
    assert store.frames == 3
    assert kept(tmp_path / "x", range(10)) == [1, 2, 5]
    store.close()


def test_of_two_records_of_a_number_the_first_one_counts(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 1, 2, size=40)
    other = arrival(1, data=b"another")
    with (tmp_path / "x" / LOG).open("ab") as log:
        log.write(head_of(other) + other.data)
    store = reopened(store)
    store.write(arrival(3, size=40))
    assert store.frames == 3
    assert kept(tmp_path / "x", range(5), 40) == [1, 2, 3]
    store.close()


def test_a_damaged_frame_near_the_end_is_missing_and_may_come_again(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 1, 2, 3, size=40)
    content = bytearray((tmp_path / "x" / LOG).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "x" / LOG).write_bytes(content)
    store = reopened(store)
    roll = store.roll([])
    assert (roll.up_to, roll.missing(9), store.frames) == (1, [2], 2)
    store.write(arrival(2, size=40))
    store = reopened(store)
    assert kept(tmp_path / "x", range(5), 40) == [1, 2, 3]
    store.close()


@given(st.binary(max_size=300), st.binary(max_size=100))
def test_whatever_is_behind_the_frames_it_opens_and_goes_on(log: bytes, index: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = filled(Path(name) / "x", 1, 2, size=40)
        for file, more in ((LOG, log), (INDEX, index)):
            with (store.folder / file).open("ab") as opened:
                opened.write(more)
        store = reopened(store)
        assert store.frames == 2
        store.write(arrival(3, size=40))
        store = reopened(store)
        assert kept(store.folder, range(20), 40) == [1, 2, 3]
        store.close()


# ---- a full disk


def test_on_a_full_disk_all_stays_as_it_was_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    script = [sys.executable, "-c", FULL.format(tests=HERE), tmp_path / "x"]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    first, record, entry, small, note, a_signal, *later = json.loads(done.stdout)
    assert [first, small, *later] == ["kept"] * 4
    full = "cannot be kept, as the server's disk is full; make room there, and send it again"
    assert record == ["disk_full", 2, f"frame 2 {full}", True]
    assert entry == ["disk_full", 200, f"frame 200 {full}", True]
    assert note == ["disk_full", None, f"what was said of the session {full}", True]
    assert a_signal == ["disk_full", None, f"the signal {full}", True]
    assert names(tmp_path / "x") == [INDEX, LOG]
    tape = Tape(tmp_path / "x")
    sizes = {1: 2000, 2: 2000, 3: 200, 200: 200}
    assert [tape.get(number) == arrival(number, size) for number, size in sizes.items()] == [True] * 4
    tape.close()
    store = Store.open(tmp_path / "x")
    assert store.frames == 4
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small_disk(tmp_path, "256k") as disk:
        yield disk


def test_a_disk_that_runs_full_loses_no_frame(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(50_000))
    store, number = Store.create(small_disk / "x"), 1
    with pytest.raises(SessionError, match="disk is full"):
        while True:
            store.write(arrival(number, size=7000))
            number += 1
    store = reopened(store)
    assert kept(store.folder, range(100), 7000) == list(range(1, number))
    ballast.unlink()
    store.write(arrival(number, size=7000))
    assert kept(store.folder, range(100), 7000) == list(range(1, number + 1))
    store.close()


def test_another_trouble_with_the_disk_is_said_as_it_came(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 1)
    shutil.rmtree(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        store.note({})
    store.close()


# ---- the roll


def test_a_roll_knows_what_arrived_what_is_lost_and_what_is_missing(tmp_path: Path) -> None:
    store = filled(tmp_path / "x", 1, 2, 6, 7, 10)
    for _ in range(2):
        roll = store.roll([(3, 4)])
        assert (roll.up_to, roll.highest, roll.received, roll.losses) == (4, 10, 5, 2)
        assert (roll.missing(9), roll.lost) == ([5, 8, 9], [(3, 4)])
        store = reopened(store)
    store.close()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 9)), max_size=30))
def test_after_a_restart_the_roll_is_what_it_was(told: list[tuple[bool, int, int]]) -> None:
    roll = Roll()
    with tempfile.TemporaryDirectory() as name:
        store = Store.create(Path(name) / "x")
        for came, number, more in told:
            if not came:
                roll.lose(number, number + more)
            elif roll.add(number):
                store.write(arrival(number, size=1))
        again = reopened(store)
        assert again.roll(roll.lost).said() == roll.said()
        # One range over all, as a roll has it that lost too often to tell each.
        wide = Roll.of(again.roll([(1, roll.highest)]).said())
        assert (wide.up_to, wide.received) == (roll.highest, roll.received)
        again.close()


# ---- what is said of it


def test_what_was_said_last_is_known_after_a_restart(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "x")
    assert store.said() == {}
    store.note({"state": "receiving", "start": {"width": 64}, "lost": [(1, 2)]})
    store.note({"state": "ended", "lost": [(1, 2)], "rate": float("nan")})
    store = reopened(store)
    assert store.said() == {"state": "ended", "lost": [[1, 2]], "rate": None}
    store.close()


@pytest.mark.parametrize("content", ["", "{", "[1]", "7", "[" * 100_000])
def test_what_somebody_else_put_there_says_nothing(content: str, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "x")
    (tmp_path / "x" / "session.json").write_text(content)
    assert store.said() == {}
    store.close()


# ---- the signal


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("forces.csv", "signal.csv"),
        ("FORCES.CSV", "signal.csv"),
        ("a.tar.gz", "signal.gz"),
        ("x.parquet", "signal.parquet"),
        ("", "signal.bin"),
        ("csv", "signal.bin"),
        (".", "signal.bin"),
        ("..", "signal.bin"),
        ("x.", "signal.bin"),
        ("x.much-too-long", "signal.bin"),
        ("x.ninechars", "signal.bin"),
        ("x.cs v", "signal.bin"),
        ("x.csv\n", "signal.bin"),
        ("x.ä", "signal.bin"),
        ("x.\0", "signal.bin"),
        ("../../../etc/passwd", "signal.bin"),
        ("x./../../y", "signal.bin"),
        ("x.c/s", "signal.bin"),
        ("x.\\y", "signal.bin"),
    ],
)
def test_only_a_plain_suffix_of_a_name_counts(name: str, file: str, tmp_path: Path) -> None:
    store = Store.create(tmp_path / "x")
    assert store.write_signal(name, b"1,2\n") == tmp_path / "x" / file
    assert names(tmp_path) == ["x"]
    assert names(tmp_path / "x") == [INDEX, LOG, file]
    assert (tmp_path / "x" / file).read_bytes() == b"1,2\n"
    store.close()


@given(st.text())
def test_no_name_leads_elsewhere(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "x")
        path = store.write_signal(name, b"")
        assert path.parent == store.folder
        assert store.signal == path
        assert names(Path(folder)) == ["x"]
        store.close()


def test_a_signal_takes_the_place_of_the_one_before_it(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "x")
    assert store.signal is None
    for name in ("x.csv", "y.csv", "x.json"):
        store.write_signal(name, name.encode())
        store = reopened(store)
        assert store.signal is not None
        assert store.signal.read_bytes() == name.encode()
    assert names(tmp_path / "x") == [INDEX, LOG, "signal.json"]
    store.close()


def test_of_two_signals_the_newer_one_counts(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "x")
    for age, name in enumerate(["signal.bin", "signal.csv", "signal.abc", "signal.csv.new"]):
        (tmp_path / "x" / name).touch()
        os.utime(tmp_path / "x" / name, (1e9, 1e9 + (age if age != 2 else -1)))
    store = reopened(store)
    assert store.signal == tmp_path / "x" / "signal.csv"
    store.close()


def test_a_signal_that_cannot_be_kept_leaves_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = Store.create(tmp_path / "x")
    store.write_signal("x.csv", b"first")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SessionError) as caught:
        store.write_signal("x.json", b"second")
    assert (caught.value.code, caught.value.recoverable) == ("disk_full", True)
    assert store.signal == tmp_path / "x" / "signal.csv"
    assert store.signal.read_bytes() == b"first"
    store.close()

"""Tapes: each frame is read as it was sent, or not at all, also while it is written."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrivals import arrival
from envstream.sessions.store import Store
from envstream.sessions.tape import (
    ENTRY,
    HIGHEST,
    INDEX,
    LOG,
    Place,
    Tape,
    arrival_in,
    entry_of,
    head_of,
    place_in,
    places,
    record_at,
)

# Writes frames, and says the number of each when it is there.
WRITES = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from arrivals import arrival
from envstream.sessions.store import Store
store = Store.create(Path(sys.argv[1]))
print(0, flush=True)
for number in range(1, int(sys.argv[2]) + 1):
    store.write(arrival(number))
    print(number, flush=True)
"""


def written(folder: Path, *numbers: int) -> Path:
    store = Store.create(folder)
    for number in numbers:
        store.write(arrival(number))
    store.close()
    return folder


def a_file(folder: Path, name: str, content: bytes = b"") -> io.FileIO:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return io.FileIO(folder / name, "r+")


# ---- frames


def test_a_frame_is_read_with_all_that_was_sent(tmp_path: Path) -> None:
    tape = Tape(written(tmp_path / "x", *range(1, 21)))
    assert [tape.get(number) for number in range(1, 21)] == [arrival(number) for number in range(1, 21)]
    tape.close()


def test_frames_are_found_by_number_in_whatever_order_they_came(tmp_path: Path) -> None:
    tape = Tape(written(tmp_path / "x", 3, 1, 500, 2))
    found = [number for number in range(600) if tape.get(number) is not None]
    assert found == [1, 2, 3, 500]
    assert tape.get(500) == arrival(500)
    tape.close()


@pytest.mark.parametrize("number", [-1, 0, 2, 10_000, HIGHEST, HIGHEST + 1, 2**80])
def test_a_number_that_is_not_there_is_none(number: int, tmp_path: Path) -> None:
    tape = Tape(written(tmp_path / "x", 1))
    assert tape.get(number) is None
    tape.close()


def test_a_folder_without_frames_has_no_tape(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Tape(tmp_path)
    (tmp_path / LOG).touch()
    with pytest.raises(FileNotFoundError):
        Tape(tmp_path)


def test_a_closed_tape_has_let_go_of_its_files(tmp_path: Path) -> None:
    tape = Tape(written(tmp_path / "x", 1))
    tape.close()
    tape.close()
    with pytest.raises(ValueError, match="closed"):
        tape.get(1)


def test_each_damaged_byte_of_a_record_is_noticed_and_harms_no_other_frame(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "x")
    for number in (1, 2, 3):
        store.write(arrival(number, size=20))
    store.close()
    content = (tmp_path / "x" / LOG).read_bytes()
    tape = Tape(tmp_path / "x")
    start = content.index(head_of(arrival(2, size=20)))
    end = content.index(head_of(arrival(3, size=20)))
    for at in range(start, end):
        (tmp_path / "x" / LOG).write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        assert tape.get(2) is None
        assert (tape.get(1), tape.get(3)) == (arrival(1, size=20), arrival(3, size=20))
    tape.close()


def test_each_damaged_byte_of_an_entry_is_noticed(tmp_path: Path) -> None:
    folder = written(tmp_path / "x", 1, 2)
    content = (folder / INDEX).read_bytes()
    tape = Tape(folder)
    for at in range(2 * ENTRY, 3 * ENTRY):
        (folder / INDEX).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert tape.get(2) is None
        assert tape.get(1) == arrival(1)
    tape.close()


def test_a_record_of_another_number_is_not_taken_for_the_frame(tmp_path: Path) -> None:
    length = len(head_of(arrival(7))) + len(arrival(7).data)
    a_file(tmp_path, LOG, head_of(arrival(7)) + arrival(7).data).close()
    a_file(tmp_path, INDEX, bytes(8 * ENTRY) + entry_of(8, Place(0, length))).close()
    tape = Tape(tmp_path)
    assert tape.get(8) is None
    tape.close()


def test_a_tape_reads_what_another_process_writes_meanwhile(tmp_path: Path) -> None:
    script = [sys.executable, "-c", WRITES.format(tests=str(Path(__file__).parent)), tmp_path / "x", "300"]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "0\n"
        tape = Tape(tmp_path / "x")
        for line in writer.stdout:
            number = int(line)
            assert tape.get(number) == arrival(number)
            # Not there, or whole: nothing between.
            assert tape.get(number + 1) in (None, arrival(number + 1))
    assert writer.returncode == 0
    assert tape.get(300) == arrival(300)
    tape.close()


def test_a_tape_that_is_open_outlasts_the_removal_of_its_files(tmp_path: Path) -> None:
    folder = written(tmp_path / "x", 1)
    tape = Tape(folder)
    (folder / LOG).unlink()
    (folder / INDEX).unlink()
    assert tape.get(1) == arrival(1)
    tape.close()


# ---- records


def test_an_empty_frame_without_anything_said_is_a_record_too(tmp_path: Path) -> None:
    bare = arrival(5, data=b"", info={}, captured=None)
    log = a_file(tmp_path, LOG, head_of(bare))
    assert record_at(log, 0) == (bare, Place(0, len(head_of(bare))))
    log.close()


def test_a_time_of_zero_is_a_time(tmp_path: Path) -> None:
    early = arrival(4, captured=0.0)
    log = a_file(tmp_path, LOG, head_of(early) + early.data)
    assert arrival_in(log, Place(0, len(head_of(early)) + len(early.data))) == early
    log.close()


def test_a_record_that_is_cut_anywhere_is_none(tmp_path: Path) -> None:
    record = head_of(arrival(3, size=9)) + arrival(3, size=9).data
    log = a_file(tmp_path, LOG, record)
    for length in reversed(range(len(record))):
        log.truncate(length)
        assert record_at(log, 0) is None
        assert arrival_in(log, Place(0, len(record))) is None
    log.close()


@given(st.binary(max_size=200), st.integers(0, 250), st.integers(0, 250))
def test_no_bytes_are_taken_for_a_record(data: bytes, start: int, length: int) -> None:
    with tempfile.TemporaryFile(buffering=0) as log:
        assert isinstance(log, io.FileIO)
        log.write(data)
        assert record_at(log, start) is None
        assert arrival_in(log, Place(start, length)) is None


def test_a_damaged_length_asks_for_no_memory(tmp_path: Path) -> None:
    head = bytearray(head_of(arrival(1, size=10)))
    for at in range(len(head)):
        head[at] |= 0xF0
    head[:4] = head_of(arrival(1))[:4]
    log = a_file(tmp_path, LOG, bytes(head) + bytes(10))
    tracemalloc.start()
    try:
        assert record_at(log, 0) is None
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    log.close()


# ---- the index


def test_an_index_lists_its_numbers_in_order(tmp_path: Path) -> None:
    index = a_file(tmp_path, INDEX)
    for number in (9000, 1, 4097, 4096, 2):
        index.seek(number * ENTRY)
        index.write(entry_of(number, Place(number, 7)))
    expected = [(number, Place(number, 7)) for number in (1, 2, 4096, 4097, 9000)]
    assert list(places(index)) == expected
    assert place_in(index, 4097) == Place(4097, 7)
    assert place_in(index, 3) is None
    index.close()


def test_an_index_may_be_used_while_it_is_listed(tmp_path: Path) -> None:
    index = a_file(tmp_path, INDEX, b"".join(entry_of(number, Place(0, 7)) for number in range(9000)))
    numbers = []
    for number, _ in places(index):
        numbers.append(number)
        index.seek(0)
    assert numbers == list(range(9000))
    index.close()


def test_an_entry_that_is_not_whole_is_none(tmp_path: Path) -> None:
    index = a_file(tmp_path, INDEX, bytes(ENTRY) + entry_of(1, Place(0, 7))[:-1])
    assert list(places(index)) == []
    assert place_in(index, 1) is None
    index.close()


def test_a_hole_of_a_thousand_million_numbers_is_passed_over(tmp_path: Path) -> None:
    index = a_file(tmp_path, INDEX)
    index.write(bytes(ENTRY) + entry_of(1, Place(0, 7)))
    index.seek(10**9 * ENTRY)
    index.write(entry_of(10**9, Place(7, 7)))
    if index.seek(0, os.SEEK_END) and os.fstat(index.fileno()).st_blocks > 10_000:
        pytest.skip("this disk has no holes")
    assert [number for number, _ in places(index)] == [1, 10**9]
    index.truncate(10**9 * ENTRY)
    assert [number for number, _ in places(index)] == [1]
    index.close()

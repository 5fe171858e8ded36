"""Files: nobody sees half of one, and nobody's is overwritten."""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from envstream.errors import EnvstreamError
from envstream.files import Growing, fitting, namesakes, removed, replacing, unwritable, write_json

# ---- growing

FULL = """
import resource, signal, sys
from pathlib import Path
from envstream.files import Growing
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = Growing(Path(sys.argv[1]))
said = []
for piece in (b"a" * 600, b"b" * 600, b"c" * 300):
    file.write(piece)
    try:
        file.flush()
        said.append(0)
    except OSError as error:
        said.append(error.errno)
print(said)
"""


def test_what_is_written_is_in_the_file_from_its_flush_on(tmp_path: Path) -> None:
    file = Growing(tmp_path / "x")
    file.write(b"on")
    file.write(b"e")
    assert not (tmp_path / "x").exists()
    file.flush()
    file.write(b", two")
    assert (tmp_path / "x").read_bytes() == b"one"
    file.flush()
    assert (tmp_path / "x").read_bytes() == b"one, two"
    file.close()


def test_what_waits_is_not_in_the_file_that_is_closed(tmp_path: Path) -> None:
    file = Growing(tmp_path / "x")
    file.write(b"one")
    file.flush()
    file.write(b", two")
    file.close()
    file.close()
    assert (tmp_path / "x").read_bytes() == b"one"


def test_without_a_piece_there_is_no_file_and_after_the_end_there_comes_none(tmp_path: Path) -> None:
    file = Growing(tmp_path / "x")
    file.close()
    file.write(b"one")
    with pytest.raises(OSError, match="closed"):
        file.flush()
    assert not (tmp_path / "x").exists()


def test_a_piece_for_which_there_is_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "x"
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [0, errno.EFBIG, 0]
    assert path.read_bytes() == b"a" * 600 + b"c" * 300


def test_a_file_that_is_there_is_not_grown(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(FileExistsError):
        Growing(tmp_path / "x")
    assert (tmp_path / "x").read_text() == "mine"


def test_a_file_that_is_gone_is_noticed(tmp_path: Path) -> None:
    file = Growing(tmp_path / "x")
    file.look()
    file.write(b"one")
    file.flush()
    file.look()
    (tmp_path / "x").unlink()
    with pytest.raises(FileNotFoundError, match="is not any more"):
        file.look()
    file.close()


# ---- replaced


def test_a_new_content_is_seen_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with replacing(path) as new:
        new.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_content_that_failed_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), replacing(path) as new:
        new.write_text("half")
        raise OSError(errno.ENOSPC, "full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_json_cannot_say_is_said_as_browsers_read_it(tmp_path: Path) -> None:
    said = {
        "return": np.float32(1.5),
        "steps": np.int64(3),
        "ended": np.bool_(True),
        "action": np.array([1, 2]),
        "loss": float("nan"),
        "bounds": (float("-inf"), 1.0),
        "folder": Path("videos"),
        7: None,
        "odd": "\ud800",
    }
    write_json(tmp_path / "x.json", said)

    def never(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads((tmp_path / "x.json").read_text("utf-8"), parse_constant=never) == {
        "return": 1.5,
        "steps": 3,
        "ended": True,
        "action": [1, 2],
        "loss": None,
        "bounds": [None, 1.0],
        "folder": "videos",
        "7": None,
        "odd": "\ud800",
    }


# ---- names


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("CartPole-v1-live-1", "CartPole-v1-live-1"),
        ("ALE/Breakout-v5", "ALE-Breakout-v5"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ("...hidden", "hidden"),
        ("a\nb\0c\x7fd", "a-b-c-d"),
        ('C:\\a*b?"c"<d>|', "C--a-b--c--d--"),
        ("half\ud800", "half-"),
        ("ends in dots. . .", "ends in dots"),
        ("Läufer α 走", "Läufer α 走"),
        ("", "recording"),
        ("..", "recording"),
    ],
)
def test_a_name_fits_every_file_system(name: str, fits: str) -> None:
    assert fitting(name) == fits


@pytest.mark.parametrize("letter", ["x", "ä", "走", "🦿"])
def test_a_long_name_is_cut_between_letters(letter: str, tmp_path: Path) -> None:
    name = fitting(letter * 400)
    assert set(name) == {letter}
    assert 50 <= len(name) <= 150
    (tmp_path / f".{name}-9999-part20.mp4.new").touch()


def test_namesakes_get_numbers_from_two_on_but_not_for_ever() -> None:
    assert list(itertools.islice(namesakes("x"), 3)) == ["x", "x-2", "x-3"]
    assert len(list(namesakes("x"))) < 100_000


# ---- what went wrong


def test_removing_what_is_gone_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert removed([tmp_path / "gone", tmp_path / "x"]) is None
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_removed_is_named_and_what_comes_after_it_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "x").touch()
    said = removed([tmp_path / "folder", tmp_path / "x"])
    assert said is not None and str(tmp_path / "folder") in said and "by hand" in said
    assert (tmp_path / "x").exists()


def test_a_full_disk_wants_room_and_anything_else_another_folder() -> None:
    def said(number: int) -> str:
        error = unwritable(Path("videos"), OSError(number, os.strerror(number)))
        assert isinstance(error, EnvstreamError)
        return str(error)

    assert said(errno.ENOSPC) == "videos cannot be written (No space left on device); make room on its disk"
    assert said(errno.EACCES) == (
        "videos cannot be written (Permission denied); choose a folder that exists and can be written"
    )
    assert "(odd)" in str(unwritable(Path("videos"), ValueError("odd")))

"""A rendezvous: processes that want one address find the server that has it, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from envstream.links.rendezvous import Rendezvous, let_go
from serving import until

HOLD = """
import sys
from envstream.links.rendezvous import Rendezvous
print(Rendezvous("127.0.0.1", 8080).claim() is not None, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as runtime:  # Of a short name, as sockets want it.
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        yield Path(runtime, "envstream")


@pytest.fixture
def place() -> Rendezvous:
    return Rendezvous("127.0.0.1", 8080)


@pytest.fixture
def lock(place: Rendezvous) -> Iterator[int]:
    lock = place.claim()
    assert lock is not None
    yield lock
    let_go(lock)


def test_one_has_the_place_and_no_other(place: Rendezvous, lock: int) -> None:
    assert Rendezvous("127.0.0.1", 8080).claim() is None


def test_another_address_is_another_place(lock: int) -> None:
    for other in (Rendezvous("127.0.0.1", 8081), Rendezvous("0.0.0.0", 8080)):
        found = other.claim()
        assert found is not None
        let_go(found)


def test_whoever_has_it_and_dies_leaves_it_to_others(place: Rendezvous) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "True\n"
        assert place.claim() is None
        holder.kill()
        holder.wait()
    lock = place.claim()
    assert lock is not None
    let_go(lock)


def test_who_joins_is_connected_to_who_listens(place: Rendezvous, lock: int) -> None:
    listener = place.listen()
    line = place.join()
    assert line is not None
    theirs, _ = listener.accept()
    with line, theirs:
        line.sendall(b"hello")
        assert theirs.recv(10) == b"hello"
    let_go(listener.detach())


def test_where_nobody_listens_nobody_is_joined(place: Rendezvous, lock: int) -> None:
    assert place.join() is None
    let_go(place.listen().detach())
    assert place.join() is None, "what a server left behind when it died is no server"
    let_go(place.listen().detach())  # And is in nobody's way.


def test_a_fork_does_not_keep_the_place(place: Rendezvous) -> None:
    script = """
import os, sys
from envstream.links.rendezvous import Rendezvous
lock = Rendezvous("127.0.0.1", 8080).claim()
child = os.fork()
if child == 0:
    sys.stdin.read()
    os._exit(0)
print(lock is not None, flush=True)
os._exit(0)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "True\n"
        holder.wait()
        # It lets go as soon as it runs at all, which on a busy machine is later than its parent's end.
        lock = until(place.claim, "the place, while the fork still lives")
        let_go(lock)


def test_the_folder_is_for_nobody_else(place: Rendezvous, lock: int, folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_look_into_is_not_used(place: Rendezvous, folder: Path) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(OSError, match="only this user"):
        place.claim()
    with pytest.raises(OSError, match="only this user"):
        place.join()


def test_a_folder_that_leads_elsewhere_is_not_used(place: Rendezvous, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="only this user"):
        place.claim()


@pytest.mark.parametrize("runtime", ["", "/nonexistent", "/tmp/" + 100 * "x"])
def test_without_a_usual_folder_there_is_one_among_temporary_ones(
    runtime: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lock = Rendezvous("127.0.0.1", 8080).claim()
    assert lock is not None
    let_go(lock)
    assert (tmp_path / f"envstream-{os.getuid()}").is_dir()

"""The pool: whatever dies in it, every session gets its video, and the others do not notice."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tapes
import videos
from envstream.processing import worker
from envstream.processing.pool import Pool
from envstream.processing.roster import MOST_DEATHS, MOST_ENDS

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

OURS = """
from pathlib import Path

def raises(frame):
    if frame.number == 7:
        raise ValueError("seven")
    return frame

def exits(frame):
    if frame.number == 7:
        os._exit(5)
    return frame

def crashes(frame):
    if frame.number == 7:
        import ctypes
        ctypes.string_at(0)
    return frame

def forks(frame):
    if frame.number == 7:
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(5)
    return frame

def sleeps(frame):
    if frame.number == 7:
        time.sleep(1000)
    return frame

def spins(frame):
    while frame.number == 7:
        pass
    return frame

def slow(frame):
    time.sleep(0.02)
    return frame

def prints(frame):
    print("op", frame.number)
    return frame

class Waits:
    def __init__(self, folder):
        self.folder = Path(folder)
    def __call__(self, frame):
        (self.folder / f"at-{frame.number}").touch()
        while frame.number == 7 and not (self.folder / "go").exists():
            time.sleep(0.005)
        return frame

class Ends:
    def __call__(self, frame):
        return frame
    def finish(self, about):
        os._exit(6)

time.sleep(0)
"""

ENDS_AT_ONCE = "time.sleep(0)", "os._exit(4)"


class Heard:
    """What a pool said, as its owner hears it."""

    def __init__(self) -> None:
        self._new = threading.Condition()
        self.progress: list[tuple[str, dict[str, Any]]] = []
        self.results: dict[str, dict[str, Any]] = {}

    def progressed(self, session: str, progress: dict[str, Any]) -> None:
        with self._new:
            self.progress.append((session, progress))
            self._new.notify_all()

    def done(self, session: str, result: dict[str, Any]) -> None:
        with self._new:
            assert session not in self.results, "there is one result"
            self.results[session] = result
            self._new.notify_all()

    def result(self, session: str) -> dict[str, Any]:
        with self._new:
            assert self._new.wait_for(lambda: session in self.results, 45), f"no result of {session}"
            return self.results[session]

    def until(self, session: str, frame: int) -> None:
        """Until that frame was gone through."""
        with self._new:
            right = self._new.wait_for(
                lambda: any(name == session and said["frame"] >= frame for name, said in self.progress), 45
            )
            assert right, f"frame {frame} was not gone through"


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def make(heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Pool]]:
    """Makes pools, beside a module of somebody's own, which can be imported; at the end nothing is left."""
    tapes.module(tmp_path, "pool_ours", OURS)
    monkeypatch.syspath_prepend(str(tmp_path))
    pools: list[Pool] = []

    def made(workers: int = 1, **options: Any) -> Pool:
        pools.append(Pool(workers, heard.progressed, heard.done, **options))
        return pools[-1]

    yield made
    left = [process for pool in pools for process in pool.processes]
    for pool in pools:
        pool.close()
    assert [process for process in left if alive(process)] == []


def alive(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def begin(pool: Pool, folder: Path, count: int, *processors: Any, **about: Any) -> None:
    """A session with so many frames, of which the end is known."""
    tapes.taped(folder, range(1, count + 1)).close()
    specs = [{"name": each} if isinstance(each, str) else each for each in processors]
    pool.open(folder.name, folder, {"processors": specs, **about})
    pool.more(folder.name, count)
    pool.end(folder.name, {"frames": count})


def whole(folder: Path, count: int) -> bool:
    """Whether the video has all frames, in order, each at its own time."""
    shown = videos.played(folder / "video.mp4")
    right = [one.number for one in shown] == list(range(1, count + 1))
    return right and all(abs(one.time - index / 30) < 1e-4 for index, one in enumerate(shown))


def until(condition: Callable[[], Any], what: str) -> None:
    """Waits for something that happens by itself."""
    end = time.monotonic() + 45
    while not condition():
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.005)


def sentences(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# ---- what it is for


def test_frames_become_a_video_while_they_arrive(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool, folder = make(), tmp_path / "s"
    store = tapes.taped(folder, range(1, 6))
    pool.open("s", folder, {"processors": [{"name": "stats"}]})
    pool.more("s", 5)
    heard.until("s", 5)
    assert (heard.results, pool.jobs, len(pool.processes)) == ({}, 1, 1)
    for number in range(6, 11):
        store.write(tapes.sent(number))
    store.close()
    pool.more("s", 10)
    pool.end("s", {"frames": 10, "signal": None})
    result = heard.result("s")
    assert whole(folder, 10)
    assert (result["problem"], result["processors"]["stats"]["frames"]) == (None, 10)
    assert pool.jobs == 0
    stages = [said["stage"] for _, said in heard.progress]
    assert stages == sorted(stages, key=["receiving", "processing", "finishing"].index)
    assert heard.progress[-1] == ("s", {"stage": "finishing", "frame": 10, "frames": 10, "percent": 100.0})


def test_more_sessions_than_processes_share_them(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool = make(2)
    for name in "abcde":
        begin(pool, tmp_path / name, 15, "pool_ours.slow")
    until(lambda: len(pool.processes) == 2, "second process")
    assert all(heard.result(name)["video"]["frames"] == 15 for name in "abcde")
    assert len(pool.processes) == 2
    done = [name for name, said in heard.progress if said["stage"] == "finishing"]
    assert sorted(done) == list("abcde")


def test_a_session_ends_before_its_process_is_up(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    begin(make(), tmp_path / "empty", 0)
    assert heard.result("empty")["video"] is None


def test_a_video_file_is_gone_through(make: Callable[..., Pool], heard: Heard, tmp_path: Path) -> None:
    pool = make()
    begin(pool, tmp_path / "s", 12)
    heard.result("s")
    (tmp_path / "t").mkdir()
    pool.open(
        "t", tmp_path / "t", {"video": str(tmp_path / "s" / "video.mp4"), "processors": [{"name": "stats"}]}
    )
    pool.end("t", {"frames": None})
    assert heard.result("t")["processors"]["stats"]["frames"] == 12
    assert whole(tmp_path / "t", 12)


def test_what_cannot_be_processed_has_a_result_that_says_so(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make()
    pool.open("bad", tmp_path, {"video": "none.mp4"})
    result = heard.result("bad")
    assert (result["video"], result["problem"]["processor"], result["problem"]["frame"]) == (None, None, None)
    assert result["problem"]["error"].startswith("none.mp4 is no video that can be read")
    assert len(sentences(caplog)) == 1


def test_a_session_that_is_dropped_has_no_result(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool = make()
    begin(pool, tmp_path / "a", 300, "pool_ours.slow")
    heard.until("a", 1)
    pool.drop("a")
    begin(pool, tmp_path / "b", 5)
    heard.result("b")
    assert "a" not in heard.results
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"frames.log", "frames.idx"}


def test_a_session_of_the_same_name_begins_anew(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool = make()
    begin(pool, tmp_path / "a", 300, "pool_ours.slow")
    heard.until("a", 1)
    tapes.taped(tmp_path / "other", range(1, 5)).close()
    pool.open("a", tmp_path / "other", {})
    pool.end("a", {"frames": 4})
    assert heard.result("a")["video"]["frames"] == 4


def test_a_process_that_nobody_needs_is_let_go_and_another_one_comes(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool = make(idle=0.1)
    begin(pool, tmp_path / "a", 3)
    heard.result("a")
    until(lambda: not pool.processes, "end of the process")
    begin(pool, tmp_path / "b", 3)
    assert heard.result("b")["video"]["frames"] == 3


def test_a_process_with_a_session_that_waits_is_not_let_go(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool = make(idle=0.05, patience=0.5)
    store = tapes.taped(tmp_path / "a", [1])
    pool.open("a", tmp_path / "a", {})
    pool.more("a", 1)
    heard.until("a", 1)
    (process,) = pool.processes
    time.sleep(1)
    store.write(tapes.sent(2))
    store.close()
    pool.end("a", {"frames": 2})
    assert (heard.result("a")["video"]["frames"], heard.results["a"]["problem"]) == (2, None)
    assert process in pool.processes or not pool.processes


def test_closing_ends_everything_and_what_came_stays(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool = make()
    begin(pool, tmp_path / "a", 300, "pool_ours.slow")
    heard.until("a", 5)
    (process,) = pool.processes
    pool.close()
    pool.close()
    assert not alive(process)
    pool.open("b", tmp_path / "a", {})  # Too late, and nobody minds.
    shown = videos.played(tmp_path / "a" / "video.mp4")
    assert [one.number for one in shown] == list(range(1, len(shown) + 1)) and len(shown) > 3


def test_a_pool_that_was_never_used_has_no_process(make: Callable[..., Pool]) -> None:
    pool = make()
    pool.more("nobody", 5)
    pool.drop("nobody")
    assert (pool.jobs, pool.processes) == (0, [])


def test_what_is_done_with_a_result_may_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    left, both = {"a", "b"}, threading.Event()

    def done(session: str, result: dict[str, Any]) -> None:
        left.discard(session)  # Which of them comes first is nobody's business.
        if not left:
            both.set()
        raise RuntimeError("no room")

    pool = Pool(1, lambda session, progress: None, done)
    try:
        begin(pool, tmp_path / "a", 2)
        begin(pool, tmp_path / "b", 2)
        assert both.wait(45)
    finally:
        pool.close()
    assert len(sentences(caplog)) == 2


# ---- processors of others


def test_a_processor_that_raises_is_named_once(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begin(make(), tmp_path / "s", 12, "pool_ours.raises")
    problem = heard.result("s")["problem"]
    assert (problem["processor"], problem["frame"]) == ("pool_ours.raises", 7)
    assert problem["error"].startswith("ValueError: seven (pool_ours.py, line ")
    assert whole(tmp_path / "s", 12)
    (said,) = sentences(caplog)
    assert "session s: the processor 'pool_ours.raises' failed at frame 7: ValueError: seven" in said


def test_a_processor_that_prints_disturbs_nothing(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    begin(make(), tmp_path / "s", 12, "pool_ours.prints")
    assert (heard.result("s")["problem"], whole(tmp_path / "s", 12)) == (None, True)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("exits", "exit status 5"),
        ("crashes", "killed by SIGSEGV"),
        ("forks", "exit status 5"),
        ("sleeps", "ended, as it said nothing for 3 s"),
        ("spins", "ended, as it said nothing for 3 s"),
    ],
)
def test_a_processor_that_takes_its_process_along_is_named_and_the_video_is_there(
    make: Callable[..., Pool],
    heard: Heard,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    how: str,
) -> None:
    pool = make(patience=3.0)
    begin(pool, tmp_path / "s", 12, "stats", f"pool_ours.{name}")
    result = heard.result("s")
    error = f"the process ended while it was at work ({how})"
    assert result["problem"] == {"processor": f"pool_ours.{name}", "frame": 7, "error": error}
    assert (result["processors"], result["processed"], whole(tmp_path / "s", 12)) == ({}, None, True)
    (said,) = sentences(caplog)
    assert f"the process ended ({how}) at frame 7 in the processor 'pool_ours.{name}'" in said


def test_a_processor_that_ends_its_process_in_its_last_word_is_named_as_well(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    begin(make(), tmp_path / "s", 4, "pool_ours.Ends")
    problem = heard.result("s")["problem"]
    assert (problem["processor"], problem["frame"]) == ("pool_ours.Ends", 4)
    assert whole(tmp_path / "s", 4)


def test_a_module_that_ends_its_process_is_named_as_well(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool = make()
    tapes.module(tmp_path, "pool_ours", OURS.replace(*ENDS_AT_ONCE))
    begin(pool, tmp_path / "s", 4, "pool_ours.slow")
    problem = heard.result("s")["problem"]
    assert (problem["processor"], problem["frame"]) == ("pool_ours.slow", 0)
    assert whole(tmp_path / "s", 4)


def test_the_other_session_of_a_process_that_dies_loses_nothing(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool = make(1)
    begin(pool, tmp_path / "good", 60, "pool_ours.slow", "stats")
    heard.until("good", 1)
    begin(pool, tmp_path / "bad", 12, "pool_ours.exits")
    bad, good = heard.result("bad"), heard.result("good")
    assert (bad["problem"]["processor"], good["problem"]) == ("pool_ours.exits", None)
    assert good["processors"]["stats"]["frames"] == 60
    assert whole(tmp_path / "bad", 12) and whole(tmp_path / "good", 60)


# ---- a process that is killed


def test_a_process_that_is_killed_begins_anew_and_frames_that_come_meanwhile_are_there(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool, folder = make(), tmp_path / "s"
    store = tapes.taped(folder, range(1, 21))
    pool.open("s", folder, {"processors": [{"name": "overlay"}, {"name": "stats"}]})
    pool.more("s", 20)
    heard.until("s", 20)
    (process,) = pool.processes
    os.kill(process, signal.SIGKILL)
    for number in range(21, 41):
        store.write(tapes.sent(number))
        pool.more("s", number)
    store.close()
    pool.end("s", {"frames": 40})
    result = heard.result("s")
    assert whole(folder, 40)
    assert (result["problem"], result["processors"]["stats"]["frames"]) == (None, 40)
    assert process not in pool.processes
    assert [said for said in sentences(caplog) if "killed by SIGKILL" in said and "begins anew" in said]


def test_of_two_sessions_in_two_processes_one_dies_and_the_other_does_not_notice(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool = make(2)
    spec = {"name": "pool_ours.Waits", "folder": str(tmp_path / "marks")}
    (tmp_path / "marks").mkdir()
    begin(pool, tmp_path / "one", 12, spec)
    until((tmp_path / "marks" / "at-7").exists, "seventh frame")
    (first,) = pool.processes
    begin(pool, tmp_path / "two", 12, "stats")
    two = heard.result("two")
    (second,) = set(pool.processes) - {first}
    assert "one" not in heard.results
    os.kill(first, signal.SIGKILL)
    one = heard.result("one")
    error = "the process ended while it was at work (killed by SIGKILL)"
    assert one["problem"] == {"processor": "pool_ours.Waits", "frame": 7, "error": error}
    assert (two["problem"], two["processors"]["stats"]["frames"]) == (None, 12)
    assert whole(tmp_path / "one", 12) and whole(tmp_path / "two", 12)
    assert second in pool.processes


def killed_at(pool: Pool, heard: Heard, number: int) -> None:
    """Kill the process once it has gone through a frame, and wait until it is gone."""
    heard.until("s", number)
    (process,) = pool.processes
    heard.progress.clear()
    os.kill(process, signal.SIGKILL)
    until(lambda: process not in pool.processes, "another process")


def test_a_session_whose_processes_are_killed_by_chance_is_finished_all_the_same(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool, folder, last = make(), tmp_path / "s", 2 * MOST_DEATHS
    store = tapes.taped(folder, range(1, last + 1))
    pool.open("s", folder, {"processors": [{"name": "stats"}]})
    for number in range(1, last):
        pool.more("s", number)
        heard.until("s", number)
        pool.more("s", number + 1)
        killed_at(pool, heard, number + 1)
    store.close()
    pool.end("s", {"frames": last})
    assert heard.result("s")["problem"] is None
    assert whole(folder, last)


def test_a_session_at_one_frame_of_which_processes_end_is_given_up(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path
) -> None:
    pool, folder = make(), tmp_path / "s"
    tapes.taped(folder, range(1, 5)).close()
    pool.open("s", folder, {"processors": [{"name": "stats"}]})
    pool.more("s", 4)
    kills = 0
    while "s" not in heard.results:
        killed_at(pool, heard, 4)
        kills += 1
        until(lambda: pool.processes or "s" in heard.results, "another process, or the result")
    # One more, as of the first it was not known at which frame it was.
    assert MOST_DEATHS <= kills < MOST_ENDS
    error = heard.result("s")["problem"]["error"]
    assert error == f"{kills} processes ended in the midst, the last at frame 3 (killed by SIGKILL)"


def test_a_session_for_which_no_process_ever_begins_is_given_up(
    make: Callable[..., Pool],
    heard: Heard,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "command", lambda: ["/bin/sh", "-c", "exit 9"])
    begin(make(), tmp_path / "s", 4)
    result = heard.result("s")
    assert result["video"] is None
    expected = f"{MOST_ENDS} processes ended in the midst, the last at frame 0 (exit status 9)"
    assert result["problem"] == {"processor": None, "frame": None, "error": expected}
    assert len(sentences(caplog)) == MOST_ENDS


def test_where_no_process_can_be_started_it_is_said(
    make: Callable[..., Pool], heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "command", lambda: [str(tmp_path / "no such program")])
    begin(make(), tmp_path / "s", 4)
    assert "no process can be started for it (" in heard.result("s")["problem"]["error"]


def test_the_process_finds_what_the_server_finds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", "/somewhere/else"])
    first, *others = worker.environment()["PYTHONPATH"].split(os.pathsep)
    assert (Path(first) / "envstream" / "processing").is_dir()
    assert others == [str(tmp_path), "/somewhere/else"]

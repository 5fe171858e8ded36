"""The process: jobs take turns in it, and whatever a processor does, the lines stay its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tapes
import videos
from envstream.processing.child import TOLD_EVERY, Turns
from envstream.processing.worker import command, environment

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

OURS = """
def prints(frame):
    print("hello from a processor", frame.number)
    os.system("echo and from a program")
    os.write(1, b"and past Python\\n")
    return frame

def asks(frame):
    input("what now?")
    return frame

def sleeps(frame):
    if frame.number == 3:
        time.sleep(1000)
    return frame

def stays(frame):
    import threading
    threading.Thread(target=time.sleep, args=(1000,)).start()
    return frame

def ends(frame):
    sys.exit(3)
"""


class Clock:
    """A clock that stands unless it is moved, or goes on by `step` with each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Child:
    """The process, and what it said."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        self.said: list[dict[str, Any]] = []

    def tell(self, op: str, session: str, **fields: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"op": op, "session": session, **fields}).encode() + b"\n")
        self.process.stdin.flush()

    def open(self, folder: Path, *processors: str, life: int = 1, **about: Any) -> None:
        specs = [{"name": name} for name in processors]
        self.tell(
            "open", folder.name, life=life, folder=str(folder), up_to=0, about={**about, "processors": specs}
        )

    def until(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first thing it says that is right."""
        assert self.process.stdout is not None
        for said in filter(right, self.said):
            return said
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            if right(self.said[-1]):
                return self.said[-1]
        raise AssertionError(f"it ended after {self.said[-3:]}")

    def result(self, session: str) -> dict[str, Any]:
        return dict(self.until(lambda said: said["op"] == "done" and said["session"] == session)["result"])

    def ended(self) -> tuple[int, str]:
        """Its exit status, and what it wrote to standard error."""
        assert self.process.stdin is not None and self.process.stderr is not None
        if not self.process.stdin.closed:
            self.process.stdin.close()
        return self.process.wait(30), self.process.stderr.read().decode()


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    tapes.module(tmp_path, "child_ours", OURS)
    monkeypatch.syspath_prepend(str(tmp_path))
    child = Child()
    yield child
    child.process.kill()
    child.process.wait()
    for line in (child.process.stdin, child.process.stdout, child.process.stderr):
        assert line is not None
        line.close()


def taped(folder: Path, count: int) -> Path:
    tapes.taped(folder, range(1, count + 1)).close()
    return folder


def ops(said: list[dict[str, Any]], *names: str) -> list[str]:
    return [f"{each['op']} {each['session']}" for each in said if each["op"] in names]


# ---- turns


def turns(clock: Clock, said: list[dict[str, Any]], *folders: Path, about: Any = None) -> Turns:
    made = Turns(said.append, clock)
    for life, folder in enumerate(folders, 1):
        opened = {"life": life, "folder": str(folder), "about": about or {}, "up_to": 0}
        made.hear({"op": "open", "session": folder.name, **opened})
        made.work()
    said.clear()
    return made


def test_jobs_take_turns(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    one, two = taped(tmp_path / "one", 9), taped(tmp_path / "two", 4)
    made = turns(Clock(step=0.04), said, one, two)  # Three frames a turn.
    for name in ("one", "two"):
        made.hear({"op": "end", "session": name, "up_to": 4, "end": {"frames": 9 if name == "one" else 4}})
    while made.work():
        pass
    expected = ["at one", "at two", "at one", "at two", "at one", "at two", "done two", "at one", "done one"]
    assert ops(said, "at", "done") == expected


def test_a_job_that_waits_for_frames_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    made = turns(Clock(), said, taped(tmp_path / "one", 1), taped(tmp_path / "two", 2))
    assert made.work() is False
    made.hear({"op": "more", "session": "two", "up_to": 2})
    assert [made.work(), made.work()] == [True, False]
    assert ops(said, "at") == ["at two"]
    for name in ("one", "two"):
        made.hear({"op": "drop", "session": name})


def test_it_says_how_far_a_job_has_come_now_and_then_and_at_the_last_frame(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    clock = Clock(step=0.06)  # Two frames a turn.
    made = turns(clock, said, taped(tmp_path / "s", 12))
    made.hear({"op": "more", "session": "s", "up_to": 8})
    while made.work():
        pass
    made.hear({"op": "end", "session": "s", "up_to": 12, "end": {"frames": 12}})
    while made.work():
        pass
    told = [each for each in said if each["op"] == "progress"]
    assert [
        (each["stage"], each["frame"], each["frames"], each["percent"]) for each in told if each["frame"] > 7
    ] == [
        ("receiving", 8, None, None),
        ("processing", 12, 12, 100.0),
        ("finishing", 12, 12, 100.0),
    ]
    assert len(told) < 6 and TOLD_EVERY > 0.06


def test_the_percentage_is_known_where_the_number_of_frames_is(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    made = turns(Clock(), said, taped(tmp_path / "s", 6), about={"expected": 8})
    made.hear({"op": "more", "session": "s", "up_to": 6})
    made.work()
    assert (said[-1]["frames"], said[-1]["percent"]) == (8, 75.0)
    made.hear({"op": "drop", "session": "s"})


def test_what_cannot_be_processed_is_a_sentence_and_the_others_go_on(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    (tmp_path / "bad").mkdir()
    made = Turns(said.append, Clock())
    opened = {"folder": str(tmp_path / "bad"), "about": {"video": "none.mp4"}, "up_to": 0}
    made.hear({"op": "open", "session": "bad", "life": 7, **opened})
    assert made.work() is True
    assert [said[-1][key] for key in ("op", "session", "life")] == ["failed", "bad", 7]
    assert said[-1]["message"].startswith("none.mp4 is no video that can be read")
    assert made.work() is False


def test_what_is_dropped_is_not_gone_on_with(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    made = turns(Clock(step=0.06), said, taped(tmp_path / "s", 9))
    made.hear({"op": "more", "session": "s", "up_to": 9})
    made.work()
    assert (tmp_path / "s" / "video.mp4").exists()
    made.hear({"op": "drop", "session": "s"})
    assert made.work() is False
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"frames.log", "frames.idx"}
    made.hear({"op": "more", "session": "s", "up_to": 9})  # On its way when it was dropped.


# ---- the process


def test_frames_become_a_video_while_they_arrive(child: Child, tmp_path: Path) -> None:
    store = tapes.taped(tmp_path / "s", [1, 2, 3])
    child.open(tmp_path / "s", "stats", life=4)
    child.tell("more", "s", up_to=3)
    said = child.until(lambda said: said["op"] == "progress" and said["frame"] == 3)
    assert said == {
        "op": "progress",
        "session": "s",
        "life": 4,
        "stage": "receiving",
        "frame": 3,
        "frames": None,
        "percent": None,
    }
    for number in (4, 5):
        store.write(tapes.sent(number))
    store.close()
    child.tell("end", "s", up_to=5, end={"frames": 5})
    result = child.result("s")
    assert (result["video"]["frames"], result["processors"]["stats"]["frames"]) == (5, 5)
    assert [one.number for one in videos.played(tmp_path / "s" / "video.mp4")] == [1, 2, 3, 4, 5]
    assert child.ended() == (0, "")


def test_it_gives_way_to_others(child: Child, tmp_path: Path) -> None:
    child.open(taped(tmp_path / "s", 1))
    child.tell("end", "s", up_to=1, end={"frames": 1})
    child.result("s")
    assert os.getpriority(os.PRIO_PROCESS, child.process.pid) >= os.getpriority(os.PRIO_PROCESS, 0) + 10


def test_a_processor_that_prints_does_not_disturb_the_lines(child: Child, tmp_path: Path) -> None:
    child.open(taped(tmp_path / "s", 3), "child_ours.prints")
    child.tell("end", "s", up_to=3, end={"frames": 3})
    assert child.result("s")["problem"] is None
    status, errors = child.ended()
    assert status == 0
    for text in ("hello from a processor 3\n", "and from a program\n", "and past Python\n"):
        assert text in errors


def test_a_processor_that_asks_gets_nothing_of_the_lines(child: Child, tmp_path: Path) -> None:
    child.open(taped(tmp_path / "s", 3), "child_ours.asks")
    child.tell("end", "s", up_to=3, end={"frames": 3})
    problem = child.result("s")["problem"]
    assert (problem["processor"], problem["frame"], problem["error"][:8]) == (
        "child_ours.asks",
        1,
        "EOFError",
    )


def test_a_processor_that_leaves_ends_its_own_session_only(child: Child, tmp_path: Path) -> None:
    child.open(taped(tmp_path / "one", 3), "child_ours.ends")
    child.open(taped(tmp_path / "two", 3), "stats", life=2)
    for name in ("one", "two"):
        child.tell("end", name, up_to=3, end={"frames": 3})
    one, two = child.result("one"), child.result("two")
    assert one["problem"]["error"].startswith("SystemExit: 3")
    assert (one["video"]["frames"], two["video"]["frames"], two["problem"]) == (3, 3, None)


def test_it_says_which_frame_a_strange_processor_gets_before_it_does(child: Child, tmp_path: Path) -> None:
    child.open(taped(tmp_path / "s", 5), "stats", "child_ours.sleeps", life=9)
    child.tell("end", "s", up_to=5, end={"frames": 5})
    name = "child_ours.sleeps"
    said = child.until(lambda said: said["op"] == "at" and said["processor"] == name and said["frame"] == 3)
    assert said == {"op": "at", "session": "s", "life": 9, "frame": 3, "processor": name}
    ats = [(each["frame"], each["processor"]) for each in child.said if each["op"] == "at"]
    given = [index for index, (_, processor) in enumerate(ats) if processor]
    assert [ats[index] for index in given] == [(0, name), (1, name), (2, name), (3, name)]
    assert [ats[index + 1] for index in given[:-1]] == [(0, None), (1, None), (2, None)]


def test_it_ends_when_nobody_is_there_also_with_a_processor_that_hangs(child: Child, tmp_path: Path) -> None:
    child.open(taped(tmp_path / "s", 5), "child_ours.sleeps")
    child.tell("end", "s", up_to=5, end={"frames": 5})
    child.until(lambda said: said["op"] == "at" and said["frame"] == 3)
    assert child.ended()[0] == 1


def test_it_ends_also_where_a_processor_began_a_thread(child: Child, tmp_path: Path) -> None:
    child.open(taped(tmp_path / "s", 1), "child_ours.stays")
    child.tell("end", "s", up_to=1, end={"frames": 1})
    child.result("s")
    assert child.ended() == (0, "")


def test_ctrl_c_is_not_its_own(child: Child, tmp_path: Path) -> None:
    store = tapes.taped(tmp_path / "s", [1])
    child.open(tmp_path / "s")
    child.tell("more", "s", up_to=1)
    child.until(lambda said: said["op"] == "progress")
    child.process.send_signal(signal.SIGINT)
    store.close()
    child.tell("end", "s", up_to=1, end={"frames": 1})
    assert child.result("s")["video"]["frames"] == 1

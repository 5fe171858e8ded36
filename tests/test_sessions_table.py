"""Sessions: who may begin, what goes on after a kill or a full disk, and what becomes of the silent."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

import disks
import senders
import tapes
import videos
from envstream.errors import SessionError
from envstream.files import write_json
from envstream.hub import Hub
from envstream.sessions import table as module
from envstream.sessions.events import Event
from envstream.sessions.session import Session
from envstream.sessions.start import Start
from envstream.sessions.table import Sessions
from envstream.sessions.tape import Tape
from envstream.settings import read
from senders import SIZE, TOKEN, Alone, Loop, Publisher, alone, named, picture
from serving import until

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')


class Table(Loop):
    """Sessions without a server."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__()
        self.hub = Hub(read(videoStreamFolder=str(folder), videoStreamWorkers=1, **settings))
        self.sessions = Sessions(
            self.hub, lambda stream: None, lambda stream: None, self.later, self.call, self.clock
        )

    def begin(self, session_id: str | None, **more: Any) -> Session:
        start = {"width": SIZE[0], "height": SIZE[1], "fps": 30.0, "encoding": "jpeg", "resume_token": TOKEN}
        session, _ = self.sessions.admit(Start(session_id=session_id, **{**start, **more}))
        return session

    def do(self, session: Session, events: list[Event]) -> None:
        self.sessions.reception(session).handle(events, self.now)

    def send(self, session: Session, *numbers: int) -> None:
        for number in numbers:
            self.do(session, session.frame(tapes.sent(number), self.now))

    def complete(self, session_id: str, **more: Any) -> Session:
        """A session of one picture, through all of it."""
        session = self.begin(session_id, **more)
        self.send(session, 1)
        self.do(session, session.end(1, self.now))
        self.until(lambda: session.state == "complete", "the result")
        return session

    def close(self) -> None:
        self.sessions.close()
        self.hub.close()


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    table = Table(tmp_path / "sessions")
    yield table
    table.close()


def refused(code: str, begin: Callable[[], object]) -> None:
    with pytest.raises(SessionError) as error:
        begin()
    assert error.value.code == code and not error.value.recoverable


# --- who may begin --------------------------------------------------------------------------------------


def test_a_session_has_one_owner(table: Table) -> None:
    session = table.begin("mine")
    assert table.begin("mine") is session
    for token in (None, "x" * 16, "é" * 16):
        refused("session_taken", lambda token=token: table.begin("mine", resume_token=token))
    assert table.sessions.begun == 1 and table.sessions.refused == 3


def test_a_session_without_an_id_gets_one_and_a_token(table: Table) -> None:
    first, second = table.begin(None), table.begin(None, resume_token=None)
    assert first.session_id != second.session_id
    assert second.resume_token is not None
    assert table.begin(second.session_id, resume_token=second.resume_token) is second


def test_what_is_stored_is_taken_up_for_its_owner_only(table: Table) -> None:
    table.complete("old")
    table.sessions._receptions.clear()
    refused("session_taken", lambda: table.begin("old", resume_token="x" * 16))
    assert not table.sessions._receptions  # Nor does it appear on the page.
    session = table.begin("old")
    assert session.state == "complete"
    outcome = table.sessions.reception(session).outcome
    assert outcome is not None and outcome.result is not None and outcome.result["video"]["frames"] == 1


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"token": 7}', '{"token": "\\u00e9"}'])
def test_a_session_whose_notes_are_damaged_is_nobody_s(table: Table, text: str) -> None:
    folder = table.sessions.depot.folder / "old"
    folder.mkdir(parents=True)
    (folder / "session.json").write_text(text)
    refused("session_taken", lambda: table.begin("old"))


def test_of_a_session_that_lost_its_result_as_much_is_said(table: Table) -> None:
    table.complete("old")
    (table.sessions.depot.folder / "old" / "result.json").unlink()
    table.sessions._receptions.clear()
    outcome = table.sessions.reception(table.begin("old")).outcome
    assert outcome is not None and outcome.result is not None
    assert "not there" in outcome.result["problem"]["error"]


def test_notes_that_are_right_in_part_only_are_damaged(table: Table, tmp_path: Path) -> None:
    table.complete("old")
    said = table.sessions.depot.said("old")
    del said["lost"]
    write_json(table.sessions.depot.folder / "old" / "session.json", said)
    table.sessions._receptions.clear()
    refused("session_taken", lambda: table.begin("old"))
    assert not table.sessions._receptions


def test_processors_of_all_come_before_those_of_one(tmp_path: Path) -> None:
    settings = {"videoStreamProcessors": [{"name": "stats"}], "videoStreamOffers": ["a.b"]}
    table = Table(tmp_path, **settings)
    assert [each["name"] for each in table.sessions.checked([{"name": "a.b"}])] == ["stats", "a.b"]
    refused("unknown_processor", lambda: table.begin("mine", processors=[{"name": "os.system"}]))
    assert not (tmp_path / "mine").exists()  # Nor anything of a session that did not begin.
    table.close()


# --- names of streams -----------------------------------------------------------------------------------


def test_a_title_that_is_in_use_is_numbered(table: Table) -> None:
    names = [table.sessions.reception(table.begin(None, name="cam")).showing.stream.name for _ in range(3)]
    assert names == ["cam", "cam-2", "cam-3"]


def test_a_title_is_in_use_until_its_result_is_there(table: Table) -> None:
    session = table.begin("first", name="cam", signal_expected=True)
    table.send(session, 1)
    table.do(session, session.end(1, table.now))
    stream = table.sessions.reception(session).showing.stream
    table.until(lambda: session.state == "ended" and stream.ended, "the end")
    second = table.complete("second", name="cam")
    assert table.sessions.reception(second).showing.stream.name == "cam-2"
    table.do(session, session.signal("s.csv", b"1", table.now))
    table.until(lambda: session.state == "complete", "the result")
    third = table.sessions.reception(table.begin("third", name="cam")).showing.stream
    assert third.name == "cam" and table.hub.get("cam") is third


def test_what_is_only_shown_has_its_name_while_it_may_come_back(table: Table) -> None:
    session = table.begin("run", name="env", live=True, encoding="auto")
    reception = table.sessions.reception(session)
    reception.lost_at = table.now
    table.now += module.LIVE_PATIENCE - 1
    table.sessions.tidy(table.now)
    other = table.sessions.reception(table.begin("other", name="env", live=True, encoding="auto"))
    assert other.showing.stream.name == "env-2"
    assert table.begin("run", live=True, encoding="auto") is session


def test_what_is_only_shown_begins_anew_after_a_while(table: Table) -> None:
    session = table.begin("run", name="env", live=True, encoding="auto")
    reception = table.sessions.reception(session)
    reception.lost_at = table.now
    table.now += module.LIVE_PATIENCE + 1
    table.sessions.tidy(table.now)
    assert reception.showing.stream.ended
    again = table.begin("run", name="env", live=True, encoding="auto")
    assert again is not session
    assert table.sessions.reception(again).showing.stream.name == "env"


def test_once_it_has_ended_it_has_not(table: Table) -> None:
    session = table.begin("run", name="env", live=True, encoding="auto")
    table.do(session, session.end(0, table.now))
    table.until(lambda: table.sessions.reception(session).showing.stream.ended, "the end")
    other = table.sessions.reception(table.begin("other", name="env", live=True, encoding="auto"))
    assert other.showing.stream.name == "env"


# --- what is kept in memory -----------------------------------------------------------------------------


def test_complete_sessions_are_forgotten_and_can_still_be_had(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    for number in range(4):
        table.complete(f"s{number}")
    assert len(table.sessions._receptions) <= 3
    assert table.begin("s0").state == "complete"
    assert table.sessions.stats()["sessions_completed"] == 4


def test_a_complete_session_holds_no_files(table: Table) -> None:
    table.complete("old")

    def held() -> list[str]:
        links = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
        return [link for link in links if "/old/" in link]

    if Path("/proc/self/fd").exists():
        until(lambda: not held(), "the files to be closed")
        table.sessions._receptions.clear()
        table.begin("old")
        until(lambda: not held(), "the files to be closed again")


# --- the silent -----------------------------------------------------------------------------------------


def test_a_silent_session_ends_with_what_it_has(table: Table) -> None:
    session = table.begin("silent")
    table.send(session, 1, 3)
    table.until(lambda: session.roll.received == 2, "the frames on disk")
    table.now += 299
    table.sessions.tidy(table.now)
    assert session.state == "receiving"
    table.now += 2
    table.sessions.tidy(table.now)
    table.until(lambda: session.state == "complete", "the result")
    assert (session.roll.received, session.roll.losses) == (2, 1)


def test_a_signal_that_never_comes_is_waited_for_no_longer_than_that(table: Table) -> None:
    session = table.begin("waiting", signal_expected=True)
    table.send(session, 1)
    table.do(session, session.end(1, table.now))
    table.until(lambda: session.state == "ended", "the end")
    table.sessions.tidy(table.now)
    assert session.state == "ended"
    table.now += 301
    table.sessions.tidy(table.now)
    table.until(lambda: session.state == "complete", "the result")


def test_what_is_only_shown_is_forgotten_when_it_does_not_come_back(table: Table) -> None:
    session = table.begin("run", live=True, encoding="auto")
    table.sessions.reception(session).lost_at = table.now
    table.now += 301
    table.sessions.tidy(table.now)
    assert table.sessions.stats()["sessions"] == []
    assert table.begin("run", live=True, encoding="auto", resume_token="x" * 16) is not session


# --- what an earlier server left ------------------------------------------------------------------------


def test_unfinished_sessions_are_taken_up_and_others_are_left(table: Table) -> None:
    depot = table.sessions.depot
    table.complete("done")
    session = table.begin("half")
    table.send(session, 1, 2)
    table.until(lambda: session.roll.received == 2, "the frames on disk")
    table.close()
    shutil.copytree(depot.folder / "half", depot.folder / "copy-of-half")
    (depot.folder / "torn").mkdir()
    (depot.folder / "torn" / "session.json").write_text("{")
    (depot.folder / "odd").mkdir()
    (depot.folder / "odd" / "session.json").write_text('{"state": "receiving"}')
    later = Table(depot.folder)
    assert later.sessions.recover() == 1 and later.sessions.recover() == 0
    again = later.begin("half")
    assert again.roll.up_to == 2
    later.send(again, 3)
    later.do(again, again.end(3, later.now))
    later.until(lambda: again.state == "complete", "the result")
    assert len(videos.played(depot.folder / "half" / "video.mp4")) == 3
    later.close()


def test_a_folder_below_somebody_s_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    table = Table(Path("~/sessions"))
    assert table.sessions.depot.folder == tmp_path / "sessions"
    table.close()


# --- with real servers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A server for two, with two seconds' patience and a megabyte of disk."""
    folder = tmp_path_factory.mktemp("strict") / "sessions"
    limits = {"videoStreamMaxSessions": 2, "videoStreamSessionTimeout": 2, "videoStreamMaxDisk": 1}
    with alone(folder, **limits) as server:
        yield server


def test_a_session_too_many_is_refused_until_one_ends(strict: Alone) -> None:
    with Publisher(strict.port) as one, Publisher(strict.port) as two, Publisher(strict.port) as three:
        one.start()
        two.start()
        three.say("session_start", width=64, height=48, fps=30, encoding="jpeg")
        three.error("too_many_sessions")
        assert three.closed() == 1008
        one.say("session_end", frames=0)
        one.result()
        two.say("session_end", frames=0)
        two.result()
        with Publisher(strict.port) as four:
            four.start()
            four.say("session_end", frames=0)
            assert four.result()["video"] is None


def test_a_silent_publisher_is_told_and_its_video_is_made(strict: Alone) -> None:
    with Publisher(strict.port) as silent, senders.standing_by(strict.port):
        silent.start(session_id=(name := named()))
        for number in (1, 2, 5):
            silent.frame(number)
        said = silent.error("timed_out")
        assert not said["recoverable"] and silent.closed() == 1008
        with Publisher(strict.port) as again:
            assert again.start(session_id=name)["resumed"]
            assert again.message("session_ended")["lost"] == 2
            assert again.result()["video"]["frames"] == 3


def test_who_waits_for_a_result_is_not_silent(strict: Alone) -> None:
    with Publisher(strict.port) as publisher:
        publisher.start(signal_expected=True)
        publisher.frame(1)
        publisher.say("session_end", frames=1)
        publisher.message("session_ended")
        assert publisher.result()["signal"] is None  # Without the signal, which never came.


def test_a_session_that_takes_too_much_disk_ends_with_what_it_has(strict: Alone) -> None:
    completed = strict.stats()["sessions_completed"]
    with Publisher(strict.port) as greedy, senders.standing_by(strict.port):
        greedy.start(encoding="raw", width=400, height=300)
        for number in range(1, 7):
            greedy.frame(number, bytes(400 * 300 * 3))
        said = greedy.error("disk_quota")
        assert not said["recoverable"] and "videoStreamMaxDisk" in said["message"]
        assert greedy.closed() == 1008
        # Its frames go once they are in the video, so that there is room again.
        until(lambda: strict.stats()["sessions_completed"] > completed, "its video")
        until(lambda: not _raw(strict.folder), "room")


def _raw(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*/frames.log") if path.stat().st_size > 100_000]


def test_a_folder_has_one_server(strict: Alone) -> None:
    words = ["env.videoStreamPort=0", f"env.videoStreamFolder={strict.folder}"]
    command = [sys.executable, "-m", "envstream", "serve", *words]
    with senders.standing_by(strict.port) as bystander:
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        bystander.undisturbed()
    said = f"envstream: another server is at work in {strict.folder}; give each a folder of its own"
    assert second.returncode == 2 and said in second.stderr and "Traceback" not in second.stderr


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_session_goes_on_with_another_server(tmp_path: Path, end: str) -> None:
    folder, name = tmp_path / "sessions", named()
    with alone(folder, videoStreamKeepFrames=True) as server, Publisher(server.port) as publisher:
        publisher.start(session_id=name, processors=["stats"])
        for number in (1, 2, 3, 4, 7):
            publisher.frame(number, info={"step": number})
        publisher.acknowledged(4)
        until(lambda: (server.session(name) or {})["received"] == 5, "the frames on disk")
        getattr(server, end)()
        assert end == "kill" or not [line for line in server.errors if "Traceback" in line]
    with alone(folder, videoStreamKeepFrames=True) as server, Publisher(server.port) as publisher:
        ack = publisher.start(session_id=name)
        assert ack["resumed"] and ack["next"] == 5 and ack["missing"] == [5, 6]
        assert "1 unfinished session" in "\n".join(server.errors)
        for number in (5, 6, 7, 8):
            publisher.frame(number, info={"step": number})
        publisher.say("session_end", frames=8)
        result = publisher.result()
    assert result["received"]["received"] == 8 and result["received"]["lost"] == 0
    assert "stats" in result["processors"]
    tape = Tape(folder / name)
    for number in range(1, 9):
        arrival = tape.get(number)
        assert arrival is not None and arrival.data == picture(number)
        assert arrival.info == {"step": number} and arrival.timestamp == number / 30
    tape.close()
    assert [each.number for each in videos.played(folder / name / "video.mp4")] == list(range(1, 9))


def test_what_was_being_processed_is_processed_by_the_next_server(tmp_path: Path) -> None:
    folder, name = tmp_path / "sessions", named()
    tapes.module(tmp_path, "slowly", "def think(frame):\n    time.sleep(0.5)\n    return frame\n")
    offers = {"videoStreamOffers": ["slowly.think"]}
    with alone(folder, tmp_path, **offers) as server, Publisher(server.port) as publisher:
        publisher.start(session_id=name, processors=["slowly.think"])
        for number in range(1, 5):
            publisher.frame(number)
        publisher.say("session_end", frames=4)
        publisher.message("session_ended")
        until(lambda: (server.session(name) or {})["state"] == "processing", "processing")
        server.kill()
    with alone(folder, tmp_path, **offers) as server:
        until(lambda: (folder / name / "result.json").exists(), "the result, with nobody waiting for it")
        with Publisher(server.port) as publisher:
            publisher.start(session_id=name)
            assert publisher.result()["video"]["frames"] == 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small_disk(tmp_path, "2m") as disk:
        yield disk


def test_a_full_disk_loses_nothing_and_the_publisher_may_come_again(small_disk: Path) -> None:
    name, ballast = named(), small_disk / "ballast"
    with alone(small_disk / "sessions") as server:
        with Publisher(server.port) as publisher, Publisher(server.port) as live:
            live.start(live=True, encoding="jpeg")
            publisher.start(session_id=name, encoding="raw")
            publisher.frame(1, picture(1, "raw"))
            publisher.acknowledged(1)
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(512))
            with contextlib.suppress(ConnectionClosed):
                for number in range(2, 21):
                    publisher.frame(number, picture(number, "raw"))
            said = publisher.error("disk_full")
            assert said["recoverable"] and "number" not in said and str(small_disk) not in said["message"]
            assert publisher.closed() == 1013  # Try again later.
            live.frame(1)
            live.acknowledged(1)  # Who needs no disk does not notice.
        with Publisher(server.port) as publisher:
            ack = publisher.start(session_id=name, encoding="raw")
            assert ack["resumed"] and ack["state"] == "receiving"
            ballast.unlink()
            for number in range(ack["next"], 21):
                publisher.frame(number, picture(number, "raw"))
            publisher.say("session_end", frames=20)
            result = publisher.result()
    assert result["received"]["received"] == 20 and result["received"]["lost"] == 0
    assert [each.number for each in videos.played(small_disk / "sessions" / name / "video.mp4")] == list(
        range(1, 21)
    )


def test_a_signal_that_finds_no_room_comes_again(small_disk: Path) -> None:
    name, ballast = named(), small_disk / "ballast"
    with alone(small_disk / "sessions") as server:
        with Publisher(server.port) as publisher:
            publisher.start(session_id=name, signal_expected=True)
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(512))
            publisher.signal(bytes(200_000))
            publisher.error("disk_full")
            assert publisher.closed() == 1013
        ballast.unlink()
        with Publisher(server.port) as publisher:
            publisher.start(session_id=name)
            publisher.signal(bytes(200_000))
            assert publisher.message("signal_ack")["size"] == 200_000

"""The depot: whose the folder is, how much is in it, and what is left behind in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from arrivals import arrival
from envstream.errors import EnvstreamError, SessionError
from envstream.sessions.depot import Depot
from envstream.sessions.session import Session
from envstream.sessions.start import Limits, Start
from envstream.sessions.store import Store

MOST = 100_000
LIMITS = Limits(max_message=MOST, max_pixels=MOST, memory=MOST)


@pytest.fixture
def depot(tmp_path: Path, pool: ThreadPoolExecutor) -> Iterator[Depot]:
    depot = Depot(tmp_path / "sessions", MOST, pool)
    yield depot
    depot.release()


def noted(depot: Depot, name: str, text: str) -> None:
    """A session's folder with a note in it."""
    folder = depot.folder / name
    folder.mkdir(parents=True)
    (folder / "session.json").write_text(text)


def test_nothing_is_made_before_it_is_needed(depot: Depot) -> None:
    assert not depot.holds("anything") and not depot.folder.exists()


def session_of(depot: Depot, name: str) -> Store:
    """The folder of a session with frames 1 and 3, of which 2 is lost."""
    start = Start(width=64, height=48, fps=30.0, encoding="jpeg")
    session = Session(name, "digest", start, LIMITS)
    session.lose(2, 2, 0.0)
    store = depot.new(name)
    store.note(session.said())
    for number in (1, 3):
        store.write(arrival(number))
    store.close()
    return store


def test_a_session_has_a_folder_of_its_own(depot: Depot) -> None:
    depot.new("bare").close()
    assert not depot.holds("bare")  # Nobody knows yet whose it is.
    session_of(depot, "first")
    assert depot.holds("first") and depot.said("first")["token"] == "digest"
    session, store, said = depot.revive("first", LIMITS, 5.0)
    assert store.frames == 2
    assert (session.roll.up_to, session.roll.received, session.roll.losses) == (3, 2, 1)
    store.close()
    assert session.heard_at == 5.0 and said == depot.said("first")


@pytest.mark.parametrize("change", [{"session_id": "other"}, {"lost": 7}, {"start": None}, {"state": "odd"}])
def test_a_session_whose_notes_somebody_changed_is_not_taken_up(depot: Depot, change: dict[str, Any]) -> None:
    session_of(depot, "first").note({**depot.said("first"), **change})
    with pytest.raises((ValueError, LookupError, TypeError)):
        depot.revive("first", LIMITS, 0.0)


def test_a_folder_has_one_server_at_a_time(depot: Depot, pool: ThreadPoolExecutor) -> None:
    depot.claim()
    other = Depot(depot.folder, MOST, pool)
    with pytest.raises(EnvstreamError, match="another server is at work in"):
        other.new("first")
    depot.claim()  # Who has it has it.
    depot.release()
    other.claim()
    other.release()


def test_a_folder_that_cannot_be_is_said_to_be_so(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvstreamError, match="cannot be written"):
        Depot(tmp_path / "file" / "sessions", MOST, pool).claim()


def test_there_is_room_until_there_is_none(depot: Depot) -> None:
    depot.claim()
    assert depot.take(MOST - 10) and not depot.take(11) and depot.take(10) and not depot.take(1)
    said = depot.full()
    assert said.code == "disk_quota" and not said.recoverable and "videoStreamMaxDisk" in str(said)


def test_a_full_folder_takes_no_further_session_and_no_video(depot: Depot) -> None:
    depot.folder.mkdir()
    (depot.folder / "old").write_bytes(bytes(MOST + 1))
    for begin in (lambda: depot.new("first"), depot.analysis):
        with pytest.raises(SessionError) as full:
            begin()
        assert full.value.code == "disk_quota"
    assert [path.name for path in depot.folder.iterdir() if path.is_dir()] == []


def test_what_others_removed_is_room_again(depot: Depot) -> None:
    depot.folder.mkdir()
    (depot.folder / "old").write_bytes(bytes(MOST + 1))
    depot.claim()
    assert not depot.take(1)
    (depot.folder / "old").unlink()
    depot.measure()
    assert depot.take(1)


def test_a_file_with_a_hole_takes_what_is_in_it(depot: Depot) -> None:
    depot.folder.mkdir()
    with (depot.folder / "frames.idx").open("wb") as index:
        index.seek(1000 * MOST)
        index.write(b"the billionth")
    depot.measure()
    assert 0 < depot.used < MOST


def test_a_folder_that_a_killed_server_had_only_just_made_is_made_anew(depot: Depot) -> None:
    depot.new("first").close()
    (depot.folder / "first" / ".session.json.new").write_text("{")
    store = depot.new("first")
    assert store.frames == 0 and not (store.folder / ".session.json.new").exists()
    store.close()


@pytest.mark.parametrize("what", ["frames.log", "thesis.txt", "session.json"])
def test_a_folder_with_something_in_it_is_nobodys_to_take(depot: Depot, what: str) -> None:
    folder = depot.folder / "first"
    folder.mkdir(parents=True)
    (folder / what).write_text("years of work")
    with pytest.raises(SessionError) as taken:
        depot.new("first")
    assert taken.value.code == "session_taken"
    assert (folder / what).read_text() == "years of work"


def test_a_file_in_the_way_is_left_alone(depot: Depot) -> None:
    depot.folder.mkdir()
    (depot.folder / "first").write_text("mine")
    with pytest.raises(EnvstreamError):
        depot.new("first")
    assert (depot.folder / "first").read_text() == "mine"


def test_unfinished_are_those_whose_notes_say_so(depot: Depot) -> None:
    noted(depot, "b", json.dumps({"state": "receiving"}))
    noted(depot, "a", json.dumps({"state": "processing"}))
    noted(depot, "done", json.dumps({"state": "complete"}))
    for name, text in {"torn": '{"state"', "list": "[]", "deep": "[" * 50_000, "no-text": "\ud7ff"}.items():
        noted(depot, name, text)
    depot.analysis()
    assert list(depot.unfinished()) == ["a", "b"]


def test_videos_that_nobody_waits_for_any_more_are_removed(depot: Depot, pool: ThreadPoolExecutor) -> None:
    given_up, done, other = depot.analysis(), depot.analysis(), depot.folder / "analyze-this"
    (given_up / "video-as-sent.mp4").write_bytes(bytes(100))
    (done / "result.json").write_text("{}")
    other.mkdir()
    noted(depot, "analyze-0123456789abcdef", "{}")  # A session may be called so.
    depot.release()
    later = Depot(depot.folder, MOST, pool)
    later.claim()
    later.release()
    there = {path.name for path in depot.folder.iterdir() if path.is_dir()}
    assert there == {done.name, other.name, "analyze-0123456789abcdef"}


def test_who_cannot_have_the_folder_removes_nothing(depot: Depot, pool: ThreadPoolExecutor) -> None:
    at_work = depot.analysis()
    with pytest.raises(EnvstreamError):
        Depot(depot.folder, MOST, pool).claim()
    assert at_work.is_dir()


def test_what_cannot_be_read_says_nothing(depot: Depot) -> None:
    noted(depot, "first", "{")
    assert depot.said("first") == {}


def test_a_store_of_the_depot_is_an_ordinary_one(depot: Depot) -> None:
    store = depot.new("first")
    assert isinstance(store, Store) and store.folder == depot.folder / "first"
    store.close()

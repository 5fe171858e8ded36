"""The vigil: a server's process ends whatever keeps it, and never while it is wanted."""

from __future__ import annotations

import os
import threading
import time

import pytest

from envstream.web import vigil as vigils
from envstream.web.vigil import BEGINNING, JOINING, LEAVING, SILENT, Vigil


@pytest.fixture
def vigil(monkeypatch: pytest.MonkeyPatch) -> Vigil:
    """One whose clock stands at 1000."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    return Vigil(os.getppid())


def test_while_the_trainer_lives_it_waits_for_ever(vigil: Vigil) -> None:
    assert not vigil.overdue(1e9, orphaned=False)
    vigil.beat()
    assert not vigil.overdue(2e9, orphaned=False)


def test_an_orphan_that_was_never_told_how_to_start_ends_soon(vigil: Vigil) -> None:
    assert not vigil.overdue(1000.0, orphaned=True)
    assert not vigil.overdue(1000.0 + BEGINNING, orphaned=True)
    assert vigil.overdue(1000.1 + BEGINNING, orphaned=True)


def test_an_orphan_that_serves_others_goes_on_as_long_as_its_loop_turns(vigil: Vigil) -> None:
    assert not vigil.overdue(900.0, orphaned=True)
    vigil.beat()
    assert not vigil.overdue(1000.0 + SILENT, orphaned=True)


def test_an_orphan_whose_loop_is_stuck_ends(vigil: Vigil) -> None:
    vigil.beat()
    assert not vigil.overdue(1010.0, orphaned=True)
    assert not vigil.overdue(1010.0 + SILENT, orphaned=True)
    assert vigil.overdue(1010.1 + SILENT, orphaned=True)


def test_the_last_words_and_files_have_their_time_and_no_more(vigil: Vigil) -> None:
    vigil.ends()
    assert not vigil.overdue(1000.0 + LEAVING, orphaned=True)
    assert vigil.overdue(1000.1 + LEAVING, orphaned=False)


def test_when_all_is_over_threads_have_their_time_and_no_more(vigil: Vigil) -> None:
    vigil.ends()
    vigil.over()
    assert not vigil.overdue(1000.0 + JOINING, orphaned=True)
    assert vigil.overdue(1000.1 + JOINING, orphaned=True)


def test_a_process_that_is_overdue_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vigils, "EVERY", 0.01)
    monkeypatch.setattr(vigils, "BEGINNING", 0.01)
    ended = threading.Event()
    statuses: list[int] = []
    Vigil(-1, lambda status: (statuses.append(status), ended.set())).start()
    assert ended.wait(60)
    assert statuses == [70]

"""The depot: the folder of all sessions: whose it is, what is in it, and how much may be."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from envstream.errors import EnvstreamError, SessionError
from envstream.files import unwritable
from envstream.sessions.session import Session
from envstream.sessions.start import Limits
from envstream.sessions.store import Store
from envstream.sessions.tape import INDEX, LOG

_ANALYSIS = re.compile(r"analyze-[0-9a-f]{16}")
NEWCOMERS = 0.9  # Share of the room that those may use up who only begin.
MEASURED_EVERY = 10.0  # Seconds between two looks at how much there is.


class Depot:
    """A folder with a folder for each session. Nothing is made before it is needed.

    Args:
        most: bytes that may be in it.
        threads: where disks are waited for.
    """

    def __init__(self, folder: Path, most: int, threads: ThreadPoolExecutor) -> None:
        self.folder = folder
        self.most = most
        self.used = 0
        self._threads = threads
        self._measured_at = float("-inf")
        self._lock: Any = None

    def claim(self) -> None:
        """Have the folder, as long as this process lives.

        Raises:
            EnvstreamError: it is another server's, or cannot be used.
        """
        if self._lock is not None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("a+b")
        except OSError as error:
            raise unwritable(self.folder, error) from error
        with contextlib.suppress(ImportError):  # Where there are no such locks, people see to it.
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                raise EnvstreamError(
                    f"another server is at work in {self.folder.absolute()}; give each a folder of its own "
                    "as videoStreamFolder"
                ) from None
        self._lock = lock
        self._sweep()
        self.measure()

    def _sweep(self) -> None:
        """Remove the requests that an earlier server was at work on: nobody waits for them any more."""
        for folder in self.folder.glob("analyze-*"):
            if _ANALYSIS.fullmatch(folder.name) and not any(
                (folder / name).exists() for name in ("session.json", "result.json")
            ):
                self.remove(folder)

    def release(self) -> None:
        """Leave the folder to others."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def take(self, size: int, share: float = 1.0) -> bool:
        """Reckon with so many further bytes; False: there is no room for them.

        Args:
            share: of the room that may be used up; the rest is kept for those who have begun.
        """
        now = time.monotonic()
        if now - self._measured_at > MEASURED_EVERY:
            self._measured_at = now
            with contextlib.suppress(RuntimeError):  # The server is ending.
                self._threads.submit(self.measure)
        if self.used + size > share * self.most:
            return False
        self.used += size
        return True

    @property
    def has_room(self) -> bool:
        """Whether further publishers find room, as far as was measured."""
        return self.used < NEWCOMERS * self.most

    def measure(self) -> None:
        """See how much there is."""
        total = 0
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += _taken(Path(folder, name).stat())
        self.used, self._measured_at = total, time.monotonic()

    def full(self) -> SessionError:
        """What is said when there is no room."""
        return SessionError(
            "disk_quota",
            f"the sessions on disk have reached videoStreamMaxDisk ({self.most / 1e6:g} MB); remove old ones "
            f"from the server's {self.folder.name!r}, or raise it",
            recoverable=False,
        )

    def new(self, name: str) -> Store:
        """The folder of a new session.

        Raises:
            EnvstreamError: it cannot be made.
        """
        self._look_for_room()
        folder = self.folder / name
        try:
            if _only_begun(folder):
                self.remove(folder)
            return Store.create(folder)
        except FileExistsError:
            raise SessionError(
                "session_taken",
                f"something else is stored as {name!r}; choose another session_id",
                recoverable=False,
            ) from None
        except OSError as error:
            raise unwritable(folder, error) from error

    def analysis(self) -> Path:
        """A new folder for a whole video and what comes of it.

        Raises:
            EnvstreamError: it cannot be made.
        """
        self._look_for_room()
        folder = self.folder / f"analyze-{secrets.token_hex(8)}"
        try:
            folder.mkdir()
        except OSError as error:
            raise unwritable(folder, error) from error
        return folder

    def _look_for_room(self) -> None:
        self.claim()
        if not self.take(0, NEWCOMERS):
            raise self.full()

    def remove(self, folder: Path) -> None:
        """Nothing came of what is in there."""
        shutil.rmtree(folder, ignore_errors=True)
        self.measure()

    def holds(self, name: str) -> bool:
        """Whether there is a session of that name."""
        return (self.folder / name / "session.json").is_file()

    def said(self, name: str) -> dict[str, Any]:
        """What is noted of a session that is there; nothing where it cannot be read."""
        self.claim()
        return Store(self.folder / name).said()

    def revive(self, name: str, limits: Limits, now: float) -> tuple[Session, Store, dict[str, Any]]:
        """A session that is there, its folder, and what is noted of it.

        Raises:
            OSError, ValueError, LookupError, TypeError: somebody changed its files.
        """
        said = self.said(name)
        if said["session_id"] != name:
            raise ValueError(f"what is noted is of session {said['session_id']!r}")
        store = Store.open(self.folder / name)
        try:
            roll = store.roll([(first, last) for first, last in said["lost"]])
            return Session.of(said, limits, roll, now), store, said
        except BaseException:
            store.close()
            raise

    def unfinished(self) -> Iterator[str]:
        """The names of sessions that an earlier server did not complete."""
        self.claim()
        for note in sorted(self.folder.glob("*/session.json")):
            with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
                if json.loads(note.read_bytes()).get("state") != "complete":
                    yield note.parent.name


def _taken(of: os.stat_result) -> int:
    """Bytes that a file takes: an index has holes where numbers are missing, and seems larger than it is."""
    return min(of.st_size, getattr(of, "st_blocks", of.st_size) * 512)


def _only_begun(folder: Path) -> bool:
    """Whether a server that was killed had made the folder of a session, and not yet said whose it is."""
    try:
        there = {path.name: path.stat().st_size for path in folder.iterdir()}
    except OSError:
        return False
    return there.keys() <= {LOG, INDEX, ".session.json.new"} and not there.get(LOG)

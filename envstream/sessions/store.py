"""The folder of a session, as its server fills it: frames as they come, what is said of them, the signal.

What `write` has taken stays when the process is killed at any moment, also when the machine goes down, once
`sync` has come back.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from envstream.errors import SessionError
from envstream.files import removed, replacing, write_json
from envstream.sessions.arrival import Arrival
from envstream.sessions.roll import Roll
from envstream.sessions.tape import (
    ENTRY,
    HIGHEST,
    INDEX,
    LOG,
    Place,
    arrival_in,
    entry_of,
    head_of,
    place_in,
    places,
    record_at,
)

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_SAID = "session.json"
_SIGNAL = re.compile(r"signal\.[a-z0-9]{1,8}")
_SUFFIX = re.compile(r"[a-z0-9]{1,8}")
# Bytes at the end of the log that are read again when it is opened. What a machine that went down has not
# written is there; older damage shows when a frame is read.
_CHECKED = 64 * 2**20


class Store:
    """One session's folder. Not thread-safe, and one at a time.

    Attributes:
        folder: where all of it is; what else is in there, it leaves alone.
        signal: the file that came beside the frames; None while there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signal: Path | None = None
        self._files: tuple[io.FileIO, io.FileIO] | None = None  # Log and index.
        self._end = self._frames = self._beside = 0

    @classmethod
    def create(cls, folder: Path) -> Store:
        """Makes the folder, and those above it.

        Raises:
            FileExistsError: there is something.
            SessionError: `disk_full`.
            OSError: it cannot be made.
        """
        store = cls(folder)
        with _room("the session"):
            folder.mkdir(parents=True)
            try:
                store._open("x+b")
            except OSError:
                removed([folder / LOG, folder / INDEX])
                folder.rmdir()
                raise
        return store

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Goes on with a folder that is there, and mends what a process that was killed left half done.

        Raises:
            OSError: it is not there, or cannot be read and written.
        """
        store = cls(folder)
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        if (folder / LOG).exists():  # Else its frames are forgotten.
            (folder / INDEX).touch()
            store._open("r+b")
            store._mend()
        store._look_beside()
        return store

    @property
    def size(self) -> int:
        """Bytes of all that was kept."""
        return self._end + self._frames * ENTRY + self._beside

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return self._frames

    def write(self, arrival: Arrival) -> int:
        """Keeps a frame: when this is back, a process that is killed does not take it along.

        Returns:
            Bytes that it takes on disk.

        Raises:
            ValueError: there is a frame with its number, its number cannot be, or its store is closed.
            SessionError: `disk_full`. As after any OSError, all is as before, and the frame may come again.
        """
        if self._files is None:
            raise ValueError(f"frame {arrival.number} comes to a store that was closed or forgot its frames")
        log, index = self._files
        if not 1 <= arrival.number <= HIGHEST:
            raise ValueError(f"frame {arrival.number}: expected a number from 1 to {HIGHEST}")
        if place_in(index, arrival.number) is not None:
            raise ValueError(f"frame {arrival.number} is there already, and is kept as it came first")
        head = head_of(arrival)
        place = Place(self._end, len(head) + len(arrival.data))
        with _room(f"frame {arrival.number}", arrival.number):
            try:
                _put(log, place.start, head, arrival.data)
                _put(index, arrival.number * ENTRY, entry_of(arrival.number, place))
            except OSError:
                with contextlib.suppress(OSError):  # If not, the next record overwrites it.
                    log.truncate(self._end)
                raise
        self._end, self._frames = place.end, self._frames + 1
        return place.length + ENTRY

    def note(self, said: Mapping[str, Any]) -> None:
        """Keeps what there is to say of the session, instead of what was said before.

        Raises:
            SessionError: `disk_full`. As after any OSError, what was said before is still there.
        """
        with _room("what was said of the session"):
            write_json(self.folder / _SAID, said)
        self._look_beside()

    def said(self) -> dict[str, Any]:
        """What `note` was told last; nothing when it never was."""
        try:
            said = json.loads((self.folder / _SAID).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}

    def write_signal(self, name: str, data: bytes) -> Path:
        """Keeps the file beside the frames, instead of one that came before.

        Args:
            name: as the client calls it. Only its suffix counts, and only a plain one.

        Raises:
            SessionError: `disk_full`. As after any OSError, the one before is still there.
        """
        suffix = name.rpartition(".")[2].lower() if "." in name else ""
        path = self.folder / f"signal.{suffix if _SUFFIX.fullmatch(suffix) else 'bin'}"
        with _room("the signal"), replacing(path) as new:
            new.write_bytes(data)
        removed(other for other in self._signals() if other != path)
        self._look_beside()
        return path

    def roll(self, lost: Iterable[Sequence[int]]) -> Roll:
        """Which numbers are accounted for.

        Args:
            lost: those that never come, first and last of each range; `Roll.lost` of earlier.
        """
        roll, waiting = Roll(), deque(sorted((first, last) for first, last in lost))
        for number in self._numbers():
            # In the order of their numbers, so that the roll has little to remember.
            while waiting and waiting[0][0] < number:
                first, last = waiting.popleft()
                roll.lose(first, min(last, number - 1))
                if last > number:
                    waiting.appendleft((number + 1, last))
            roll.add(number)
        for first, last in waiting:
            roll.lose(first, last)
        return roll

    def sync(self) -> None:
        """Waits until all frames outlast the machine's going down."""
        for file in self._files or ():  # The log first: no entry without its record.
            os.fsync(file.fileno())

    def close(self) -> None:
        """No more frames. What is said may still change."""
        for file in self._files or ():
            file.close()
        self._files = None

    def forget_frames(self) -> None:
        """Removes the frames, and leaves all else; a `Tape` that is open may go on.

        Raises:
            OSError: they cannot be removed.
        """
        self.close()
        self._end = self._frames = 0
        for name in (LOG, INDEX):
            (self.folder / name).unlink(missing_ok=True)

    def _open(self, mode: str) -> None:
        with contextlib.ExitStack() as opened:
            log, index = (
                opened.enter_context(io.FileIO(self.folder / name, mode.replace("b", "")))
                for name in (LOG, INDEX)
            )
            self._files = log, index
            opened.pop_all()

    def _numbers(self) -> Iterator[int]:
        return (number for number, _ in places(self._files[1])) if self._files else iter(())

    def _mend(self) -> None:
        """Finds the end of the log, and cuts off or takes in what is beyond."""
        assert self._files is not None
        log, index = self._files
        size = log.seek(0, os.SEEK_END)
        for number, place in places(index):
            if place.end > size - _CHECKED and arrival_in(log, place) is None:
                _put(index, number * ENTRY, bytes(ENTRY))
            else:
                self._end, self._frames = max(self._end, place.end), self._frames + 1
        # Written, but not entered when the process was killed; all of them, when the index is lost.
        while (found := record_at(log, self._end)) is not None:
            arrival, place = found
            if place_in(index, arrival.number) is None:
                _put(index, arrival.number * ENTRY, entry_of(arrival.number, place))
                self._frames += 1
            self._end = place.end
        log.truncate(self._end)

    def _signals(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if _SIGNAL.fullmatch(path.name)]

    def _look_beside(self) -> None:
        # Of two, the older one was about to be removed.
        self.signal = max(self._signals(), key=lambda path: path.stat().st_mtime_ns, default=None)
        said = self.folder / _SAID
        kept = [path for path in (said, self.signal) if path is not None and path.exists()]
        self._beside = sum(path.stat().st_size for path in kept)


def _put(file: io.FileIO, at: int, *pieces: bytes) -> None:
    """Writes all of it there. A disk that is nearly full takes part of a piece, and says so with the next."""
    file.seek(at)
    for piece in pieces:
        done = file.write(piece)
        while done < len(piece):
            done += file.write(memoryview(piece)[done:])


@contextlib.contextmanager
def _room(what: str, number: int | None = None) -> Iterator[None]:
    """Says of a full disk what is to be done, and nothing of where it is: strangers read it."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise SessionError(
            "disk_full",
            f"{what} cannot be kept, as the server's disk is full; make room there, and send it again",
            number=number,
        ) from error

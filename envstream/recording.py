"""Recordings: an MP4 with a JSON beside it, and how many of them a folder keeps."""

from __future__ import annotations

import contextlib
import json
import math
import re
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

from envstream.errors import EnvstreamError
from envstream.files import fitting, namesakes, removed, unwritable, write_json
from envstream.frame import Frame
from envstream.video import VideoFile

_ELSEWHERE = ", or set videoRecordFolder to another one"
_MOST_PARTS = 20  # What changes its size all the time is no video.
_LARGEST = 2**20  # Bytes of a JSON of ours at most.


class Recording:
    """One take on its way to disk. Not thread-safe. Never raises, once it is made.

    Nothing is created before the first picture. From then on the JSON says `"state": "recording"`, at the
    end "finished". What is in the folder already, whoever made it, is left alone: the name gets a number.

    Args:
        folder: made when it is not there.
        name: of the files, without suffix; what file systems dislike in it is replaced.
        fps: pictures a second.
        about: what the JSON says of the take: env, seed, episode, settings, …
        quality: 1 to 100, as of a JPEG.
        most: pictures after which it ends by itself; 0 = as many as come.

    Attributes:
        problem: what went wrong, a sentence; None while all is well.
        missing: pictures that could not be kept. Who loses some on their way here may add them.
    """

    LONGEST = 3600.0  # Seconds of playing time; what is longer is taken for a take without end.

    def __init__(
        self, folder: Path, name: str, fps: float, about: Mapping[str, Any], quality: int = 85, most: int = 0
    ) -> None:
        self.problem: str | None = None
        self.missing = 0
        self._folder, self._name = folder, fitting(name)
        self._fps, self._quality, self._most = fps, quality, most
        self._about: Mapping[str, Any] = dict(about)
        self._outcome: Mapping[str, Any] = {}
        self._json: Path | None = None
        self._parts: list[VideoFile] = []
        self._size = self._part_size = 0, 0  # Of the first picture and of the newest.
        self._start = self._at = 0.0
        self._began: str | None = None
        self._ended: str | None = None
        self._taken = 0
        self._over = self._failed = False

    @property
    def paths(self) -> list[Path]:
        """Its files: the parts of the video, then the JSON; none before the first picture."""
        return [part.path for part in self._parts] + [path for path in [self._json] if path is not None]

    @property
    def frames(self) -> int:
        """Pictures that it has."""
        return sum(part.frames for part in self._parts)

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return sum(part.seconds for part in self._parts)

    def add(self, frame: Frame, at: float | None = None) -> bool:
        """Keeps a picture. False: it is not kept, as the recording is over.

        Args:
            at: its time in seconds; it begins with the first one's. None: a period after the picture before.
        """
        if not self._over:
            try:
                if self._in_time(at):
                    self._part(frame).add(frame.pixels, self._at)
                    self._taken += 1
                    if self._taken == 1:
                        self._say()
                    if self._taken == self._most:
                        self._end()
                    return True
            except Exception as error:  # Whatever it is, training goes on.
                self._fail(error)
        self.missing += self._failed
        return False

    def finish(self, outcome: Mapping[str, Any]) -> None:
        """No more pictures.

        Args:
            outcome: what the JSON says of how it ended: return, steps, ended, …
        """
        self._outcome = dict(outcome)
        self._end()

    def discard(self) -> None:
        """No more pictures, and no files."""
        self._over = True
        for part in self._parts:
            part.discard()
        self.problem = removed(self.paths) or self.problem
        self._parts, self._json = [], None

    def _in_time(self, at: float | None) -> bool:
        """Notes when a picture is; false, and the end, when that is too late."""
        if at is None or not math.isfinite(at):
            since = self._at + 1 / self._fps if self._taken else 0.0
        else:
            self._start = self._start if self._taken else at
            since = max(at - self._start, self._at)
        late = since >= self.LONGEST
        if late:
            self.problem = (
                f"{self._name}: after {self.LONGEST:g} s of playing time a recording ends; "
                "set videoRecordLength for an end that suits you"
            )
            self._end()
        self._at = since
        return not late

    def _part(self, frame: Frame) -> VideoFile:
        """The file for pictures of this size."""
        was, self._part_size = self._part_size, (frame.width, frame.height)
        if not self._parts:
            self._size, self._began = self._part_size, _now()
            self._claim()
        elif self._part_size != was:
            self._parts[-1].close()
            self._go_on()
            self.problem = (
                f"{self._name}: the pictures became {frame.width}x{frame.height} after {was[0]}x{was[1]}, so "
                f"that it goes on in {self._parts[-1].path.name}; set videoResolution, and all have one size"
            )
            self._say()
        return self._parts[-1]

    def _claim(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for stem in namesakes(self._name):
            path = self._folder / f"{stem}.json"
            with contextlib.suppress(FileExistsError):
                path.touch(exist_ok=False)
                try:
                    self._open(stem)
                    self._json = path
                    return
                finally:
                    if self._json is None:
                        path.unlink()
        raise EnvstreamError(f"{self._folder} is full of recordings called {self._name}; remove some")

    def _go_on(self) -> None:
        first, number = self._parts[0].path.stem, len(self._parts) + 1
        for part in range(number, _MOST_PARTS + 1):
            with contextlib.suppress(FileExistsError):
                return self._open(f"{first}-part{part}")
        raise EnvstreamError(
            f"{self._name}: there are {_MOST_PARTS} parts, as the pictures keep changing their size; "
            "set videoResolution, and all have one"
        )

    def _open(self, stem: str) -> None:
        path = self._folder / f"{stem}.mp4"
        self._parts.append(VideoFile(path, *self._part_size, self._fps, self._quality))

    def _fail(self, error: Exception) -> None:
        if isinstance(error, OSError) and not isinstance(error, EnvstreamError):
            error = unwritable(Path(error.filename or self._folder), error)
        text = str(error) or type(error).__name__
        self.problem, self._failed = text + (_ELSEWHERE if "cannot be written" in text else ""), True
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over, self._ended = True, _now()
            for part in self._parts[-1:]:
                part.close()
            self._parts = [part for part in self._parts if part.frames]
            self.missing += self._taken - self.frames
            if not self._parts and self._json is not None:
                removed([self._json])
                self._json = None
        self._say()

    def _say(self) -> None:
        """Brings the JSON up to date."""
        if self._json is None:
            return
        said = {
            "state": "finished" if self._over else "recording",
            "files": [part.path.name for part in self._parts],
            "frames": self.frames,
            "missing": self.missing,
            "width": self._size[0],
            "height": self._size[1],
            "fps": self._fps,
            "seconds": round(self.seconds, 6),
            "started": self._began,
            "ended": self._ended,
            "problem": self.problem,
            "outcome": self._outcome,
            "about": self._about,
        }
        try:
            write_json(self._json, said)
        except (OSError, ValueError, RecursionError) as error:
            self.problem = self.problem or str(unwritable(self._json, error)) + _ELSEWHERE


class Shelf:
    """The last recordings of a run in a folder. Any thread. Never raises.

    Args:
        keep: how many; None = all.
        run: what `about["run"]` of them is, by which they are found again.
    """

    LOOKED_AT = 4000  # JSON files in the folder at most.

    def __init__(self, folder: Path, keep: int | None, run: str) -> None:
        self._folder, self._keep, self._run = folder, keep, run
        self._lock = threading.Lock()
        self._kept: dict[Path, str] | None = None  # The JSON of each, and when it began.

    def done(self, recording: Recording) -> str | None:
        """Takes a finished recording, and removes the oldest ones beyond `keep`.

        Returns:
            What went wrong, a sentence; None when nothing did.
        """
        if self._keep is None or not recording.paths:
            return None
        with self._lock:
            problem = None
            if self._kept is None:
                self._kept, problem = self._found()
            self._note(recording.paths[-1], self._kept)
            while len(self._kept) > self._keep:
                _, oldest = min((began, path) for path, began in self._kept.items())
                del self._kept[oldest]
                problem = removed(self._files(oldest)) or problem
        return problem

    def _found(self) -> tuple[dict[Path, str], str | None]:
        """What there is of earlier."""
        found: dict[Path, str] = {}
        try:
            paths = list(islice(self._folder.glob("*.json"), self.LOOKED_AT + 1))
        except OSError as error:
            return found, f"{self._folder} cannot be read ({error.strerror}); its old recordings are kept"
        for path in paths[: self.LOOKED_AT]:
            self._note(path, found)
        if len(paths) <= self.LOOKED_AT:
            return found, None
        return found, (
            f"{self._folder} has more than {self.LOOKED_AT} JSON files, and not all were looked at; "
            "set videoRecordFolder to another folder, and no more than videoRecordKeep are kept"
        )

    def _note(self, path: Path, kept: dict[Path, str]) -> None:
        said = self._said(path)
        if said is not None:
            kept[path] = str(said.get("started"))

    def _said(self, path: Path) -> dict[str, Any] | None:
        """What the JSON of a finished recording of this run says; None: it is something else."""
        try:
            if path.stat().st_size <= _LARGEST:
                said = json.loads(path.read_bytes())
                if said["state"] == "finished" and said["about"]["run"] == self._run:
                    return dict(said)
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            pass
        return None

    def _files(self, path: Path) -> list[Path]:
        """All of a recording, its JSON last: who is interrupted finds it again."""
        names = (self._said(path) or {}).get("files") or []
        # A JSON that somebody wrote cannot have other files removed.
        ours = re.compile(re.escape(path.stem) + r"(-part\d+)?\.mp4")
        return [path.with_name(name) for name in names if ours.fullmatch(str(name))] + [path]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()

"""A job: one session's frames on their way to a video, through its processors, to a result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from envstream.decoder import MAX_PIXELS
from envstream.errors import EnvstreamError
from envstream.files import unwritable, write_json
from envstream.frame import Frame, Pixels
from envstream.processing.pipeline import At, Pipeline, ProcessorFailed
from envstream.processing.reel import Reel
from envstream.processing.source import Filmed, Source, Taken, Taped
from envstream.processing.timeline import Timeline

VIDEO, PROCESSED, SAID = "video.mp4", "processed.mp4", "video.json"

USUAL_FPS = 30.0


class Job:
    """One session, or one video file, being gone through. Not thread-safe.

    What an earlier life of the job left in the folder is removed. A processor that fails ends the pipeline;
    the video goes on, and the result says what happened.

    Args:
        folder: of the session; the files are made there.
        about: what is known of the session, which processors are told as well. Of it, the job itself reads
            `processors`; `fps`; `expected`, how many frames there will be; `max_pixels`; `video`, the path
            of a file, from the folder on, that takes the place of the tape; `problem`, what went wrong in
            an earlier life: there are no processors in this one.
        at: told which processor gets which frame; see `Pipeline`.

    Attributes:
        position: the number up to which it has gone through.
        total: how many frames there will be; None = nobody knows.

    Raises:
        EnvstreamError: the video file cannot be read, or the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        about: Mapping[str, Any],
        at: At | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._about, self._clock = folder, dict(about), clock
        self.position = 0
        self._over = False  # Whether a video file has come to its end; a tape never does.
        self._counts = dict.fromkeys(("read", "decoded", "damaged", "lost"), 0)
        self._problem: dict[str, Any] | None = self._about.get("problem")
        self._source = self._opened()
        self._clear()
        expected = self._about.get("expected")
        self.total: int | None = self._source.total if expected is None else int(expected)
        fps = float(self._about.get("fps") or USUAL_FPS)
        self._timeline = Timeline(fps)
        self._video, self._processed = Reel(folder / VIDEO, fps), Reel(folder / PROCESSED, fps)
        self._changed = False  # Whether any picture came out of the processors as another one.
        self._pipeline: Pipeline | None = None
        self._running = True  # Until a processor fails.
        if self._problem is None:
            self._prepare(at)

    def advance(self, up_to: int, seconds: float) -> int:
        """Goes through frames for about so long; the number it has come to.

        Args:
            up_to: of a tape: the numbers that are on it, or lost.
        """
        until = self._clock() + seconds
        while self.left(up_to):
            taken = self._source.take(self.position + 1)
            if taken is None:
                self._over = True
                break
            self.position = first = self.position + 1
            if taken.timestamp is None:
                self.position = self._source.after(first, up_to) - 1  # Of a billion lost ones, at once.
                self._counts["lost"] += self.position - first + 1
                self._timeline.lose(first, self.position)
            else:
                self._go_through(first, taken, taken.timestamp)
            if self._clock() >= until:
                break
        return self.position

    def left(self, up_to: int) -> bool:
        """Whether there is something to go through."""
        return not self._over and (self.position < up_to or isinstance(self._source, Filmed))

    def finish(self, end: Mapping[str, Any], closing: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """No more frames: the result.

        Args:
            end: what is known of the session's end, which processors are told as well.
            closing: called before the files are closed, which may take a while.
        """
        found: dict[str, Any] = {}
        if self._pipeline is not None:
            found = self._pipeline.finish({**self._about, **end})
            if self._pipeline.failed is not None and self._problem is None:
                self._problem = _said(self._pipeline.failed)
        closing()
        self._source.close()
        self._video.close()
        if self._changed:
            self._processed.close()
        else:
            self._processed.discard()
        self._say("finished")
        processed = self._processed.said()
        return {
            "video": self._video.said(),
            "processed": processed and {**processed, "starts": self._processed.starts},
            "processors": found,
            "problem": self._problem,
            "frames": dict(self._counts),
        }

    def leave(self) -> None:
        """Gives up without a result; the files play as far as they came."""
        for each in (self._source, self._video, self._processed):
            each.close()

    def drop(self) -> None:
        """Gives up; of its files nothing stays."""
        self._source.close()
        self._video.discard()
        self._processed.discard()
        with contextlib.suppress(OSError):
            (self._folder / SAID).unlink()

    def _opened(self) -> Source:
        most = int(self._about.get("max_pixels") or MAX_PIXELS)
        video = self._about.get("video")
        if video is None:
            return Taped(self._folder, most)
        path = self._folder / video
        if path.resolve() in [(self._folder / name).resolve() for name in (VIDEO, PROCESSED)]:
            raise EnvstreamError(f"{path.name} would be written over; give the file to be read another name")
        return Filmed(path, most)

    def _clear(self) -> None:
        """Removes what an earlier life left."""
        for name in (VIDEO, PROCESSED, SAID):
            for path in (self._folder / name, self._folder / f".{name}.new"):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise unwritable(path, error) from error

    def _prepare(self, at: At | None) -> None:
        try:
            self._pipeline = Pipeline(self._about.get("processors") or (), self._about, at)
        except ProcessorFailed as error:
            self._problem = _said(error)

    def _go_through(self, number: int, taken: Taken, timestamp: float) -> None:
        self._counts["read"] += 1
        if taken.pixels is None:
            self._counts["damaged"] += 1
            self._timeline.damage(number, taken.error)
            return
        self._counts["decoded"] += 1
        at = self._timeline.show(number, timestamp)
        self._add(self._video, taken.pixels, number, at)
        if self._counts["decoded"] == 1:
            self._say("growing")
        if self._pipeline is not None and self._running:
            self._process(self._pipeline, Frame(taken.pixels, number, timestamp, 0.0, taken.info), at)

    def _process(self, pipeline: Pipeline, frame: Frame, at: float) -> None:
        try:
            done = pipeline.run(frame)
        except ProcessorFailed as error:
            self._problem, self._running = self._problem or _said(error), False
            return
        if not pipeline.changes:
            return
        self._changed = self._changed or done is None or not _same(done.pixels, frame.pixels)
        if done is not None:
            self._add(self._processed, done.pixels, frame.number, at)

    def _add(self, reel: Reel, pixels: Pixels, number: int, at: float) -> None:
        reel.add(pixels, at)
        if reel.problem is not None and self._problem is None:
            self._problem = _of_job(number, reel.problem)

    def _say(self, state: str) -> None:
        """Brings the JSON beside the video up to date."""
        said = {
            "state": state,
            **(self._video.said() or {"file": None, "frames": 0, "seconds": 0.0}),
            **self._timeline.said(),
            "scaled": {"frames": self._video.scaled, "sizes": self._video.sizes},
            "numbers": {"up_to": self.position, **self._counts},
            "problem": self._problem,
        }
        try:
            write_json(self._folder / SAID, said)
        except OSError as error:
            self._problem = self._problem or _of_job(
                self.position, str(unwritable(self._folder / SAID, error))
            )


def _same(one: Pixels, other: Pixels) -> bool:
    return one is other or np.array_equal(one, other)


def _said(error: ProcessorFailed) -> dict[str, Any]:
    return {"processor": error.name, "frame": error.number, "error": error.error}


def _of_job(number: int, error: str) -> dict[str, Any]:
    return {"processor": None, "frame": number, "error": error}

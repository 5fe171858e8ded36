"""`envstream push`: frames of a video, a camera or an env to a server, and what came of them."""

from __future__ import annotations

import secrets
import shutil
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envstream import logs
from envstream.errors import EnvstreamError
from envstream.files import replacing, unwritable, write_json
from envstream.push.address import Address
from envstream.push.feed import Feed
from envstream.push.footage import Footage, VideoFootage
from envstream.push.link import RETRY_FOR, Link
from envstream.push.live import CameraFootage, EnvFootage
from envstream.push.meter import Meter
from envstream.push.owed import MEMORY
from envstream.push.sender import Sender
from envstream.video import missing

WELL, FLAWED, UNUSABLE, UNREACHED, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 130  # Exit statuses.

SPARE = 256 * 2**20  # Bytes of pictures that are kept of what goes on while there is no connection.
ENDING, CUTTING = 6.0, 4.0  # Seconds, after Ctrl-C, for what waits to be sent; then without it.
_LOOKS = 0.1
_FAILED = 10.0  # Seconds for a result to come of a session that has failed.
_ANSWER = 60.0  # Seconds that a server has to give out a file.


@dataclass(frozen=True)
class Order:
    """What is to be sent where, and how. One of `video`, `camera` and `env` is given.

    Attributes:
        fps: pictures a second that are sent; see `Feed` for a video, the footage for what goes on.
        duration: seconds of it.
        output: where the result goes; `save_video`: where the video does that the server made.
    """

    address: Address
    video: Path | None = None
    camera: str | None = None
    env: str | None = None
    signal: Path | None = None
    encoding: str = "auto"
    quality: int = 85
    fps: float | None = None
    duration: float | None = None
    session_id: str | None = None
    resume_token: str | None = None
    name: str | None = None
    processors: tuple[str, ...] = ()
    output: Path | None = None
    save_video: Path | None = None
    retry_for: float = RETRY_FOR
    verbose: bool = False

    def footage(self) -> Footage:
        """Opens what is to be sent."""
        if self.video is not None:
            return VideoFootage(self.video)
        if self.camera is not None:
            return CameraFootage(self.camera, self.fps)
        assert self.env is not None
        return EnvFootage(self.env, self.fps)

    def check(self) -> bytes | None:
        """The signal's bytes; looks first whether all that is needed is there.

        Raises:
            EnvstreamError: it is not.
        """
        if self.encoding == "h264" and (lacking := missing()):
            raise EnvstreamError(f"{lacking}; or choose --encoding jpeg")
        for path in (self.output, self.save_video):
            if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
                raise EnvstreamError(f"{path} cannot be written; name a file in a folder that exists")
        try:
            return None if self.signal is None else self.signal.read_bytes()
        except OSError as error:
            raise EnvstreamError(f"{self.signal}: expected a signal's file ({error.strerror})") from error


def run(order: Order, meter: Meter | None = None) -> int:
    """Send it, wait for what comes of it, and say where that is. An exit status.

    Raises:
        EnvstreamError: what is to be sent cannot be read, or what came of it cannot be written.
    """
    meter = meter or Meter(logs.stderr("push.said"))
    signal = order.check()
    feed = Feed(
        order.footage,
        order.encoding,
        order.quality,
        order.fps,
        order.duration,
        meter.say if order.verbose else lambda sentence: None,
    )
    feed.start()
    try:
        while not feed.ready(_LOOKS):
            pass
    except KeyboardInterrupt:
        return INTERRUPTED
    if feed.error is not None:
        raise _sentence(feed.error)
    sender = Sender(_start(order, feed.about), memory=SPARE if feed.goes_on else MEMORY, goes_on=feed.goes_on)
    if order.signal is not None and signal is not None:
        sender.signal(order.signal.name, signal)
    link = Link(order.address.stream, sender, token=order.address.token, retry_for=order.retry_for)
    return _Push(order, feed, link, meter).run()


def _start(order: Order, about: Mapping[str, Any]) -> dict[str, Any]:
    """What begins the session. Its id and token are ours: an answer that is lost locks nobody out."""
    start = {
        "session_id": order.session_id or secrets.token_hex(8),
        "resume_token": order.resume_token or secrets.token_urlsafe(24),
        "name": order.name or _title(order),
        **about,
        "signal_expected": order.signal is not None,
        "processors": list(order.processors),
    }
    return {key: value for key, value in start.items() if value is not None}


def _title(order: Order) -> str:
    if order.video is not None:
        return order.video.name[:100]
    return (order.env or f"camera {order.camera}")[:100]


def _sentence(error: Exception) -> EnvstreamError:
    if isinstance(error, EnvstreamError):
        return error
    return EnvstreamError(f"what is to be sent cannot be read ({type(error).__name__}: {error})")


class _Push:
    """One session on its way."""

    def __init__(self, order: Order, feed: Feed, link: Link, meter: Meter) -> None:
        self._order, self._feed, self._link, self._meter = order, feed, link, meter
        self._sender = link.sender
        self._told: set[str] = set()

    def run(self) -> int:
        self._link.start()
        self._feed.go(self._link)
        try:
            self._follow()
        except KeyboardInterrupt:
            return self._interrupted()
        finally:
            self._feed.stop()
            self._meter.clear()
        self._link.close()
        return self._outcome()

    def _follow(self) -> None:
        """Waits until it is over one way or the other."""
        failed_at: float | None = None
        while not self._link.wait(lambda: self._sender.done, _LOOKS):
            now = time.monotonic()
            self._show(now)
            if self._link.given_up:
                return
            if self._sender.failed is not None:
                failed_at = failed_at or now
                if now - failed_at > _FAILED:
                    return

    def _show(self, now: float) -> None:
        with self._link.lock:
            said = {
                **self._sender.counts(),
                "of": self._sender.start.get("expected_frames"),
                "progress": self._sender.progress,
                "problem": None if self._link.connected else self._link.problem,
            }
            problems = dict(self._sender.problems)
        if self._order.verbose:
            for code in problems.keys() - self._told:
                self._told.add(code)
                self._meter.say(f"{code}: {problems[code]}")
        self._meter.show(now, said)

    def _interrupted(self) -> int:
        """Ends the session, unless a second Ctrl-C says that nobody wants to wait for that."""
        try:
            self._meter.say("the session is being ended; Ctrl-C once more leaves at once")
            self._feed.stop()
            self._link.end()
            if not self._link.wait(lambda: self._sender.over, ENDING):
                with self._link.lock:
                    self._sender.cut()
                self._link.wake()
                self._link.wait(lambda: self._sender.over, CUTTING)
            self._link.close(1.0)
        except KeyboardInterrupt:
            self._link.close(0.0)
        return INTERRUPTED

    def _outcome(self) -> int:
        sender, order = self._sender, self._order
        if sender.refused is not None:
            self._meter.say(f"envstream: the server refused: {sender.refused[1]} ({sender.refused[0]})")
            return REFUSED
        if sender.result is None and sender.failed is None:
            self._meter.say(
                f"envstream: no connection to {order.address.stream} ({self._link.problem}); is the server "
                "running, and reached from here? --retry-for sets how long it is tried"
            )
            return UNREACHED
        flaws = self._flaws()
        if order.output is not None and sender.result is not None:
            try:
                write_json(order.output, sender.result)
            except OSError as error:
                raise unwritable(order.output, error) from error
        if order.save_video is not None and (problem := self._save_video(order.save_video)):
            flaws.append(problem)
        for flaw in flaws:
            self._meter.say(f"envstream: {flaw}")
        self._say_where()
        if self._feed.error is not None:
            raise _sentence(self._feed.error)
        return FLAWED if flaws else WELL

    def _flaws(self) -> list[str]:
        """What is not as it should be, each a sentence."""
        sender, result = self._sender, self._sender.result or {}
        ended = sender.ended or {}
        lost = max(int(ended.get("lost") or 0), sender.counts()["lost"])
        flaws = [f"{lost} pictures are missing"] if lost else []
        problem = result.get("problem")
        failed = problem.get("error") if isinstance(problem, Mapping) else problem
        who = f" ({problem['processor']})" if isinstance(problem, Mapping) and "processor" in problem else ""
        if failed or sender.failed:
            flaws.append(f"the processing failed: {failed or sender.failed}{who}")
        frames = result.get("frames")
        damaged = frames.get("damaged") if isinstance(frames, Mapping) else None
        if damaged:
            flaws.append(f"{damaged} pictures could not be decoded at the server")
        if self._feed.damaged:
            flaws.append(f"{self._feed.damaged} pieces of what was sent could not be read")
        return flaws + [f"{code}: {text}" for code, text in sender.problems.items() if code in _SERIOUS]

    def _save_video(self, path: Path) -> str | None:
        """Fetches the video; what went wrong, a sentence."""
        address = self._order.address
        url = address.file(str(self._sender.start["session_id"]), "video.mp4")
        headers = {} if address.token is None else {"Authorization": f"Bearer {address.token}"}
        request = urllib.request.Request(url, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER) as answer, replacing(path) as new:
                with new.open("wb") as file:
                    shutil.copyfileobj(answer, file)
        except (OSError, ValueError) as error:
            return f"the video was not saved as {path} ({url}: {error})"
        return None

    def _say_where(self) -> None:
        order, session = self._order, str(self._sender.start["session_id"])
        places = [order.address.file(session, "result.json"), order.output, order.save_video]
        # Also those that a publisher before this one sent.
        sent = (self._sender.ended or {}).get("received", self._sender.counts()["acknowledged"])
        self._meter.clear()
        said = ", ".join(str(place) for place in places if place is not None)
        sys.stdout.write(f"{sent} pictures sent as session {session}; the result: {said}\n")


_SERIOUS = ("bad_signal", "session_ended", "too_large", "disk_full", "disk_quota")

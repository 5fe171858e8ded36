"""A feed: footage on its way into a link, compressed as the link carries it."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, cast

from envstream.errors import EnvstreamError
from envstream.push.choice import Choice, Rung
from envstream.push.compressor import Compressor
from envstream.push.footage import UNMADE, Footage, Shot
from envstream.push.link import Link
from envstream.push.owed import Picture
from envstream.video import missing

_LOOKS = 0.25  # Seconds after which somebody who waits looks whether it is over.


class Feed:
    """Reads footage, compresses it and offers it to a link, in a thread of its own.

    Args:
        opened: makes the footage; called in that thread.
        encoding: one of those of sessions, or `auto`.
        quality: 1 to 100, as of a JPEG.
        pace: pictures a second that are offered of footage that waits; None = as many as the link takes.
        duration: seconds of footage; None = all of it.
        say: told what changes, a sentence.

    Attributes:
        about: what a session has to know of it, once the first picture is there.
        goes_on: whether the footage does not wait.
        error: what ended it too early.
        damaged: pieces of it that could not be decoded.
    """

    def __init__(
        self,
        opened: Callable[[], Footage],
        encoding: str,
        quality: int,
        pace: float | None = None,
        duration: float | None = None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.about: dict[str, Any] = {}
        self.goes_on = False
        self.error: Exception | None = None
        self.damaged = 0
        self._opened, self._encoding, self._quality = opened, encoding, quality
        self._pace, self._duration, self._say = pace, duration, say
        self._ready, self._linked = threading.Event(), threading.Event()
        self._stopped = False
        self._link: Link | None = None
        self._thread = threading.Thread(target=self._work, name="envstream-feed", daemon=True)

    def start(self) -> None:
        """Opens the footage."""
        self._thread.start()

    def ready(self, timeout: float | None = None) -> bool:
        """Whether `about` is known, or `error` says why it never will be; waits for it."""
        return self._ready.wait(timeout)

    def go(self, link: Link) -> None:
        """Begins; at the end, the link's sender is told so."""
        self._link = link
        self._linked.set()

    def stop(self) -> None:
        """No more pictures."""
        self._stopped = True
        if self._link is not None:
            with self._link.lock:
                self._link.lock.notify_all()
        self._linked.set()

    def _work(self) -> None:
        reader = _Reader(self._opened)
        try:
            footage = reader.footage()
            first = reader.next()
            if first is None:
                raise EnvstreamError("there are no pictures in what was given; nothing was sent")
            self._describe(footage, first)
            self._linked.wait()
            if self._link is not None:
                self._send(self._link, footage, first, reader)
        except Exception as error:  # An env's own code may raise anything.
            self.error = error
        finally:
            self.damaged = reader.stop()
            self._ready.set()
            if self._link is not None:
                self._link.end()

    def _describe(self, footage: Footage, first: Shot) -> None:
        height, width = first.pixels.shape[:2]
        self.goes_on = footage.goes_on
        self.about = {
            "width": width,
            "height": height,
            "fps": footage.fps,
            "encoding": self._encoding,
            "expected_frames": footage.expected if self._duration is None else None,
        }
        self._ready.set()

    def _send(self, link: Link, footage: Footage, first: Shot, reader: _Reader) -> None:
        paced = footage.goes_on or self._pace is not None
        own = 1 / footage.fps if footage.goes_on else 0.0
        period = own if self._pace is None or footage.goes_on else 1 / self._pace
        choice = Choice(self._quality, h264=missing() is None, paced=paced)
        outlet = _Outlet(link, choice, Compressor(footage.fps), period, self._say)
        rung = None if self._encoding == "auto" else Rung(self._encoding, self._quality)
        shot: Shot | None = first
        began, number = time.monotonic(), 0
        read = 0.0
        while shot is not None and not self._stopped and not link.over:
            if self._duration is not None and shot.timestamp >= self._duration:
                return
            number += 1
            with link.lock:
                footage.unwanted = link.sender.had
                skipped = link.sender.skip(there=shot.pixels is not UNMADE)
            if skipped:  # Its time is over.
                began = time.monotonic() - number * period
            else:
                if period and not footage.goes_on:
                    self._until(began + (number - 1) * period)
                outlet.put(shot, rung, 0.0 if footage.goes_on else read, self._room(link))
            before = time.monotonic()
            shot = reader.next()
            read = time.monotonic() - before

    def _until(self, moment: float) -> None:
        while not self._stopped and (left := moment - time.monotonic()) > 0:
            time.sleep(min(left, _LOOKS))

    def _room(self, link: Link) -> float:
        """Waits for room; how long that took."""
        began = time.monotonic()
        link.wait(lambda: link.sender.room or link.sender.over or self._stopped)
        return time.monotonic() - began


class _Reader:
    """Reads footage in a thread of its own, a little ahead: decoding takes as long as compressing."""

    def __init__(self, opened: Callable[[], Footage]) -> None:
        self._opened = opened
        self._read: queue.Queue[Footage | Shot | Exception | None] = queue.Queue(2)
        self._stopped = False
        self._damaged = 0
        threading.Thread(target=self._work, name="envstream-footage", daemon=True).start()

    def footage(self) -> Footage:
        """What is read; to be asked for once, first."""
        return cast(Footage, self._next())

    def next(self) -> Shot | None:
        """The next picture; None = there are no more."""
        return cast("Shot | None", self._next())

    def stop(self) -> int:
        """No more are read; how many pieces could not be, so far."""
        self._stopped = True
        return self._damaged

    def _next(self) -> object:
        read = self._read.get()
        if isinstance(read, Exception):
            raise read
        return read

    def _work(self) -> None:
        footage: Footage | None = None
        last: Exception | None = None
        try:
            footage = self._opened()
            self._put(footage)
            for shot in footage.shots():
                if not self._put(shot):
                    break
        except Exception as error:
            last = error
        finally:
            if footage is not None:
                self._damaged = footage.damaged
                footage.close()
            self._put(last)

    def _put(self, read: Footage | Shot | Exception | None) -> bool:
        while not self._stopped:
            with contextlib.suppress(queue.Full):
                self._read.put(read, timeout=_LOOKS)
                return True
        return False


class _Outlet:
    """Compresses one picture after the other as it seems best, and offers it."""

    def __init__(
        self, link: Link, choice: Choice, compressor: Compressor, period: float, say: Callable[[str], None]
    ) -> None:
        self._link, self._choice, self._compressor = link, choice, compressor
        self._period, self._say = period, say
        self._connections = 0

    def put(self, shot: Shot, fixed: Rung | None, read: float, waited: float) -> None:
        """Takes a picture; `read` and `waited`: seconds that it took to get it, and then to have room."""
        rung = fixed or self._choice.rung
        began = time.monotonic()
        with self._link.lock:
            key = self._link.sender.take_key()
        data, key = self._compressor.compress(shot.pixels, shot.timestamp, rung, key)
        took = time.monotonic() - began
        height, width = shot.pixels.shape[:2]
        picture = Picture(shot.timestamp, rung.encoding, width, height, data, key, None, shot.info)
        self._link.offer(picture)
        if fixed is None:
            more = time.monotonic() - began - took
            self._choice.encoded(time.monotonic(), len(data), read + took, self._period, waited + more)
            self._choose()

    def _choose(self) -> None:
        now, link, before = time.monotonic(), self._link, self._choice.rung
        with link.lock:
            total, backlog = link.sender.counts()["bytes_acknowledged"], link.sender.backlog(now)
        if not link.connected or link.connections != self._connections:
            self._connections = link.connections
            self._choice.interrupted(now)
            return
        self._choice.acknowledged(now, total)
        if self._choice.decide(now, backlog):
            after = self._choice.rung
            self._say(f"{before.encoding} at {before.quality} → {after.encoding} at {after.quality}")

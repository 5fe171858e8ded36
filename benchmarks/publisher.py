"""Publishers for `ingest.py`: many sessions in one process, which sends pictures that are compressed already.

A session sends its pictures when they are due, in the order of their numbers, never more of them
unacknowledged than its credits allow; what the server asks for again, it sends again. It counts what it
was told. Prints `{"ready": …}` once all sessions have begun; a line on standard input lets them go; then
prints what was sent, once the server has said of all sessions that it has every picture, and the end, once
all results are there. Ends with its standard input or after `--life` s.

    python benchmarks/publisher.py --port 8080 --count 20 --fps 30 --frames 600
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from scenery import FPS, HEIGHT, LOOP, WIDTH, jpeg, scenes

try:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed
except ImportError as error:
    raise SystemExit(f"this needs websockets 14 or later ({error})") from None

_LARGEST = 2**24  # Bytes of what a server says.


class Session:
    """One session on one connection.

    Args:
        picture: gives the bytes of the picture with a number; asked when it is due.
        count: how many pictures there are.
        fps: how many are due each second; 0 = all of them at once.
        fields: further ones of `session_start`.

    Attributes:
        began: when the first picture was due.
        complete_at: when the result was there.
        counts: what was sent, and again; what the server said of duplicates and of errors.
        ended: `session_ended`; `result`: that of `process_complete`.
        ages: of each picture the seconds from its sending to its acknowledgement.
        late: of each picture the seconds from when it was due to its sending.
        problem: what ended it too early.
    """

    def __init__(
        self, port: int, picture: Callable[[int], bytes], count: int, fps: float, **fields: Any
    ) -> None:
        self._url = f"ws://127.0.0.1:{port}/stream"
        self._picture, self._count, self._fps, self._fields = picture, count, fps, fields
        self._peer: Any = None
        self._credits = self._up_to = 0
        self._again: deque[int] = deque()
        self._news = asyncio.Event()
        self._sent_at: deque[tuple[int, float]] = deque()  # What is not acknowledged.
        self.began = self.complete_at = 0.0
        self.counts = dict.fromkeys(("sent", "sent_again", "duplicates", "errors", "bytes"), 0)
        self.ended: dict[str, Any] | None = None
        self.result: dict[str, Any] | None = None
        self.ages: list[float] = []
        self.late: list[float] = []
        self.problem: str | None = None

    async def open(self) -> None:
        """Connect, and begin the session."""
        start = {"width": WIDTH, "height": HEIGHT, "fps": self._fps or FPS, "encoding": "jpeg"}
        self._peer = await connect(
            self._url, compression=None, max_size=_LARGEST, ping_interval=None, open_timeout=60
        )
        await self._say("session_start", **start, expected_frames=self._count, **self._fields)
        self._hear(await self._peer.recv())
        if not self._credits:
            raise RuntimeError(f"the server does not begin a session: {self.problem}")

    async def send(self, began: float) -> None:
        """Send all pictures, from that moment on, until the server says that it has them."""
        self.began = began
        self._listening = asyncio.ensure_future(self._listen())
        try:
            for number in range(1, self._count + 1):
                await self._until_due(number)
                while number - self._up_to > self._credits and self.problem is None:
                    await self._news_come()
                if self.problem is not None:
                    return
                self.late.append(time.monotonic() - self._due(number))
                self._sent_at.append((number, time.monotonic()))
                await self._send(number)
            await self._say("session_end", frames=self._count)
            while self.ended is None and self.problem is None:
                await self._news_come()
        except ConnectionClosed as error:
            self.problem = self.problem or str(error)

    async def finish(self) -> None:
        """Wait for the result."""
        while self.result is None and self.problem is None:
            await self._news_come()
        self._listening.cancel()
        await self._peer.close()

    def row(self) -> dict[str, Any]:
        """What there is to say of it."""
        ended = self.ended or {}
        return {
            **self.counts,
            "received": ended.get("received", 0),
            "lost": self._count - ended.get("received", 0),
            "late_s": round(self.late[-1], 3) if len(self.late) == self._count else None,
            "late_most_s": round(max(self.late, default=0.0), 3),
            "problem": self.problem,
        }

    def _due(self, number: int) -> float:
        return self.began + ((number - 1) / self._fps if self._fps else 0.0)

    async def _until_due(self, number: int) -> None:
        while (left := self._due(number) - time.monotonic()) > 0:
            await asyncio.sleep(left)

    async def _news_come(self) -> None:
        await self._news.wait()
        self._news.clear()
        while self._again:
            await self._send(self._again.popleft())
            self.counts["sent_again"] += 1

    async def _send(self, number: int) -> None:
        data = self._picture(number)
        timestamp = (number - 1) / (self._fps or FPS)
        await self._say("frame", number=number, timestamp=timestamp, size=len(data))
        await self._peer.send(data)
        self.counts["sent"] += 1
        self.counts["bytes"] += len(data)

    async def _say(self, kind: str, **fields: Any) -> None:
        await self._peer.send(json.dumps({"type": kind, **fields}))

    async def _listen(self) -> None:
        try:
            while True:
                self._hear(await self._peer.recv())
                self._news.set()
        except ConnectionClosed as error:
            if self.result is None:
                self.problem = self.problem or str(error)
            self._news.set()

    def _hear(self, text: str | bytes) -> None:
        said = json.loads(text)
        kind = said["type"]
        if kind in ("session_ack", "frame_ack"):
            self._credits = said["credits"]
            self._again.extend(number for number in said["missing"] if number not in self._again)
        if kind == "frame_ack":
            self._acknowledged(said["up_to"])
            self.counts["duplicates"] = said["duplicates"]
        elif kind == "session_ended":
            self.ended = said
        elif kind == "process_complete":
            self.result, self.complete_at = said["result"], time.monotonic()
        elif kind == "error" and said["recoverable"]:
            self.counts["errors"] += 1
        elif kind == "error":
            self.problem = f"{said['code']}: {said['message']}"

    def _acknowledged(self, up_to: int) -> None:
        now, self._up_to = time.monotonic(), up_to
        while self._sent_at and self._sent_at[0][0] <= up_to:
            self.ages.append(now - self._sent_at.popleft()[1])


def milliseconds(ages: Iterable[float]) -> dict[str, float] | None:
    """Percentiles."""
    held = list(ages)
    if not held:
        return None
    p50, p99, most = np.percentile(held, [50, 99, 100])
    return {"p50": round(1000 * p50, 1), "p99": round(1000 * p99, 1), "max": round(1000 * most, 1)}


def say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def heed(go: Callable[[], object]) -> None:
    """Call `go` at a line on standard input; end this process when that ends."""

    def listen() -> None:
        for _ in sys.stdin:
            go()
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()


async def publish(args: argparse.Namespace, pictures: Sequence[bytes]) -> None:
    """All sessions, from their beginning to their results."""
    go, loop = asyncio.Event(), asyncio.get_running_loop()
    heed(lambda: loop.call_soon_threadsafe(go.set))
    sessions = []
    for index in range(args.count):

        def picture(number: int, shift: int = 7 * index) -> bytes:
            return pictures[(number + shift) % len(pictures)]

        name = f"{args.prefix}-{index}"
        sessions.append(Session(args.port, picture, args.frames, args.fps, session_id=name))
    for session in sessions:
        await session.open()
    say(ready=True, frame_bytes=sum(map(len, pictures)) // len(pictures))
    await go.wait()
    began, period = time.monotonic() + 0.1, 1 / (args.fps or FPS)
    # Cameras do not take their pictures at the same moment.
    moments = [began + period * index / args.count for index in range(args.count)]
    await asyncio.gather(*(each.send(at) for each, at in zip(sessions, moments, strict=True)))
    ages = milliseconds(age for session in sessions for age in session.ages)
    say(sessions=[each.row() for each in sessions], ack_ms=ages, seconds=time.monotonic() - began)
    await asyncio.gather(*(session.finish() for session in sessions))
    say(results=sum(each.result is not None for each in sessions), seconds=time.monotonic() - began)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--port", type=int, required=True, help="where the server listens")
    parser.add_argument("--count", type=int, default=1, help="sessions")
    parser.add_argument("--frames", type=int, default=600, help="of each")
    parser.add_argument("--fps", type=float, default=30.0, help="0 = as quick as it goes")
    parser.add_argument("--prefix", default="publisher", help="what their ids begin with")
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    pictures = [jpeg(scene) for scene in scenes(min(LOOP, args.frames))]
    asyncio.run(publish(args, pictures))


if __name__ == "__main__":
    main()

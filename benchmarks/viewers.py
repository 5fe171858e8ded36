"""Many viewers in one small process: raw sockets, one selector, a parser that does only what it must.

Watches `/ws` (acknowledging each picture as soon as it is there whole) or an MJPEG address, and prints one
JSON line about a window of time: pictures a second and ages in milliseconds, each stage of a picture's way
by itself where the protocol tells it, and its own CPU, so that one sees that the client was not the brake.

    python benchmarks/viewers.py --port 8080 --stream CartPole-v1 --count 16 --seconds 5

Without `--seconds` it says `{"ready": …}` once every viewer has pictures, and then hears the window as
`{"from": …, "until": …}` (monotonic seconds) on its standard input. Standard library only.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import time
from collections import Counter
from typing import Any

STAGES = ("encode", "queue", "wire")  # captured → encoded → sent → whole at the client


class Tally:
    """What all viewers of this process saw within the window."""

    def __init__(self, count: int) -> None:
        self.window: tuple[float, float] | None = None
        self.pictures = [0] * count
        self.seen = [0] * count
        self.repeats = 0
        self.hangups: list[str] = []
        self.bytes = 0
        self.formats: Counter[str] = Counter()
        self.ages: list[float] = []
        self.stages: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self.status: dict[str, Any] | None = None

    def add(
        self,
        viewer: int,
        now: float,
        size: int,
        times: list[float | None],
        news: bool = True,
        format: str = "jpeg",
    ) -> None:
        """A picture is whole at the client. `times`: captured, encoded, sent; None where not told."""
        self.seen[viewer] += 1
        if self.window is None or not self.window[0] <= now < self.window[1]:
            return
        if not news:
            self.repeats += 1
            return
        self.pictures[viewer] += 1
        self.bytes += size
        self.formats[format] += 1
        if times[0] is not None:
            self.ages.append(now - times[0])
        if None not in times:
            for stage, start, end in zip(STAGES, times, [*times[1:], now], strict=True):
                self.stages[stage].append(end - start)  # type: ignore[operator]

    def report(self, cpu: float) -> dict[str, Any]:
        assert self.window is not None
        seconds = self.window[1] - self.window[0]
        fps = sorted(count / seconds for count in self.pictures)
        total = sum(self.pictures)
        return {
            "viewers": len(fps),
            "fps": round(fps[len(fps) // 2], 2),
            "fps_min": round(fps[0], 2),
            "repeats": self.repeats,
            "hangups": self.hangups,
            "bytes_mean": round(self.bytes / total) if total else None,
            "formats": self.formats,
            "age_ms": summary(self.ages),
            "stages_ms": {stage: summary(values) for stage, values in self.stages.items()},
            "cpu": round(cpu / seconds, 4),
            "status": self.status,
        }


def summary(seconds: list[float]) -> dict[str, float] | None:
    """p50, p99 and the largest, in milliseconds; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    last = len(ordered) - 1
    picked = {"p50": ordered[last // 2], "p99": ordered[round(last * 0.99)], "max": ordered[last]}
    return {name: round(1000 * value, 3) for name, value in picked.items()}


class Viewer:
    """One connection and what has come over it."""

    def __init__(self, args: argparse.Namespace, number: int, tally: Tally) -> None:
        self.args = args
        self.number = number
        self.tally = tally
        self.ended = False
        self.buffer = bytearray()
        self.socket = socket.create_connection(("127.0.0.1", args.port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self) -> None:
        """Take what is there. The picture's arrival is the moment its last byte was read."""
        data = self.socket.recv(1 << 18)
        now = time.monotonic()
        if data:
            self.buffer += data
            self.parse(now)
        else:
            self.end("the connection ended")

    def end(self, why: str) -> None:
        """The server hung up. It must not: that is reported, and the others go on."""
        self.ended = True
        self.tally.hangups.append(f"viewer {self.number}: {why}")

    def parse(self, now: float) -> None:
        raise NotImplementedError


class SocketViewer(Viewer):
    """A viewer on `/ws`."""

    def __init__(self, args: argparse.Namespace, number: int, tally: Tally) -> None:
        super().__init__(args, number, tally)
        self._about: dict[str, Any] = {}
        self._name = json.dumps(args.stream).encode()
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {args.path} HTTP/1.1\r\nHost: 127.0.0.1:{args.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self.buffer:
            data = self.socket.recv(4096)
            if not data:
                raise SystemExit(f"the server hung up: {bytes(self.buffer[:200])!r}")
            self.buffer += data
        if not self.buffer.startswith(b"HTTP/1.1 101"):
            raise SystemExit(f"no WebSocket here: {bytes(self.buffer[:200])!r}")
        del self.buffer[: self.buffer.index(b"\r\n\r\n") + 4]
        watched = [{"name": args.stream, "width": None, "fps": None, **args.watch}]
        message = {"type": "watch", "streams": watched, "status": args.status and number == 0}
        self._send(0x1, json.dumps(message).encode())

    def _send(self, opcode: int, data: bytes) -> None:
        size = len(data)
        length = bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0x80 | 126, size)
        # A client must mask; with a key of zeroes the data stay as they are.
        self.socket.sendall(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + data)

    def parse(self, now: float) -> None:
        buffer, at = self.buffer, 0
        while len(buffer) - at >= 2:
            start, size = at + 2, buffer[at + 1] & 0x7F
            if size >= 126:
                start += 2 if size == 126 else 8
                size = int.from_bytes(buffer[at + 2 : start], "big")
            if len(buffer) < start + size:
                break
            self._message(buffer[at] & 0x0F, buffer[start : start + size], now)
            at = start + size
        del buffer[:at]

    def _message(self, opcode: int, data: bytearray, now: float) -> None:
        if opcode == 0x2:
            about = self._about
            number = about["frameNumber"]
            self._send(0x1, b'{"type":"ack","stream":%s,"frameNumber":%d}' % (self._name, number))
            times = [about["timestamp"], about["processed_at"], about["sent_at"]]
            self.tally.add(self.number, now, len(data), times, format=about["format"])
        elif opcode == 0x1 and data.startswith(b'{"type":"frame_metadata"'):
            self._about = json.loads(data)
        elif opcode == 0x1 and data.startswith(b'{"type":"streams"'):
            streams = json.loads(data)["streams"]
            self.tally.status = next((s for s in streams if s["name"] == self.args.stream), None)
        elif opcode == 0x9:
            self._send(0xA, bytes(data))
        elif opcode == 0x8:
            self.end(f"closed with {int.from_bytes(data[:2], 'big')} {bytes(data[2:])!r}")


class Chunks:
    """Takes the markers out of `Transfer-Encoding: chunked`."""

    def __init__(self) -> None:
        self._left = 0

    def move(self, raw: bytearray, body: bytearray) -> None:
        """Move what is there of the body from `raw` to `body`."""
        while raw:
            if self._left == 0:
                start = 2 if raw[:2] == b"\r\n" else 0  # The end of the chunk before stands in front.
                end = raw.find(b"\r\n", start)
                if end < 0:
                    return
                self._left = int(raw[start:end], 16)
                del raw[: end + 2]
                if self._left == 0:
                    return
            taken = min(self._left, len(raw))
            body += raw[:taken]
            del raw[:taken]
            self._left -= taken


class MjpegViewer(Viewer):
    """A reader of `multipart/x-mixed-replace`. A picture is whole when the boundary after it has come."""

    def __init__(self, args: argparse.Namespace, number: int, tally: Tally) -> None:
        super().__init__(args, number, tally)
        self._boundary = b""
        self._chunks: Chunks | None = None
        self._body = bytearray()
        self._looked = 0
        self._before = b""
        self.socket.sendall(f"GET {args.path} HTTP/1.1\r\nHost: 127.0.0.1:{args.port}\r\n\r\n".encode())

    def parse(self, now: float) -> None:
        if not self._boundary and not self._headers():
            return
        if self._chunks is None:
            self._body += self.buffer
            self.buffer.clear()
        else:
            self._chunks.move(self.buffer, self._body)
        while True:
            end = self._body.find(self._boundary, self._looked)
            if end < 0:
                self._looked = max(0, len(self._body) - len(self._boundary))
                return
            self._part(bytes(self._body[:end]), now)
            del self._body[: end + len(self._boundary)]
            self._looked = 0

    def _headers(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self.buffer[:end])
        if b"boundary=" not in head:
            raise SystemExit(f"no MJPEG here: {head[:200]!r}")
        boundary = head.split(b"boundary=")[1].split(b"\r\n")[0].split(b";")[0].strip(b'" ')
        self._boundary = b"--" + boundary
        self._chunks = Chunks() if b"transfer-encoding: chunked" in head.lower() else None
        del self.buffer[: end + 4]
        return True

    def _part(self, part: bytes, now: float) -> None:
        head, _, picture = part.partition(b"\r\n\r\n")
        if b"mage/jpeg" not in head:
            return
        lines = (line.partition(b":") for line in head.split(b"\r\n"))
        said = {name.strip().lower(): value.strip() for name, _, value in lines}
        keys = (b"x-timestamp", b"x-encoded-at", b"x-sent-at")
        times = [float(said[key]) if key in said else None for key in keys]
        mark = said.get(b"x-timestamp", picture)
        news, self._before = mark != self._before, mark
        self.tally.add(self.number, now, len(picture), times, news)


class Audience:
    """All viewers, and the loop that serves them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._tally = Tally(args.count)
        self._selector = selectors.DefaultSelector()
        kind = SocketViewer if args.path.startswith("/ws") else MjpegViewer
        self._viewers = [kind(args, number, self._tally) for number in range(args.count)]
        for viewer in self._viewers:
            self._selector.register(viewer.socket, selectors.EVENT_READ, viewer)

    def run(self) -> dict[str, Any]:
        """Wait for pictures, hear the window, count in it."""
        self._until(
            lambda: all(v.ended or self._tally.seen[v.number] >= self._args.first for v in self._viewers)
        )
        if self._args.seconds is None:
            print(json.dumps({"ready": self._args.count}), flush=True)
            self._selector.register(0, selectors.EVENT_READ)
        else:
            now = time.monotonic()
            self._tally.window = (now, now + self._args.seconds)
        self._until(lambda: self._tally.window is not None)
        assert self._tally.window is not None
        start, end = self._tally.window
        self._until(lambda: time.monotonic() >= start, start)
        before = cpu_seconds()
        self._until(lambda: time.monotonic() >= end, end)
        return self._tally.report(cpu_seconds() - before)

    def _until(self, condition: Any, at: float | None = None) -> None:
        while not condition():
            timeout = 1.0 if at is None else max(0.0, at - time.monotonic())
            for key, _ in self._selector.select(timeout):
                if key.data is None:
                    self._hear()
                else:
                    self._receive(key.data)

    def _receive(self, viewer: Viewer) -> None:
        try:
            viewer.receive()
        except ConnectionError as error:
            viewer.end(str(error))
        if viewer.ended:
            self._selector.unregister(viewer.socket)
            if len(self._tally.hangups) == self._args.count:
                raise SystemExit("every viewer was hung up on: " + "; ".join(self._tally.hangups[:3]))

    def _hear(self) -> None:
        line = sys.stdin.readline()
        if not line:
            raise SystemExit(0)
        self._selector.unregister(0)
        window = json.loads(line)
        self._tally.window = (window["from"], window["until"])


def cpu_seconds() -> float:
    """User and system seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/ws", help="/ws, or the address of an MJPEG stream")
    parser.add_argument("--stream", default="", help="the stream's name, on /ws")
    parser.add_argument(
        "--watch", type=json.loads, default={}, metavar="JSON", help="what else is said of the stream, on /ws"
    )
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--first", type=int, default=2, help="pictures each viewer has before it is ready")
    parser.add_argument("--status", action="store_true", help="report the stream's last status as well")
    parser.add_argument("--seconds", type=float, help="measure so long at once, and hear nothing")
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    print(json.dumps(Audience(args).run()), flush=True)


if __name__ == "__main__":
    main()

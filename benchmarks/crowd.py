"""A thousand viewers in one process that is light enough to fit on one core beside nobody else.

As `viewers.py` it watches `/ws` (acknowledging each picture once it is there whole) or an MJPEG address; it
does less with what comes. All connections share one buffer; pictures are counted and never kept; what is
said about a picture is read once for all viewers that are told the same; acknowledgements are made once a
frame. Its own CPU is in the report, so that one sees that it was not the brake.

It says `{"ready": …}` once every viewer has pictures. For each window that it hears on its standard input,
`{"from": …, "until": …}` (monotonic seconds), it prints one line about what came in it; ends with its input.

`--behave` makes bad viewers: `deaf` ones never read again after their first picture, `trickle` ones read a
few bytes now and then. Standard library only, Linux only.

    python benchmarks/crowd.py --port 8080 --stream CartPole-v1 --count 1000
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
import time
from array import array
from typing import Any, NamedTuple

ROOM = 1 << 16  # Bytes that one read takes at most.
CARRIED = 1 << 16  # Bytes of an unfinished message that may lie before them.
SHAKING = 32  # Handshakes under way at once.
KNOWN = 1024  # Descriptions of pictures that are remembered.
TRICKLE_BYTES, TRICKLE_SECONDS = 2048, 0.05


class About(NamedTuple):
    """What was said about a picture: when it was captured (None: not told), and what confirms it."""

    captured: float | None
    ack: bytes = b""


UNKNOWN = About(None)


def masked(opcode: int, data: bytes) -> bytes:
    """A frame as clients send it. They must mask; with a key of zeroes the data stay as they are."""
    size = len(data)
    length = bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0x80 | 126, size)
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + data


class Viewer:
    """One connection, and how far it has got in what comes over it."""

    __slots__ = ("before", "carry", "crowd", "left", "number", "open", "size", "socket")

    def __init__(self, crowd: Crowd, number: int) -> None:
        self.crowd = crowd
        self.number = number
        self.open = False
        self.carry = b""  # What came of a message that is not whole yet.
        self.left = 0  # Bytes of a picture that are still to come.
        self.size = 0
        self.before: About = UNKNOWN
        self.socket = socket.create_connection(("127.0.0.1", crowd.args.port), timeout=30)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(self.request(crowd.args))

    def request(self, args: argparse.Namespace) -> bytes:
        """How the conversation begins."""
        raise NotImplementedError

    def receive(self) -> None:
        """Take what is there."""
        crowd, carry = self.crowd, self.carry
        start = len(carry)
        if start:
            crowd.buffer[:start] = carry
            got = self.socket.recv_into(crowd.room[start : start + crowd.most])
        else:
            got = self.socket.recv_into(crowd.room, crowd.most)
        if not got:
            raise ConnectionError("the connection ended")
        if self.left >= got:
            self.left -= got
            if self.left == 0:
                self.complete()
            return
        at, end = self.left, start + got
        if at:
            self.left = 0
            self.complete()
        at = self.parse(crowd.buffer, at, end) if self.open else self.shake(crowd.buffer, end)
        self.carry = bytes(crowd.room[at:end])
        if end - at > CARRIED:
            raise SystemExit(f"what comes cannot be read: {self.carry[:200]!r}")

    def shake(self, buffer: bytearray, end: int) -> int:
        """The answer's headers; from where on to read further."""
        head_end = buffer.find(b"\r\n\r\n", 0, end)
        if head_end < 0:
            return 0
        self.accept(bytes(buffer[:head_end]))
        self.open = True
        self.crowd.shaking -= 1
        return self.parse(buffer, head_end + 4, end)

    def accept(self, head: bytes) -> None:
        raise NotImplementedError

    def parse(self, buffer: bytearray, at: int, end: int) -> int:
        """Read on from `at`; how far it got."""
        raise NotImplementedError

    def complete(self) -> None:
        """What was left of a picture has come."""
        raise NotImplementedError

    def count(self, about: About) -> None:
        """A picture is whole."""
        crowd = self.crowd
        crowd.seen[self.number] += 1
        now = time.monotonic()
        if crowd.start <= now < crowd.end:
            if about.captured is None:
                crowd.unknown += 1
            elif about.captured == self.before.captured:
                crowd.repeats += 1
                return
            else:
                crowd.ages.append(now - about.captured)
            crowd.pictures[self.number] += 1
            crowd.bytes += self.size
        self.before = about


class SocketViewer(Viewer):
    """A viewer on `/ws`."""

    __slots__ = ("about",)

    def request(self, args: argparse.Namespace) -> bytes:
        self.about = UNKNOWN
        key = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET {args.path} HTTP/1.1\r\nHost: 127.0.0.1:{args.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def accept(self, head: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 101"):
            raise SystemExit(f"no WebSocket here: {head[:200]!r}")
        extras = self.crowd.args.watch
        item = {"name": self.crowd.args.stream, **extras[self.number % len(extras)]}
        watch = {"type": "watch", "streams": [item], "status": False}
        self.socket.sendall(masked(0x1, json.dumps(watch).encode()))

    def parse(self, buffer: bytearray, at: int, end: int) -> int:
        while end - at >= 2:
            size = buffer[at + 1]
            start = at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if start > end:
                    break
                size = int.from_bytes(buffer[at + 2 : start], "big")
            stop, opcode = start + size, buffer[at] & 0x0F
            if opcode == 0x2:
                self.size = size
                if stop > end:
                    self.left = stop - end
                    return end
                self.complete()
            elif stop > end:
                break
            elif opcode == 0x1:
                if buffer.startswith(b'{"type":"frame_metadata"', start):
                    self.about = self.crowd.about(buffer, start, stop)
            elif opcode == 0x9:
                self.socket.sendall(masked(0xA, bytes(buffer[start:stop])))
            elif opcode == 0x8:
                said = bytes(buffer[start:stop])
                raise ConnectionError(f"closed with {int.from_bytes(said[:2], 'big')} {said[2:]!r}")
            at = stop
        return at

    def complete(self) -> None:
        about = self.about
        self.count(about)
        self.socket.send(about.ack)


class MjpegViewer(Viewer):
    """A reader of `multipart/x-mixed-replace`. A picture is whole when the boundary after it has come."""

    __slots__ = ("about", "boundary", "inside")

    def request(self, args: argparse.Namespace) -> bytes:
        self.about = UNKNOWN
        self.inside = False  # A part: behind its headers.
        self.boundary = b""
        return f"GET {args.path} HTTP/1.1\r\nHost: 127.0.0.1:{args.port}\r\n\r\n".encode()

    def accept(self, head: bytes) -> None:
        found = re.search(rb"boundary=\"?([^\s;\"]+)", head)
        if found is None:
            raise SystemExit(f"no MJPEG here: {head[:200]!r}")
        self.boundary = b"--" + found[1].removeprefix(b"--")

    def parse(self, buffer: bytearray, at: int, end: int) -> int:
        # The markers of chunks are not looked at: they stand where nothing is looked for, or push the
        # boundary a little further, to where it is looked for.
        while True:
            if not self.inside:
                kind = buffer.find(b"mage/jpeg", at, end)
                stop = -1 if kind < 0 else buffer.find(b"\r\n\r\n", kind, end)
                if stop < 0:
                    return at
                self._head(bytes(buffer[at:stop]))
                self.inside = True
                at = stop + 4 + self.size
                if at >= end:
                    self.left = at - end
                    return end
            found = buffer.find(self.boundary, at, end)
            if found < 0:
                rest = max(at, end - len(self.boundary) + 1)
                self.size -= (rest - at) * (self.size <= 0)
                return rest
            if self.size <= 0:
                self.size = found - at - self.size
            self.inside = False
            self.count(self.about)
            at = found + len(self.boundary)

    def _head(self, head: bytes) -> None:
        lines = (line.partition(b":") for line in head.split(b"\r\n"))
        said = {name.lower(): value for name, _, value in lines}
        captured = said.get(b"x-timestamp")
        self.about = UNKNOWN if captured is None else About(float(captured))
        # Where it is not said the boundary has to be looked for; below zero stands what came so far.
        self.size = int(said.get(b"content-length", 0))

    def complete(self) -> None:
        pass  # Whole is a part only with the boundary after it, which comes next.


class Crowd:
    """All viewers, and the loop that serves them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.buffer = bytearray(CARRIED + ROOM)
        self.room = memoryview(self.buffer)
        self.most = TRICKLE_BYTES if args.behave == "trickle" else ROOM
        self.shaking = 0
        self.seen = [0] * args.count
        self.gathered = 0.0
        self.hangups: list[str] = []
        self.rungs: set[tuple[Any, ...]] = set()
        self._known: dict[bytes, About] = {}
        self._name = json.dumps(args.stream).encode()
        self._poll = select.epoll()
        self._viewers: dict[int, Viewer] = {}
        self._kind = SocketViewer if args.path.startswith("/ws") else MjpegViewer
        self._open(float("inf"), float("inf"))

    def _open(self, start: float, end: float) -> None:
        """A new window to count in."""
        self.start, self.end = start, end
        self.pictures = [0] * self.args.count
        self.ages = array("d")
        self.unknown = self.repeats = self.bytes = 0
        self.rungs.clear()

    def about(self, buffer: bytearray, start: int, stop: int) -> About:
        """What a picture's metadata say; read once for all whom the same is said, but for `sent_at`."""
        same = buffer.find(b',"sent_at"', start, stop)
        key = bytes(buffer[start : same if same > 0 else stop])
        about = self._known.get(key)
        if about is None:
            said = json.loads(buffer[start:stop])
            self.rungs.add((said["format"], said["width"], said.get("quality")))
            ack = b'{"type":"ack","stream":%s,"frameNumber":%d}' % (self._name, said["frameNumber"])
            about = self._known[key] = About(said["timestamp"], masked(0x1, ack))
            if len(self._known) > KNOWN:
                del self._known[next(iter(self._known))]
        return about

    # The loop.

    def gather(self) -> None:
        """Connect everybody, and wait until each has pictures."""
        began = time.monotonic()
        for number in range(self.args.count):
            while self.shaking >= SHAKING:
                self._serve(1.0)
            self.shaking += 1
            viewer = self._kind(self, number)
            self._viewers[viewer.socket.fileno()] = viewer
            self._poll.register(viewer.socket, select.EPOLLIN)
            self._serve(0)
        while any(self.seen[v.number] < self.args.first for v in self._viewers.values()):
            self._serve(1.0)
        self.gathered = time.monotonic() - began

    def behave(self) -> None:
        """From here on as `--behave` says, until the input ends."""
        self._poll.close()
        while not select.select([0], [], [], TRICKLE_SECONDS)[0]:
            if self.args.behave == "trickle":
                for viewer in list(self._viewers.values()):
                    self._receive(viewer)

    def answer(self) -> None:
        """Hear windows and report what came in them, until the input ends."""
        self._poll.register(0, select.EPOLLIN)
        while True:
            line = self._hear()
            if not line:
                return
            window = json.loads(line)
            self._open(window["from"], window["until"])
            self._until(self.start)
            before = cpu_seconds()
            self._until(self.end)
            say(self._report(cpu_seconds() - before))

    def _hear(self) -> str:
        while not self._serve(1.0):
            pass
        return sys.stdin.readline()

    def _until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            self._serve(left)

    def _serve(self, timeout: float) -> bool:
        """Receive what is there; whether there is also something to hear."""
        heard = False
        for descriptor, _ in self._poll.poll(timeout):
            if descriptor:
                self._receive(self._viewers[descriptor])
            else:
                heard = True
        return heard

    def _receive(self, viewer: Viewer) -> None:
        try:
            viewer.receive()
        except BlockingIOError:
            pass  # A bad viewer looks without being told that there is something.
        except ConnectionError as error:
            self.hangups.append(f"viewer {viewer.number}: {error}")
            del self._viewers[viewer.socket.fileno()]
            viewer.socket.close()  # Closed, it is no longer polled.
            if not self._viewers:
                raise SystemExit("every viewer was hung up on: " + "; ".join(self.hangups[:3])) from None

    def _report(self, cpu: float) -> dict[str, Any]:
        seconds = self.end - self.start
        fps = sorted(count / seconds for count in self.pictures)
        total = sum(self.pictures)
        return {
            "viewers": len(fps),
            "fps": round(fps[len(fps) // 2], 2),
            "fps_min": round(fps[0], 2),
            "gathered": round(self.gathered, 2),
            "pictures": total,
            "untimed": self.unknown,
            "repeats": self.repeats,
            "hangups": self.hangups,
            "bytes_mean": round(self.bytes / total) if total else None,
            "age_ms": summary(self.ages),
            "rungs": sorted(self.rungs, key=repr),
            "cpu": round(cpu / seconds, 4),
        }


def summary(seconds: array[float]) -> dict[str, float] | None:
    """p50, p99 and the largest, in milliseconds; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    last = len(ordered) - 1
    picked = {"p50": ordered[last // 2], "p99": ordered[round(last * 0.99)], "max": ordered[last]}
    return {name: round(1000 * value, 3) for name, value in picked.items()}


def cpu_seconds() -> float:
    """User and system seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/ws", help="/ws, or the address of an MJPEG stream")
    parser.add_argument("--stream", default="", help="the stream's name, on /ws")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--first", type=int, default=2, help="pictures each viewer has before it is ready")
    parser.add_argument(
        "--watch",
        type=json.loads,
        default=[{}],
        metavar="JSON",
        help="a list of what viewers say about the stream they watch, on /ws; they take turns",
    )
    parser.add_argument("--behave", choices=["well", "deaf", "trickle"], default="well")
    parser.add_argument("--life", type=int, default=300, help="seconds after which this process ends anyway")
    args = parser.parse_args()
    signal.alarm(args.life)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(args)
    crowd.gather()
    gc.disable()  # Nothing here refers to itself: a pause for looking would be seen in the ages.
    say({"ready": args.count})
    if args.behave == "well":
        crowd.answer()
    else:
        crowd.behave()


if __name__ == "__main__":
    main()

"""What others wait for while four connections send as fast as they can, and what the server's memory does.

    python benchmarks/floods.py

Who floods reads the answers, and comes again as soon as it was hung up on.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import multiprocessing
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil  # type: ignore[import-untyped]

from common import Bar, Row, Spread, finish, note, parser, table
from crowd import masked
from service import Gauge, Service

CONNECTIONS = 4
WITHIN = 1.0  # Seconds that somebody else may wait.
GROWTH = 64.0  # Megabytes by which memory may be more meanwhile.
BLOCK = 64 * 1024  # Bytes that are sent at once.
EVERY = 0.02  # Seconds between two looks of somebody else.
REST = 1.0  # Seconds between two kinds.
SPAWN = multiprocessing.get_context("spawn")


class Flood(NamedTuple):
    """What is sent: a request, what follows it once a socket was agreed on, and then the same for ever."""

    name: str
    request: bytes
    again: bytes
    first: bytes = b""

    @property
    def shakes(self) -> bool:
        """Whether an answer is to come before the rest: what is sent with a handshake is lost."""
        return b"Upgrade" in self.request


def upgrade(path: str) -> bytes:
    """A WebSocket's handshake."""
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    wanted = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{wanted}{key}\r\n".encode()


STATS = b"GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKED = b"POST /analyze HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
PING, TEXT, EMPTY = masked(0x9, b""), masked(0x1, b"{}"), masked(0x2, b"")
OPENS, GOES_ON = b"\x01" + masked(0x1, b"")[1:], b"\x00" + masked(0x0, b"")[1:]  # Without an end.
FLOODS = [
    Flood("requests one behind the other", STATS, STATS),
    Flood("a body in chunks of a byte", CHUNKED, b"1\r\nx\r\n"),
    *(Flood(f"pings to {path}", upgrade(path), PING) for path in ("/ws", "/stream")),
    *(Flood(f"tiny texts to {path}", upgrade(path), TEXT) for path in ("/ws", "/stream")),
    Flood("tiny pictures to /stream", upgrade("/stream"), EMPTY),
    Flood("a text in empty pieces to /stream", upgrade("/stream"), GOES_ON, OPENS),
]


def pour(port: int, flood: Flood, until: float) -> None:
    """Four connections that flood, until a moment of the monotonic clock."""
    threads = [threading.Thread(target=_pour, args=(port, flood, until)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _pour(port: int, flood: Flood, until: float) -> None:
    block = flood.again * (BLOCK // len(flood.again))
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 60) as line:
            line.sendall(flood.request)
            if flood.shakes:
                line.recv(BLOCK)
            threading.Thread(target=_drain, args=(line,), daemon=True).start()
            line.sendall(flood.first)
            while time.monotonic() < until:
                line.sendall(block)


def _drain(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while line.recv(BLOCK):
            pass


def waits(port: int, until: float) -> Iterator[float]:
    """How long somebody else waits for an answer of a line, again and again, in seconds."""
    while (began := time.monotonic()) < until:
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        asking.request("GET", "/health/live")
        asking.getresponse().read()
        asking.close()
        yield time.monotonic() - began
        time.sleep(EVERY)


def flooded(service: Service, flood: Flood | None, seconds: float) -> Row:
    """One flood for a while, or none."""
    until = time.monotonic() + seconds
    with contextlib.ExitStack() as over:
        gauge = over.enter_context(Gauge(service.pid))
        if flood is not None:
            made = SPAWN.Process(target=pour, args=(service.port, flood, until))
            made.start()
            over.callback(made.join)
        waited = Spread.of(waits(service.port, until))
    row = {
        "flood": "none" if flood is None else flood.name,
        "wait_ms": round(1000 * waited.median, 1),
        "longest_ms": round(1000 * waited.high),
        "before_mb": round(gauge.idle_mb),
        "most_mb": round(gauge.server_mb),
    }
    note(f"{row['flood']}: {row['longest_ms']} ms at most, {row['before_mb']} → {row['most_mb']} MB")
    time.sleep(REST)
    return row


def judged(rows: list[Row], calm: Row) -> list[Bar]:
    """The marks."""
    longest = max(row["longest_ms"] for row in rows)
    # Than before the first one: what one leaves behind counts for the next as well.
    grown = max(row["most_mb"] for row in rows) - calm["most_mb"]
    return [
        Bar(f"others wait at most {WITHIN:.0f} s", f"{longest / 1000:.2f} s", longest <= 1000 * WITHIN),
        Bar(f"memory is at most {GROWTH:.0f} MB more than before", f"{grown:.0f} MB", grown <= GROWTH),
    ]


def main() -> int:
    reader: argparse.ArgumentParser = parser(__doc__, rounds=1, seconds=15.0)
    args = reader.parse_args()
    seconds = 1.0 if args.quick else args.seconds
    with tempfile.TemporaryDirectory(prefix="floods-") as folder, Service(Path(folder)) as service:
        calm = flooded(service, None, seconds)
        rows = [flooded(service, flood, seconds) for flood in FLOODS]
        alive: bool = psutil.pid_exists(service.pid)
        errors = sum(line.startswith("Traceback") for line in service.said)
    columns = {
        "flood": "flood of four",
        "wait_ms": "others wait, ms",
        "longest_ms": "at most",
        "before_mb": "MB before",
        "most_mb": "at most",
    }
    table("Others beside a flood", [calm, *rows], columns)
    bars = judged(rows, calm)
    bars.append(Bar("the server lives, and writes down no error", str(errors), alive and not errors))
    whole: list[dict[str, Any]] = [calm, *rows]
    finish(args, "floods", whole, bars)
    return 0


if __name__ == "__main__":
    sys.exit(main())

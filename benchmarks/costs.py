"""The part `costs` of `scale.py`: Redis' own CPU time for each thing that workers and page servers say to it.

The commands are those of `envstream.bus`, one at a time over loopback, as they come from machines that know
nothing of each other; the time is what Redis says that it used. `scaling.py` reckons with these figures.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import selectors
import socket
import threading
from collections.abc import Callable, Iterator

from broker import Broker
from common import Bar, Row, note, spread, table

PICTURE = bytes(20_000)
STATUS = bytes(100)
ABOUT = bytes(400)
SUBSCRIBERS = 16
CORE_BAR = 10_000  # Workers whose signs of life one core of Redis should bear.
BEAT_S = 2.0
RENEWED_EVERY = 10  # Signs of life, of which one keeps everything from expiring.

Say = str | bytes | int | float


def packed(*commands: tuple[Say, ...]) -> bytes:
    """Commands as they go over the wire."""
    parts = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            data = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Line:
    """One connection; answers are read until there is nothing more to come."""

    def __init__(self, broker: Broker) -> None:
        self._socket = socket.create_connection(("127.0.0.1", broker.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def ask(self, *commands: tuple[Say, ...]) -> None:
        self._socket.sendall(packed(*commands))
        for _ in commands:
            self._answer()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def drain(self) -> None:
        self._socket.recv(1 << 20)

    def _answer(self) -> None:
        head = self._file.readline()
        kind, rest = head[:1], head[1:]
        if kind == b"-":
            raise RuntimeError(f"redis-server refuses: {rest.decode().strip()}")
        if kind == b"$" and int(rest) >= 0:
            self._file.read(int(rest) + 2)
        elif kind == b"*":
            for _ in range(max(0, int(rest))):
                self._answer()


@contextlib.contextmanager
def subscribers(broker: Broker, count: int) -> Iterator[None]:
    """So many who hear what is published; another thread reads it away."""
    lines, over = [Line(broker) for _ in range(count)], threading.Event()
    with selectors.DefaultSelector() as selector:
        for line in lines:
            line.ask(("SUBSCRIBE", "P:status"))
            selector.register(line, selectors.EVENT_READ, line)

        def drain() -> None:
            while not over.is_set():
                for key, _ in selector.select(0.1):
                    key.data.drain()

        thread = threading.Thread(target=drain)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            for line in lines:
                line.close()


def beat(number: int) -> tuple[tuple[Say, ...], ...]:
    """A worker's sign of life, the first of these; the others go with some of them only."""
    return (
        ("ZADD", "P:workers", 2e9 + number, f"worker-{number:08}"),
        ("PEXPIRE", f"P:about:worker-{number:08}", 60_000),
        ("EXPIRE", "P:workers", 120),
        ("ZREMRANGEBYSCORE", "P:workers", "-inf", 1e9),
    )


def price(broker: Broker, times: int, do: Callable[[int], None]) -> float:
    """Microseconds of Redis' CPU for doing something once."""
    before = broker.cpu()
    for number in range(times):
        do(number)
    return 1e6 * (broker.cpu() - before) / times


def prices(times: int, workers: int) -> Row:
    """One round of all of them, with so many workers known."""
    numbers = itertools.cycle(range(workers))
    picture: tuple[Say, ...] = ("XADD", "P:frames:a:b", "MAXLEN", "=", 1, "*", "m", bytes(200), "d", PICTURE)
    with Broker() as broker:
        line = Line(broker)

        def join(number: int) -> None:
            both = Line(broker), Line(broker)
            for _ in range(3):
                both[0].ask(("TIME",))
            both[1].ask(("SUBSCRIBE", f"P:demand:{number}"))
            both[0].ask(*beat(number))
            about = f"P:about:worker-{number:08}"
            both[0].ask(("SET", about, ABOUT, "PX", 60_000), ("PUBLISH", "P:news", number))
            for each in both:
                each.close()

        def renew(number: int) -> None:
            line.ask(("TIME",))
            signs = beat(next(numbers))
            line.ask(*(signs if number % RENEWED_EVERY == 0 else signs[:1]))

        def tell(_: int) -> None:
            line.ask(("PUBLISH", "P:status", STATUS))

        row: Row = {"join": price(broker, min(times, workers), join)}
        for number in range(workers):
            line.ask(*beat(number))
        row["beat"] = price(broker, times, renew)
        row["status"] = price(broker, times, tell)
        with subscribers(broker, SUBSCRIBERS):
            row["heard"] = (price(broker, times, tell) - row["status"]) / SUBSCRIBERS
        row["in"] = price(broker, times, lambda _: line.ask(picture, ("PEXPIRE", "P:frames:a:b", 10_000)))
        row["out"] = price(broker, times, lambda _: line.ask(("XREAD", "STREAMS", "P:frames:a:b", "0-0")))
        line.close()
    return row


WHAT = {
    "join": "a worker comes (back): two connections, who it is",
    "beat": "a sign of life, every 2 s",
    "status": "a status, every 2 s while a page is open",
    "heard": "the same, for each page server that hears it",
    "in": "a picture of 20 KB comes in",
    "out": "a picture goes out to one page server",
}


def costs(args: argparse.Namespace) -> tuple[list[Row], list[Bar]]:
    times, workers = (300, 100) if args.quick else (20_000, 5_000)
    rounds = []
    for number in range(args.rounds):
        note(f"costs, round {number + 1} of {args.rounds}")
        rounds.append(prices(times, workers))
    rows: list[Row] = []
    for key, what in WHAT.items():
        found = spread(rounds, key)
        assert found is not None
        row: Row = {"part": "costs", "contender": what, "key": key, "us": found, "rounds": rounds}
        rows.append({**row, "us_text": found.text()})
    table("Redis' CPU", rows, {"contender": "what", "us_text": "µs"})
    most = round(BEAT_S * 1e6 / rows[1]["us"].median)
    promise = f"one core of Redis bears the signs of life of {CORE_BAR} workers"
    return rows, [Bar(promise, f"{most}", most >= CORE_BAR)]

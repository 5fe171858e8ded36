"""Connections that keep a server busy and want nothing of it, in a process of their own; for `faults.py`.

Says how many there are, `{"there": …}`, and keeps up their number until its standard input ends.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import socket
import threading

from common import START_SECONDS
from trainer import say


def asks(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


SHAKES = asks(
    "/ws",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
KINDS = {
    "idle": (b"", False, None),
    "slow": (HALF, True, None),
    "mjpeg": (asks("/stream"), False, 4096),
    "socket": (SHAKES, False, 4096),
}


class Crowd:
    """Connections that say something, and perhaps a byte a second; the server ends them, and others come."""

    def __init__(
        self, port: int, count: int, says: bytes = b"", drips: bool = False, reads: int | None = None
    ) -> None:
        self._port, self._count, self._says, self._drips, self._reads = port, count, says, drips, reads
        self._there: list[socket.socket] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Crowd:
        self._fill()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
        for one in self._there:
            one.close()

    def _fill(self) -> None:
        while len(self._there) < self._count and not self._over.is_set():
            one = socket.socket()
            if self._reads is not None:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._reads)
            one.settimeout(START_SECONDS)
            try:
                one.connect(("127.0.0.1", self._port))
                one.sendall(self._says)
            except OSError:  # Just now there is no server.
                one.close()
                return
            self._there.append(one)

    def _keep(self) -> None:
        while not self._over.wait(1.0):
            for one in list(self._there):
                try:
                    if self._drips:
                        one.send(b"x")
                    ended = self._reads is None and not one.recv(1, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    ended = False
                except OSError:
                    ended = True
                if ended:
                    one.close()
                    self._there.remove(one)
            self._fill()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--count", type=int, required=True)
    arguments.add_argument("--kind", choices=KINDS, required=True)
    args = arguments.parse_args()
    signal.alarm(3600)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2**16) if hard > 0 else 2**16, hard))
    with os.fdopen(os.dup(1), "w") as out, Crowd(args.port, args.count, *KINDS[args.kind]):
        say(out, {"there": args.count})
        os.read(0, 1)


if __name__ == "__main__":
    main()

"""A TCP relay that can cut all its connections, and reads along which frames of a session pass it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import Counter
from types import TracebackType

_CHUNK = 1 << 16
_HEAD_END = b"\r\n\r\n"
_TEXT = 1  # WebSocket's opcode.


class Overheard:
    """What a client says on one WebSocket without compression, as far as frames of a session go.

    Args:
        numbers: how often each number was sent; counted on.
    """

    def __init__(self, numbers: Counter[int]) -> None:
        self._numbers = numbers
        self._held = bytearray()
        self._shaken = False  # Whether the handshake is over.
        self._skip = 0  # Bytes of a picture that are still to come.

    def add(self, data: bytes) -> None:
        """Further bytes."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._held += memoryview(data)[skipped:]
        if not self._shaken:
            end = self._held.find(_HEAD_END)
            if end < 0:
                return
            del self._held[: end + len(_HEAD_END)]
            self._shaken = True
        while self._held and self._message():
            pass

    def _message(self) -> bool:
        """Deal with the next piece of a message; False: it is not all there."""
        held = self._held
        if len(held) < 14:
            return False  # A text of a client's is never so short, and behind a short message comes another.
        opcode, size, at = held[0] & 15, held[1] & 127, 2
        if size > 125:
            at = 4 if size == 126 else 10
            size = int.from_bytes(held[2:at], "big")
        mask, start = bytes(held[at : at + 4]), at + 4
        if opcode != _TEXT:
            self._skip = max(0, start + size - len(held))
            del held[: start + size]
            return True
        if len(held) < start + size:
            return False
        text = bytes(byte ^ mask[index & 3] for index, byte in enumerate(held[start : start + size]))
        del held[: start + size]
        said = json.loads(text)
        if said["type"] == "frame":
            self._numbers[said["number"]] += 1
        return True


class Cutter:
    """The relay. Each connection has two threads of its own.

    Attributes:
        port: where it listens.
        target: the port of the server; may be another one from one connection to the next.
        numbers: how often each frame was sent through it.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.numbers: Counter[int] = Counter()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Cutter:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    @property
    def connections(self) -> int:
        """How many there are."""
        with self._lock:
            return len(self._pairs)

    def cut(self) -> int:
        """End all connections at once, whatever is under way; how many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        return len(pairs)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:  # It is not there now.
                client.close()
                continue
            server.settimeout(None)
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            threading.Thread(target=self._serve, args=(pair,), daemon=True).start()

    def _serve(self, pair: tuple[socket.socket, socket.socket]) -> None:
        client, server = pair
        back = threading.Thread(target=self._carry, args=(server, client, None), daemon=True)
        back.start()
        self._carry(client, server, Overheard(self.numbers))
        back.join()
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            end.close()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket, overheard: Overheard | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if overheard is not None:
                    overheard.add(data)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

"""Publishers for tests that say what they want, also what no real one would, and servers for them."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import publishing
import videos
from envstream import codec
from serving import get, until

SIZE = (64, 48)
TOKEN = "a token of sixteen".replace(" ", "-")

Message = dict[str, Any]


def picture(number: int, encoding: str = "jpeg") -> bytes:
    """A picture that bears its number."""
    pixels = videos.numbered(number, *SIZE)
    return pixels.tobytes() if encoding == "raw" else codec.encode(pixels, encoding, 95)


class Loop:
    """An event loop, as far as sessions know of it: what is called on it waits for `turn`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def call(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def clock(self) -> float:
        return self.now

    def turn(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._calls.get_nowait()()

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Goes on until something is so; there are threads that it waits for."""

        def looked() -> Any:
            self.turn()
            return condition()

        until(looked, what)


class Alone(publishing.Alone):
    """`envstream serve` with one process for processing; `modules`: a folder that it may import from."""

    def __init__(self, folder: Path, modules: Path | None = None, **settings: Any) -> None:
        given = {"videoStreamWorkers": 1, **settings}
        texts = [f"env.{name}={_word(value)}" for name, value in given.items()]
        super().__init__(folder, *texts, modules=modules)

    def stats(self) -> Message:
        """What `/streaming/stats` says."""
        answer: Message = json.loads(get(self.port, "/streaming/stats")[2])
        return answer

    def session(self, name: str) -> Message | None:
        """What the statistics say of one session."""
        return next((each for each in self.stats()["sessions"] if each["session_id"] == name), None)

    def kill(self) -> None:
        """As nobody should."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


def _word(value: object) -> str:
    return json.dumps(value).replace('"', "'") if isinstance(value, (list, dict, bool)) else str(value)


@contextlib.contextmanager
def alone(folder: Path, modules: Path | None = None, **settings: Any) -> Iterator[Alone]:
    """A server on its own for as long as the block lasts."""
    server = Alone(folder, modules, **settings)
    try:
        yield server
    finally:
        server.stop()


class Publisher:
    """One connection to `/stream`. What it is told is kept in `heard` until it is asked for."""

    def __init__(self, port: int, **options: Any) -> None:
        self._stack = contextlib.ExitStack()
        self.socket: ClientConnection = self._stack.enter_context(
            connect(
                f"ws://127.0.0.1:{port}/stream", compression=None, max_size=None, close_timeout=1, **options
            )
        )
        self.heard: list[Message] = []

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def say(self, kind: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}))

    def start(self, **fields: Any) -> Message:
        """Begins a session; the answer."""
        usual = {"width": SIZE[0], "height": SIZE[1], "fps": 30, "encoding": "jpeg", "resume_token": TOKEN}
        self.say("session_start", **{**usual, **fields})
        return self.message("session_ack")

    def frame(self, number: int, data: bytes | None = None, **fields: Any) -> None:
        """Sends a frame: a numbered picture, unless other bytes are given."""
        data = picture(number) if data is None else data
        self.say("frame", **{"number": number, "timestamp": number / 30, "size": len(data), **fields})
        self.socket.send(data)

    def signal(self, data: bytes, **fields: Any) -> None:
        self.say("signal", **{"size": len(data), "name": "signal.csv", **fields})
        self.socket.send(data)

    def receive(self, seconds: float = 20.0) -> Message:
        """The next message, heard already or not."""
        if self.heard:
            return self.heard.pop(0)
        said: Message = json.loads(self.socket.recv(seconds))
        return said

    def message(self, kind: str, seconds: float = 20.0) -> Message:
        """The next message of a kind; others before it are passed over."""
        until = time.monotonic() + seconds
        while True:
            said = self.receive(max(0.01, until - time.monotonic()))
            if said["type"] == kind:
                return said

    def error(self, code: str) -> Message:
        """The next error, which has to be this one."""
        said = self.message("error")
        assert said["code"] == code, said
        return said

    def acknowledged(self, up_to: int) -> Message:
        """The first acknowledgement that goes so far."""
        while (said := self.message("frame_ack"))["up_to"] < up_to:
            pass
        return said

    def closed(self) -> int:
        """The code with which the server ends the connection."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.heard.append(json.loads(self.socket.recv(20)))
        return int(self.socket.close_code or 0)

    def result(self) -> Message:
        """What came of the session."""
        result: Message = self.message("process_complete", 40)["result"]
        return result


def sent(port: int, count: int, **fields: Any) -> Message:
    """The result of a session of so many pictures."""
    with Publisher(port) as publisher:
        publisher.start(**fields)
        for number in range(1, count + 1):
            publisher.frame(number)
        publisher.say("session_end", frames=count)
        return publisher.result()


class Bystander:
    """A publisher that does nothing wrong, and notices when others are dealt with at its cost."""

    def __init__(self, port: int) -> None:
        self.publisher = Publisher(port)
        self.publisher.start(name="bystander", resume_token=None)
        self.up_to = self.number = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        while not self._stop.wait(0.02):
            self.number += 1
            self.publisher.frame(self.number)
            self.up_to = self.publisher.acknowledged(self.number)["up_to"]

    def undisturbed(self) -> None:
        """Sees that frames go through as before."""
        before = self.up_to
        until(lambda: self.up_to > before + 1 or not self._thread.is_alive(), "the other session to go on")
        assert self._thread.is_alive()

    def finish(self) -> Message:
        """Ends it; the result."""
        self._stop.set()
        self._thread.join()
        self.publisher.say("session_end", frames=self.number)
        with self.publisher:
            return self.publisher.result()


@contextlib.contextmanager
def standing_by(port: int) -> Iterator[Bystander]:
    """Somebody whose session has to be whole in the end, whatever the block does to the server."""
    bystander = Bystander(port)
    try:
        bystander.undisturbed()  # Of who has sent nothing there would be no video.
        yield bystander
    finally:
        result = bystander.finish()
    assert result["received"]["received"] == bystander.number == result["video"]["frames"]
    assert result["received"]["lost"] == 0 and result["problem"] is None


def form(*parts: tuple[str, str | None, bytes], boundary: str = "b0undary") -> tuple[str, bytes]:
    """A multipart body and its content type; each part is a name, the name of a file or None, and bytes."""
    body = b""
    for name, filename, data in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def posted(port: int, content_type: str, body: bytes, path: str = "/analyze") -> tuple[int, Message]:
    """The answer to a request with a body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    try:
        connection.request("POST", path, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def named() -> str:
    """A session id that nobody else has."""
    return f"s-{secrets.token_hex(6)}"

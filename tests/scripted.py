"""The page at a server that says just what a test tells it to; and small pictures for it to show."""

from __future__ import annotations

import functools
import io
import json
import re
import threading
import weakref
from collections.abc import Iterable
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import av
import numpy as np
from PIL import Image

import envstream
from pages import Page

Status = dict[str, Any]
STATIC = Path(envstream.__file__).parent / "web" / "static"
KINDS = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
SIZE = 61, 41  # Odd, as the sizes of envs may be and those of H.264 may not.
STATUS = {
    "title": None,
    "group": None,
    "env": None,
    "run": None,
    "rank": None,
    "host": None,
    "state": "live",
    "message": None,
    "width": SIZE[0],
    "height": SIZE[1],
    "fps": 30.0,
    "targetFps": 30.0,
    "limit": None,
    "viewers": 1,
    "episode": 1,
    "step": 1,
    "return": 0.0,
    "meanReturn": None,
    "bestReturn": None,
    "age": 0.1,
    "totalSteps": 1,
    "stepsPerSecond": 10.0,
    "quality": 85,
    "qualities": ["low", "medium", "high", "ultra"],
    "best": 85,
    "levels": [85, 70, 50, 30],
    "codecs": ["h264", "jpeg"],
    "cache": None,
    "video": None,
}

# Counts decoders and their pictures. A test can silence them, hold them back, and have them fail.
COUNTING = """
    window.counts = { decoders: 0, fed: 0, made: 0, closed: 0, open: new Set() };
    const Real = window.VideoDecoder;
    window.VideoDecoder = class extends Real {
        constructor({ output, error }) {
            const counted = (image) => {
                counts.made += 1;
                if (counts.held) counts.held.push(() => output(image));
                else output(image);
            };
            super({ output: counted, error });
            counts.decoders += 1;
            counts.open.add(this);
            counts.fail = error;
        }
        decode(chunk) {
            counts.fed += 1;
            if (!counts.silent) super.decode(chunk);
        }
        close() {
            counts.open.delete(this);
            super.close();
        }
    };
    const close = VideoFrame.prototype.close;
    VideoFrame.prototype.close = function () {
        counts.closed += 1;
        close.call(this);
    };
"""


class Coded(NamedTuple):
    """A compressed picture, and what its message says of it."""

    data: bytes
    about: dict[str, Any]


class Asked(NamedTuple):
    """A request of a page: its path begins behind the page's own."""

    method: str
    path: str
    query: dict[str, list[str]]


class Answer(NamedTuple):
    """What is answered."""

    body: bytes
    kind: str = "application/json"
    status: int = 200

    @classmethod
    def of(cls, said: Any, status: int = 200) -> Answer:
        """Something as JSON."""
        return cls(json.dumps(said).encode(), status=status)


class _Handler(BaseHTTPRequestHandler):
    """Asks the page whose number the path begins with."""

    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # One write for each answer.

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        number, _, path = url.path.removeprefix("/").partition("/")
        page = _PAGES.get(int(number)) if number.isdigit() else None
        asked = Asked(self.command, path, parse_qs(url.query))
        answer = Answer.of({}, 404) if page is None else page.answer(asked)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(answer.status)
        self.send_header("content-type", answer.kind)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_GET

    def log_message(self, *what: Any) -> None:
        """Nothing is logged."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *who: Any) -> None:
        """A page was closed while something was on its way to it."""


_PAGES: weakref.WeakValueDictionary[int, Scripted] = weakref.WeakValueDictionary()


@functools.cache
def _port() -> int:
    """Where all these pages are, for as long as the tests last."""
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Scripted(Page):
    """A page and the other end of its socket.

    Attributes:
        address: where it is.
    """

    def __init__(
        self, browser: Any, path: str = "", streams: Iterable[str | Status] = ("env",), **options: Any
    ) -> None:
        """Streams are given by name, or by what is said of them."""
        said = ({"name": one} if isinstance(one, str) else one for one in streams)
        self.streams: dict[str, Status] = {one["name"]: {**STATUS, **one} for one in said}
        self.heard: list[dict[str, Any]] = []
        self.refuses = False  # Whether a choice for everybody is refused.
        self._socket: Any = None
        self._number = 0
        number = max(_PAGES, default=0) + 1
        _PAGES[number] = self
        self.address = f"http://127.0.0.1:{_port()}/{number}/"
        super().__init__(browser, self.address + path, **options)

    def prepare(self) -> None:
        self.tab.add_init_script(COUNTING)
        self.tab.route_web_socket(re.compile(r"/ws(\?|$)"), self._greet)

    def answer(self, asked: Asked) -> Answer:
        """What the server says to a request. Called in a thread."""
        path = asked.path
        file = STATIC / (path.removeprefix("static/") if path.startswith("static/") else path or "index.html")
        if file.is_file():
            return Answer(file.read_bytes(), KINDS[file.suffix[1:]])
        return Answer.of({}, 200 if path == "health" else 404)

    def _greet(self, socket: Any) -> None:
        self._socket = socket
        socket.on_message(self._hear)
        self.tell(type="hello", boot="one", now=0.0)

    def _hear(self, text: str) -> None:
        message = json.loads(text)
        self.heard.append(message)
        if message["type"] == "watch" and message["status"]:
            self.describe()
        elif message["type"] == "ping":
            self.tell(type="pong", t=message["t"], now=message["t"] / 1000)  # Both clocks are one.

    def tell(self, **message: Any) -> None:
        self._socket.send(json.dumps(message))

    def describe(self, **status: Any) -> None:
        """Tell of all streams; of the first one what is news."""
        self.streams[next(iter(self.streams))].update(status)
        self.tell(type="streams", now=0.0, complete=True, streams=list(self.streams.values()))

    def drop(self) -> None:
        """The connection is lost."""
        self._socket.close()

    def now(self) -> float:
        """Seconds of the page's clock, which here is the server's too."""
        return float(self.tab.evaluate("performance.now() / 1000"))

    def picture(self, picture: Coded, stream: str = "env", **other: Any) -> int:
        """Send a picture; its number."""
        self._number += 1
        size = {"width": SIZE[0], "height": SIZE[1], "sourceWidth": SIZE[0], "sourceHeight": SIZE[1]}
        about = {"frameNumber": self._number, "timestamp": self.now(), "quality": 70, **size}
        about = {**about, **picture.about, **other}
        figures = {"episode": 1, "step": self._number, "return": 1.0}
        self.tell(type="frame_metadata", stream=stream, **{**figures, **about})
        self._socket.send(picture.data)
        return self._number

    def still(self, **figures: Any) -> None:
        """Say that the newest frame looks like the last one."""
        self._number += 1
        self.tell(type="still", stream="env", frameNumber=self._number, timestamp=self.now(), **figures)

    # What the page has said and shows.

    def all_heard(self, kind: str) -> list[dict[str, Any]]:
        self.tab.evaluate("0")  # What is on its way comes in.
        return [message for message in self.heard if message["type"] == kind]

    def watched(self) -> dict[str, dict[str, Any]]:
        """What the page asks for now, by name."""
        messages = self.all_heard("watch")
        return {one["name"]: one for one in messages[-1]["streams"]} if messages else {}

    def acknowledged(self, stream: str = "env") -> list[int]:
        return [one["frameNumber"] for one in self.all_heard("ack") if one["stream"] == stream]

    def hold(self) -> None:
        """From now on pictures come out of decoders, but not to the page."""
        self.tab.evaluate("counts.held = []")

    def release(self) -> None:
        """What was held back comes out now."""
        self.tab.evaluate("counts.held.forEach(one => one()); counts.held = null")

    def count(self, name: str) -> int:
        """One of the counts of decoders and their pictures."""
        return int(self.tab.evaluate(f"counts.{name}.size ?? counts.{name}"))

    def grey(self) -> int:
        """The grey of the big canvas, in tens."""
        code = "picture.getContext('2d').getImageData(30, 20, 1, 1).data[1]"
        return round(float(self.tab.evaluate(code)) / 10)

    def size(self) -> tuple[int, int]:
        width, height = self.tab.evaluate("[picture.width, picture.height]")
        return width, height


def plain(grey: int, size: tuple[int, int] = SIZE) -> np.ndarray[Any, Any]:
    """A picture that is all one grey, given in tens."""
    return np.full((size[1], size[0], 3), 10 * grey, np.uint8)


def jpeg(grey: int, size: tuple[int, int] = SIZE) -> Coded:
    file = io.BytesIO()
    Image.fromarray(plain(grey, size)).save(file, "jpeg")
    return Coded(file.getvalue(), {"format": "jpeg"})


def h264(*greys: int, size: tuple[int, int] = SIZE, chain: int = 1) -> list[Coded]:
    """A chain of pictures; the first one is a key picture."""
    width, height = (side + side % 2 for side in size)  # The encoder wants even sizes; the border is black.
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 30)
    encoder.options = {"tune": "zerolatency", "preset": "veryfast", "crf": "10", "x264-params": "annexb=1"}
    pictures = []
    for at, grey in enumerate(greys):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[: size[1], : size[0]] = plain(grey, size)
        frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
        frame.pts = at
        data = b"".join(bytes(packet) for packet in encoder.encode(frame))
        about = {"format": "h264", "codec": "avc1.64000a", "chain": chain, "key": at == 0}
        pictures.append(Coded(data, {**about, "width": size[0], "height": size[1]}))
    return pictures

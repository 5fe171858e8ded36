"""The bus's layout: keys, channels, and what is written there. Pure; others may write there as well."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from envstream.bus.demand import Want
from envstream.errors import SessionError
from envstream.identity import Identity
from envstream.sessions.fields import Fields, is_small
from envstream.wire import compact

PROTOCOL = 1
MOST_WORKERS = 10_000
MOST_STREAMS = 4096  # Of one worker.
LONGEST_ABOUT = 2_000_000  # Bytes of what a worker says of itself and its streams.
LONGEST_TEXT = 256 * 1024  # Bytes of any other message.
LONGEST_NAME, LONGEST_SENTENCE = 100, 500  # Characters.
ENCODINGS = ("jpeg", "png", "webp")

WORKER = re.compile(r"[A-Za-z0-9_-]{1,64}")
STREAM = re.compile(r"[A-Za-z0-9_-]{1,32}")

_CODE = "bad_message"
_FPS = 0.01, 1000.0
_MOMENT = -1e12, 1e12
_SIDE = 65_535  # Pixels.


class Keys(NamedTuple):
    """The names of all keys and channels that begin with one prefix."""

    prefix: str

    @property
    def workers(self) -> str:
        """Sorted set: until when, by the server's clock, each worker counts as alive."""
        return f"{self.prefix}:workers"

    @property
    def news(self) -> str:
        """Channel: the worker that came, changed or went."""
        return f"{self.prefix}:news"

    @property
    def looking(self) -> str:
        """Channel: the page server on which some page is open."""
        return f"{self.prefix}:looking"

    @property
    def status(self) -> str:
        """Channel: how the streams are."""
        return f"{self.prefix}:status"

    def about(self, worker: str) -> str:
        """Text: who a worker is, and what streams it has."""
        return f"{self.prefix}:about:{worker}"

    def frames(self, worker: str, stream: str) -> str:
        """Stream with one entry: the newest picture."""
        return f"{self.prefix}:frames:{worker}:{stream}"

    def demand(self, worker: str) -> str:
        """Channel: what a page server wants to see of a worker."""
        return f"{self.prefix}:demand:{worker}"

    def quality(self, worker: str) -> str:
        """Channel: a quality that was chosen on a page."""
        return f"{self.prefix}:quality:{worker}"

    def wake(self, server: str) -> str:
        """Stream with one entry, by which a page server wakes itself while it waits for pictures."""
        return f"{self.prefix}:wake:{server}"


class Entry(NamedTuple):
    """One stream of a worker, as in `Stream`; `identity`: where it is not its worker's."""

    id: str
    name: str
    title: str
    group: str | None = None
    env: int | None = None
    fps: float = 30.0
    quality: int | str | None = None
    identity: Identity | None = None


class About(NamedTuple):
    """What a worker says of itself: who it is, with which version, and its streams by id."""

    version: str
    identity: Identity
    streams: Mapping[str, Entry]


class Sent(NamedTuple):
    """A picture on the bus.

    Attributes:
        number: counts up while a worker lives.
        captured: when it was taken, in seconds of the Redis server's clock; None = not known.
    """

    number: int
    captured: float | None
    encoding: str
    width: int
    height: int
    info: Mapping[str, Any]
    data: bytes


def stream_id(name: str) -> str:
    """The id of a stream: short, fit for a key, and the same whenever it has that name."""
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()[:12]


def about_text(about: About) -> str:
    """What `read_about` reads."""
    streams = [_entry_said(entry) for entry in about.streams.values()]
    said = {"protocol": PROTOCOL, "version": about.version, **about.identity._asdict(), "streams": streams}
    return compact(said)


def read_about(worker: str, data: bytes) -> About:
    """What a worker says of itself.

    Raises:
        SessionError: it is not what was expected; `protocol` where it is another version's.
    """
    values = _object(data, LONGEST_ABOUT)
    said = Fields(values, _CODE, f"worker {worker}")
    protocol = said.whole("protocol")
    if protocol != PROTOCOL:
        older = "envstream there" if protocol < PROTOCOL else "the server here"
        raise SessionError(
            "protocol",
            f"worker {worker} speaks version {protocol} of the bus's protocol, and this server version "
            f"{PROTOCOL}; it is not shown until {older} is brought up to date",
        )
    version = _text(said, "version") or "unknown"
    entries = [_entry(each, worker) for each in said.many("streams", MOST_STREAMS)]
    return About(version, _identity(said), {entry.id: entry for entry in entries})


def _entry_said(entry: Entry) -> dict[str, Any]:
    said = {**entry._asdict(), **(entry.identity or Identity())._asdict(), "identity": None}
    return {key: value for key, value in said.items() if value is not None}


def _identity(said: Fields) -> Identity:
    return Identity(
        _text(said, "run"),
        said.whole("rank") if "rank" in said else None,
        _text(said, "host"),
        said.whole("pid") if "pid" in said else None,
    )


def _entry(values: object, worker: str) -> Entry:
    if not isinstance(values, dict):
        raise SessionError(_CODE, f"worker {worker}: each of its streams has to be an object")
    said = Fields(values, _CODE, f"worker {worker}: stream")
    name = said.text("name", LONGEST_NAME)
    return Entry(
        said.match("id", STREAM, "an id of letters, digits, _ and -, 32 at most"),
        name,
        _text(said, "title") or name,
        _text(said, "group"),
        said.whole("env", 0, MOST_STREAMS * 1000) if "env" in said else None,
        said.number("fps", *_FPS) if "fps" in said else 30.0,
        _quality(values.get("quality")),
        _identity(said) if _identity(said) != Identity() else None,
    )


def picture_text(number: int, captured: float | None, sent: tuple[str, int, int], info: Any) -> str:
    """What stands beside a picture's bytes; `sent`: encoding, width, height."""
    encoding, width, height = sent
    about = {"number": number, "captured": captured, "encoding": encoding, "width": width, "height": height}
    return compact({**about, "info": info})


def read_picture(fields: list[bytes], most: int) -> Sent:
    """A picture from the fields of an entry: `m`, what it is, and `d`, its bytes.

    Args:
        most: bytes that it may have.

    Raises:
        SessionError: it is none. Whether the bytes are what was said of them is still to be seen.
    """
    found = dict(zip(fields[::2], fields[1::2], strict=False))
    data = found.get(b"d", b"")
    if not data or len(data) > most:
        raise SessionError(_CODE, f"a picture has 1 to {most} bytes, not {len(data)}")
    said = Fields(_object(found.get(b"m", b""), LONGEST_TEXT), _CODE, "picture")
    return Sent(
        said.whole("number"),
        said.number("captured", *_MOMENT) if "captured" in said else None,
        said.choice("encoding", ENCODINGS),
        said.whole("width", 1, _SIDE),
        said.whole("height", 1, _SIDE),
        said.small("info"),
        data,
    )


def demand_text(server: str, streams: Mapping[str, Want]) -> str:
    """What `read_demand` reads."""
    wanted = {
        stream: {k: v for k, v in want._asdict().items() if v is not None} for stream, want in streams.items()
    }
    return compact({"server": server, "streams": wanted})


def read_demand(data: bytes) -> tuple[str, dict[str, Want]]:
    """Which page server wants to see what.

    Raises:
        SessionError: it is not what was expected.
    """
    values = _object(data, LONGEST_TEXT)
    server = Fields(values, _CODE, "demand").match("server", WORKER, "an id")
    streams = values.get("streams")
    if not isinstance(streams, dict) or len(streams) > MOST_STREAMS:
        raise SessionError(_CODE, f"demand: streams has to be an object of at most {MOST_STREAMS}")
    wanted = {}
    for stream, want in streams.items():
        said = Fields(want if isinstance(want, dict) else {}, _CODE, "demand")
        fps = said.number("fps", *_FPS) if "fps" in said else None
        wanted[stream] = Want(fps, said.whole("width", 1, _SIDE) if "width" in said else None)
    return server, wanted


def read_quality(data: bytes) -> tuple[str, int | str]:
    """For which stream which quality was chosen.

    Raises:
        SessionError: it is not what was expected.
    """
    values = _object(data, LONGEST_TEXT)
    quality = _quality(values.get("quality"))
    if quality is None:
        raise SessionError(_CODE, "quality: expected a number or a name")
    return Fields(values, _CODE, "quality").match("stream", STREAM, "an id"), quality


def read_server(data: bytes) -> str:
    """Which page server has a page open; what is not as expected is a `SessionError`."""
    return Fields(_object(data, LONGEST_TEXT), _CODE, "looking").match("server", WORKER, "an id")


def read_status(data: bytes) -> tuple[str, dict[str, dict[str, Any]]]:
    """Of which worker, and how its streams are, by id. What is in each was looked at only for its size.

    Raises:
        SessionError: it is not what was expected.
    """
    values = _object(data, LONGEST_TEXT)
    worker = Fields(values, _CODE, "status").match("worker", WORKER, "an id")
    streams = values.get("streams")
    if not isinstance(streams, dict) or len(streams) > MOST_STREAMS:
        raise SessionError(_CODE, f"status: streams has to be an object of at most {MOST_STREAMS}")
    return worker, {key: each for key, each in streams.items() if isinstance(each, dict) and is_small(each)}


def worker_of(data: bytes) -> str | None:
    """A worker's id as it came; None where it cannot be one."""
    text = data.decode("ascii", "replace")
    return text if WORKER.fullmatch(text) else None


def _object(data: bytes, most: int) -> dict[str, Any]:
    if len(data) > most:
        raise SessionError(_CODE, f"a message on the bus has at most {most} bytes, not {len(data)}")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise SessionError(_CODE, "a message on the bus is one JSON object")
    return values


def _text(said: Fields, key: str) -> str | None:
    return said.text(key, LONGEST_NAME) if key in said else None


def _quality(value: object) -> int | str | None:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    return value if isinstance(value, int) or len(value) <= LONGEST_NAME else None

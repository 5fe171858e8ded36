"""What `fuzz.py` sends: requests and conversations made up from a seed and a number, the same ones each time.

They begin with what `/openapi.json` and `docs/protocol.md` say, and stray from it: a case is valid, odd in
one place or two, broken in its bytes, or a file of `tests/corpus`.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import envstream
from frames import encoded

ROOT = Path(__file__).resolve().parents[1]
DESCRIPTION = json.loads((Path(envstream.__file__).parent / "web" / "openapi.json").read_text("utf-8"))
CORPUS = ROOT / "tests" / "corpus"

STREAMS = ("CartPole-v1", "CartPole-v1@episodes", "complete", "camera hall", "live0", "live1")
ODD = (
    *("", "0", "-1", "1", "1e999", "nan", "inf", "-0.0", "0x10", "1_0", "٣", "9" * 400, "2147483648", "true"),
    *(
        "null",
        "{}",
        "[]",
        "..",
        ".",
        "/",
        "\\",
        "../../etc/passwd",
        "%2e%2e%2f",
        "\0",
        "a\0b",
        "\r\nX: y",
        "\n",
    ),
    *("é", "蛇", "\u202e", "\ud800", "\ufffe", "<script>", "'\"", "%", "%zz", "%ff", ";", "&", "=", "+", " "),
    *(
        "e1",
        "r1",
        "e1.mp4",
        "r9.mp4",
        "CON",
        "a" * 300,
        "x" * 5000,
        "@episodes",
        "@boxes",
        "CartPole-v1@boxes",
    ),
)
HEADERS = (
    *(
        ("Range", value)
        for value in ("bytes=0-9", "bytes=-1", "bytes=5-2", "bytes=0-0,5-9", "bytes=999999999-")
    ),
    *(
        ("Range", value)
        for value in ("bytes=-99999999999999999999", "lines=1-2", "bytes=", "bytes=a-b", "=" * 99)
    ),
    *(("If-None-Match", value) for value in ("*", '"a"', 'W/"a', ",,,")),
    *(
        ("If-Match", "*"),
        ("If-Match", '"x"'),
        ("If-Range", '"x"'),
        ("If-Range", "Sun, 99 Foo 1234"),
        ("DNT", "1"),
    ),
    *(
        ("If-Modified-Since", value)
        for value in ("Thu, 01 Jan 1970 00:00:00 GMT", "0", "Mon, 31 Feb 99999999")
    ),
    *(("Cookie", value) for value in ("a=b", "=;=;", "envstream-0=" + "0" * 56, "\xff\xfe", "a" * 4000)),
    *(("Origin", value) for value in ("null", "http://evil.example", "http://127.0.0.1", "http://[", "://")),
    *(("Referer", value) for value in ("http://evil.example/x", "\xe9", "http://", "")),
    *(("Sec-Fetch-Site", value) for value in ("cross-site", "none", "same-origin", "x")),
    *(("Authorization", value) for value in ("Bearer x", "Bearer \xff", "Basic !!!!", "bearer")),
    *(
        ("Content-Type", value)
        for value in ("application/json", "multipart/form-data; boundary=x", "\xff/;;")
    ),
    *(("X-Forwarded-Host", "evil.example"), ("X-Forwarded-For", "1.2.3.4, \xe9"), ("Forwarded", "for=;;;")),
    *(
        ("Accept-Encoding", "br;q=nan"),
        ("Accept", "*/*;q=" + "9" * 99),
        ("X_Name", "1"),
        ("X-" + "A" * 2000, "1"),
    ),
)
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND")
RARE = {
    "/analyze": 0.05,
    "/api/replay": 0.1,
    "/api/record/{what}": 0.1,
    "/api/episodes/{id}": 0.5,
    "/screen": 0.4,
}
RARE |= {"/api/screenshot": 0.4, "/stream": 0.1, "/sessions/{id}/{file}": 2.0}


FLOOD = 300_000  # Bytes of requests, one behind the other.


@dataclass
class Case:
    """One thing to send.

    Attributes:
        kind: `request`, which may share a connection with others; `alone`, which has one; `broken`, whose
            bytes are no HTTP any more; `socket`, a conversation.
        data: what is sent; of a conversation, the handshake.
        frames: what follows when the handshake succeeds.
        leaves: whether it does not wait for the end of the answer.
    """

    index: int
    kind: str
    where: str
    data: bytes
    method: str = "GET"
    frames: list[bytes] = field(default_factory=list)
    leaves: bool = False


def case(seed: int, index: int) -> Case:
    """The case of that number."""
    draw = random.Random(f"{seed}/{index}")
    chance = draw.random()
    if chance < 0.88:
        return _request(draw, index)
    if chance < 0.94:
        return _broken(draw, index)
    return _socket(draw, index)


# Requests.

_OPERATIONS = [
    (path, method.upper(), about) for path, of in DESCRIPTION["paths"].items() for method, about in of.items()
]
_WEIGHTS = [RARE.get(path, 1.0) for path, _, _ in _OPERATIONS]


def _request(draw: random.Random, index: int) -> Case:
    path, method, about = draw.choices(_OPERATIONS, _WEIGHTS)[0]
    where = path
    target, query = path, []
    for given in about.get("parameters", ()):
        given = _resolved(given)
        if given["in"] == "path":
            target = target.replace(
                f"{{{given['name']}}}", _escaped(draw, _value(draw, given["schema"], given["name"]))
            )
        elif given["in"] == "query" and draw.random() < 0.4:
            query.append(f"{given['name']}={_escaped(draw, _value(draw, given['schema'], given['name']))}")
    if draw.random() < 0.1:
        query.append(f"{_escaped(draw, draw.choice(ODD))}={_escaped(draw, draw.choice(ODD))}")
    if draw.random() < 0.03:
        target += draw.choice(("/", "//", "/.", "%2f", "%00", "?", "#x", ";a=b", ".json"))
    if query:
        target += "?" + "&".join(query)
    if draw.random() < 0.12:
        method = draw.choice(METHODS)
    headers = [draw.choice(HEADERS) for _ in range(draw.choice((0, 0, 1, 2, 4)))]
    host = (
        "127.0.0.1"
        if draw.random() < 0.96
        else draw.choice(("evil.example", "", "[::1", "localhost:0", "\xff"))
    )
    body = _body(draw, path, headers) if method in ("POST", "PUT", "PATCH") else b""
    said = [("Host", host), *headers]
    data = message(method, target, said, body)
    if body and draw.random() < 0.1:
        data = message(method, target, [*said, ("Transfer-Encoding", "chunked")]) + _chunked(draw, body)
    leaves = where == "/stream" or "after=" in target
    alone = leaves or len(data) > 20_000 or host != "127.0.0.1"
    return Case(index, "alone" if alone else "request", f"{method} {where}", data, method, leaves=leaves)


def message(method: str, target: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


def _chunked(draw: random.Random, body: bytes) -> bytes:
    """A body in pieces, of a byte each or more."""
    size = draw.choice((1, 7, 1000, 70_000))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in part:
        return DESCRIPTION["components"]["parameters"][part["$ref"].rsplit("/", 1)[1]]  # type: ignore[no-any-return]
    return part


def _value(draw: random.Random, schema: dict[str, Any], name: str) -> str:
    """A value for a parameter: mostly one that fits."""
    if draw.random() < 0.3:
        return draw.choice(ODD)
    if "oneOf" in schema:
        schema = draw.choice(schema["oneOf"])
    if "enum" in schema:
        return str(draw.choice(schema["enum"]))
    if schema.get("type") in ("integer", "number"):
        low, high = schema.get("minimum", 0), min(schema.get("maximum", 100), 3000)
        whole = schema["type"] == "integer"
        return str(draw.randint(int(low), int(high)) if whole else round(draw.uniform(low, high), 3))
    known = {
        "stream": STREAMS,
        "token": ("hall", "yard"),
        "name": ("app.js", "index.html", "CartPole-v1-live.mp4", "CartPole-v1-live.json"),
        "id": (*(f"e{number}" for number in range(1, 9)), "r1", "complete", "e1.mp4"),
    }
    return draw.choice(known.get(name, ODD))


def _escaped(draw: random.Random, value: str) -> str:
    if draw.random() < 0.05:
        return re.sub(r"[\0\s]", "", value)  # As it is, which no URL may be.
    return quote(value.encode("utf-8", "surrogatepass"), safe="")


def _body(draw: random.Random, path: str, headers: list[tuple[str, str]]) -> bytes:
    if path != "/analyze":
        return draw.choice((b"", b"", b"{}", b"x" * 300, b"\xff\0" * 50, b"y" * 70_000))
    boundary, parts = "x", []
    for _ in range(draw.randint(0, 4)):
        name = draw.choice(
            ('; name="video"', '; name="signal"', '; name="processors"', "", '; name=""', "; name*=a")
        )
        file = draw.choice(("", '; filename="a.mp4"', '; filename="../\xe9"', "; filename*=utf-8''%00"))
        content = draw.choice((b"", b"stats", b'[{"name":1}]', b"[[", b"x" * 500, draw.randbytes(200)))
        parts.append(
            f"--{boundary}\r\nContent-Disposition: form-data{name}{file}\r\n\r\n".encode("latin-1") + content
        )
    headers.append(
        ("Content-Type", draw.choice(("multipart/form-data; boundary=x",) * 4 + ("multipart/form-data",)))
    )
    return b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])


# What is no HTTP any more.


def _broken(draw: random.Random, index: int) -> Case:
    files = sorted(CORPUS.glob("http-*")) if CORPUS.is_dir() else []
    if files and draw.random() < 0.3:
        file = draw.choice(files)
        return Case(index, "broken", file.name, mutated(draw, file.read_bytes()), leaves=True)
    made = _request(draw, index)
    if draw.random() < 0.01:  # Nobody waits for that many answers.
        many = made.data * (FLOOD // len(made.data) + 1)
        return Case(index, "broken", f"{made.where}, many at once", many, leaves=True)
    return Case(index, "broken", made.where, mutated(draw, made.data), leaves=True)


def mutated(draw: random.Random, data: bytes) -> bytes:
    """Bytes with a few faults."""
    made = bytearray(data)
    for _ in range(draw.choice((0, 1, 1, 2, 5))):
        at = draw.randrange(len(made) + 1)
        match draw.randrange(6):
            case 0 if at < len(made):
                made[at] ^= 1 << draw.randrange(8)
            case 1:
                del made[at:]
            case 2:
                made[at:at] = draw.randbytes(draw.randint(1, 8))
            case 3:
                made[at:at] = made[: draw.randint(0, 60)]
            case 4:
                del made[at : at + draw.randint(1, 20)]
            case _:
                made[at:at] = draw.choice(
                    (b"\r\n\r\n", b"\0", b"\xff" * 4, b"Transfer-Encoding: chunked\r\n", b"-1")
                )
    return bytes(made)


# Conversations.


def _socket(draw: random.Random, index: int) -> Case:
    path = draw.choice(
        ("/ws", "/ws", "/stream", "/stream", "/ws/camera/hall", "/ws/view/hall", "/ws/camera/" + "x" * 99)
    )
    headers = [("Host", "127.0.0.1"), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    headers += [("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), ("Sec-WebSocket-Version", "13")]
    if draw.random() < 0.1:
        headers[draw.randrange(len(headers))] = draw.choice(HEADERS)
    said = _publisher(draw) if path == "/stream" else _camera(draw) if "camera" in path else _viewer(draw)
    frames = []
    for each in said:
        text = isinstance(each, (dict, str))
        payload = json.dumps(each).encode() if isinstance(each, dict) else each.encode() if text else each
        if draw.random() < 0.06:
            payload = mutated(draw, payload)
        data = encoded(1 if text else 2, payload, mask=draw.randbytes(4))
        frames.append(mutated(draw, data) if draw.random() < 0.04 else data)
    if draw.random() < 0.3:
        op = draw.choice((0, 3, 8, 9, 10, 11, 15))
        odd = {"fin": draw.random() < 0.7, "reserved": draw.choice((0, 0, 4, 7))}
        frames.insert(
            draw.randrange(len(frames) + 1), encoded(op, draw.randbytes(draw.choice((0, 2, 9, 126))), **odd)
        )
    return Case(index, "socket", f"WS {path[:20]}", message("GET", path, headers), frames=frames)


_JSON: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1.5,
        10**400,
        float("nan"),
        float("inf"),
        "",
        "x",
        "\ud800",
        "a" * 3000,
        [],
        {},
        [[]],
    ),
    *({"a": {}}, 2**53, -(2**63), "CartPole-v1", "jpeg", 1, 50, 64, 48),
)


def _strayed(draw: random.Random, said: dict[str, Any]) -> dict[str, Any]:
    """A message in which something may be other than it should."""
    while draw.random() < 0.15:
        said[draw.choice([*said, "more"])] = draw.choice(_JSON)
    return said


def _viewer(draw: random.Random) -> list[Any]:
    said: list[Any] = []
    for _ in range(draw.randint(1, 8)):
        names = draw.sample(STREAMS, draw.randint(0, 3))
        options = {
            "width": draw.choice((None, 1, 32, 320, 10**9)),
            "fps": draw.choice((None, 0.1, 30, 1e9)),
            "format": draw.choice(("auto", "jpeg", "webp", "png")),
            "quality": draw.choice((None, 1, 50, 100, "low")),
            "video": draw.choice((True, False, "full")),
            "boxes": draw.choice((True, False)),
        }
        streams = [_strayed(draw, {"name": name, **options}) for name in names]
        kinds: list[Any] = [
            {"type": "watch", "streams": streams, "status": draw.random() < 0.5},
            {
                "type": "ack",
                "stream": draw.choice(STREAMS),
                "frameNumber": draw.randint(0, 9),
                "transferMs": 1.5,
            },
            {"type": "performance_stats", "fps": 30, "latency": 5, "queueSize": draw.randint(0, 50)},
            {"type": "ping", "t": draw.random()},
        ]
        said.append(
            _strayed(draw, draw.choice(kinds)) if draw.random() < 0.97 else draw.choice(("[" * 5000, "", "{"))
        )
    return said


PICTURE = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x30\x00\x40\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9"


def _frame(draw: random.Random, about: dict[str, Any]) -> list[Any]:
    files = sorted(CORPUS.glob("picture-*")) if CORPUS.is_dir() else []
    data = draw.choice(files).read_bytes()[:50_000] if files and draw.random() < 0.7 else PICTURE
    if draw.random() < 0.2:
        data = mutated(draw, data)
    return [_strayed(draw, {**about, "size": len(data)}), data]


def _publisher(draw: random.Random) -> list[Any]:
    live = draw.random() < 0.85
    name = f"live{draw.randrange(4)}" if live else f"kept{draw.randrange(8)}"
    start = {
        "width": 64,
        "height": 48,
        "fps": 30,
        "encoding": draw.choice(("jpeg", "png", "raw", "h264", "auto", "webp")),
    }
    token = {"resume_token": "a-token-of-sixteen"} if draw.random() < 0.9 else {}
    said: list[Any] = [
        _strayed(draw, {"type": "session_start", **start, "session_id": name, "live": live, **token})
    ]
    for number in range(1, draw.randint(1, 8)):
        said += _frame(draw, {"type": "frame", "number": number, "timestamp": number / 30})
        if draw.random() < 0.2:
            said.append(
                _strayed(draw, {"type": "frames_lost", "from": number, "to": number + draw.randint(-1, 600)})
            )
        if draw.random() < 0.2:
            said.append(
                _strayed(draw, {"type": "status", "totalSteps": 5, "episodes": [[1, 2, 3.5]], "message": "x"})
            )
    said.append(_strayed(draw, {"type": "session_end", "frames": draw.randint(0, 9)}))
    return said


def _camera(draw: random.Random) -> list[Any]:
    said: list[Any] = []
    for number in range(1, draw.randint(2, 8)):
        said += _frame(draw, {"type": "frame_metadata", "frameNumber": number, "width": 64, "height": 48})
        said.append(_strayed(draw, {"type": "ping", "t": 1}))
    return said

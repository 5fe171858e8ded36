"""Pictures that lie: of false sizes, bombs, halves, of another kind than was said; nobody notices."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import senders
import webcams
from envstream import outlet as outlets
from envstream import publish, unpublish
from envstream.decoder import VideoDecoder, pixels_of
from envstream.errors import PictureError, SessionError
from envstream.sessions import headers, jpeg
from envstream.sessions.arrival import Arrival
from senders import Alone, Publisher, alone, form, named, posted
from serving import get

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

CORPUS = Path(__file__).parent / "corpus"
PICTURES = sorted(CORPUS.glob("picture-*"))
MOST = 1_000_000  # Pixels that are taken here.
ROOM = 400e6  # Bytes of memory that a server of small pictures never needs.
ENCODINGS = ("jpeg", "png", "webp", "h264", "raw")
GOOD = {"picture-plain.jpg", "picture-plain.png", "picture-plain.webp", "picture-key.h264"}
every_picture = pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)


def bomb(side: int) -> bytes:
    """A PNG of black pixels, of which a thousand are a byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packed = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(packed.compress(row) for _ in range(side)) + packed.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def arrival(data: bytes, encoding: str, width: int = 64, height: int = 48) -> Arrival:
    return Arrival(1, 0.0, encoding, width, height, True, None, {}, data)


def taken(data: bytes, encoding: str) -> None:
    """A picture goes the way of all: its header is looked at, and it is decoded where that may be."""
    came = arrival(data, encoding)
    try:
        headers.check(came, MOST)
    except SessionError as error:
        assert error.recoverable and str(error)
        return
    try:
        pixels = VideoDecoder(MOST).decode(data) if encoding == "h264" else pixels_of(came)
    except PictureError:
        return  # Its header was right, what follows is not.
    assert pixels is None or pixels.size <= 3 * MOST


@every_picture
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_picture_is_taken_or_refused_and_nothing_else(path: Path, encoding: str) -> None:
    taken(path.read_bytes(), encoding)


@given(
    st.sampled_from(PICTURES), st.sampled_from(ENCODINGS), st.integers(0), st.integers(0, 255), st.booleans()
)
def test_so_is_one_with_a_false_byte(path: Path, encoding: str, at: int, byte: int, cut: bool) -> None:
    data = bytearray(path.read_bytes()[:4000])
    if data:
        data[at % len(data)] = byte
    taken(bytes(data[: at % (len(data) + 1)] if cut else data), encoding)


@given(st.binary(max_size=400), st.sampled_from([b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"\0\0\1", b"RIFF", b""]))
def test_so_are_bytes_of_any_kind(data: bytes, begins: bytes) -> None:
    for encoding in ENCODINGS:
        taken(begins + data, encoding)


def test_a_bomb_is_refused_before_anything_is_unpacked() -> None:
    data = bomb(30_000)
    assert len(data) < 200_000
    started = time.process_time()
    with pytest.raises(SessionError, match="30000x30000"):
        headers.check(arrival(data, "png", 64, 48), MOST)
    assert time.process_time() - started < 5


@every_picture
def test_only_what_shows_itself_as_its_pixels_say_is_passed_on(path: Path) -> None:
    data = path.read_bytes()
    try:
        header = headers.read(data)
    except SessionError:
        return
    if header.encoding == "jpeg" and ("exif" in path.name or "trailing" in path.name):
        assert jpeg.quality(data) is None


# --- on a server ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A server that takes a megapixel, with a publisher who notices nothing."""
    with alone(tmp_path_factory.mktemp("pictures"), videoStreamMaxPixels=MOST / 1e6) as server:
        with senders.standing_by(server.port) as bystander:
            yield server
            bystander.undisturbed()
        assert not [line for line in server.errors if "Traceback" in line]
        assert psutil.Process(server.process.pid).memory_info().rss < ROOM


def answered(publisher: Publisher, number: int) -> set[int]:
    """The numbers that were refused up to this moment."""
    publisher.say("ping", t=number)
    refused: set[int] = set()
    while (said := publisher.receive())["type"] != "pong":
        if said["type"] == "error":
            refused.add(said["number"])
    return refused


@pytest.mark.parametrize("live", [False, True], ids=["kept", "live"])
def test_each_is_answered_at_the_publishers_socket_and_the_session_goes_on(server: Alone, live: bool) -> None:
    with Publisher(server.port) as publisher:
        publisher.start(encoding="auto", session_id=(name := named()), live=live)
        refused: set[int] = set()
        for number, path in enumerate(PICTURES, 1):
            kind = "jpeg" if path.suffix == ".jpg" else path.suffix[1:]
            publisher.frame(number, path.read_bytes(), encoding=kind)
            refused |= answered(publisher, number)
        last = len(PICTURES) + 1
        publisher.frame(last, encoding="jpeg")
        refused |= answered(publisher, last)
        plain = {number for number, path in enumerate(PICTURES, 1) if path.name in GOOD}
        assert not refused & {*plain, last} and len(refused) > 10
        if not live:
            for number in sorted(refused):
                publisher.say("frames_lost", **{"from": number, "to": number})
            publisher.say("session_end", frames=last)
            result = publisher.result()
            assert result["session_id"] == name and result["video"]["frames"] > 3
    assert get(server.port, "/health", timeout=60)[0] == 200


def test_a_screenshot_of_one_that_came_damaged_says_so(server: Alone) -> None:
    with Publisher(server.port) as publisher:
        publisher.start(encoding="jpeg", live=True, name="damaged", width=64, height=48)
        publisher.frame(1, (CORPUS / "picture-bytes-between-markers.jpg").read_bytes())
        assert answered(publisher, 1) == set()
        streams = json.loads(get(server.port, "/api/streams")[2])["streams"]
        name = next(stream["name"] for stream in streams if stream["title"] == "damaged")
        status, _, body = get(server.port, f"/screen?stream={name}&format=png", timeout=60)
        assert status == 503 and b"damaged" in body


def test_a_camera_that_sends_them_is_told_and_goes_on(server: Alone) -> None:
    with webcams.Camera(server.port, "hall") as camera:
        for number, path in enumerate(PICTURES, 1):
            camera.shoot(number, path.read_bytes(), width=64, height=48)
        last = len(PICTURES) + 1
        camera.shoot(last, webcams.jpeg(64, 48), width=64, height=48)
        camera.landed(last)


@pytest.mark.parametrize(
    "path",
    [path for path in PICTURES if "says" in path.name or "plain" in path.name],
    ids=lambda path: path.name,
)
def test_as_a_video_to_be_analyzed_it_is_read_or_said_to_be_none(server: Alone, path: Path) -> None:
    status, said = posted(server.port, *form(("video", path.name, path.read_bytes())))
    assert status in (200, 422) and (said["video"] is not None) == (status == 200)


def test_a_bomb_is_no_video_either(server: Alone) -> None:
    status, said = posted(server.port, *form(("video", "a.png", bomb(30_000))))
    assert status == 422 and said["video"] is None


# --- from a loop of one's own --------------------------------------------------------------------------


ODD: dict[str, Any] = {
    "no rows": np.zeros((0, 4, 3), np.uint8),
    "no pixels": np.zeros((4, 0, 3), np.uint8),
    "one pixel": np.zeros((1, 1, 3), np.uint8),
    "five colours": np.zeros((4, 4, 5), np.uint8),
    "four dimensions": np.zeros((2, 4, 4, 3), np.uint8),
    "no dimensions": np.uint8(4),
    "huge numbers": np.full((4, 4, 3), 1e300),
    "no numbers": np.full((4, 4, 3), np.nan),
    "texts": np.full((4, 4, 3), "x"),
    "objects": np.full((4, 4, 3), None),
    "complex": np.zeros((4, 4, 3), np.complex64),
    "too many pixels": np.broadcast_to(np.zeros(3, np.uint8), (2000, 2000, 3)),
    "a text": "picture",
    "nothing": None,
    "a list of lists": [[1, 2], [3]],
    "backwards": np.zeros((8, 8, 3), np.uint8)[::-1, ::-1],
}


@pytest.mark.parametrize("name", ODD)
def test_publish_shows_it_or_warns_and_never_raises(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    outlets._outlets.clear()
    settings = {"videoStreamWorker": "thread", "videoStreamPort": 0, "videoStreamMaxPixels": MOST / 1e6}
    try:
        assert publish(ODD[name], name=f"odd {name}", config=settings) in (True, False)
    finally:
        unpublish(f"odd {name}")

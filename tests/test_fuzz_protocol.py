"""Every parser, given anything: a result or its own kind of error, never another one, and soon."""

from __future__ import annotations

import json
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from envstream import checks, triggers, wire
from envstream.bus import layout
from envstream.config import KEYS, StreamConfig
from envstream.errors import EnvstreamError, MessageError, SessionError, SettingError
from envstream.sessions import annexb, fields, headers, jpeg
from envstream.sessions.arrival import Arrival
from envstream.sessions.camera import CameraConversation
from envstream.sessions.conversation import Conversation
from envstream.sessions.events import Event, Say
from envstream.sessions.session import Session
from envstream.sessions.start import Limits, Start
from envstream.sessions.store import Store
from envstream.sessions.tape import INDEX, LOG
from envstream.web.analyze import Refused, Upload
from envstream.web.auth import Access, Verdict
from envstream.web.bridge import environment
from envstream.web.download import attachment
from envstream.web.frames import short_text
from envstream.web.messages import is_number, read_message, short_ack, text, whole
from envstream.web.pictures import BadRequest, Query, quality
from envstream.web.sockets import fixed_quality
from furnished import Furnished, furnished

CORPUS = Path(__file__).parent / "corpus"
TEXTS = [path.read_bytes().decode(errors="replace") for path in sorted(CORPUS.glob("text-*"))]
LIMITS = Limits(max_message=1000, max_pixels=100_000, memory=100_000, window=50, credits=10)
KINDS = (
    "session_start",
    "frame",
    "frames_lost",
    "session_end",
    "signal",
    "status",
    "ping",
    "frame_metadata",
    "watch",
)
FIELDS = (
    *(
        "type",
        "number",
        "timestamp",
        "size",
        "width",
        "height",
        "fps",
        "encoding",
        "from",
        "to",
        "frames",
        "name",
    ),
    *(
        "session_id",
        "resume_token",
        "live",
        "processors",
        "key",
        "captured",
        "info",
        "t",
        "episodes",
        "still",
    ),
    *("streams", "status", "stream", "frameNumber", "transferMs", "queueSize", "quality", "expected_frames"),
)

# What JSON can say, also what it should not.
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([2**63, 10**400, -1, 0, 1, 64, 48, 30, True]))
letters = st.text(st.characters(exclude_categories=()), max_size=30)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, letters, st.sampled_from(["jpeg", "h264", "s", "raw"])),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(letters, inner, max_size=4)),
    max_leaves=8,
)
messages = st.builds(
    lambda kind, said: {"type": kind, **said},
    st.one_of(st.sampled_from(KINDS), letters),
    st.dictionaries(st.one_of(st.sampled_from(FIELDS), letters), json_values, max_size=8),
)
said = st.one_of(messages.map(json.dumps), letters, st.sampled_from(TEXTS), json_values.map(json.dumps))


# --- what viewers say ----------------------------------------------------------------------------------


@given(said)
def test_a_viewers_message_is_one_or_a_message_error(data: str) -> None:
    short_ack(data)
    try:
        message = read_message({"text": data})
    except MessageError:
        return
    for key in FIELDS:
        for read in (text, whole):
            try:
                read(message, key)
            except MessageError:
                pass
        is_number(message.get(key))
        try:
            fixed_quality(message.get(key))
        except MessageError:
            pass


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x81\x85", b"\x81\xfe\0\x05", b"\x81\xff"]))
def test_a_short_text_is_read_or_left(data: bytes, begins: bytes) -> None:
    found, size = short_text(begins + data)
    assert (found is None) == (size == 0) and size <= len(begins + data)


# --- what publishers and cameras say -------------------------------------------------------------------


def conversation() -> Conversation:
    def admit(start: Start) -> tuple[Session, bool]:
        return Session(start.session_id or "made", "", start, LIMITS), False

    def check(arrival: Arrival) -> None:
        headers.check(arrival, LIMITS.max_pixels)

    return Conversation(admit, LIMITS, check)


def heard(talk: Any, spoken: list[str | bytes]) -> list[Event]:
    """What comes of all that is said; every answer can be put into words."""
    events: list[Event] = list(talk.begin(0.0))
    for at, each in enumerate(spoken):
        events += talk.text(each, float(at)) if isinstance(each, str) else talk.data(each, float(at))
    for event in events:
        if isinstance(event, Say):
            json.loads(wire.compact(event.message))
    return events


START = json.dumps({"type": "session_start", "width": 64, "height": 48, "fps": 30, "encoding": "auto"})


@settings(max_examples=40)
@given(st.lists(st.one_of(said, st.binary(max_size=60)), max_size=8), st.booleans())
@example([*TEXTS], True)
def test_whatever_a_publisher_says_it_is_answered(spoken: list[str | bytes], starts: bool) -> None:
    heard(conversation(), [START, *spoken] if starts else spoken)


@given(st.lists(st.one_of(said, st.binary(max_size=60)), max_size=8))
def test_whatever_a_camera_says_it_is_answered(spoken: list[str | bytes]) -> None:
    heard(CameraConversation(conversation(), "hall", "a-secret-of-sixteen"), spoken)


@given(st.one_of(said, st.integers(1, 100_000).map(lambda deep: "[" * deep)))
def test_a_message_is_an_object_or_a_session_error(data: str) -> None:
    try:
        assert isinstance(fields.read(data), dict)
    except SessionError:
        pass


# --- pictures' headers ---------------------------------------------------------------------------------


@given(
    st.binary(max_size=600),
    st.sampled_from([b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF", b"\0\0\1", b"\0\0\0\1\x67"]),
)
def test_a_header_is_read_or_there_is_no_image(data: bytes, begins: bytes) -> None:
    try:
        header = headers.read(begins + data)
    except SessionError as error:
        assert error.code == "not_an_image"
        return
    assert header.encoding == "h264" or (header.width and header.height)


@given(st.binary(max_size=600))
def test_jpeg_and_h264_are_read_or_said_to_be_none(data: bytes) -> None:
    for read, begins in ((jpeg.size, b"\xff\xd8"), (annexb.read, b"\0\0\1\x67")):
        try:
            read(begins + data)
        except (ValueError, struct.error):
            pass


# --- what lies on disk ---------------------------------------------------------------------------------


def frame(number: int) -> Arrival:
    return Arrival(number, number / 30, "jpeg", 64, 48, True, None, {"step": number}, b"picture %d" % number)


@given(
    st.lists(st.tuples(st.sampled_from([LOG, INDEX]), st.integers(0), st.integers(0, 7)), max_size=6),
    st.integers(0),
)
def test_a_log_with_flipped_bits_or_torn_off_gives_what_is_whole(faults: list[Any], torn: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session"
        store = Store.create(path)
        for number in range(1, 6):
            store.write(frame(number))
        store.close()
        for name, at, bit in faults:
            file = path / name
            data = bytearray(file.read_bytes())
            data[at % len(data)] ^= 1 << bit
            file.write_bytes(data[: len(data) - torn % 40] if name == LOG else data)
        store = Store.open(path)
        try:
            assert store.frames <= 5
            number = 7
            store.write(frame(number))  # It goes on.
        finally:
            store.close()


# --- HTTP ----------------------------------------------------------------------------------------------

header_text = st.text(st.characters(max_codepoint=255), max_size=60)


@given(
    st.dictionaries(
        st.sampled_from(
            ["host", "origin", "referer", "cookie", "authorization", "sec-fetch-site", "x-forwarded-host"]
        ),
        st.one_of(
            header_text,
            st.sampled_from(["[::1", "http://[", "127.0.0.1:", "::", "Bearer ", "a=b;;=", "null"]),
        ),
    ),
    st.one_of(
        header_text,
        st.sampled_from(["token=%ff", "token", "&" * 500, "token=%ed%a0%80", "token=é"]),
    ),
    st.booleans(),
    st.sampled_from([None, "secret", "sécret"]),
)
def test_access_is_given_or_refused(
    given_headers: dict[str, str], query: str, steers: bool, token: str | None
) -> None:
    verdict = Access(token, ["hall.example"]).judge(given_headers, query, steers=steers)
    assert isinstance(verdict, Verdict) and verdict.status in (200, 401, 403, 429)
    assert token is None or not verdict.allowed


@given(
    st.binary(max_size=100),
    st.sampled_from([b"", b"scale=", b"quality=", b"fps=nan&", b"after=9e99", b"width=0x"]),
)
def test_a_query_is_read_or_refused(data: bytes, begins: bytes) -> None:
    try:
        query = Query(begins + data)
        for low, high, key in ((1, 8, "scale"), (16, 8192, "width"), (0, 2**53, "after")):
            number = query.whole(key, low, high)
            assert number is None or low <= number <= high
        query.number("fps", 0.1, 240)
        quality(query)
    except BadRequest as error:
        assert str(error)


@given(letters)
def test_the_name_of_a_download_is_a_header(name: str) -> None:
    said = attachment(name)
    assert said.isascii() and said.isprintable()
    Headers({"Content-Disposition": said})


@given(
    letters,
    st.binary(max_size=40),
    st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=4),
)
def test_a_request_is_handed_to_flask_whatever_is_in_it(path: str, query: bytes, lines: list[Any]) -> None:
    about = {"method": "GET", "http_version": "1.1", "query_string": query, "headers": lines}
    environ = environment({**about, "path": "/" + path}, b"")
    environ["PATH_INFO"].encode("latin-1")
    assert all(isinstance(value, str) for key, value in environ.items() if key.isupper())


PARTS = st.lists(
    st.sampled_from(
        [
            *(
                b"--x\r\n",
                b"--x--\r\n",
                b"\r\n",
                b"\r\n\r\n",
                b"\0",
                b"content",
                b"Content-Type: text/plain\r\n",
            ),
            *(
                b"Content-Disposition: form-data",
                b'; name="video"',
                b'; name="signal"',
                b'; name="processors"',
            ),
            *(
                b'; filename="a.mp4"',
                b'; filename="../../x\0y"',
                b"; name*=utf-8''%ff",
                b": \r\n",
                b"\xff\xfe",
            ),
        ]
    ),
    max_size=14,
)


@given(
    PARTS,
    st.sampled_from(["multipart/form-data; boundary=x", "multipart/form-data", "a/b; boundary=x", "\xff"]),
    st.integers(1, 9),
)
def test_a_form_is_taken_or_refused(parts: list[bytes], kind: str, step: int) -> None:
    body = b"".join(parts)
    with tempfile.TemporaryDirectory() as folder:
        try:
            upload = Upload(Path(folder), kind, lambda size: True)
        except Refused:
            return
        try:
            for at in range(0, len(body), step):
                upload.add(body[at : at + step])
            upload.add(None)
        except Refused as error:
            assert error.status in (400, 413)
        finally:
            upload.close()
        assert all(path.parent == Path(folder) for path in Path(folder).rglob("*"))


# --- settings ------------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(KEYS)), st.one_of(json_values, letters))
def test_a_setting_is_taken_or_refused(key: str, value: Any) -> None:
    try:
        StreamConfig(**{key: value})
    except SettingError:
        pass


@given(
    st.one_of(
        json_values,
        letters,
        st.sampled_from(["every: ", "best of every: 0", "best of", "os.system", "a..b", "every: 9e9"]),
    )
)
def test_a_trigger_is_taken_or_refused(value: Any) -> None:
    for read in (triggers.check, triggers.read):
        try:
            read("videoRecordEpisodes", value)
        except SettingError:
            pass


@given(json_values)
def test_a_check_passes_or_refuses(value: Any) -> None:
    each = (
        checks.boolean,
        checks.text,
        checks.whole(1, 9),
        checks.number(0, 1),
        checks.resolution,
        checks.levels,
    )
    for check in (*each, checks.envs, checks.names, checks.file, checks.processors, checks.hub, checks.model):
        try:
            check("key", value)
        except SettingError:
            pass


@given(json_values)
def test_what_goes_over_a_wire_is_json(value: Any) -> None:
    json.loads(wire.compact(value))
    json.loads(json.dumps(wire.brief(value), allow_nan=True))


# --- the bus -------------------------------------------------------------------------------------------


@given(st.one_of(said.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=60)))
def test_what_strangers_write_on_the_bus_is_read_or_left_out(data: bytes) -> None:
    layout.worker_of(data)
    for read in (
        lambda: layout.read_about("w", data),
        lambda: layout.read_demand(data),
        lambda: layout.read_quality(data),
        lambda: layout.read_server(data),
        lambda: layout.read_status(data),
        lambda: layout.read_picture([b"m", data, b"d", data], 1000),
        lambda: layout.read_picture([data], 1000),
    ):
        try:
            read()
        except EnvstreamError:
            pass


# --- the corpus, on a server ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    with furnished(tmp_path_factory.mktemp("corpus")) as server:
        yield server
        server.unharmed()
        assert not [line for line in server.trainer.errors if "Traceback" in line]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("http-*")), ids=lambda path: path.name)
def test_a_request_of_the_corpus_is_no_error_of_the_server(server: Furnished, path: Path) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(path.read_bytes())
        line.settimeout(0.3)  # Some wait for more, and have a right to.
        try:
            came = line.recv(65536)
        except OSError:
            came = b""
    assert not came.startswith(b"HTTP/1.1 5"), came


def test_the_corpus_is_small_and_named_for_what_it_is() -> None:
    files = [path for path in CORPUS.iterdir() if path.name != "README.md"]
    assert sum(path.stat().st_size for path in files) < 300_000
    assert [path.name for path in files if path.name.split("-")[0] not in ("http", "picture", "text")] == []

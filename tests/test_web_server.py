"""The server over real sockets: its addresses, its access rules, its limits, and hostile peers."""

from __future__ import annotations

import io
import itertools
import json
import re
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus

from envstream.config import StreamConfig
from envstream.entrance import keys_of
from fakes import PictureEnv
from serving import Watcher, drained, get, stats, streaming, until

NAME = "PictureEnv"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with streaming(PictureEnv(length=50)) as port:
        yield port


# Addresses.


def test_the_page_and_its_files_are_served_without_leaving_the_server(port: int) -> None:
    status, headers, body = get(port, "/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert b"<canvas" in body
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
    page = body.decode()
    assert 'src="/' not in page and 'href="/' not in page and "http" not in page.replace("http-equiv", "")
    assert get(port, "/static/app.js")[0] == 200


def test_files_outside_the_static_folder_are_not_served(port: int) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2f..%2fconfig.py", "/etc/passwd"):
        assert get(port, path)[0] == 404


def test_stats_has_the_fields_that_were_promised(port: int) -> None:
    get(port, "/screen")
    said = stats(port)
    assert set(said) >= {
        "frames_received",
        "frames_served",
        "frames_dropped",
        "clients_connected",
        "uptime_seconds",
        "current_fps",
        "server_running",
        "host",
        "port",
    }
    assert said["port"] == port and said["server_running"] is True
    assert said["frames_received"] >= 1 and said["frames_served"] >= 1


def test_streams_are_listed_with_their_metadata(port: int) -> None:
    get(port, "/screen")
    (stream,) = json.loads(get(port, "/api/streams")[2])["streams"]
    assert (stream["name"], stream["width"], stream["height"]) == (NAME, 6, 4)
    assert stream["settings"]["videoFps"] == 30.0


def test_health_says_ok(port: int) -> None:
    assert json.loads(get(port, "/health")[2])["status"] == "ok"


@pytest.mark.parametrize("path", ["/screen", "/api/screenshot"])
def test_a_screenshot_tells_its_story_and_is_never_stored(port: int, path: str) -> None:
    before = time.monotonic()
    status, headers, body = get(port, path)
    assert status == 200 and headers["content-type"] == "image/jpeg"
    assert headers["cache-control"] == "no-cache, no-store, must-revalidate"
    assert before <= float(headers["x-timestamp"]) <= float(headers["x-sent-at"]) <= time.monotonic()
    assert int(headers["x-frame-number"]) > 0 and float(headers["x-encode-time-ms"]) > 0
    assert Image.open(io.BytesIO(body)).size == (6, 4)


@pytest.mark.parametrize(
    ("query", "format", "size"),
    [
        ("?format=png", "PNG", (6, 4)),
        ("?format=webp&scale=3", "WEBP", (18, 12)),
        ("?format=png&scale=2&stream=PictureEnv", "PNG", (12, 8)),
    ],
)
def test_a_screenshot_comes_in_other_formats_and_sizes(
    port: int, query: str, format: str, size: tuple[int, int]
) -> None:
    picture = Image.open(io.BytesIO(get(port, "/api/screenshot" + query)[2]))
    assert (picture.format, picture.size) == (format, size)
    assert (np.asarray(picture.convert("RGB"))[-1] == 200).all()  # In the first row it flickers.


def test_a_screenshot_can_wait_for_the_next_picture(port: int) -> None:
    number = int(get(port, "/screen")[1]["x-frame-number"])
    assert int(get(port, f"/screen?after={number}")[1]["x-frame-number"]) > number


@pytest.mark.parametrize(
    "query",
    ["?quality=0", "?quality=101", "?quality=best", "?quality=nan", "?scale=9", "?format=gif", "?after=-1"],
)
def test_a_query_that_cannot_be_meant_is_answered_with_what_was_expected(port: int, query: str) -> None:
    status, _, body = get(port, "/screen" + query)
    assert status == 400 and b"expected" in body


def test_a_picture_that_a_format_has_no_room_for_is_refused_and_the_limit_named() -> None:
    with streaming(PictureEnv(np.full((20, 6000, 3), 9, np.uint8))) as port:
        status, _, body = get(port, "/screen?format=webp&scale=3", timeout=60)
        assert (status, b"at most 16383 pixels" in body) == (400, True)
        assert get(port, "/screen?format=webp&scale=2", timeout=60)[0] == 200
        assert get(port, "/screen?format=jpeg&scale=3", timeout=60)[0] == 200
        assert "could not be compressed" not in get(port, "/stats")[2].decode()


def test_an_unknown_stream_is_said_to_be_unknown(port: int) -> None:
    status, headers, body = get(port, "/screen?stream=nobody")
    assert status == 503 and headers["retry-after"] == "1" and b"no such stream" in body


@pytest.mark.parametrize("path", ["/", "/stream", "/screen", "/stats"])
def test_asking_for_headers_only_ends_at_once(port: int, path: str) -> None:
    assert get(port, path, method="HEAD", timeout=3)[0] == 200


def test_other_methods_and_paths_are_refused(port: int) -> None:
    assert get(port, "/stats", method="POST")[0] == 405
    assert get(port, "/nothing-here")[0] == 404


# MJPEG.


def _parts(
    port: int, count: int, query: str = "", version: str = "1.1"
) -> list[tuple[dict[str, str], bytes]]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"GET /stream{query} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        file = connection.makefile("rb")
        while file.readline().strip():
            pass
        data = b""
        while data.count(b"--envstream-frame\r\n") < count + 1:
            data += file.read1(65536)
    data = _unchunk(data) if version == "1.1" else data
    chunks = data.split(b"--envstream-frame\r\n")[1 : count + 1]
    parts = []
    for chunk in chunks:
        head, _, body = chunk.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        parts.append((headers, body.removesuffix(b"\r\n")))
    return parts


def _unchunk(data: bytes) -> bytes:
    """The body without its chunked encoding."""
    out = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size or b"0", 16)
        out, data = out + rest[:length], rest[length + 2 :]
    return out


def test_mjpeg_parts_are_pictures_with_headers_and_end_with_the_next_boundary(port: int) -> None:
    parts = _parts(port, 3)
    numbers = [int(headers["x-frame-number"]) for headers, _ in parts]
    assert numbers == sorted(set(numbers))
    for headers, body in parts:
        assert int(headers["content-length"]) == len(body)
        assert Image.open(io.BytesIO(body)).size == (6, 4)
        assert float(headers["x-timestamp"]) <= float(headers["x-encoded-at"]) <= float(headers["x-sent-at"])


def test_mjpeg_is_not_chunked_for_clients_of_before_chunks(port: int) -> None:
    assert len(_parts(port, 3, version="1.0")) == 3


def test_mjpeg_comes_at_the_rate_that_was_asked_for(port: int) -> None:
    times = [float(headers["x-timestamp"]) for headers, _ in _parts(port, 4, "?fps=5")]
    assert all(later - earlier > 0.1 for earlier, later in itertools.pairwise(times[1:]))


def test_curl_reads_the_stream(port: int, tmp_path: Path) -> None:
    file = tmp_path / "stream"
    subprocess.run(
        ["curl", "-s", "--max-time", "2", "-o", str(file), f"http://127.0.0.1:{port}/stream"], check=False
    )
    assert file.read_bytes().count(b"\xff\xd8\xff") >= 10


def test_opencv_reads_the_stream(port: int) -> None:
    cv2 = pytest.importorskip("cv2", reason="pip install opencv-python-headless")
    capture = cv2.VideoCapture(f"http://127.0.0.1:{port}/stream")
    try:
        frames = [capture.read() for _ in range(5)]
    finally:
        capture.release()
    assert all(ok and frame.shape == (4, 6, 3) for ok, frame in frames)


def test_ffmpeg_reads_the_stream(tmp_path: Path, required: Any) -> None:
    ffmpeg = required("ffmpeg")
    with streaming(PictureEnv(np.full((48, 64, 3), 200, np.uint8))) as port:
        file = tmp_path / "out.png"
        command = [ffmpeg, "-v", "error", "-f", "mpjpeg", "-i", f"http://127.0.0.1:{port}/stream"]
        done = subprocess.run(
            [*command, "-frames:v", "1", str(file)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert Image.open(io.BytesIO(file.read_bytes())).size == (64, 48)


# Sockets.


def test_hello_comes_first_and_the_status_after_a_watch(port: int) -> None:
    with Watcher(port) as watcher:
        assert watcher.hello["type"] == "hello" and watcher.hello["boot"]
        watcher.watch(NAME, status=True)
        status = watcher.message("streams")["streams"][0]
        assert status["name"] == NAME and status["viewers"] == 1


def test_no_more_than_the_window_is_ever_unacknowledged(port: int) -> None:
    with Watcher(port, NAME) as watcher:
        for _ in range(2):
            watcher.frame(ack=False)
        watcher.send(type="ping", t=1)
        assert watcher.message("pong")["t"] == 1
        with pytest.raises(TimeoutError):
            watcher.message("frame_metadata", timeout=0.4)
        watcher.ack({"stream": NAME, "frameNumber": 0})
        with pytest.raises(TimeoutError):
            watcher.message("frame_metadata", timeout=0.2)


def test_a_hidden_page_is_sent_nothing_and_costs_no_capture(port: int) -> None:
    with Watcher(port, NAME) as watcher:
        watcher.frame()
        watcher.watch(status=False)
        until(lambda: stats(port)["streams"][NAME]["viewers"] == 0, "no viewers")
        received = stats(port)["frames_received"]
        time.sleep(0.3)
        assert stats(port)["frames_received"] <= received + 1


def test_episodes_come_as_history_and_then_as_news(port: int) -> None:
    with Watcher(port) as watcher:
        watcher.watch(NAME, status=True)
        first = watcher.message("episodes")
        assert first["reset"] is True and first["stream"] == NAME
        then = watcher.message("episodes")
        assert then["reset"] is False and then["episodes"][0][1:] == [50, 75.0]


def test_a_thumbnail_is_as_narrow_as_was_asked() -> None:
    with streaming(PictureEnv(np.zeros((400, 600, 3), np.uint8))) as port, Watcher(port) as watcher:
        watcher.watch(NAME, width=320, fps=20)
        about, picture = watcher.frame()
        assert (about["width"], about["sourceWidth"]) == (320, 600)
        assert Image.open(io.BytesIO(picture)).size == (320, 213)


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "[]",
        '{"type": 3}',
        '{"type": "nonsense"}',
        '{"type": "ack", "stream": "PictureEnv", "frameNumber": 99999999}',
        '{"type": "ack", "stream": "PictureEnv", "frameNumber": -1}',
        '{"type": "ack"}',
        '{"type": "watch", "streams": 7}',
        '{"type": "watch", "streams": [{"name": "x", "fps": -3}]}',
        '{"type": "watch", "streams": [' + ",".join(['{"name":"x"}'] * 65) + "]}",
        "[" * 60_000,
        b"\x00\x01 binary",
    ],
    ids=lambda message: str(message)[:30],
)
def test_a_malformed_message_ends_that_connection_and_nobody_elses(port: int, message: str | bytes) -> None:
    with Watcher(port, NAME) as good, Watcher(port, NAME) as bad:
        bad.frame()
        bad.socket.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(100):
                bad.receive()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        for _ in range(3):
            good.frame()


def test_an_oversized_message_ends_that_connection(port: int) -> None:
    with Watcher(port) as watcher:
        watcher.socket.send("x" * 100_000)
        with pytest.raises(ConnectionClosed) as closed:
            watcher.receive()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


@pytest.mark.parametrize(
    "mess", [b"\x00\xff" * 500, b"GET / HTTP/9.9\r\n\r\n", b"G" * 70_000, b"\r\n\r\n\r\n"]
)
def test_malformed_http_ends_that_connection_and_nobody_elses(port: int, mess: bytes) -> None:
    with Watcher(port, NAME) as good, socket.create_connection(("127.0.0.1", port), timeout=5) as bad:
        bad.sendall(mess)
        bad.shutdown(socket.SHUT_WR)
        drained(bad)
        good.frame()


def test_garbage_after_a_websocket_handshake_ends_that_connection(port: int) -> None:
    with Watcher(port, NAME) as good, socket.create_connection(("127.0.0.1", port), timeout=5) as bad:
        bad.sendall(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in bad.recv(4096)
        bad.sendall(b"\xff" * 64)
        drained(bad)
        good.frame()


def test_a_reader_that_never_reads_delays_nobody(port: int) -> None:
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", port))
        stuck.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with Watcher(port, NAME) as good:
            for _ in range(10):
                good.frame()


def test_a_connection_that_is_reset_leaves_its_seat(port: int) -> None:
    before = stats(port)["clients_connected"]
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    until(lambda: stats(port)["clients_connected"] == before + 1, "the seat to be taken")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    until(lambda: stats(port)["clients_connected"] == before, "the seat to be free")


# Access.


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""])
def test_a_name_rebound_to_this_machine_is_refused(port: int, host: str) -> None:
    assert get(port, "/stats", {"Host": host})[0] == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9999", "[::1]:80", "LOCALHOST:1"])
def test_any_port_of_a_loopback_name_is_fine_so_that_tunnels_work(port: int, host: str) -> None:
    assert get(port, "/stats", {"Host": host})[0] == 200


def test_a_socket_from_another_site_is_refused(port: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        Watcher(port, origin="http://evil.example")
    assert refused.value.response.status_code == 403


def test_a_socket_from_the_page_itself_is_fine(port: int) -> None:
    with Watcher(port, origin=f"http://127.0.0.1:{port}"):
        pass


def test_a_listed_host_is_let_in() -> None:
    with streaming(PictureEnv(), videoStreamAllowedHosts=["hub.example"]) as port:
        assert get(port, "/stats", {"Host": "hub.example"})[0] == 200
        with Watcher(port, origin="https://hub.example"):
            pass


def test_a_token_opens_the_door_and_becomes_a_cookie() -> None:
    with streaming(PictureEnv(), videoStreamToken="s3cret") as port:
        for path in ("/", "/stats", "/stream", "/screen"):
            assert get(port, path)[0] == 401
        assert get(port, "/?token=wrong")[0] == 401
        status, headers, _ = get(port, "/?token=s3cret")
        cookie = headers["set-cookie"]
        assert status == 200 and "HttpOnly" in cookie and "SameSite" in cookie and "s3cret" not in cookie
        assert get(port, "/stats", {"Cookie": cookie.split(";")[0]})[0] == 200
        assert get(port, "/health")[0] == 200
        with pytest.raises(InvalidStatus) as refused:
            Watcher(port)
        assert refused.value.response.status_code == 401
        with Watcher(port, NAME, path="/ws?token=s3cret") as watcher:
            watcher.frame()


def test_a_public_host_makes_a_token_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with streaming(PictureEnv(), videoStreamHost="0.0.0.0") as port:
        assert get(port, "/stats")[0] == 401
        line = capsys.readouterr().err
        token = line.split("?token=")[1].split()[0]
        assert len(token) >= 20 and "ssh -L" in line
        assert get(port, f"/stats?token={token}")[0] == 200


def test_tokens_by_role_are_made_and_printed_and_make_the_page_closed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    roles = {"view": "auto", "control": "steering-it", "publish": "auto"}
    with streaming(PictureEnv(), videoStreamTokens=roles, videoStreamHost="0.0.0.0") as port:
        heard: list[str] = []

        def all_of_it() -> str:
            heard.append(capsys.readouterr().err)
            return "".join(heard) if "role publish" in "".join(heard) else ""

        said = until(all_of_it, "what is printed")
        assert "?token=steering-it" in said.partition("\n")[0], "the address is of the one that may most"
        printed = dict(re.findall(r"token of the role (\w+): (\S+)", said))
        assert set(printed) == {"view", "publish"} and len(printed["view"]) >= 20
        assert get(port, f"/stats?token={printed['view']}")[0] == 200
        assert get(port, f"/stats?token={printed['publish']}")[0] == 403
        assert get(port, "/stats")[0] == 401


def test_a_run_that_is_shown_elsewhere_shows_the_publishers_token() -> None:
    roles = {"publish": "sending-only", "view": "looking-only"}
    keys = keys_of(StreamConfig(videoStreamHub="ws://host", videoStreamTokens={**roles, "admin": "auto"}))
    assert keys == (None, roles) and keys.best == "looking-only", "what opens the page there is not made here"


def test_a_full_house_says_when_to_try_again() -> None:
    with streaming(PictureEnv(), videoStreamMaxViewers=1) as port, Watcher(port, NAME):
        with pytest.raises(InvalidStatus) as refused:
            Watcher(port)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "5"
        status, headers, _ = get(port, "/stream")
        assert status == 503 and headers["retry-after"] == "5"
        assert stats(port)["clients_refused"] == 2


def test_https_is_served_with_a_given_certificate(tmp_path: Path, required: Any) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [required("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    files = ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=localhost"]
    subprocess.run(
        [*command, *files, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True
    )
    settings = {"videoStreamTlsCert": str(cert), "videoStreamTlsKey": str(key)}
    with streaming(PictureEnv(), **settings) as port:
        context = ssl.create_default_context(cafile=str(cert))
        with socket.create_connection(("127.0.0.1", port)) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as secure:
                secure.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
                assert b"200 OK" in secure.recv(1000)

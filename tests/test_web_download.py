"""A file as an answer: what is sent is what was promised, whatever becomes of the file meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from envstream.web.download import attachment, download

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "movie.mp4"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def client(file: Path) -> Iterator[FlaskClient]:
    app = Flask(__name__)

    @app.get("/<path:name>")
    def served(name: str) -> Response:
        return download(file.parent, name)

    with app.test_client() as client:
        yield client


def got(client: FlaskClient, headers: dict[str, str] | None = None) -> TestResponse:
    return client.get("/movie.mp4", headers=headers, buffered=True)


def test_a_file_is_sent_whole(client: FlaskClient) -> None:
    answer = got(client)
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "video/mp4", CONTENT)
    assert answer.content_length == len(CONTENT)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=10-19", 10, 19), ("bytes=255990-", 255_990, 255_999), ("bytes=-5", 255_995, 255_999)],
)
def test_a_range_of_it_can_be_had(client: FlaskClient, asked: str, first: int, last: int) -> None:
    answer = got(client, {"Range": asked})
    assert (answer.status_code, answer.data) == (206, CONTENT[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"


def test_a_range_behind_its_end_is_refused(client: FlaskClient) -> None:
    assert got(client, {"Range": "bytes=256000-"}).status_code == 416


def test_what_grew_since_is_sent_as_long_as_it_was(client: FlaskClient, file: Path) -> None:
    with client.get("/movie.mp4") as answer:
        with file.open("ab") as more:
            more.write(b"more")
        assert answer.data == CONTENT
    assert got(client).data == CONTENT + b"more"


def test_what_was_replaced_since_is_sent_as_it_was(client: FlaskClient, file: Path) -> None:
    with client.get("/movie.mp4") as answer:
        new = file.with_suffix(".new")
        new.write_bytes(b"short")
        new.replace(file)
        assert answer.data == CONTENT
    assert got(client).data == b"short"


def test_a_browser_that_has_it_is_not_sent_it_again(client: FlaskClient, file: Path) -> None:
    etag = got(client).headers["ETag"]
    assert got(client, {"If-None-Match": etag}).status_code == 304
    file.write_bytes(b"another")
    assert got(client, {"If-None-Match": etag}).data == b"another"


@pytest.mark.parametrize("name", ["no.mp4", "..%2Fsecret", "%2Fetc%2Fpasswd", "."])
def test_what_is_not_in_the_folder_is_not_found(client: FlaskClient, file: Path, name: str) -> None:
    (file.parent.parent / "secret").write_text("secret")
    assert client.get(f"/{name}").status_code == 404


@pytest.mark.parametrize(
    "name", ["mov%00ie.mp4", "%00", "movie.mp4%00", "x" * 5000, "%ff%fe.mp4", "%ed%a0%80"]
)
def test_a_name_that_no_file_can_have_is_not_found(client: FlaskClient, file: Path, name: str) -> None:
    assert client.get(f"/{name}").status_code == 404


def test_a_file_of_any_name_can_be_had(client: FlaskClient, file: Path) -> None:
    file.rename(file.with_name('зима ❄ ".mp4'))
    answer = client.get('/зима ❄ ".mp4', buffered=True)
    assert answer.data == CONTENT
    answer.headers["Content-Disposition"].encode("ascii")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a-1.mp4", 'attachment; filename="a-1.mp4"'),
        ("ü.mp4", "attachment; filename=\"-.mp4\"; filename*=UTF-8''%C3%BC.mp4"),
        ("蛇.mp4", "attachment; filename=\"-.mp4\"; filename*=UTF-8''%E8%9B%87.mp4"),
        ('"\\\n.mp4', "attachment; filename=\"---.mp4\"; filename*=UTF-8''%22%5C%0A.mp4"),
        ("\ud800.mp4", "attachment; filename=\"-.mp4\"; filename*=UTF-8''%3F.mp4"),
    ],
)
def test_a_file_is_saved_by_its_name_whatever_its_letters(name: str, said: str) -> None:
    assert attachment(name) == said

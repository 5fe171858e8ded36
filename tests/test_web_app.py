"""The Flask app: the page, its files, and JSON that browsers can read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from envstream import __version__
from envstream.config import StreamConfig
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.web.app import STATIC, create_app

SECRET = "the-token"
ADDRESSES = ["/", "/stats", "/api/streams", "/health", "/favicon.ico", "/static/app.js", "/nowhere"]


@pytest.fixture
def hub(pool: ThreadPoolExecutor) -> Hub:
    return Hub(StreamConfig(videoStreamToken=SECRET), pool)


@pytest.fixture
def client(hub: Hub) -> FlaskClient:
    return create_app(hub).test_client()


def read(client: FlaskClient, path: str) -> Any:
    """The JSON at an address, as strictly as browsers read it."""
    response = client.get(path)
    assert response.content_type == "application/json"
    return json.loads(response.data, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_the_page_is_served(client: FlaskClient) -> None:
    with client.get("/") as response:
        assert response.content_type.startswith("text/html")
        assert b"<title>" in response.data


@pytest.mark.parametrize("name", sorted(path.name for path in STATIC.iterdir() if path.is_file()))
def test_every_file_of_the_page_is_served_with_a_type(client: FlaskClient, name: str) -> None:
    with client.get(f"/static/{name}") as response:
        assert response.status_code == 200
        kind = {"js": "javascript", "css": "css", "svg": "svg", "html": "html"}[name.rpartition(".")[2]]
        assert kind in response.content_type


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/.", "/static/"])
def test_nothing_beside_the_pages_files_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ADDRESSES)
def test_every_answer_says_how_long_it_may_be_kept(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        assert response.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/", "/stats", "/api/streams", "/health", "/static/app.js"])
def test_no_answer_is_used_again_unasked(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        assert "no-cache" in response.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/", "/stats", "/health"])
def test_what_is_read_cannot_be_posted_to(client: FlaskClient, path: str) -> None:
    assert client.post(path).status_code == 405


def test_health_needs_no_stream(client: FlaskClient) -> None:
    assert read(client, "/health") == {
        "status": "ok",
        "server": "envstream",
        "version": __version__,
        "streams": 0,
    }


def test_stats_are_the_hubs(client: FlaskClient, hub: Hub, frame: Callable[..., Frame]) -> None:
    hub.open("env", "CartPole-v1", hub.config).put(frame(1), 1.0)
    stats = read(client, "/stats")
    assert stats["frames_received"] == 1
    assert stats["streams"]["env"]["title"] == "CartPole-v1"


def test_numbers_that_json_has_no_word_for_are_null(
    client: FlaskClient, hub: Hub, frame: Callable[..., Frame]
) -> None:
    hub.open("env", "env", hub.config).put(frame(1, **{"return": math.nan}), 1.0)
    assert read(client, "/stats")["streams"]["env"]["return"] is None
    assert read(client, "/api/streams")["streams"][0]["return"] is None


def test_streams_are_listed_in_the_order_they_began(client: FlaskClient, hub: Hub) -> None:
    for name in "ba":
        hub.open(name, name, hub.config)
    assert [stream["name"] for stream in read(client, "/api/streams")["streams"]] == ["b", "a"]


def test_a_stream_is_listed_with_the_settings_that_matter_to_who_watches(
    client: FlaskClient, hub: Hub
) -> None:
    hub.open("env", "env", StreamConfig(videoFps=12))
    (stream,) = read(client, "/api/streams")["streams"]
    assert stream["settings"]["videoFps"] == 12


@pytest.mark.parametrize("path", ["/", "/stats", "/api/streams", "/health"])
def test_the_token_is_told_to_nobody(client: FlaskClient, hub: Hub, path: str) -> None:
    hub.open("env", "env", hub.config)
    with client.get(path) as response:
        assert SECRET not in response.get_data(as_text=True)

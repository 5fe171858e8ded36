"""`/openapi.json`: it is a description as OpenAPI has it, of all that there is, and what it says is so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from envstream._version import __version__
from envstream.config import StreamConfig
from envstream.hub import Hub
from envstream.web.app import create_app
from envstream.web.asgi import ON_THE_LOOP, SOCKETS
from envstream.web.backend import Backend
from envstream.web.cameras import Cameras
from envstream.web.metrics import Metrics
from furnished import DESCRIPTION, Furnished, furnished
from serving import get, training

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')
validator = pytest.importorskip("openapi_spec_validator", reason='pip install "gymnasium-envstream[test]"')
jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[1]
SILENT = {"HEAD", "OPTIONS"}  # Answered wherever GET is.
OPERATIONS = {
    (path, method): operation
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    with furnished(tmp_path_factory.mktemp("openapi")) as server:
        yield server


def resolved(part: Any) -> Any:
    """What a reference means."""
    if "$ref" not in part:
        return part
    found: Any = DESCRIPTION
    for key in part["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


def described(rule: str) -> str:
    """The address of a route as OpenAPI writes it, whatever its parameters are called."""
    return re.sub(r"<[^>]+>|\{[^}]+\}", "{}", rule)


def judged(path: str, method: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Fails unless an answer is one that the description tells of."""
    answers = OPERATIONS[path, method]["responses"]
    assert str(status) in answers, f"{method} {path}: {status} is not described"
    contents = resolved(answers[str(status)]).get("content", {})
    kind = headers.get("content-type", "").split(";")[0]
    if not contents:
        assert not body
        return
    content = contents.get(kind) or contents.get("*/*")
    assert content is not None, f"{method} {path}: {status} comes as {kind!r}, and not as {list(contents)}"
    if kind == "application/json" and status != 206:  # A piece of JSON is none.
        schema = {**content["schema"], "components": DESCRIPTION["components"]}
        jsonschema.Draft202012Validator(schema).validate(json.loads(body))


def test_it_is_a_description_as_openapi_has_it() -> None:
    validator.validate(DESCRIPTION)
    assert DESCRIPTION["info"]["version"] == __version__


def test_every_route_is_in_it_and_it_tells_of_no_other(pool: ThreadPoolExecutor) -> None:
    hub = Hub(StreamConfig(videoStream=True), pool)
    cameras: Any = object.__new__(Cameras)
    metrics: Any = object.__new__(Metrics)
    app = create_app(hub, Backend(cameras=cameras, metrics=metrics))
    routes = {
        (described(rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - SILENT
    }
    there = routes | {(path, method.lower()) for method, path in ON_THE_LOOP if method not in SILENT}
    assert there == {(described(path), method) for path, method in OPERATIONS}


def test_every_socket_is_in_it_and_it_tells_of_no_other() -> None:
    assert {described(path) for path in DESCRIPTION["x-websockets"]} == {described(path) for path in SOCKETS}


def test_every_address_of_the_readme_is_in_it() -> None:
    table = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("## Addresses")[2].partition("\n## ")[0]
    )
    said = re.findall(r"`(?:GET|POST|GET\\\|POST) (/[^`]*)`", table)
    forms = [re.compile(re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(path)) + "$") for path, _ in OPERATIONS]
    assert len(said) > 15
    plain = [re.sub(r"<\w+>", "x", path) for path in said]
    assert [path for path in plain if not any(form.match(path) for form in forms)] == []


def test_operations_are_told_apart_and_say_what_they_do() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in OPERATIONS.values())


def test_a_server_serves_it(server: Furnished) -> None:
    status, headers, body = get(server.port, "/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json") and json.loads(body) == DESCRIPTION


def test_what_is_answered_is_as_described(server: Furnished) -> None:
    names = {**server.names, "level": "high", "token": "hall", "what": "start"}
    seen = set()
    for (path, method), _ in OPERATIONS.items():
        if path in ("/stream", "/analyze", "/api/sessions/{id}/end"):
            continue  # The first has no end, the second wants a film, the last a session that is not over.
        given = {**names, "id": names["session"]} if path.startswith("/sessions") else names
        given = {**given, "name": "app.js"} if path.startswith("/static") else given
        address = re.sub(r"\{(\w+)\}", lambda found, given=given: given[found[1]], path)
        status, headers, body = get(server.port, address, method=method.upper(), timeout=60)
        judged(path, method, status, headers, body)
        seen.add((path, method, status))
    assert [each for each in seen if each[2] != 200] == []
    assert get(server.port, "/api/record/stop", method="POST")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "address", "headers", "status"),
    [
        ("get", "/screen", "/screen?scale=9", {}, 400),
        ("get", "/screen", "/screen?stream=nobodys", {}, 503),
        ("get", "/stream", "/stream?fps=0", {}, 400),
        ("get", "/stats", "/stats", {"Host": "evil.example"}, 403),
        ("get", "/api/episodes", "/api/episodes?stream=no", {}, 404),
        ("get", "/api/episodes/{id}", "/api/episodes/e0", {}, 404),
        ("get", "/api/streaming/stats", "/api/streaming/stats?stream=no", {}, 404),
        ("post", "/api/streaming/quality/{level}", "/api/streaming/quality/best", {}, 404),
        ("post", "/api/record/{what}", "/api/record/pause", {}, 404),
        ("post", "/api/record/{what}", "/api/record/stop?stream=no", {}, 404),
        ("post", "/api/replay", "/api/replay", {"Origin": "http://evil.example"}, 403),
        ("get", "/recordings/{name}", "/recordings/no.mp4", {}, 404),
        ("get", "/recordings/{name}", "/recordings/no.txt", {}, 404),
        ("get", "/sessions/{id}/{file}", "/sessions/no/video.mp4", {}, 404),
        ("get", "/sessions/{id}/{file}", "/sessions/complete/result.json", {"Range": "bytes=0-4"}, 206),
        ("get", "/sessions/{id}/{file}", "/sessions/complete/result.json", {"Range": "bytes=999999-"}, 416),
        ("get", "/static/{name}", "/static/no.js", {}, 404),
        ("get", "/camera/{token}", "/camera/h%20a", {}, 404),
        ("post", "/api/sessions/{id}/end", "/api/sessions/complete/end", {}, 404),
        ("post", "/analyze", "/analyze", {}, 400),
    ],
)
def test_refusals_are_as_described(
    server: Furnished, method: str, path: str, address: str, headers: dict[str, str], status: int
) -> None:
    came, answered, body = get(server.port, address, headers, method.upper(), timeout=60)
    assert came == status
    judged(path, method, came, answered, body)


def test_it_asks_for_a_token_where_there_is_one(tmp_path: Path) -> None:
    with training(videoStreamToken="secret") as trainer:
        for path in ("/", "/stats", "/openapi.json", "/screen"):
            judged(path, "get", *get(trainer.port, path))
            assert get(trainer.port, path)[0] == 401

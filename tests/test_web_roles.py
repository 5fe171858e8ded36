"""Roles: every cell of the table role × address holds at a real server, and no address is missing in it."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from envstream.checks import ROLES
from envstream.config import StreamConfig
from envstream.hub import Hub
from envstream.web import asgi
from envstream.web.app import create_app
from envstream.web.backend import Backend
from envstream.web.cameras import Cameras
from envstream.web.metrics import Metrics
from envstream.web.roles import ADMIN, CONTROL, COVERS, OTHERWISE, SOCKET, TABLE, VIEW, Role, Rule, rule_for
from fakes import PictureEnv
from serving import Watcher, streaming

ONE = "one-for-all-of-it"
TOKENS = {role: f"token-of-{role}-é+/" for role in ROLES}
CLOSED = (401, 403)
# What stands for the parts of an address; nothing of it is there, so that nothing is done.
PARTS = {
    "<path:name>": "app.js",
    "<name>": "none",
    "<level>": "9999",
    "<what>": "nothing",
    "<file>": "video.mp4",
}
LISTED, UNLISTED = "hall", "attic"

FULL = Backend(cameras=cast(Cameras, object()), metrics=cast(Metrics, object()))
APP = create_app(Hub(StreamConfig(), ThreadPoolExecutor(1)), FULL)

_strangers = itertools.count(1)


class Shown(NamedTuple):
    """What a request shows of itself."""

    words: str
    role: Role | None
    query: str = ""
    headers: dict[str, str] = {}


def in_query(text: str) -> str:
    return f"?token={quote(text, safe='')}"


def asked(port: int, method: str, path: str, shown: Shown) -> tuple[int, dict[str, str], str]:
    """Status, headers and the beginning of the body; each request from an address of its own."""
    number = next(_strangers)
    headers = {"X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", **shown.headers}
    if method == SOCKET:
        try:
            with connect(f"ws://127.0.0.1:{port}{path}{shown.query}", additional_headers=headers):
                return 101, {}, ""
        except InvalidStatus as refused:
            answer = refused.response
            return answer.status_code, dict(answer.headers.raw_items()), (answer.body or b"").decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path + shown.query, headers=headers)
        answer = connection.getresponse()
        body = b"" if answer.status == 200 else answer.read()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body.decode()
    finally:
        connection.close()


def address_of(rule: Rule, camera: str = UNLISTED) -> str:
    """An address of a row."""
    address = rule.address.replace("<token>", camera)
    for part, text in PARTS.items():
        address = address.replace(part, text)
    return address


def cookie_of(port: int, text: str) -> dict[str, str]:
    _, headers, _ = asked(port, "GET", "/health", Shown("", None, in_query(text)))
    return {"Cookie": headers["set-cookie"].partition(";")[0]}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("kept")
    given = {
        "videoStreamToken": ONE,
        "videoStreamTokens": TOKENS,
        "videoStreamCameras": [LISTED],
        "videoStreamTrustedProxies": ["127.0.0.1"],
        "videoStreamFolder": str(folder / "sessions"),
        "videoRecordFolder": str(folder / "videos"),
    }
    with streaming(PictureEnv(), **given) as port:
        yield port


@pytest.fixture(scope="module")
def everybody(port: int) -> list[Shown]:
    """All that a request may show: nothing, something wrong, each role's token in three ways."""
    all_of_them = [(Role(role), text) for role, text in TOKENS.items()] + [(ADMIN, ONE)]
    shown = [
        Shown("nothing", None),
        Shown("a wrong token", None, in_query("token-of-nobody")),
        Shown("a wrong bearer", None, headers={"Authorization": "Bearer token-of-nobody"}),
        Shown("a wrong cookie", None, headers={"Cookie": "envstream-01234567=89abcdef"}),
    ]
    for role, text in all_of_them:
        shown.append(Shown(f"the token of {role.value}", role, in_query(text)))
        shown.append(Shown(f"the cookie of {role.value}", role, headers=cookie_of(port, text)))
    plain = Shown("the bearer of admin", ADMIN, headers={"Authorization": f"Bearer {ONE}"})
    return [*shown, plain]


def expected(rule: Rule, role: Role | None) -> int | None:
    """The status with which it is refused; None = it is not. Written anew: the code is not its judge."""
    if not rule.roles or role is ADMIN:
        return None
    if role is None:
        return 401
    may = {"view": {"view"}, "control": {"view", "control"}, "publish": {"publish"}}[role.value]
    return None if may & {each.value for each in rule.roles} else 403


def name_of(rule: Rule) -> str:
    return f"{'|'.join(rule.methods)} {rule.address}"


CELLS = [(method, rule) for rule in TABLE for method in rule.methods]


@pytest.mark.parametrize(
    ("method", "rule"), CELLS, ids=lambda value: value if isinstance(value, str) else value[1]
)
def test_every_cell_of_the_table_holds(port: int, everybody: list[Shown], method: str, rule: Rule) -> None:
    wrong = []
    for shown in everybody:
        status, _, body = asked(port, method, address_of(rule), shown)
        refused = status if status in CLOSED else None
        if refused != expected(rule, shown.role) or status in (429, 500):
            wrong.append(f"{shown.words}: {status} {body}")
        if refused == 403:
            assert all(role.value in body for role in rule.roles), "it says which role it takes"
            assert shown.role is not None and f"yours is of the role {shown.role.value}" in body
    assert wrong == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", SOCKET])
@pytest.mark.parametrize("path", ["/nowhere", "/api//streams", "/static/", "/api/record", "/ws/nothing"])
def test_what_is_in_no_row_needs_view(port: int, everybody: list[Shown], method: str, path: str) -> None:
    assert rule_for(method, path) is OTHERWISE
    for shown in everybody[:1] + everybody[4:8]:
        status, _, _ = asked(port, method, path, shown)
        assert (status if status in CLOSED else None) == expected(OTHERWISE, shown.role), shown.words


@pytest.mark.parametrize("rule", [rule for rule in TABLE if rule.camera], ids=name_of)
def test_the_token_of_a_listed_camera_opens_its_own_addresses(
    port: int, everybody: list[Shown], rule: Rule
) -> None:
    for shown in everybody:
        assert asked(port, rule.methods[0], address_of(rule, LISTED), shown)[0] in (101, 200), shown.words


def test_head_asks_for_what_get_asks(port: int) -> None:
    for rule in TABLE:
        if "GET" in rule.methods:
            status = asked(port, "HEAD", address_of(rule), Shown("nothing", None))[0]
            assert (status == 401) == bool(rule.roles), rule.address


@pytest.mark.parametrize(
    "path", ["//api/record/start", "/api//record/start", "/api/record/start/", "/api/./record/start"]
)
def test_another_spelling_of_an_address_does_not_steer(port: int, path: str) -> None:
    shown = Shown("view", VIEW, in_query(TOKENS["view"]))
    status, _, body = asked(port, "POST", path, shown)
    assert status in (308, 403, 404, 405), body


def test_the_page_hears_of_its_role(port: int) -> None:
    for role, text in [*TOKENS.items(), ("admin", ONE)]:
        if role != "publish":
            with Watcher(port, path="/ws" + in_query(text)) as watcher:
                assert watcher.hello["role"] == role
    with Watcher(port, path=f"/ws/view/{LISTED}") as watcher:
        assert watcher.hello["role"] == "view"


def test_the_token_in_the_address_goes_before_the_cookie(port: int) -> None:
    cookie = cookie_of(port, ONE)
    with Watcher(port, path="/ws" + in_query(TOKENS["view"]), additional_headers=cookie) as watcher:
        assert watcher.hello["role"] == "view"


def test_of_two_cookies_the_one_that_may_more_counts(port: int) -> None:
    both = "; ".join(cookie_of(port, text)["Cookie"] for text in (TOKENS["view"], TOKENS["control"]))
    with Watcher(port, additional_headers={"Cookie": both}) as watcher:
        assert watcher.hello["role"] == "control"


# --- the table itself ----------------------------------------------------------------------------------


def test_every_address_of_the_pages_is_in_a_row() -> None:
    routes = {
        (method, route.rule)
        for route in APP.url_map.iter_rules()
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}
    }
    rows = {(method, rule.address) for rule in TABLE for method in rule.methods}
    assert routes - rows == set()


PIECES = ["/", "//", ".", "..", "%2f", "%2F", "\n", ";", "?", "\\", " ", "é", "x", "\0", ".mp4"]


@settings(max_examples=400, deadline=None)
@given(
    rule=st.sampled_from([rule for rule in TABLE if SOCKET not in rule.methods]),
    marred=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(PIECES)), max_size=3),
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
)
def test_what_flask_takes_for_an_address_is_that_row(
    rule: Rule, marred: list[tuple[int, str]], method: str
) -> None:
    path = address_of(rule)
    for at, piece in marred:
        path = path[:at] + piece + path[at:]
    try:
        matched = APP.url_map.bind("host", path_info=path).match(method=method, return_rule=True)[0]
    except (HTTPException, RequestRedirect):
        return
    assert rule_for(method, path).address == matched.rule


def test_every_address_beside_the_pages_is_in_a_row() -> None:
    sockets = [(SOCKET, path.replace("{", "<").replace("}", ">")) for path in asgi.SOCKETS]
    rows = {(method, rule.address) for rule in TABLE for method in rule.methods}
    assert {*asgi.ON_THE_LOOP, *sockets} - rows == set()


def test_no_row_is_there_twice_or_hidden_by_one_before_it() -> None:
    for method, rule in CELLS:
        assert rule_for(method, address_of(rule)) is rule, name_of(rule)


def test_an_address_is_matched_as_a_whole() -> None:
    assert rule_for("GET", "/statsx") is OTHERWISE
    assert rule_for("GET", "/x/stats") is OTHERWISE
    assert rule_for("GET", "/stats\n") is OTHERWISE
    assert rule_for("GET", "/api/episodes/a/b") is OTHERWISE
    assert rule_for("POST", "/stats") is OTHERWISE


def test_only_what_is_the_same_for_everybody_is_open() -> None:
    assert [rule.address for rule in TABLE if not rule.roles] == [
        "/health",
        "/health/live",
        "/health/ready",
        "/static/<path:name>",
        "/favicon.ico",
    ]


def test_who_steers_may_see_and_who_publishes_may_not() -> None:
    assert COVERS[CONTROL] >= COVERS[VIEW] and COVERS[ADMIN] == set(Role)
    assert VIEW not in COVERS[Role.PUBLISH]


def test_the_roles_that_settings_take_are_those_that_there_are() -> None:
    assert [role.value for role in Role] == list(ROLES)


def test_the_document_has_the_table_of_the_code() -> None:
    text = (Path(__file__).parents[1] / "docs" / "security.md").read_text(encoding="utf-8")
    assert "\n".join(map(row_of, [*TABLE, OTHERWISE])) in text


def row_of(rule: Rule) -> str:
    """A row as the document has it."""
    who = ["yes" if rule.allows(role) else "–" for role in (None, *Role)]
    if rule.camera:
        who[0] = "its own"
    methods = "" if rule is OTHERWISE else "\\|".join(rule.methods) + " "
    return f"| `{methods}{rule.address}` | {' | '.join(who)} |"


def test_a_session_that_is_not_there_cannot_be_ended(port: int) -> None:
    status, _, body = asked(port, "POST", "/api/sessions/none/end", Shown("", ADMIN, in_query(ONE)))
    assert status == 404 and json.loads(body)["success"] is False


def test_any_of_them_is_a_role(everybody: list[Any]) -> None:
    assert {shown.role for shown in everybody} == {None, *Role}

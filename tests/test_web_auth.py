"""Access: who comes with the right token, name and origin goes through, and nobody else."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.web.auth import Access, Verdict
from envstream.web.roles import Rule, rule_for

TOKEN = "s3cret token/+&é"
HOME = {"host": "127.0.0.1:8080"}


def cookie_of(access: Access, token: str = TOKEN) -> str:
    cookie = access.judge(HOME, f"token={quote(token)}").cookie
    assert cookie is not None
    return cookie


# --- without a token: names ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.0.0.1"])
def test_loopback_names_are_answered_to(host: str) -> None:
    assert Access(None).judge({"host": host}, "").allowed


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "[::1"]
)
def test_other_names_are_refused_and_the_setting_is_named(host: str) -> None:
    verdict = Access(None).judge({"host": host}, "")
    assert verdict.status == 403
    assert "videoStreamAllowedHosts" in verdict.reason


def test_a_listed_name_is_answered_to_in_any_case() -> None:
    assert Access(None, ["Hub.example.org"]).judge({"host": "hub.EXAMPLE.org:443"}, "").allowed


def test_a_request_without_a_host_is_refused() -> None:
    assert Access(None).judge({}, "").status == 403


# --- origins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, TOKEN], ids=["no token", "token"])
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.example",
        "http://127.0.0.1:9999",
        "http://localhost:8080",
        "http://127.0.0.1:8080.evil.example",
        "file://",
        "",
        "127.0.0.1:8080",
    ],
)
def test_a_page_of_another_site_is_refused(origin: str, token: str | None) -> None:
    verdict = Access(token).judge({**HOME, "origin": origin}, f"token={quote(TOKEN)}")
    assert verdict.status == 403


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:8080", "https://127.0.0.1:8080", "HTTP://127.0.0.1:8080"]
)
def test_the_servers_own_page_is_let_through(origin: str) -> None:
    assert Access(None).judge({**HOME, "origin": origin}, "").allowed


def test_a_page_behind_a_proxy_is_known_by_the_name_the_proxy_passes_on() -> None:
    headers = {**HOME, "origin": "https://hub.example.org", "x-forwarded-host": "hub.example.org, inner"}
    assert Access(None).judge(headers, "").allowed


def test_a_page_behind_a_proxy_is_known_by_a_listed_name() -> None:
    headers = {**HOME, "origin": "https://hub.example.org:8443"}
    assert Access(None, ["hub.example.org"]).judge(headers, "").allowed


# --- steering ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "cross-site", "referer": "http://127.0.0.1:8080/"},
        {"referer": "http://evil.example/"},
        {"referer": "http://127.0.0.1:9999/"},
        {"referer": "about:blank"},
    ],
)
def test_another_sites_page_may_look_without_an_origin_but_not_steer(headers: dict[str, str]) -> None:
    assert Access(None).judge({**HOME, **headers}, "").allowed
    assert Access(None).judge({**HOME, **headers}, "", steers=True).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"referer": "http://127.0.0.1:8080/page?a=b"},
        {"referer": "https://hub.example.org/a/", "x-forwarded-host": "hub.example.org"},
    ],
)
def test_our_own_page_and_who_has_none_may_steer(headers: dict[str, str]) -> None:
    assert Access(None).judge({**HOME, **headers}, "", steers=True).allowed


# --- with a token --------------------------------------------------------------------------------------


def test_without_its_token_a_server_says_where_it_was_printed() -> None:
    verdict = Access(TOKEN).judge(HOME, "")
    assert verdict.status == 401
    assert "printed" in verdict.reason


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, f"token={quote(TOKEN)}"),
        ({}, f"stream=a&token={quote(TOKEN)}&fps=3"),
        ({"authorization": "Bearer plain"}, ""),
        ({"authorization": "bearer  plain "}, ""),
    ],
)
def test_the_token_comes_in_the_query_or_in_a_header(headers: dict[str, str], query: str) -> None:
    token = "plain" if headers else TOKEN
    assert Access(token).judge({**HOME, **headers}, query).allowed


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, "token="),
        ({}, "token=wrong"),
        ({}, "token=plainx"),
        ({}, "nottoken=plain"),
        ({}, "token=wrong&token=plain"),
        ({"authorization": "Basic plain"}, ""),
        ({"authorization": "Bearer"}, ""),
        ({"cookie": "envstream=plain"}, ""),
    ],
)
def test_anything_else_is_not_the_token(headers: dict[str, str], query: str) -> None:
    assert Access("plain").judge({**HOME, **headers}, query).status == 401


def test_any_name_is_answered_to_by_who_has_the_token() -> None:
    assert Access(TOKEN).judge({"host": "gpu-7.cluster"}, f"token={quote(TOKEN)}").allowed


def test_the_page_sets_a_cookie_that_opens_the_rest() -> None:
    access = Access(TOKEN)
    cookie = cookie_of(access).partition(";")[0]
    assert access.judge({**HOME, "cookie": f"other=1; {cookie}; more=2"}, "").allowed


def test_a_cookie_is_set_only_where_the_token_came_in_the_address() -> None:
    assert Access("plain").judge({**HOME, "authorization": "Bearer plain"}, "").cookie is None
    assert Access(None).judge(HOME, "").cookie is None


def test_the_cookie_does_not_hold_the_token() -> None:
    assert "plain" not in cookie_of(Access("plain"), "plain")


def test_the_cookie_of_another_token_opens_nothing() -> None:
    cookie = cookie_of(Access(TOKEN)).partition(";")[0]
    assert Access("other").judge({**HOME, "cookie": cookie}, "").status == 401


def test_scripts_and_other_sites_do_not_get_the_cookie() -> None:
    cookie = cookie_of(Access(TOKEN))
    assert "; HttpOnly" in cookie and "; SameSite=Strict" in cookie


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_travels_encrypted_where_the_page_does(scheme: str, secure: bool) -> None:
    assert ("; Secure" in cookie_of(Access(TOKEN, scheme=scheme))) == secure


# --- roles ---------------------------------------------------------------------------------------------

ROLES = {"view": "only-looking", "control": "steering-too", "publish": "only-sending"}
STEER = rule_for("POST", "/api/replay")
SEND = rule_for("WS", "/stream")


def shown(access: Access, token: str, rule: Rule) -> Verdict:
    return access.judge(HOME, f"token={quote(token)}", rule=rule)


def test_a_token_opens_what_its_role_may_do_and_no_more() -> None:
    access = Access(TOKEN, tokens=ROLES)
    assert [shown(access, token, STEER).status for token in (*ROLES.values(), TOKEN)] == [403, 200, 403, 200]
    assert [shown(access, token, SEND).status for token in (*ROLES.values(), TOKEN)] == [403, 403, 200, 200]


def test_who_is_refused_for_the_role_hears_both_and_keeps_the_cookie() -> None:
    verdict = shown(Access(None, tokens=ROLES), "only-looking", STEER)
    assert "role control" in verdict.reason and "role view" in verdict.reason
    assert verdict.cookie is not None and verdict.guessed is False


def test_with_tokens_by_role_alone_nobody_is_let_in_without_one() -> None:
    access = Access(None, tokens=ROLES)
    assert access.judge(HOME, "").status == 401
    assert access.judge({"host": "any.name"}, f"token={ROLES['view']}").status == 200


def test_each_role_has_a_cookie_of_its_own() -> None:
    access = Access(TOKEN, tokens=ROLES)
    cookies = {cookie_of(access, token).partition("=")[0] for token in (*ROLES.values(), TOKEN)}
    assert len(cookies) == 4


def test_who_guesses_a_token_cannot_make_its_cookie() -> None:
    here, elsewhere = Access(TOKEN, key=b"ours"), Access(TOKEN, key=b"guessed")
    crumb = cookie_of(elsewhere).partition(";")[0]
    assert here.judge({**HOME, "cookie": crumb}, "").status == 401
    again = Access(TOKEN, key=b"ours")
    assert again.judge({**HOME, "cookie": cookie_of(here).partition(";")[0]}, "").allowed, "the next run's"


def test_a_wrong_token_is_told_from_none() -> None:
    access = Access(TOKEN)
    assert access.judge(HOME, "token=wrong").guessed
    assert access.judge({**HOME, "authorization": "Bearer wrong"}, "").guessed
    assert not access.judge(HOME, "").guessed
    assert not access.judge({**HOME, "cookie": "envstream-01234567=89"}, "").guessed
    assert not access.judge(HOME, f"token={quote(TOKEN)}").guessed


def test_who_is_not_looked_at_hears_how_long() -> None:
    access = Access(TOKEN)
    verdict = access.judge(HOME, f"token={quote(TOKEN)}", blind=4.5)
    assert (verdict.status, verdict.wait, verdict.guessed) == (429, 4.5, False)
    assert access.judge(HOME, "", blind=4.5).status == 401


# --- hostile requests ----------------------------------------------------------------------------------

header = st.text(st.characters(max_codepoint=255), max_size=30) | st.sampled_from(
    ["http://[", "//[::1", "a" * 999]
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("host", "origin", "cookie", "authorization", "x-forwarded-host"), header),
    ),
    st.text(st.characters(max_codepoint=255), max_size=30) | st.just("&".join(["token=x"] * 100)),
    st.sampled_from([None, "plain"]),
)
def test_any_request_gets_a_verdict(headers: dict[str, str], query: str, token: str | None) -> None:
    access = Access(token)
    assert access.judge(headers, query).status in (200, 401, 403)
    assert access.judge({**headers, **HOME}, query).status in (200, 401, 403)


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://]"])
def test_an_origin_that_cannot_be_read_is_refused(origin: str) -> None:
    assert Access(None).judge({**HOME, "origin": origin}, "").status == 403


def test_a_query_of_too_many_fields_is_not_the_token() -> None:
    assert Access("plain").judge(HOME, "&".join(["token=x"] * 100)).status == 401

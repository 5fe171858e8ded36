"""The gate: the order in which access, roles and limits are asked, and that nobody is locked out."""

from __future__ import annotations

from typing import Any

import pytest

from envstream.web.auth import Access
from envstream.web.gate import Gate, role_of
from envstream.web.limits import GUESSES, Limits
from envstream.web.roles import ADMIN, VIEW

TOKEN, VIEWERS, KEY = "the-one-for-all", "viewers-only", b"key"
STRANGER, PROXY = "203.0.113.7", "10.0.0.1"


class House:
    """A gate, its clock, and whoever knocks."""

    def __init__(self, token: str | None = TOKEN, handshakes: float | None = 20) -> None:
        self.now = 0.0
        tokens = {} if token is None else {"view": VIEWERS}
        access = Access(token, (), "http", tokens, KEY)
        limits = Limits(handshakes, [PROXY])
        self.gate = Gate(access, limits, lambda path: path.endswith("/hall"), lambda: self.now)

    def knock(
        self, path: str = "/", token: str = "", *, method: str = "GET", peer: str = STRANGER, **headers: str
    ) -> Any:
        given = {"host": "127.0.0.1:8080", **{name.replace("_", "-"): text for name, text in headers.items()}}
        scope = {
            "type": "websocket" if method == "WS" else "http",
            "method": method,
            "path": path,
            "query_string": f"token={token}".encode() if token else b"",
            "headers": [(name.encode(), text.encode()) for name, text in given.items()],
            "client": (peer, 4711),
        }
        return self.gate.judge(scope)

    def guess(self, times: int = 1, **how: Any) -> list[int]:
        return [self.knock(token=f"guess-{number}", **how).status for number in range(times)]


def cookie(house: House, token: str = TOKEN, peer: str = "198.51.100.1") -> str:
    return str(house.knock(token=token, peer=peer).cookie).partition(";")[0]


def test_after_ten_wrong_tokens_none_is_looked_at_right_or_wrong() -> None:
    house = House()
    assert house.guess(GUESSES) == [401] * GUESSES
    assert house.guess(3) == [429] * 3
    verdict = house.knock(token=TOKEN)
    assert verdict.status == 429 and 5 < verdict.wait <= 6 and verdict.cookie is None
    assert house.knock("/stats", authorization=f"Bearer {TOKEN}").status == 429


def test_after_six_seconds_one_more_is() -> None:
    house = House()
    house.guess(GUESSES)
    house.now = 6.1
    assert house.guess(2) == [401, 429]
    house.now = 12.2
    assert house.knock(token=TOKEN).status == 200


def test_who_was_there_before_is_not_locked_out_by_who_guesses_behind_the_same_address() -> None:
    house = House()
    crumb = cookie(house, peer=STRANGER)
    house.guess(50)
    assert house.knock("/stats", cookie=crumb).role is ADMIN
    assert house.knock("/stats", token=TOKEN, cookie=crumb).role is ADMIN
    assert house.knock("/ws", method="WS", cookie=crumb).status == 200


def test_others_do_not_notice() -> None:
    house = House()
    house.guess(50)
    assert house.knock(token=TOKEN, peer="198.51.100.1").status == 200


def test_who_shows_nothing_has_guessed_nothing() -> None:
    house = House()
    assert [house.knock().status for _ in range(50)] == [401] * 50
    assert house.knock(token=TOKEN).status == 200


def test_right_tokens_are_not_counted() -> None:
    house = House()
    assert {house.knock(token=VIEWERS).status for _ in range(50)} == {200}
    assert {house.knock("/api/replay", VIEWERS, method="POST").status for _ in range(50)} == {403}


def test_it_cannot_be_guessed_at_an_open_address_instead() -> None:
    house = House()
    assert house.guess(50, path="/health") == [200] * 50
    assert house.knock("/health", token=TOKEN).cookie is None
    assert house.knock(token=TOKEN).status == 429


def test_a_viewer_cannot_guess_the_token_of_another_role_any_faster() -> None:
    house = House()
    crumb = cookie(house, VIEWERS)
    assert set(house.guess(GUESSES, cookie=crumb)) == {200}
    assert house.knock(token=TOKEN, cookie=crumb).role is VIEW


def test_behind_a_trusted_proxy_everybody_is_alone() -> None:
    house = House()
    house.guess(50, peer=PROXY, x_forwarded_for=STRANGER)
    assert house.knock(token=TOKEN, peer=PROXY, x_forwarded_for="198.51.100.1").status == 200
    assert house.knock(token=TOKEN, peer=PROXY, x_forwarded_for=f"6.6.6.6, {STRANGER}").status == 429


def test_who_is_no_trusted_proxy_is_not_believed() -> None:
    house = House()
    house.guess(50, x_forwarded_for="198.51.100.1")
    assert house.knock(token=TOKEN, x_forwarded_for="198.51.100.2").status == 429


@pytest.mark.parametrize(("path", "method"), [("/ws", "WS"), ("/stream", "GET"), ("/stream", "WS")])
def test_connections_begin_at_a_rate(path: str, method: str) -> None:
    house = House(handshakes=2)
    said = [house.knock(path, TOKEN, method=method) for _ in range(8)]
    assert [verdict.status for verdict in said] == [200] * 5 + [429] * 3
    assert said[-1].wait == pytest.approx(0.5) and "videoStreamMaxHandshakes" in said[-1].reason
    assert house.knock("/stats", TOKEN).status == 200, "what is no connection goes on"
    house.now = 0.6
    assert house.knock(path, TOKEN, method=method).status == 200


def test_this_machine_begins_at_any_rate_but_not_whom_its_trusted_proxy_names() -> None:
    house = House(handshakes=1)
    assert {house.knock("/ws", TOKEN, method="WS", peer="127.0.0.1").status for _ in range(50)} == {200}
    proxied = [house.knock("/ws", TOKEN, method="WS", peer=PROXY, x_forwarded_for=STRANGER) for _ in range(9)]
    assert proxied[-1].status == 429


def test_a_listed_cameras_token_opens_its_addresses_and_no_other() -> None:
    house = House()
    assert house.knock("/camera/hall").status == 200 and role_of(house.knock("/camera/hall")) is VIEW
    assert house.knock("/camera/attic").status == 401
    assert house.knock("/stats/hall").status == 401


def test_another_sites_page_gets_in_by_no_camera() -> None:
    house = House()
    assert house.knock("/ws/camera/hall", method="WS", origin="http://evil.example").status == 403


def test_without_a_token_everybody_may_do_everything() -> None:
    house = House(token=None)
    assert house.knock("/api/sessions/s/end", method="POST").role is ADMIN
    assert house.knock(token="whatever").status == 200

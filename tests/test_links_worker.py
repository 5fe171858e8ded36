"""A worker: whatever the server does, every channel is announced to it once, and nothing raises."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from envstream.links import control
from envstream.links.block import Block
from envstream.links.channel import Channel
from envstream.links.worker import Address, Worker

START = {"op": "start", "port": 8080}


class PlainWorker(Worker):
    """A worker whose server is the test."""

    def launch(self) -> None:
        """Nothing to start."""

    def handles(self, channel: Channel) -> tuple[dict[str, Any], list[int]]:
        return {"block": channel.name}, []


class Peer:
    """The server's end of a line."""

    def __init__(self) -> None:
        self.line, self.far = socket.socketpair()
        self.far.setblocking(False)
        self._incoming = control.Incoming(self.far)

    def messages(self) -> list[dict[str, Any]]:
        return list(self._incoming.receive())

    def operations(self) -> list[str]:
        """What was said, in short: the operation and the name."""
        return [" ".join(str(said[key]) for key in ("op", "name") if key in said) for said in self.messages()]

    @property
    def ended(self) -> bool:
        while self.messages():
            pass
        return self._incoming.ended

    def close(self) -> None:
        self.line.close()
        self.far.close()


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    peers = [Peer(), Peer()]
    yield peers
    for peer in peers:
        peer.close()


@pytest.fixture
def worker() -> PlainWorker:
    return PlainWorker(START, lambda address: None, lambda reason: None)


def channel(name: str = "env", **settings: Any) -> Channel:
    return Channel(name, name.title(), settings, Block.create(100, shared=False), lambda: None)


# --- addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:80/"), ("::1", "http://[::1]:80/")]
)
def test_an_address_has_a_url_that_a_browser_takes(host: str, url: str) -> None:
    assert Address("http", host, 80).url == url


# --- announcements -------------------------------------------------------------------------------------


def test_a_new_line_begins_with_how_to_start_and_all_channels(worker: PlainWorker, peers: list[Peer]) -> None:
    worker.add(channel("a"))
    worker.add(channel("b"))
    worker.connect(peers[0].line)
    assert peers[0].operations() == ["start", "open a", "open b"]


def test_a_channel_is_announced_at_once_where_there_is_a_line(worker: PlainWorker, peers: list[Peer]) -> None:
    worker.connect(peers[0].line)
    worker.add(channel("a"))
    assert peers[0].operations() == ["start", "open a"]


def test_an_announcement_says_all_that_the_server_needs(worker: PlainWorker, peers: list[Peer]) -> None:
    worker.connect(peers[0].line)
    worker.add(channel("a", videoFps=20))
    assert peers[0].messages() == [
        START,
        {
            "op": "open",
            "name": "a",
            "title": "A",
            "as": None,
            "settings": {"videoFps": 20},
            "envs": None,
            "fps": None,
            "together": 1,
            "episodes": False,
            "takes": {},
            "block": "a",
        },
    ]


def test_a_restarted_server_hears_of_all_channels_again(worker: PlainWorker, peers: list[Peer]) -> None:
    worker.add(channel("a"))
    worker.connect(peers[0].line)
    worker.disconnect()
    worker.connect(peers[1].line)
    assert peers[1].operations() == ["start", "open a"]


def test_a_channel_that_was_closed_is_announced_no_more(worker: PlainWorker, peers: list[Peer]) -> None:
    first, second = channel("a"), channel("b")
    worker.add(first)
    worker.add(second)
    worker.remove(first)
    worker.connect(peers[0].line)
    assert peers[0].operations() == ["start", "open b"]


def test_a_sentence_is_shown(worker: PlainWorker, peers: list[Peer]) -> None:
    shown = channel("a")
    worker.connect(peers[0].line)
    worker.add(shown)
    worker.note(shown, "black")
    assert peers[0].messages()[-1] == {"op": "note", "name": "a", "message": "black", "lasting": False}


def test_a_sentence_said_without_a_server_is_shown_by_the_next(
    worker: PlainWorker, peers: list[Peer]
) -> None:
    shown = channel("a")
    worker.add(shown)
    worker.note(shown, "black")
    worker.connect(peers[0].line)
    assert peers[0].operations() == ["start", "open a", "note a"]


def test_what_lasts_is_known_to_the_next_server_also_when_something_else_was_said_since(
    worker: PlainWorker, peers: list[Peer]
) -> None:
    shown = channel("a")
    worker.add(shown)
    worker.note(shown, "black", lasting=True)
    worker.note(shown, "one picture failed")
    worker.connect(peers[0].line)
    assert [said["message"] for said in peers[0].messages()[2:]] == ["black", "one picture failed"]


def test_what_was_taken_back_is_not_told_to_the_next_server(worker: PlainWorker, peers: list[Peer]) -> None:
    shown = channel("a")
    worker.add(shown)
    worker.note(shown, "black", lasting=True)
    worker.note(shown, "")
    worker.connect(peers[0].line)
    assert peers[0].operations() == ["start", "open a"]


# --- the end -------------------------------------------------------------------------------------------


def test_a_quality_is_chosen_here_and_a_restarted_server_begins_with_it(
    worker: PlainWorker, peers: list[Peer]
) -> None:
    env = channel("env")
    worker.add(env)
    worker.connect(peers[0].line)
    peers[0].messages()
    worker.choose(env, "low")
    assert peers[0].messages() == [{"op": "quality", "name": "env", "quality": "low"}]
    worker.connect(peers[1].line)
    assert peers[1].messages()[1]["settings"]["videoStreamQuality"] == "low"


def test_a_quality_chosen_on_the_page_is_known_here(worker: PlainWorker) -> None:
    env, other = channel("env"), channel("other")
    worker.add(env)
    worker.add(other)
    worker.chosen({"op": "quality", "name": "env", "quality": 42})
    worker.chosen({"op": "quality", "name": "gone", "quality": 1})
    assert env.settings["videoStreamQuality"] == 42
    assert "videoStreamQuality" not in other.settings


def test_stopping_is_heard_by_the_server(worker: PlainWorker, peers: list[Peer]) -> None:
    worker.connect(peers[0].line)
    worker.stop()
    assert peers[0].ended
    assert worker.stopping


def test_a_worker_stopped_before_its_server_came_up_tells_it_to_end(
    worker: PlainWorker, peers: list[Peer]
) -> None:
    worker.stop()
    worker.connect(peers[0].line)
    assert peers[0].ended


def test_stopping_twice_changes_nothing(worker: PlainWorker, peers: list[Peer]) -> None:
    worker.connect(peers[0].line)
    worker.stop()
    worker.stop()


def test_a_fork_lets_go_of_the_line_and_leaves_the_server_alone(
    worker: PlainWorker, peers: list[Peer]
) -> None:
    parents = peers[0].line.dup()  # What the parent still holds after a fork.
    worker.connect(peers[0].line)
    worker.abandon()
    assert not peers[0].ended
    parents.close()


def test_a_wake_up_reaches_the_server(worker: PlainWorker, peers: list[Peer]) -> None:
    worker.connect(peers[0].line)
    peers[0].messages()
    worker.wake()
    assert peers[0].far.recv(10) == b"\n"


# --- a server that is gone -----------------------------------------------------------------------------


def test_nothing_raises_before_there_is_a_line(worker: PlainWorker) -> None:
    worker.wake()
    worker.disconnect()


def test_nothing_raises_when_the_server_is_gone(worker: PlainWorker, peers: list[Peer]) -> None:
    shown = channel("a")
    worker.connect(peers[0].line)
    peers[0].far.close()
    worker.wake()
    worker.add(shown)
    worker.note(shown, "black")
    worker.disconnect()

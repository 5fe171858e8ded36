"""Asking the event loop from another thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from envstream.hub import Hub
from envstream.sessions.table import Sessions
from envstream.web import app, asking
from envstream.web.asking import UnansweredError, at_once, on
from envstream.web.cameras import Cameras
from fakes import PictureEnv
from serving import get, streaming

# Who reads figures, and by which name.
PLACES: list[tuple[Any, str]] = [
    (Hub, "stats"),
    (app, "described"),
    (Sessions, "stats"),
    (Cameras, "stats"),
]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread called `loop`."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever, name="loop")
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


def here() -> str:
    return threading.current_thread().name


def test_a_call_is_made_on_the_loop_and_gives_what_it_gives(loop: asyncio.AbstractEventLoop) -> None:
    assert on(loop)(here) == "loop"
    assert at_once(here) == here()


@pytest.mark.parametrize("error", [ValueError("no"), RuntimeError("no"), TimeoutError("no")])
def test_what_the_call_raises_is_raised_to_who_asked(
    loop: asyncio.AbstractEventLoop, error: Exception
) -> None:
    def raising() -> None:
        raise error

    with pytest.raises(type(error), match="no"):
        on(loop)(raising)
    assert on(loop)(here) == "loop"  # And the loop goes on.


def test_a_loop_that_has_ended_does_not_answer() -> None:
    gone = asyncio.new_event_loop()
    gone.close()
    with pytest.raises(UnansweredError, match="is ending"):
        on(gone)(here)


def test_a_loop_that_does_not_come_to_it_is_not_waited_for_forever(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.01)
    held, made = threading.Event(), []
    loop.call_soon_threadsafe(held.wait)
    with pytest.raises(UnansweredError, match="too busy"):
        on(loop)(lambda: made.append(1))
    held.set()
    monkeypatch.undo()
    on(loop)(here)
    assert made == []  # What nobody waits for is not done later.


@pytest.mark.parametrize("path", ["/stats", "/api/streams", "/streaming/stats", "/api/camera/one/stats"])
def test_figures_are_read_where_they_change(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    places: list[tuple[Any, str]] = [
        (Hub, "stats"),
        (app, "described"),
        (Sessions, "stats"),
        (Cameras, "stats"),
    ]
    for owner, name in places:
        _note(owner, name, threads, monkeypatch)
    with streaming(PictureEnv()) as port:
        assert get(port, path)[0] == 200
    assert threads and {name.partition("_")[0] for name in threads} == {"envstream-server"}


def _note(owner: Any, name: str, threads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it noted in which thread something is called."""
    real = getattr(owner, name)

    def noting(*given: object) -> object:
        threads.append(here())
        return real(*given)

    monkeypatch.setattr(owner, name, noting)

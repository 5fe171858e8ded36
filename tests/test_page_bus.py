"""Many trainings behind two page servers, in a real browser: the loss of one is none to who watches."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import pages
import redises
from elsewhere import NAME, Service, run
from pages import Page
from proxies import PATH, below_a_path
from redises import Redis
from serving import HEEDS, get, until

pytest.importorskip("stable_baselines3", reason='pip install "gymnasium-envstream[train]"')
pytestmark = pytest.mark.browser
browser, open_page = pages.browser, pages.open_page

LEARNERS = 8
LEARN = """
import sys
import gymnasium as gym
import torch
from stable_baselines3 import PPO
import envstream
torch.set_num_threads(1)
env = gym.make("CartPole-v1", render_mode="rgb_array")
env = envstream.wrap(env, videoStreamHub=sys.argv[1], videoStreamRun="eight")
PPO("MlpPolicy", env, n_steps=128, device="cpu").learn(10**9)
"""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with redises.redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def servers(tmp_path: Path, redis: Redis) -> Iterator[tuple[Service, Service]]:
    """Two page servers on one Redis."""
    hub = f"env.videoStreamHub={redis.url}"
    with Service(tmp_path / "one", hub) as one, Service(tmp_path / "two", hub) as two:
        yield one, two


@contextlib.contextmanager
def learning(redis: Redis, rank: int) -> Iterator[subprocess.Popen[bytes]]:
    """A learner in a process of its own."""
    environ = {**os.environ, "RANK": str(rank), "WORLD_SIZE": str(LEARNERS), "SDL_VIDEODRIVER": "dummy"}
    with subprocess.Popen([sys.executable, "-c", HEEDS + LEARN, redis.url], env=environ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def goes_on(page: Page, seconds: float = 30) -> None:
    """Wait for further pictures."""
    before = page.pixels()
    page.is_in("live", seconds)
    until(lambda: page.pixels() != before, "another picture", seconds)


def listening(servers: tuple[Service, Service]) -> Service:
    """The page server that has viewers."""

    def found() -> Service | None:
        return next((each for each in servers if each.stats()["clients_connected"]), None)

    server: Service = until(found, "who serves it")
    return server


def test_when_its_server_is_killed_the_page_goes_on_at_the_other(
    open_page: Callable[..., Page],
    required: Callable[[str], str],
    redis: Redis,
    servers: tuple[Service, Service],
    tmp_path: Path,
) -> None:
    ports = [each.port for each in servers]
    with run(tmp_path / "diary", videoStreamHub=redis.url) as trainer:
        until(lambda: all(NAME in each.streams() for each in servers), "the run on both")
        with below_a_path(required("nginx"), *ports, folder=tmp_path) as port:
            page = open_page(f"http://127.0.0.1:{port}{PATH}/#stream={quote(NAME)}")
            goes_on(page)
            listening(servers).kill()
            goes_on(page)
        trainer.goes_on()
        assert trainer.warnings == []


@pytest.mark.long
def test_eight_learners_are_on_any_server_and_one_is_watched_through_its_loss(
    open_page: Callable[..., Page],
    required: Callable[[str], str],
    redis: Redis,
    servers: tuple[Service, Service],
    tmp_path: Path,
) -> None:
    with contextlib.ExitStack() as stack:
        learners = [stack.enter_context(learning(redis, rank)) for rank in range(LEARNERS)]

        def ranks(server: Service) -> list[int]:
            listed = json.loads(get(server.port, "/api/streams")[2])["streams"]
            return sorted(each["rank"] for each in listed if each["run"] == "eight")

        for server in servers:
            until(lambda server=server: ranks(server) == list(range(LEARNERS)), "all of them", 90)
        ports = [each.port for each in servers]
        with below_a_path(required("nginx"), *ports, folder=tmp_path) as port:
            page = open_page(f"http://127.0.0.1:{port}{PATH}/#find=rank:3")
            until(lambda: page.tab.locator("#strip .tile").count() == 1, "the one that is looked for")
            page.tab.locator("#strip .tile").first.click()
            goes_on(page, 60)
            assert "rank 3" in page.text()
            listening(servers).kill()
            goes_on(page, 60)
            assert "rank 3" in page.text()
        assert all(learner.poll() is None for learner in learners)

"""The page in a real browser: it shows the training, says how it is, and comes back by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pages
from fakes import PictureEnv
from pages import Page
from proxies import below_a_path
from serving import stats, streaming, training, until

pytestmark = pytest.mark.browser

browser, open_page = pages.browser, pages.open_page

HERE = Path(__file__).parent
# Where the pictures of the page go: the documentation's folder when they are to be renewed.
PICTURES = os.environ.get("ENVSTREAM_PICTURES")


def test_the_canvas_shows_the_training_as_it_goes_on(open_page: Callable[..., Page]) -> None:
    with training() as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        before, number = page.pixels(), page.frame()
        until(lambda: page.frame() > number + 3, "new frames")
        assert page.pixels() != before
        assert "CartPole-v1" in page.text() and "600 × 400" in page.text()


def test_the_page_recovers_when_the_trainer_is_killed_and_started_again(
    open_page: Callable[..., Page],
) -> None:
    with training() as trainer:
        port = trainer.port
        page = open_page(trainer.url)
        page.is_in("live")
        trainer.process.send_signal(signal.SIGKILL)
        until(lambda: page.data("state") in ("ended", "reconnecting"), "the page to notice")
    with training(videoStreamPort=port) as again:
        assert again.port == port
        page.is_in("live")
        number = page.frame()
        until(lambda: page.frame() != number, "new frames")


def test_a_learner_that_is_updating_is_said_so_and_is_no_error(open_page: Callable[..., Page]) -> None:
    extra = """
    env.render_now = 0
    for _ in range(2000):
        *_, terminated, truncated, _ = env.step(0)
        time.sleep(0.002)
        if terminated or truncated:
            env.reset()
    time.sleep(60)
    """
    with training(extra) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        page.is_in("stalled")
        assert "updating" in page.text()


def test_a_costly_render_is_explained_with_the_key_that_changes_it(open_page: Callable[..., Page]) -> None:
    class Costly(PictureEnv):
        def render(self) -> Any:
            total = sum(range(600_000))  # Some 20 ms of work, whatever the machine.
            return np.full((40, 60, 3), total % 200, np.uint8)

    with streaming(Costly(length=10_000)) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        page.is_in("live")
        until(lambda: "videoStreamMaxOverhead" in page.text(), "the note about the budget")


def test_a_problem_of_the_env_is_shown_as_a_sentence(open_page: Callable[..., Page]) -> None:
    with streaming(PictureEnv(render_mode=None)) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        until(lambda: "render_mode='rgb_array'" in page.text(), "the sentence")


def test_pause_holds_the_picture_and_asks_for_nothing(open_page: Callable[..., Page]) -> None:
    with training() as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        page.tab.keyboard.press("Space")
        page.is_in("paused")
        until(lambda: stats(trainer.port)["streams"]["CartPole-v1"]["viewers"] == 0, "no demand")
        page.tab.keyboard.press("Space")
        page.is_in("live")


def test_a_hidden_tab_asks_for_nothing(open_page: Callable[..., Page]) -> None:
    hide = """state => {
        Object.defineProperty(document, "hidden", {value: state === "hidden", configurable: true});
        Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with training() as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        page.tab.evaluate(hide, "hidden")
        until(lambda: stats(trainer.port)["streams"]["CartPole-v1"]["viewers"] == 0, "no demand")
        number = page.frame()
        page.tab.evaluate(hide, "visible")
        until(lambda: page.frame() > number, "new frames")


def test_small_pixel_art_is_enlarged_without_blur(open_page: Callable[..., Page]) -> None:
    with streaming(PictureEnv(np.full((144, 160, 3), 90, np.uint8))) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        page.is_in("live")
        style = "getComputedStyle(document.querySelector('canvas')).imageRendering"
        assert page.tab.evaluate(style) == "pixelated"
        assert page.tab.evaluate("document.querySelector('canvas').width") == 160
        assert page.tab.evaluate("document.querySelector('canvas').getBoundingClientRect().width") > 400


def test_without_its_token_the_page_says_what_is_missing(open_page: Callable[..., Page]) -> None:
    with streaming(PictureEnv(), videoStreamToken="s3cret") as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        assert "full address" in page.text()
        page = open_page(f"http://127.0.0.1:{port}/?token=s3cret")
        page.is_in("live")
        assert "s3cret" not in page.tab.url
        page.tab.reload()  # By the cookie now.
        page.is_in("live")


def test_the_page_works_below_a_path_of_a_reverse_proxy(
    open_page: Callable[..., Page], required: Callable[[str], str], tmp_path: Path
) -> None:
    with training() as trainer:
        with below_a_path(required("nginx"), trainer.port, folder=tmp_path) as port:
            page = open_page(f"http://127.0.0.1:{port}/lab/run-1/")
            page.is_in("live")


def test_two_streams_are_tiles_of_which_one_is_big(open_page: Callable[..., Page]) -> None:
    extra = """
    other = StreamingWrapper(gym.make("MountainCar-v0", render_mode="rgb_array"), videoStreamPort=0)
    other.reset(seed=2)
    first = env
    def both(action):
        if first.step(action)[2]:
            first.reset()
        return other.step(0)
    env = type("Both", (), dict(step=staticmethod(both), reset=other.reset, action_space=first.action_space))
    """
    with training(extra) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        until(lambda: "MountainCar-v0" in page.text(), "the other stream's tile")
        page.tab.keyboard.press("ArrowRight")
        until(lambda: page.data("stream") == "MountainCar-v0", "the other stream to be the big one")
        page.is_in("live")
        assert "stream=MountainCar-v0" in page.tab.url


def test_nothing_hangs_over_the_edge(open_page: Callable[..., Page], tmp_path: Path) -> None:
    with training() as trainer:
        page = open_page(trainer.url)
        for look in page.looks():
            page.is_in("live")
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert page.tab.evaluate(wide) is False, look
            page.tab.screenshot(path=tmp_path / "page.png")


ENVS = ["cartpole", "lunarlander", "breakout", "halfcheetah", "pyboy", "frozenlake"]


@pytest.mark.long
@pytest.mark.parametrize("env", ENVS)
def test_a_real_training_run_is_seen(open_page: Callable[..., Page], env: str, tmp_path: Path) -> None:
    command = [sys.executable, str(HERE.parent / "train.py"), f"env={env}"]
    command += ["env.videoStream=true", "env.videoStreamPort=0", "train.totalTimesteps=1000000"]
    run = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=HERE.parent
    )
    assert run.stderr is not None
    try:
        said: list[str] = []
        for line in run.stderr:
            said.append(line)
            if "watch at" in line:
                break
        assert said and "watch at" in said[-1], "".join(said)
        # What it says is read on, so that the run never waits for somebody to do so.
        threading.Thread(target=run.stderr.read, daemon=True).start()
        page = open_page(said[-1].split("watch at ")[1].strip())
        page.tab.set_viewport_size({"width": 1440, "height": 900})
        page.is_in("live", 60)
        before = page.pixels()
        until(lambda: page.pixels() != before, "the picture to change")
        if PICTURES:
            page.tab.wait_for_timeout(30_000)
            until(lambda: page.data("state") == "live", "a live picture")
        page.tab.screenshot(path=Path(PICTURES or tmp_path) / f"page-{env}.png")
    finally:
        run.send_signal(signal.SIGINT)
        try:
            run.wait(20)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
        run.stderr.close()

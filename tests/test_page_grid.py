"""The page with many streams: in a strip and in a grid, and the way from one to another."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import pages
from fakes import PictureEnv
from pages import Page
from serving import Trainer, stats, streaming, training, until

pytestmark = pytest.mark.browser
browser, open_page = pages.browser, pages.open_page

# Each sub-env has a grey of its own, so that it can be seen which one is where.
VECTOR = """
import sys, time
sys.path.insert(0, {tests!r})
import numpy as np
from gymnasium.vector import SyncVectorEnv
from envstream import StreamingVectorWrapper
from fakes import PictureEnv
def made(n):
    return lambda: PictureEnv(np.full((40, 60, 3), 5 * n + 10, np.uint8), length=50)
envs = SyncVectorEnv([made(n) for n in range({count})])
envs = StreamingVectorWrapper(envs, {settings!r})
envs.reset(seed=1)
print(envs.stream_url, flush=True)
while True:
    envs.step(np.zeros({count}, int))
    time.sleep(0.001)
"""
PHONE = {"viewport": {"width": 390, "height": 844}}


def sub_envs(count: int, **settings: Any) -> AbstractContextManager[Trainer]:
    """A run with a vector env, all of whose sub-envs can be looked at."""
    settings = {"videoStreamPort": 0, "videoStreamEnvs": "all", "videoStreamMaxOverhead": 0.5, **settings}
    tests = str(Path(__file__).parent)
    return training(script=VECTOR.format(tests=tests, count=count, settings=settings))


def tiles(page: Page) -> list[str]:
    """The names on the tiles that exist, in order."""
    return list(page.tab.evaluate("[...document.querySelectorAll('.tile')].map(one => one.dataset.stream)"))


def greys(page: Page, canvas: str = ".tile-canvas") -> list[int]:
    """What the canvases show, as the numbers of the sub-envs that it can only have come from."""
    code = "(all) => all.map(one => one.getContext('2d').getImageData(0, 0, 1, 1).data[0])"
    return [round((grey - 10) / 5) for grey in page.tab.eval_on_selector_all(canvas, code)]


def open_grid(page: Page) -> None:
    page.tab.keyboard.press("g")
    until(lambda: page.data("view") == "grid", "the grid")


def watched(trainer: Trainer) -> set[int]:
    """The sub-envs that somebody looks at."""
    streams = stats(trainer.port)["streams"].values()
    return {stream["env"] for stream in streams if stream["viewers"]}


def chosen(page: Page) -> int:
    """The number of the sub-env that is the big one."""
    return int(page.data("stream").rpartition("/")[2])


def test_sub_envs_are_tiles_with_the_name_of_their_vector_env_and_their_number(
    open_page: Callable[..., Page],
) -> None:
    with sub_envs(4) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        until(lambda: greys(page) == [0, 1, 2, 3], "four tiles with their pictures")
        labels = page.tab.eval_on_selector_all(".tile", "all => all.map(one => one.ariaLabel)")
        assert [label.split(",")[0] for label in labels] == [f"PictureEnv · {n}" for n in range(4)]
        assert page.tab.inner_text("h1") == "PictureEnv · 0"


def test_the_arrow_keys_and_a_click_switch_between_sub_envs(open_page: Callable[..., Page]) -> None:
    with sub_envs(4) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        page.tab.keyboard.press("ArrowRight")
        until(lambda: greys(page, "#picture") == [1], "the next one's picture")
        page.tab.keyboard.press("ArrowLeft")
        page.tab.keyboard.press("ArrowLeft")
        until(lambda: greys(page, "#picture") == [3], "the last one's picture, around the end")
        page.tab.click(".tile >> nth=2")
        until(lambda: greys(page, "#picture") == [2], "the clicked one's picture")
        assert chosen(page) == 2


def test_the_grid_paints_every_tile_and_a_click_makes_one_big(open_page: Callable[..., Page]) -> None:
    with sub_envs(6) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        page.tab.click("#grid-button")
        until(lambda: greys(page) == list(range(6)), "six tiles with their pictures")
        sizes = page.tab.eval_on_selector_all(".tile", "all => all.map(one => one.clientWidth)")
        assert len(set(sizes)) == 1 and sizes[0] > 300
        assert "view=grid" in page.tab.url
        until(lambda: watched(trainer) == set(range(6)), "all to be watched")
        page.tab.click(".tile >> nth=4")
        assert (page.data("view"), chosen(page)) == ("one", 4)
        until(lambda: greys(page, "#picture") == [4], "its picture")
        assert "view=grid" not in page.tab.url and not page.tab.is_visible("#grid")


def test_the_address_brings_the_grid_back(open_page: Callable[..., Page]) -> None:
    with sub_envs(3) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        open_grid(page)
        page.tab.reload()
        until(lambda: greys(page) == [0, 1, 2], "the tiles of the grid")
        assert page.data("view") == "grid"
        page.tab.keyboard.press("Escape")
        assert page.data("view") == "one"


def test_the_grid_can_be_walked_with_the_arrow_keys(open_page: Callable[..., Page]) -> None:
    with sub_envs(6) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        open_grid(page)
        for key in (
            "ArrowRight",
            "ArrowRight",
            "ArrowDown",
            "Enter",
        ):  # The first one comes to the chosen tile.
            page.tab.keyboard.press(key)
        assert (page.data("view"), chosen(page)) == ("one", 4)


def test_pausing_the_grid_asks_for_nothing(open_page: Callable[..., Page]) -> None:
    with sub_envs(3) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        open_grid(page)
        until(lambda: watched(trainer) == {0, 1, 2}, "all to be watched")
        page.tab.keyboard.press("Space")
        page.is_in("paused")
        until(lambda: watched(trainer) == set(), "no demand")


def test_one_stream_has_no_grid(open_page: Callable[..., Page]) -> None:
    with streaming(PictureEnv()) as port:
        page = open_page(f"http://127.0.0.1:{port}/#view=grid")
        page.is_in("live")
        page.tab.keyboard.press("g")
        assert page.data("view") == "one"
        assert not page.tab.is_visible("#grid-button") and not page.tab.is_visible("#find")


def test_of_many_only_those_in_sight_exist_and_are_watched(open_page: Callable[..., Page]) -> None:
    with sub_envs(48) as trainer:
        page = open_page(trainer.url, **PHONE)
        page.is_in("live")
        until(lambda: 0 < len(tiles(page)) < 12, "a few tiles of the strip")
        open_grid(page)
        until(lambda: len(watched(trainer)) > 3, "the first tiles to be watched")
        assert max(watched(trainer)) < 40 and len(tiles(page)) < 48
        page.tab.evaluate("document.querySelector('#grid').scrollTop = 1e6")
        until(lambda: 47 in watched(trainer) and 0 not in watched(trainer), "the last ones to be watched")
        until(lambda: greys(page)[-1] == 47, "the last one's picture")


def test_one_of_many_is_found_by_its_number(open_page: Callable[..., Page]) -> None:
    with sub_envs(48) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        page.tab.keyboard.press("e")
        page.tab.keyboard.type("37")
        until(lambda: tiles(page) == ["PictureEnv/37"], "the strip to show what is found")
        page.tab.keyboard.press("Enter")
        assert chosen(page) == 37
        until(lambda: greys(page, "#picture") == [37], "its picture")
        assert len(tiles(page)) > 1, "the search is over"


def test_a_range_of_numbers_is_a_grid_of_those(open_page: Callable[..., Page]) -> None:
    with sub_envs(48) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        open_grid(page)
        page.tab.keyboard.press("e")
        page.tab.keyboard.type("3, 8-11")
        until(lambda: greys(page) == [3, 8, 9, 10, 11], "the five")
        until(lambda: watched(trainer) == {3, 8, 9, 10, 11}, "the five to be watched")
        until(lambda: "5 of 48 envs" in page.text(), "a word about it")
        page.tab.keyboard.press("Escape")
        until(lambda: len(tiles(page)) == 48, "all of them again")


def test_nothing_of_the_grid_hangs_over_the_edge(open_page: Callable[..., Page], tmp_path: Path) -> None:
    with sub_envs(14) as trainer:
        page = open_page(trainer.url + "#view=grid")
        until(lambda: len(watched(trainer)) > 1, "tiles to be watched")
        for look in page.looks(lying=True):
            page.is_in("live")
            page.tab.screenshot(path=tmp_path / "grid.png")
            body = "document.documentElement"
            assert page.tab.evaluate(f"{body}.scrollWidth > {body}.clientWidth") is False, look
            assert page.tab.evaluate(f"{body}.scrollHeight > {body}.clientHeight") is False, look
            foot = "document.querySelector('.viewer-foot').getBoundingClientRect().bottom"
            assert page.tab.evaluate(f"{foot} <= innerHeight"), look


# ---- pictures and words


def test_a_capture_that_fails_is_said_where_the_picture_would_be(open_page: Callable[..., Page]) -> None:
    with streaming(PictureEnv(RuntimeError("no display"), length=10_000)) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        page.is_in("failing")
        assert "no display" in page.tab.inner_text(".overlay-text")


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_pictures_of_every_format_are_painted(open_page: Callable[..., Page], format: str) -> None:
    code = f"""
        const source = document.createElement('canvas');
        [source.width, source.height] = [20, 10];
        const pen = source.getContext('2d');
        pen.fillStyle = '#c00';
        pen.fillRect(0, 0, 20, 10);
        const blob = await new Promise((done) => source.toBlob(done, 'image/{format}'));
        const data = await blob.arrayBuffer();
        const shown = document.createElement('canvas');
        const picture = await new Promise((done) => {{
            const one = new it.Picture(shown, () => done(one));
            one.show({{ meta: {{ format: '{format}' }}, data, ack() {{}} }});
        }});
        const [red, green] = shown.getContext('2d').getImageData(5, 5, 1, 1).data;
        return [it.mime('{format}'), blob.type, picture.size, red > 190, green < 20];
    """
    with streaming(PictureEnv()) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        size = {"width": 20, "height": 10}
        kind = f"image/{format}"
        assert page.module("picture", code) == [kind, kind, size, True, True]


# ---- what decides, without a server's part in it


@pytest.fixture(scope="module")
def code(browser: Any) -> Any:
    """A page whose modules can be used."""
    with streaming(PictureEnv()) as port, Page(browser, f"http://127.0.0.1:{port}/") as page:
        yield page.module


def test_a_list_that_is_not_complete_changes_what_it_names(code: Any) -> None:
    said = """
        const listing = new it.Listing();
        const names = () => listing.found.map((one) => [one.name, one.episode]);
        listing.take([{ name: 'a', episode: 1 }, { name: 'b', episode: 1 }], true);
        listing.take([{ name: 'b', episode: 2 }, { name: 'c', episode: 1 }], false);
        const merged = names();
        listing.take([{ name: 'b', episode: 3 }], true);
        return [merged, names()];
    """
    assert code("listing", said) == [[["a", 1], ["b", 2], ["c", 1]], [["b", 3]]]


ALL = [0, 1, 2, 10, 11]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [0, 1, 2, 10, 11]),
        ("1", [1]),
        ("1-10", [1, 2, 10]),
        ("2, 11", [2, 11]),
        ("pole", [0, 1, 2, 10, 11]),
    ],
)
def test_a_search_finds_numbers_ranges_and_names(code: Any, query: str, found: list[int]) -> None:
    said = f"""
        const all = {ALL}.map((env) => ({{ name: `CartPole/${{env}}`, group: 'CartPole', env }}));
        return all.filter(it.finder('{query}')).map((one) => one.env);
    """
    assert code("query", said) == found


def test_a_long_name_keeps_its_end(code: Any) -> None:
    said = "return [it.label({ name: 'a-long-name-of-a-run-12' }).tail, it.label({ name: 'short' }).tail];"
    assert code("names", said) == ["n-12", ""]


@pytest.mark.parametrize("count", [2, 8, 16, 64, 65, 1024])
@pytest.mark.parametrize("box", [(1400, 740), (360, 640), (3800, 2000), (780, 200)])
def test_a_grid_fits_its_box_or_scrolls_with_no_more_in_sight_than_can_be_watched(
    code: Any, count: int, box: tuple[int, int]
) -> None:
    said = f"return it.pack({{ width: {box[0]}, height: {box[1]} }}, {count}, 1.5, 15);"
    plan = code("grid", said)
    pitch = plan["height"] + plan["gap"]
    lines = -(-count // plan["lanes"])
    assert plan["lanes"] * (plan["width"] + plan["gap"]) - plan["gap"] <= box[0]
    if lines * pitch - plan["gap"] > box[1]:
        assert plan["lanes"] * (box[1] // pitch + 2) <= max(64, box[1] // pitch + 2)


def test_small_pictures_keep_square_pixels_whatever_the_scale(code: Any) -> None:
    said = """
        const source = { width: 160, height: 144 };
        const at = (scale) => it.fit({ width: 160 * scale, height: 144 * scale }, source, source, 1);
        return [0.5, 1, 1.2, 1.5, 2, 2.9, 4.4].map(at).map((one) => [one.pixelated, one.width, one.multiple]);
    """
    assert code("stage", said) == [
        [False, 80, 1],
        [True, 160, 1],
        [True, 160, 1],
        [False, 240, 2],  # Shrunk from twice its size.
        [True, 320, 1],
        [False, pytest.approx(464), 3],
        [True, 640, 1],
    ]


def test_no_more_is_watched_than_one_socket_may(code: Any) -> None:
    said = """
        const tiles = Array.from({ length: 100 }, (_, n) => `env/${n}`);
        const list = it.wantedStreams({ chosen: 'env/3', tiles });
        return [list.length, new Set(list.map((one) => one.name)).size, list[0].name, it.MOST_WATCHED];
    """
    from envstream.web.sockets import MOST_WATCHED

    assert code("watching", said) == [MOST_WATCHED, MOST_WATCHED, "env/3", MOST_WATCHED]


def test_tiles_of_the_grid_ask_for_the_width_they_have_on_the_screen(code: Any) -> None:
    said = "return [it.gridTile(300, 1, 8), it.gridTile(300, 2, 8), it.gridTile(110, 1, 64)];"
    assert code("watching", said) == [
        {"width": 320, "fps": 15},
        {"width": 608, "fps": 15},
        {"width": 128, "fps": 7},
    ]

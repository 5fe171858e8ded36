"""The page with the streams of many workers: searched, chosen, sorted, compared, and passed on as a link."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

import pages
from pages import Page
from scripted import Scripted, Status
from serving import until

pytestmark = pytest.mark.browser
browser = pages.browser

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
LATER = "(() => { const now = performance.now.bind(performance); performance.now = () => now() + 6000; })()"
COPYING = """
    const writeText = async (text) => { window.copied = text; };
    Object.defineProperty(navigator, 'clipboard', { value: { writeText } });
"""

Open = Callable[..., Scripted]


def worker(rank: int, run: str) -> Status:
    """What is said of one worker."""
    name = f"CartPole-v1 · {run} · rank {rank}"
    whose = {"title": "CartPole-v1", "run": run, "rank": rank, "host": f"n{rank // 8}"}
    returns = {"meanReturn": 10.0 * rank, "bestReturn": 10.0 * rank + 5}
    return {"name": name, **whose, **returns, "fps": 100.0 - rank, "age": 2.0 ** (rank % 8)}


def workers(count: int, runs: int = 2) -> list[Status]:
    """Workers of run-0, run-1 … in turns; the last one is the best."""
    return [worker(rank, f"run-{rank % runs}") for rank in range(count)]


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Opens pages with streams; at the end of the test none of them may have had an error."""
    all_pages: list[Scripted] = []

    def opening(streams: list[Status], path: str = "", **options: Any) -> Scripted:
        page = Scripted(browser, path, streams, **options)
        all_pages.append(page)
        page.is_in("live")
        return page

    yield opening
    for page in all_pages:
        page.context.close()
    assert [problem for page in all_pages for problem in page.problems] == []


def texts(page: Page, selector: str) -> list[str]:
    """What is read in elements, in the order of the page."""
    return [str(text) for text in page.tab.locator(selector).all_inner_texts()]


def ranks(page: Page) -> list[int]:
    """The ranks on the tiles that exist, in order."""
    return [int(text.split(" · ")[0].removeprefix("rank ")) for text in texts(page, ".tile-name")]


def leaders(page: Page) -> list[int]:
    """The ranks on the rows of the leaderboard that exist, in order."""
    labels = page.tab.eval_on_selector_all(".rank", "all => all.map(one => one.ariaLabel)")
    return [int(label.partition("rank ")[2].partition(" ")[0].rstrip(",")) for label in labels]


def choose(page: Page, what: str, value: str) -> None:
    page.tab.locator(f'[data-choice="{what}"] select').select_option(value)


def asked(page: Page) -> dict[str, str]:
    """What stands in the address."""
    fragment = page.tab.evaluate("location.hash.slice(1)")
    return {key: values[0] for key, values in parse_qs(fragment).items()}


# ---- searching


@pytest.fixture(scope="module")
def pure(browser: Any) -> Iterator[Callable[[str, str], Any]]:
    """Has a function body use a module of the page."""
    with Scripted(browser) as page:
        yield page.module


Pure = Callable[[str, str], Any]
SOME = [
    {"name": "a", "title": "CartPole-v1", "run": "sweep-1", "rank": 0, "host": "n1"},
    {"name": "b", "title": "CartPole-v1", "run": "sweep-1", "rank": 3, "host": "n2"},
    {"name": "c", "title": "Pendulum-v1", "run": "sweep-2", "rank": 12, "host": "n1"},
    {"name": "d/3", "group": "Ant-v5", "env": 3, "title": None, "run": None, "rank": None, "host": None},
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "abcd"),
        ("pole", "ab"),
        ("POLE n1", "a"),
        ("sweep-2", "c"),
        ("n1", "ac"),
        ("rank:3", "b"),
        ("rank: 3", "b"),
        ("rank:0-7", "ab"),
        ("rank:0, 10-20", "ac"),
        ("rank:x", ""),
        ("rank:", "abcd"),
        ("run:sweep", "abc"),
        ("run:sweep-1 host:n2", "b"),
        ("env:cartpole", "ab"),
        ("env:ant", "d"),
        ("env:3", "d"),
        ("3", "bd"),
        ("3 12", "bcd"),
        ("0 - 3, 12", "abcd"),
        ("pole 3", "b"),
        ("pole pendulum", ""),
    ],
)
def test_all_words_of_a_search_are_to_match(pure: Pure, query: str, found: str) -> None:
    found_by = f"filter(it.finder({json.dumps(query)}))"
    code = f"return {json.dumps(SOME)}.{found_by}.map((one) => one.name[0]).join('');"
    assert pure("query", code) == found


def test_a_search_narrows_what_is_shown_and_watched(opened: Open) -> None:
    page = opened(workers(64), "#view=grid")
    page.tab.keyboard.press("e")
    page.tab.keyboard.type("rank:8-15 run:run-1")
    until(lambda: ranks(page) == [9, 11, 13, 15], "those four")
    until(lambda: len(page.watched()) == 4, "no more to be watched")
    assert "4 of 64 streams" in page.text()
    page.tab.keyboard.press("Enter")
    assert page.data("stream") == "CartPole-v1 · run-1 · rank 9"


def test_a_search_from_a_link_stays_where_few_streams_are_left_of_many(opened: Open) -> None:
    page = opened(workers(3), "#find=rank:1")
    until(lambda: ranks(page) == [1], "the one")
    assert page.tab.locator("#find").is_visible()
    page.tab.locator("#find input").press("Escape")
    until(lambda: ranks(page) == [0, 1, 2], "all of them")
    assert not page.tab.locator("#find").is_visible()


# ---- choosing


def test_a_run_and_an_env_are_chosen_where_there_are_several(opened: Open) -> None:
    streams = workers(8)
    for one in streams[:3]:
        one["title"] = "Pendulum-v1"
    page = opened(streams)
    assert texts(page, '[data-choice="run"] option') == ["All runs", "run-0", "run-1"]
    assert texts(page, '[data-choice="env"] option') == ["All envs", "CartPole-v1", "Pendulum-v1"]
    choose(page, "run", "run-0")
    until(lambda: ranks(page) == [0, 2, 4, 6], "those of the run")
    choose(page, "env", "Pendulum-v1")
    until(lambda: ranks(page) == [0, 2], "those of the env")
    page.tab.keyboard.press("ArrowRight")
    assert page.data("stream").endswith("rank 2")
    choose(page, "run", "")
    until(lambda: ranks(page) == [0, 1, 2], "those of all runs")


@pytest.mark.parametrize("streams", [workers(8, runs=1), workers(3, runs=3), workers(1)])
def test_what_is_no_choice_is_not_offered(opened: Open, streams: list[Status]) -> None:
    page = opened(streams)
    assert not page.tab.locator('[data-choice="run"]').is_visible()
    assert not page.tab.locator('[data-choice="env"]').is_visible()
    assert page.tab.locator('[data-choice="sort"]').is_visible() == (len(streams) > 2)


def test_a_run_that_is_gone_hides_nothing(opened: Open) -> None:
    page = opened(workers(8), "#run=run-1")
    until(lambda: ranks(page) == [1, 3, 5, 7], "those of the run")
    page.streams = {name: one for name, one in page.streams.items() if one["run"] != "run-1"}
    page.describe()
    until(lambda: ranks(page) == [0, 2, 4, 6], "the others")
    page.streams = {one["name"]: {**page.streams[next(iter(page.streams))], **one} for one in workers(8)}
    page.describe()
    until(lambda: ranks(page) == [1, 3, 5, 7], "those of the run, as it is back")


# ---- sorting


@pytest.mark.parametrize(
    ("way", "order"),
    [("null", "abcd"), ("'return'", "bcad"), ("'fps'", "acbd"), ("'age'", "cabd"), ("'name'", "abcd")],
)
def test_what_is_best_comes_first_and_what_is_not_known_last(pure: Pure, way: str, order: str) -> None:
    said = [
        {"name": "a", "meanReturn": -5, "fps": 30.2, "age": 3, "heard": 0},
        {"name": "b", "meanReturn": 9, "fps": 10, "age": 9, "heard": 0},
        {"name": "c", "meanReturn": 1, "fps": 29.8, "age": 0.2, "heard": 0},  # As fast as a, near enough.
        {"name": "d", "meanReturn": None, "fps": None, "age": None, "heard": 0},
    ]
    code = f"""
        const order = new it.Order({way});
        order.renew({json.dumps(said)}, 0, false);
        return order.arrange({json.dumps(said)}).map((one) => one.name).join('');
    """
    assert pure("order", code) == order


def test_ranks_are_sorted_as_numbers(pure: Pure) -> None:
    code = "return ['rank 10', 'rank 9'].sort(it.byText);"
    assert pure("order", code) == ["rank 9", "rank 10"]


def test_nothing_is_sorted_again_at_once_or_under_a_hand(pure: Pure) -> None:
    code = """
        const order = new it.Order('return');
        const list = (a, b) => [{ name: 'a', meanReturn: a }, { name: 'b', meanReturn: b }];
        const at = (now, held, streams) => {
            order.renew(streams, now, held);
            return order.arrange(streams).map((one) => one.name).join('');
        };
        const all = [at(0, true, list(2, 1)), at(4000, false, list(1, 2)), at(9000, true, list(1, 2))];
        const more = [...list(1, 2), { name: 'c', meanReturn: 9 }];
        all.push(at(9500, true, more), at(9600, false, more), at(9700, false, more.slice(0, 2)));
        order.by = 'name';
        return [...all, at(9800, true, more)];
    """
    assert pure("order", code) == ["ab", "ab", "ab", "abc", "cba", "ba", "abc"]


@pytest.mark.parametrize("path", ["", "#view=grid"], ids=["strip", "grid"])
def test_tiles_are_sorted_as_chosen_and_stay_so_for_a_while(opened: Open, path: str) -> None:
    page = opened(workers(8), path)
    choose(page, "sort", "return")
    shown = ranks(page)
    assert shown == sorted(shown, reverse=True) and shown[0] == 7
    first = next(iter(page.streams))
    page.describe(meanReturn=1000.0)
    page.describe(meanReturn=1000.0, title="Changed")
    until(lambda: page.tab.title().startswith("Changed") or path, "what is news")
    assert ranks(page) == shown, "but in the same order"
    page.tab.evaluate(LATER)
    page.describe()
    until(lambda: ranks(page)[0] == 0, "the best one in front, later")
    assert first.endswith("rank 0")


@pytest.mark.parametrize("at", ["pointer", "keyboard"])
def test_tiles_stay_where_they_are_while_somebody_is_at_them(opened: Open, at: str) -> None:
    page = opened(workers(8), "#view=grid&sort=return")
    until(lambda: ranks(page)[0] == 7, "the best one in front")
    if at == "pointer":
        page.tab.hover(".tile >> nth=3")
    else:
        page.tab.keyboard.press("ArrowRight")
    page.tab.evaluate(LATER)
    page.describe(meanReturn=1000.0, episode=77)
    until(lambda: any("ep 77" in text for text in texts(page, ".tile-episode")), "what is news")
    assert ranks(page)[0] == 7
    page.tab.mouse.move(5, 5)
    page.tab.evaluate("document.activeElement.blur()")
    page.describe()
    until(lambda: ranks(page)[0] == 0, "the best one in front")


# ---- the leaderboard


def test_the_leaderboard_lists_streams_by_their_mean_return(opened: Open) -> None:
    streams = workers(8)
    streams[7]["state"] = "ended"
    streams[3].update(meanReturn=None, bestReturn=None)
    page = opened([*streams, {"name": "camera yard", "camera": True}])
    page.tab.keyboard.press("l")
    assert leaders(page) == [7, 6, 5, 4, 2, 1, 0, 3]
    first = page.tab.locator(".rank").first
    assert first.inner_text().split("\n") == ["1", "CartPole-v1", "ended · rank 7 · run-1 · ep 1", "70", "75"]
    assert first.get_attribute("data-state") == "ended"
    assert page.tab.locator(".rank").last.get_attribute("aria-label") == (
        "8: CartPole-v1 · rank 3 · run-1, live, no episode has ended yet, episode 1"
    )
    bars = page.tab.eval_on_selector_all(
        ".rank", "all => all.map(one => one.style.getPropertyValue('--share'))"
    )
    assert [float(bar) for bar in (bars[0], bars[-2], bars[-1])] == [1, 0, 0]
    page.tab.keyboard.press("l")
    assert not page.tab.locator("#board").is_visible() and page.tab.locator("#panel").is_visible()


def test_a_row_of_the_leaderboard_opens_its_stream(opened: Open) -> None:
    page = opened(workers(8))
    page.tab.click("#board-button")
    page.tab.click(".rank >> nth=2")
    assert page.data("stream").endswith("rank 5") and page.data("view") == "one"
    until(lambda: page.tab.locator('.rank[aria-current="true"]').count() == 1, "it to be marked")
    assert page.tab.locator("#board").is_visible(), "beside the picture"
    page.tab.keyboard.press("g")
    assert page.tab.locator("#board").is_visible(), "beside the grid"
    page.tab.click(".rank >> nth=0")
    assert page.data("stream").endswith("rank 7") and page.data("view") == "one"


def test_the_leaderboard_can_be_walked_by_key(opened: Open) -> None:
    page = opened(workers(64))
    page.tab.keyboard.press("l")
    for key in ("ArrowDown", "ArrowDown", "End", "ArrowUp", "Enter"):
        page.tab.keyboard.press(key)
    assert page.data("stream").endswith("rank 1")
    page.tab.keyboard.press("Escape")
    assert not page.tab.locator("#board").is_visible()


def test_on_a_phone_the_leaderboard_covers_the_page_until_a_stream_is_chosen(opened: Open) -> None:
    page = opened(workers(64), viewport=PHONE)
    page.tab.click("#board-button")
    box = page.tab.locator("#board").bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 390, 844)
    page.tab.click(".rank >> nth=1")
    assert page.data("stream").endswith("rank 62") and not page.tab.locator("#board").is_visible()
    page.tab.click("#board-button")
    page.tab.click(".board-close")
    assert not page.tab.locator("#board").is_visible()
    page.tab.click("#board-button")
    page.tab.go_back()
    until(lambda: not page.tab.locator("#board").is_visible(), "it to be closed")


def test_the_leaderboard_follows_what_is_searched_and_chosen(opened: Open) -> None:
    page = opened(workers(64), "#board=open&find=rank:0-7&run=run-0")
    until(lambda: leaders(page) == [6, 4, 2, 0], "those four")
    assert "4 of 64 streams" in page.tab.inner_text(".board-about")


def test_bars_are_as_long_as_returns_are_good_for_their_env(pure: Pure) -> None:
    code = """
        const said = [['a', 50], ['a', 200], ['b', -1000], ['b', -250], ['b', null], ['c', null]];
        const list = said.map(([title, meanReturn]) => ({ name: title, title, meanReturn }));
        const spans = it.spans(list);
        return list.map((one) => it.row(one, 1, spans).bar);
    """
    assert pure("ranking", code) == [0.25, 1, 0, 0.75, 0, 0]


# ---- links


EVERYTHING = {"find": "rank:0-40", "run": "run-1", "env": "CartPole-v1", "sort": "return", "board": "open"}


def test_everything_that_is_seen_stands_in_the_address(opened: Open) -> None:
    streams = [
        *workers(64),
        {"name": "other", "title": "Pendulum-v1"},
        {"name": "third", "title": "Pendulum-v1"},
    ]
    page = opened(streams, "?token=secret")
    page.tab.locator("#quality").select_option("me:50")
    page.tab.keyboard.press("l")
    page.tab.locator("#find input").fill(EVERYTHING["find"])
    for what in ("run", "env", "sort"):
        choose(page, what, EVERYTHING[what])
    page.tab.click(".rank >> nth=1")
    page.tab.locator("#grid-button").click()
    name = "CartPole-v1 · run-1 · rank 37"
    view = {**EVERYTHING, "stream": name, "view": "grid"}
    assert asked(page) == {**view, "quality": "50"}
    page.tab.evaluate(COPYING)
    page.tab.click("#share-button")
    until(lambda: "The link to this view is copied." in page.text(), "a word about it")
    link = str(page.tab.evaluate("window.copied"))
    assert "token" not in link and "secret" not in link
    other = opened(streams, link.removeprefix(page.address))
    until(lambda: ranks(other)[:2] == [39, 37], "the same tiles")
    assert asked(other) == view
    assert (other.data("view"), other.data("stream"), other.data("board")) == ("grid", name, "open")
    assert leaders(other)[:2] == [39, 37]
    assert other.tab.input_value("#find input") == EVERYTHING["find"]
    shown = [other.tab.input_value(f'[data-choice="{what}"] select') for what in ("run", "env", "sort")]
    assert shown == [EVERYTHING[what] for what in ("run", "env", "sort")]


def test_back_and_forward_lead_through_what_was_seen(opened: Open) -> None:
    page = opened(workers(64))

    def state() -> tuple[str, ...]:
        shown = [page.data(one) for one in ("view", "board", "stream")]
        return (*shown, page.tab.input_value('[data-choice="run"] select'))

    seen = [state()]
    for act in (
        lambda: page.tab.click(".tile >> nth=2"),
        lambda: page.tab.keyboard.press("g"),
        lambda: choose(page, "run", "run-1"),
        lambda: page.tab.keyboard.press("l"),
        lambda: page.tab.click(".rank >> nth=0"),
    ):
        act()
        seen.append(state())
    assert len(set(seen)) == 6

    def reached(place: tuple[str, ...]) -> None:
        until(lambda: state() == place, f"{place}, not {state()}")

    for before in reversed(seen[:-1]):
        page.tab.go_back()
        reached(before)
    for after in seen[1:]:
        page.tab.go_forward()
        reached(after)


def test_walking_through_streams_and_typing_are_no_steps_to_go_back(opened: Open) -> None:
    page = opened(workers(64))
    before = page.tab.evaluate("history.length")
    for _ in range(3):
        page.tab.keyboard.press("ArrowRight")
    page.tab.locator("#find input").fill("rank:1")
    assert asked(page) == {"stream": "CartPole-v1 · run-1 · rank 3", "find": "rank:1"}
    assert page.tab.evaluate("history.length") == before


def test_a_link_to_a_stream_alone_still_leads_there(opened: Open) -> None:
    page = opened(workers(8), "#stream=CartPole-v1 · run-1 · rank 5")
    assert page.data("stream").endswith("rank 5") and page.data("view") == "one"
    page.tab.evaluate("location.hash = 'stream=CartPole-v1 · run-0 · rank 2'")
    until(lambda: page.data("stream").endswith("rank 2"), "the other one")


# ---- what tiles say, and how many there are


def test_tiles_say_their_rank_and_their_run_where_there_are_several(opened: Open) -> None:
    page = opened(workers(8))
    tile = page.tab.locator(".tile").nth(3)
    assert tile.inner_text().split("\n")[:2] == ["rank 3 · CartPole-v1", "run-1 · ep 1"]
    assert tile.get_attribute("aria-label").startswith("CartPole-v1 · rank 3 · run-1, live")
    assert tile.get_attribute("title") == "CartPole-v1 · rank 3 · run-1: live, on n0"
    assert page.tab.inner_text("h1") == "CartPole-v1 · rank 0 · run-0"
    alone = opened(workers(8, runs=1)).tab.locator(".tile").nth(3)
    assert alone.inner_text().split("\n")[:2] == ["rank 3 · CartPole-v1", "ep 1"]
    assert alone.get_attribute("aria-label").startswith("CartPole-v1 · rank 3, live")


def test_names_in_little_space(pure: Pure) -> None:
    code = """
        const run = { inRun: 'sweep-lr3e-4', briefRun: 'lr3e-4' };
        const ant = { name: 'Ant/3', group: 'Ant', env: 3, rank: 2, ...run };
        const { head, tail } = it.label(ant);
        return [head + tail, it.fullName(ant), it.whose(ant, true), it.whose({})];
    """
    said = ["rank 2 · Ant · 3", "Ant · 3 · rank 2 · sweep-lr3e-4", "rank 2 · lr3e-4", ""]
    assert pure("names", code) == said


@pytest.mark.parametrize(
    ("runs", "brief"),
    [
        (["sweep-lr3e-4", "sweep-lr3e-5"], ["lr3e-4", "lr3e-5"]),
        (["run-0", "run-1"], ["run-0", "run-1"]),
        (["brave-night-12", "calm-sun-3"], ["brave-night-12", "calm-sun-3"]),
        (["a-long-name-of", "a-long-name-of-2"], ["name-of", "name-of-2"]),
        ([], []),
    ],
)
def test_runs_are_told_apart_in_little_space(pure: Pure, runs: list[str], brief: list[str]) -> None:
    assert pure("names", f"return [...it.briefRuns({json.dumps(runs)}).values()];") == brief


@pytest.mark.parametrize("count", [8, 64, 800])
def test_of_many_streams_only_what_is_near_sight_is_on_the_page(opened: Open, count: int) -> None:
    page = opened(workers(count), "#board=open")
    tiles, rows = page.tab.locator(".tile"), page.tab.locator(".rank")
    until(lambda: tiles.count() and rows.count(), "tiles and rows")
    assert tiles.count() <= 10 and rows.count() == min(count, rows.count()) <= 30
    page.tab.keyboard.press("g")
    until(lambda: page.data("view") == "grid", "the grid")
    assert min(count, 12) - 4 <= tiles.count() <= 100
    page.tab.evaluate("document.querySelector('.board-box').scrollTop = 1e6")
    until(lambda: leaders(page)[-1] == 0, "the last row")
    assert rows.last.get_attribute("aria-label").startswith(f"{count}: ") and rows.count() <= 30
    page.tab.evaluate("document.querySelector('#grid').scrollTop = 1e6")
    until(lambda: ranks(page)[-1] == count - 1, "the last tile")
    until(lambda: 0 < len(page.watched()) <= 64, "no more to be watched than may be")


@pytest.mark.parametrize("count", [8, 64, 800])
def test_what_has_not_changed_is_not_touched(opened: Open, count: int) -> None:
    page = opened(workers(count), "#view=grid&board=open&sort=name")
    until(lambda: leaders(page), "the leaderboard")
    page.tab.evaluate(
        """() => {
            window.touched = 0;
            const watch = new MutationObserver((list) => { touched += list.length; });
            const attributeFilter = ['class', 'title', 'aria-label', 'data-state', 'hidden'];
            const all = { subtree: true, childList: true, characterData: true, attributeFilter };
            for (const one of [grid, document.querySelector('.board ol'), sift]) {
                watch.observe(one, all);
            }
        }"""
    )
    for _ in range(3):
        page.describe()
    page.tab.evaluate("new Promise((done) => setTimeout(done, 0))")
    assert page.tab.evaluate("touched") == 0


# ---- for everybody


@pytest.mark.parametrize("path", ["", "#view=grid", "#view=grid&board=open", "#board=open"])
def test_nothing_hangs_over_the_edge(opened: Open, path: str, tmp_path: Path) -> None:
    streams = workers(64)
    for one in streams[:32]:
        one.update(title="A-very-long-name-of-an-env-v1", run="a-very-long-name-of-a-run-of-a-sweep")
    page = opened(streams, path)
    over = """() => [...document.querySelectorAll('.viewer-foot :is(button, label), .board *')]
        .filter((one) => one.getClientRects().length > 0 && !one.closest('.board-box'))
        .map((one) => one.getBoundingClientRect())
        .filter((box) => box.left < -1 || box.right > innerWidth + 1).length"""
    for look in page.looks(lying=True):
        page.tab.screenshot(path=tmp_path / "page.png")
        assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), look
        assert page.tab.evaluate(over) == 0, look
        if "grid" in path:
            foot = "document.querySelector('.viewer-foot').getBoundingClientRect().bottom"
            assert page.tab.evaluate(f"{foot} <= innerHeight"), look


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_everything_has_a_name_for_who_cannot_see_it(opened: Open, size: dict[str, int]) -> None:
    page = opened(workers(64), viewport=size)
    for role, name in (
        *(("combobox", name) for name in ("Run", "Order")),
        *(("button", name) for name in ("Leaderboard", "Grid")),
        ("searchbox", "rank"),
        ("group", "Which streams are seen"),
    ):
        assert page.tab.get_by_role(role, name=name, exact=True).count() == 1, name
    page.tab.click("#board-button")
    assert page.tab.get_by_role("dialog", name="Leaderboard").count() == 1
    assert page.tab.get_by_role("button", name="Close the leaderboard").count() == 1
    assert page.tab.locator(".rank-line").first.get_attribute("aria-setsize") == "64"

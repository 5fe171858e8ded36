"""H.264 on the page: decoded in the browser, painted like any picture, given up where that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pages
from fakes import PictureEnv
from pages import Page
from scripted import SIZE, Coded, Scripted, h264, jpeg
from serving import streaming, training, until

pytestmark = pytest.mark.browser
browser, open_page = pages.browser, pages.open_page

Opening = Callable[..., Scripted]


@pytest.fixture
def open_scripted(browser: Any) -> Iterator[Opening]:
    """Opens pages at a scripted server; at the end of the test none of them may have had an error."""
    opened: list[Scripted] = []

    def opening(path: str = "", streams: tuple[str, ...] = ("env",)) -> Scripted:
        opened.append(Scripted(browser, path, streams))
        return opened[-1]

    yield opening
    for page in opened:
        page.context.close()
    assert [problem for page in opened for problem in page.problems] == []


@pytest.fixture
def page(open_scripted: Opening) -> Scripted:
    """A page that asks for H.264."""
    return ready(open_scripted())


def ready(page: Scripted, stream: str = "env") -> Scripted:
    asks = lambda: page.watched().get(stream, {}).get("video")  # noqa: E731
    try:
        until(asks, "H.264 to be asked for")
    except AssertionError as error:
        raise AssertionError(f"{error}; it lacks {page.unanswered} and said {page.heard}") from None
    return page


def shows(page: Scripted, grey: int) -> None:
    until(lambda: page.grey() == grey, f"grey {grey} to be seen, not {page.grey()}")


def leaks(page: Scripted) -> int:
    """Pictures of decoders that nobody has closed."""
    return page.count("made") - page.count("closed")


# ---- asking for it


def test_it_is_asked_for_the_big_picture_and_not_for_tiles(open_scripted: Opening) -> None:
    page = ready(open_scripted(streams=("env", "other")))
    until(lambda: "other" in page.watched(), "the tile to be watched")
    big, tile = page.watched()["env"], page.watched()["other"]
    assert (big["video"], big["quality"], big["width"]) == ("full", None, None)
    assert not tile.get("video") and tile["width"] == 320
    page.tab.keyboard.press("g")
    until(lambda: "env" in page.watched() and not page.watched()["env"].get("video"), "tiles only")


def test_a_page_opened_with_codec_jpeg_asks_for_none(open_scripted: Opening) -> None:
    page = open_scripted("?codec=jpeg")
    until(lambda: "env" in page.watched(), "the stream to be watched")
    page.picture(jpeg(9))
    shows(page, 9)
    assert page.watched()["env"]["video"] is False
    until(lambda: "JPEG 70" in page.tab.inner_text(".codec"), "the codec to be named")


def test_a_browser_that_does_not_decode_it_gets_none(open_scripted: Opening) -> None:
    page = open_scripted()
    page.tab.add_init_script("delete window.VideoDecoder")
    page.tab.reload()
    page.heard.clear()
    until(lambda: "env" in page.watched(), "the stream to be watched")
    page.picture(jpeg(9))
    shows(page, 9)
    assert page.watched()["env"]["video"] is False


# ---- painting it


def test_it_is_painted_in_its_visible_size_and_acknowledged(page: Scripted) -> None:
    for picture in h264(5, 8):
        number = page.picture(picture)
        until(lambda: number in page.acknowledged(), "the acknowledgement")  # noqa: B023
    shows(page, 8)
    assert page.size() == SIZE
    until(lambda: (page.data("format"), page.frame()) == ("h264", number), "its number")
    edge = f"[...picture.getContext('2d').getImageData({SIZE[0] - 1}, {SIZE[1] - 1}, 1, 1).data]"
    assert page.tab.evaluate(edge)[1] == pytest.approx(80, abs=6), "nothing of what lies beyond the edge"
    assert leaks(page) == 0


def test_every_picture_is_decoded_where_only_the_newest_is_seen(page: Scripted) -> None:
    greys = [3, 20, 7, 15, 4, 22, 9, 12]
    for picture in h264(*greys):
        number = page.picture(picture)
    shows(page, 12)
    until(lambda: number in page.acknowledged(), "the acknowledgement that counts for all")
    assert page.count("fed") == page.count("made") == len(greys)
    assert (page.count("decoders"), leaks(page)) == (1, 0)


def test_a_jpeg_between_leaves_the_chain_as_it_is(page: Scripted) -> None:
    first, second = h264(5, 8)
    page.picture(first)
    page.picture(jpeg(21))
    shows(page, 21)
    page.picture(second)
    shows(page, 8)
    assert (page.count("decoders"), page.count("fed")) == (1, 2)


def test_a_jpeg_that_is_decoded_first_is_not_painted_over(page: Scripted) -> None:
    first, second = h264(5, 8)
    page.hold()
    page.picture(first)
    until(lambda: page.count("made") == 1, "the picture to come out")
    number = page.picture(jpeg(21))
    until(lambda: number in page.acknowledged(), "the acknowledgement")
    page.release()
    page.picture(second)  # Builds on the one that was not seen.
    shows(page, 8)
    assert page.acknowledged() == [number, number + 1]
    assert (page.count("made"), leaks(page)) == (2, 0)


def test_another_chain_begins_with_its_key_picture_in_a_new_decoder(page: Scripted) -> None:
    first, others = h264(5, 6), h264(17, 18, 19, size=(80, 60), chain=2)
    page.picture(first[0])
    shows(page, 5)
    # One that builds on what never came is passed over.
    missed = page.picture(others[1])
    until(lambda: missed in page.acknowledged(), "its acknowledgement")
    page.picture(others[0])
    shows(page, 17)
    assert page.size() == (80, 60)
    assert (page.count("decoders"), page.count("open"), page.count("fed")) == (2, 1, 2)
    assert leaks(page) == 0


def test_what_the_page_does_not_keep_up_with_is_told_as_its_queue(page: Scripted) -> None:
    page.tab.evaluate("counts.silent = true")
    for picture in h264(5, 8, 9):
        page.picture(picture)
    until(lambda: 3 in [one["queueSize"] for one in page.all_heard("performance_stats")], "the queue")


def test_an_acknowledgement_tells_how_long_the_picture_took(page: Scripted) -> None:
    number = page.picture(jpeg(5))
    until(lambda: number in page.acknowledged(), "the acknowledgement")
    assert page.all_heard("ack")[-1]["transferMs"] >= 0


# ---- leaving it


def test_a_pause_lets_go_of_everything_and_goes_on_with_a_key_picture(page: Scripted) -> None:
    chain = h264(5, 8, 9)
    page.picture(chain[0])
    shows(page, 5)
    page.tab.keyboard.press("Space")
    page.is_in("paused")
    late = page.picture(chain[1])
    until(lambda: late in page.acknowledged(), "what was under way to be acknowledged")
    assert (page.grey(), page.count("open"), leaks(page)) == (5, 0, 0)
    page.tab.keyboard.press("Space")
    ready(page)
    page.picture(chain[2])  # Builds on what was passed over.
    page.picture(h264(14)[0])
    shows(page, 14)
    assert (page.count("fed"), leaks(page)) == (2, 0)


def test_another_stream_never_shows_the_picture_of_the_one_before(open_scripted: Opening) -> None:
    page = ready(open_scripted(streams=("env", "other")))
    chain = h264(5, 8)
    page.hold()
    page.picture(chain[0])
    until(lambda: page.count("made") == 1, "the picture to come out")
    page.tab.keyboard.press("ArrowRight")
    ready(page, "other")
    page.release()
    late = page.picture(chain[1])
    until(lambda: late in page.acknowledged(), "what was under way to be acknowledged")
    assert page.data("picture") == "none" and leaks(page) == 0
    page.picture(h264(20)[0], stream="other")
    shows(page, 20)
    assert (page.count("decoders"), page.count("open"), leaks(page)) == (2, 1, 0)
    assert "could not be decoded" not in page.text()


def test_a_new_connection_begins_with_a_key_picture(page: Scripted) -> None:
    chain = h264(5, 8, 9)
    page.picture(chain[0])
    shows(page, 5)
    page.heard.clear()
    page.drop()
    ready(page)
    page.is_in("live")
    page.picture(chain[2])
    page.picture(h264(14)[0])
    shows(page, 14)
    assert (page.count("fed"), page.count("open"), leaks(page)) == (2, 1, 0)


def test_a_hidden_tab_holds_no_decoder(page: Scripted) -> None:
    hide = """state => {
        Object.defineProperty(document, "hidden", {value: state, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    chain = h264(5, 8)
    page.picture(chain[0])
    shows(page, 5)
    page.tab.evaluate(hide, True)
    until(lambda: page.watched() == {}, "nothing to be asked for")
    page.picture(chain[1])
    until(lambda: len(page.acknowledged()) == 2, "what was under way to be acknowledged")
    assert (page.count("open"), leaks(page)) == (0, 0)
    page.tab.evaluate(hide, False)
    ready(page)
    page.picture(h264(14)[0])
    shows(page, 14)


def test_a_decoder_that_the_browser_takes_back_is_replaced(page: Scripted) -> None:
    chain = h264(5, 8)
    page.picture(chain[0])
    shows(page, 5)
    page.tab.evaluate("counts.fail(new DOMException('idle for long', 'QuotaExceededError'))")
    until(lambda: asked(page)[-2:] == [False, "full"], "H.264 to be asked for anew")
    page.picture(chain[0])
    page.picture(chain[1])
    shows(page, 8)
    assert "cannot be decoded" not in page.text()


def asked(page: Scripted) -> list[bool | str]:
    """Whether H.264 was asked for, in each of the messages."""
    return [one["video"] for message in page.all_heard("watch") for one in message["streams"]]


def test_a_decoder_that_has_nothing_to_do_is_not_given_up(page: Scripted) -> None:
    chain = h264(5, 8)
    page.picture(chain[0])
    shows(page, 5)
    page.tab.wait_for_timeout(2500)  # Longer than it may be silent with a picture in it.
    page.picture(chain[1])
    shows(page, 8)
    assert (page.count("decoders"), False in asked(page)) == (1, False)


# ---- giving it up


def broken(page: Scripted) -> None:
    """A picture that no decoder understands."""
    page.picture(Coded(bytes(400), h264(5)[0].about))


def silent(page: Scripted) -> None:
    """Pictures that go into the decoder and never come out."""
    page.tab.evaluate("counts.silent = true")
    for picture in h264(5, 8):
        page.picture(picture)


@pytest.mark.parametrize("trouble", [broken, silent])
def test_where_it_cannot_be_decoded_jpeg_follows_and_this_is_said_once(
    page: Scripted, trouble: Callable[[Scripted], None]
) -> None:
    trouble(page)
    until(lambda: asked(page)[-1] is False, "H.264 to be given up")
    until(lambda: "H.264 cannot be decoded here; JPEG instead" in page.text(), "a word about it")
    page.picture(jpeg(9))
    shows(page, 9)
    assert leaks(page) == 0 and page.count("open") == 0
    page.heard.clear()
    page.tab.reload()
    until(lambda: "env" in page.watched(), "the stream to be watched")
    page.picture(jpeg(9))
    shows(page, 9)
    assert asked(page) == [False] * len(asked(page)), "not tried again in this session"
    assert "cannot be decoded" not in page.text()


# ---- pictures that stand still


def test_what_stands_still_stays_live_and_its_figures_go_on(page: Scripted) -> None:
    page.picture(jpeg(9))
    shows(page, 9)
    for step in range(40, 60):
        page.still(episode=3, step=step, totalSteps=900, **{"return": 12.5})
        page.tab.wait_for_timeout(30)
    until(lambda: page.tab.inner_text(".pairs [data-value=step]") == "59", "the step")
    assert page.tab.inner_text(".now-return [data-value=return]") == "12.50"
    assert page.data("state") == "live"
    assert float(page.data("fps")) > 5, "what is seen is as new as with pictures"
    assert 0 <= int(page.data("ageMs")) < 5000
    assert (page.frame(), len(page.acknowledged())) == (21, 1)


def test_figures_that_overtake_the_picture_stay(page: Scripted) -> None:
    for grey in (9, 10, 11):
        page.picture(jpeg(grey))
        page.still(episode=3, step=77, **{"return": 12.5})
    shows(page, 11)
    until(lambda: page.tab.inner_text(".pairs [data-value=step]") == "77", "the step")
    number = page.picture(jpeg(12))
    until(lambda: page.frame() == number, "the next one's own")
    assert page.tab.inner_text(".pairs [data-value=step]") == str(number)


# ---- with a real run


def test_a_training_is_seen_as_h264(open_page: Callable[..., Page]) -> None:
    with training() as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        until(lambda: page.data("format") == "h264", "H.264")
        before, number = page.pixels(), page.frame()
        until(lambda: page.frame() > number + 3, "new frames")
        assert page.pixels() != before
        until(lambda: "H.264" in page.tab.inner_text(".codec"), "the codec to be named")


def test_a_training_is_seen_as_jpeg_where_that_is_asked_for(open_page: Callable[..., Page]) -> None:
    with training() as trainer:
        page = open_page(trainer.url + "?codec=jpeg")
        page.is_in("live")
        until(lambda: page.frame() > 3, "frames")
        assert page.data("format") in ("jpeg", "webp")


def test_pages_that_come_later_join_in(open_page: Callable[..., Page]) -> None:
    with training() as trainer:
        for _ in range(3):
            page = open_page(trainer.url)
            page.is_in("live")
            until(lambda: page.data("format") == "h264", "H.264")  # noqa: B023
            number = page.frame()
            until(lambda: page.frame() > number + 3, "new frames")  # noqa: B023


def test_pauses_and_other_streams_are_come_back_from(open_page: Callable[..., Page]) -> None:
    extra = """
    other = StreamingWrapper(gym.make("MountainCar-v0", render_mode="rgb_array"), videoStreamPort=0)
    other.reset(seed=2)
    first = env
    def both(action):
        if first.step(action)[2]:
            first.reset()
        return other.step(1)
    env = type("Both", (), dict(step=staticmethod(both), reset=other.reset, action_space=first.action_space))
    """
    with training(extra) as trainer:
        page = open_page(trainer.url)
        page.is_in("live")
        until(lambda: "MountainCar-v0" in page.text(), "the other stream's tile")
        for key in ("Space", "Space", "ArrowRight", "ArrowLeft", "g", "Escape"):
            page.tab.keyboard.press(key)
        until(lambda: page.data("format") == "h264", "H.264")
        number = page.frame()
        until(lambda: page.frame() > number + 3, "new frames")
        assert "cannot be decoded" not in page.text()


def test_an_env_whose_picture_stands_still_is_live(open_page: Callable[..., Page]) -> None:
    with streaming(PictureEnv(np.full((120, 180, 3), 90, np.uint8), length=50)) as port:
        page = open_page(f"http://127.0.0.1:{port}/")
        page.is_in("live")
        step = page.tab.inner_text(".pairs [data-value=step]")
        until(lambda: page.tab.inner_text(".pairs [data-value=step]") != step, "the figures to go on")
        until(lambda: float(page.data("fps")) > 0, "its frames to count")
        assert page.data("state") == "live"

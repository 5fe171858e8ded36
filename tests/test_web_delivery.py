"""Which picture each viewer is sent: as its link allows, as JPEG or H.264, once more, or not at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from envstream import codec
from envstream import track as track_module
from envstream.chain import KEY_PAUSE
from envstream.encoder import Picture, Rung
from envstream.frame import Frame, Source
from envstream.ladder import Ladder
from envstream.replay import Replay
from envstream.sent import SentFrame
from envstream.viewer import Viewer, Watch
from envstream.web import delivery as delivery_module
from envstream.web import fanout as fanout_module
from envstream.web.delivery import HEARTBEAT, IDLE_CHAIN, STILL_AFTER
from envstream.web.seat import Seat
from fakes import Mailbox
from worlds import Loop, MakeFrame, World, received


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    for module in (fanout_module, delivery_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=loop.time))
    return loop


@pytest.fixture
def world(loop: Loop, frame: MakeFrame) -> World:
    world = World(loop, frame)
    world.stream.video = False
    return world


def box(seat: Seat) -> Mailbox:
    assert isinstance(seat.pipe, Mailbox)
    return seat.pipe


def pictures(seat: Seat) -> list[Picture]:
    """The pictures that came since the last call."""
    came, box(seat).pictures = box(seat).pictures, []
    return came


def stand_at(seat: Seat, index: int) -> Ladder:
    """Another place on the ladder, as if it had decided so."""
    watch = seat.viewer.watches["env"]
    assert watch.ladder is not None
    watch.ladder.index, watch.aim = index % len(watch.ladder.points), None
    return watch.ladder


def stand(world: World, number: int, like: int = 1) -> None:
    """Frame `number` comes and looks like frame `like`."""
    pixels = np.full((4, 6, 3), like % 256, np.uint8)
    world.stream.put(Frame(pixels, number, world.loop.now, 0.0, {"step": number}), world.loop.now)
    world.stream.due[0] = 0
    world.fanout.arrived(world.stream)
    world.compress()


# --- what stands still ---------------------------------------------------------------------------------


def test_a_picture_that_looks_like_the_one_before_is_not_sent_again(world: World) -> None:
    seat = world.seat()
    for number in range(1, 6):
        stand(world, number)
    assert received(seat) == [1]
    assert world.stream.encoder.encodes == 1


def test_who_sees_a_picture_that_stands_is_told_that_it_is_still_so(world: World) -> None:
    seat = world.seat()
    for number in range(1, 22):
        stand(world, number)
        world.loop.advance(0.1)
    told = box(seat).told("still")
    assert 3 <= len(told) <= 2.1 / HEARTBEAT + 1
    assert told[-1]["step"] == told[-1]["frameNumber"] > 15


def test_what_moves_again_is_sent_again(world: World) -> None:
    seat = world.seat(window=10)
    stand(world, 1)
    stand(world, 2)
    stand(world, 3, like=3)
    stand(world, 4, like=1)
    assert received(seat) == [1, 3, 4]


def test_a_new_viewer_of_what_stands_gets_the_picture_made_before(world: World) -> None:
    world.seat()
    for number in (1, 2, 3):
        stand(world, number)
    late = world.seat()
    world.compress()
    (picture,) = pictures(late)
    assert (picture.frame.number, world.stream.encoder.encodes) == (3, 1)


def test_what_stands_is_sent_once_more_at_best_quality(world: World) -> None:
    seat = world.seat()
    world.show(1)
    world.acknowledge(seat, 1)
    for _ in range(5):
        world.loop.advance(STILL_AFTER)
        world.fanout.revive()
        world.compress()
    first, best = pictures(seat)
    assert (first.quality, best.quality) == (85, world.hub.config.videoStreamMaxQuality)
    assert best.frame.number == 1


def test_while_it_moves_nothing_is_sent_once_more(world: World) -> None:
    seat = world.seat(window=100)
    for number in range(1, 10):
        world.show(number)
        world.loop.advance(STILL_AFTER / 2)
        world.fanout.revive()
        world.compress()
    assert received(seat) == list(range(1, 10))


def test_who_fixed_the_quality_by_hand_gets_no_better_one(world: World) -> None:
    seat = world.seat()
    seat.viewer.watch({"env": Watch(Rung(), quality=40, window=2)})
    world.fanout.changed(seat)
    world.show(1)
    world.acknowledge(seat, 1)
    world.loop.advance(2 * STILL_AFTER)
    world.fanout.revive()
    world.compress()
    assert [picture.quality for picture in pictures(seat)] == [40]


# --- the ladder ----------------------------------------------------------------------------------------


def test_who_stands_lower_gets_the_lower_quality_and_hears_why(world: World) -> None:
    seat, other = world.seat(), world.seat()
    world.show(1)
    ladder = stand_at(seat, 1)
    world.show(2)
    assert [picture.quality for picture in pictures(seat)] == [85, ladder.points[1].quality]
    assert [picture.quality for picture in pictures(other)] == [85, 85]
    assert [message["quality"] for message in box(seat).told("rung")] == [85, ladder.points[1].quality]
    assert len(box(other).told("rung")) == 1


def test_the_lower_rates_and_sizes_of_the_ladder_are_kept(loop: Loop) -> None:
    def wide(number: int, cost: float = 0.0) -> Frame:
        return Frame(np.full((30, 64, 3), number % 256, np.uint8), number, loop.now, cost)

    world = World(loop, wide)
    world.stream.video = False
    seat = world.seat(window=1000)
    world.show(1)
    ladder = stand_at(seat, -1)
    point = ladder.points[-1]
    pictures(seat)
    for number in range(2, 62):
        world.loop.advance(0.1)
        world.show(number)
    came = pictures(seat)
    assert {picture.width for picture in came} == {round(64 * point.size)}
    assert abs(len(came) - 60 * point.rate) <= 2


def test_a_quality_chosen_for_everybody_is_sent_also_while_nothing_moves(world: World) -> None:
    seat = world.seat()
    stand(world, 1)
    world.stream.choose("low")
    stand(world, 2)
    assert [picture.quality for picture in pictures(seat)] == [85, 60]


def test_a_hundred_viewers_on_three_qualities_cost_three_encodes(world: World) -> None:
    seats = [world.seat() for _ in range(100)]
    for place, seat in enumerate(seats):
        seat.viewer.watch({"env": Watch(Rung(), quality=(90, 70, 50)[place % 3], window=2)})
        world.fanout.changed(seat)
    world.show(1)
    encoder = world.stream.encoder
    assert (encoder.encodes, encoder.misses, encoder.hits) == (3, 3, 97)
    assert all(received(seat) == [1] for seat in seats)


def test_who_are_many_are_served_before_who_is_alone_is_compressed_for(world: World) -> None:
    alone = world.seat(rung=Rung(max_width=3))
    many = [world.seat() for _ in range(5)]
    world.frame(1)
    world.pool.finish()
    assert world.pool.jobs == []
    world.loop.advance()
    assert [received(seat) for seat in (*many, alone)] == [[1]] * 5 + [[]]
    world.compress()
    assert received(alone) == [1]


# --- connections that do not acknowledge ---------------------------------------------------------------


def test_a_connection_that_does_not_acknowledge_is_served_as_fast_as_it_drains(world: World) -> None:
    seat = Seat(Viewer(), Mailbox(acknowledges=False))
    assert world.fanout.join(seat)
    seat.viewer.watch({"env": Watch(Rung(), window=1)})
    world.fanout.changed(seat)
    world.show(1)
    box(seat).free = False
    world.show(2)
    world.show(3)
    assert received(seat) == [1]
    box(seat).free = True
    world.fanout.drained(world.stream, [seat])
    world.fanout.serve(world.stream, seat)
    world.compress()
    assert received(seat) == [3]


# --- H.264 ---------------------------------------------------------------------------------------------


class Codec:
    """An H.264 encoder that says what it was asked for."""

    codec = "avc1.640028"
    fails = False
    closed = 0

    def __init__(self, *size: object, flat: bool = False, full_colour: bool = False) -> None:
        self.count = 0

    def encode(self, pixels: object, key: bool) -> bytes:
        if Codec.fails:
            raise ValueError("no encoder")
        self.count += 1
        return b"key" if key else b"%d" % self.count

    def close(self) -> None:
        Codec.closed += 1


@pytest.fixture
def film(loop: Loop, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose stream can be sent as H.264."""
    monkeypatch.setattr(track_module, "VideoEncoder", Codec)
    Codec.fails, Codec.closed = False, 0
    world = World(loop, frame, videoStreamReplay=0)
    world.stream.video = True
    return world


def viewer_of(film: World, window: int = 100, **wish: Any) -> Seat:
    seat = film.seat()
    seat.viewer.watch({"env": Watch(Rung("auto"), video=True, window=window, **wish)})
    film.fanout.changed(seat)
    film.compress()
    pictures(seat)
    return seat


def play(film: World, number: int, seconds: float = 0.1) -> None:
    film.loop.advance(seconds)
    film.show(number)


def kinds(seat: Seat) -> list[tuple[str, Any]]:
    return [(picture.format, picture.link.get("key")) for picture in pictures(seat)]


def test_who_can_decode_it_gets_a_key_picture_and_then_what_builds_on_it(film: World) -> None:
    seat = viewer_of(film)
    for number in (1, 2, 3):
        play(film, number)
    assert kinds(seat) == [("h264", True), ("h264", False), ("h264", False)]


def came(number: int) -> SentFrame:
    data = codec.encode(np.full((48, 64, 3), number, np.uint8), "jpeg", 80)
    return SentFrame(Source(data, 80), 64, 48, number, float(number), {})


def put(film: World, frame: Frame) -> None:
    film.loop.advance(0.1)
    film.stream.put(frame, film.loop.time())
    film.fanout.arrived(film.stream)
    film.compress()


def test_what_came_as_a_jpeg_is_passed_on_and_nobody_waits_for_video(film: World) -> None:
    seat = viewer_of(film)
    for number in (1, 2):
        put(film, came(number))
    assert kinds(seat) == [("jpeg", None), ("jpeg", None)]
    assert film.stream.encoder.encodes == 0


def test_where_the_link_is_too_narrow_for_that_it_is_video_from_then_on(film: World) -> None:
    seat = viewer_of(film)
    put(film, came(1))
    ladder = seat.viewer.watches["env"].ladder
    assert ladder is not None
    ladder.fell, seat.viewer.watches["env"].aim = True, None
    for number in (2, 3):
        put(film, came(number))
    assert kinds(seat) == [("jpeg", None), ("h264", True), ("h264", False)]


def test_who_cannot_gets_jpegs_beside(film: World) -> None:
    one, other = viewer_of(film), film.seat()
    play(film, 1)
    assert kinds(one) == [("h264", True)] and kinds(other) == [("jpeg", None)]


def test_everybody_on_a_chain_gets_the_same_pictures_from_one_encode(film: World) -> None:
    seats = [viewer_of(film) for _ in range(5)]
    for number in (1, 2):
        play(film, number)
    data = [[picture.data for picture in pictures(seat)] for seat in seats]
    assert data == [[b"key", b"2"]] * 5
    assert film.stream.encoder.encodes == 2


def test_who_joins_later_waits_for_a_key_picture_and_nobody_misses_one(film: World) -> None:
    early = viewer_of(film)
    play(film, 1)
    play(film, 2)
    late = viewer_of(film)
    play(film, 3)
    assert kinds(late) == []
    play(film, 4, KEY_PAUSE)
    play(film, 5)
    assert kinds(late) == [("h264", True), ("h264", False)]
    assert len(kinds(early)) == 5


def test_who_skipped_a_picture_gets_no_other_before_a_key_picture(film: World) -> None:
    seat, steady = viewer_of(film, window=1), viewer_of(film)
    for number in (1, 2, 3):
        play(film, number)
    assert kinds(seat) == [("h264", True)]
    film.acknowledge(seat, 1)
    play(film, 4)
    assert kinds(seat) == []
    play(film, 5, KEY_PAUSE)
    assert kinds(seat) == [("h264", True)]
    assert len(kinds(steady)) == 5


def test_what_is_sent_as_video_is_kept_for_replay_as_pictures_that_stand_for_themselves(
    loop: Loop, frame: MakeFrame, film: World
) -> None:
    film.stream.replay = Replay(60, 10**6)
    viewer_of(film)
    for number in (1, 2):
        play(film, number)
    clip = film.stream.replay.clip("r1", "env", "env")
    assert clip is not None and [still.format for still in clip.stills] == ["webp", "webp"]


def test_what_is_sent_as_pictures_is_kept_as_it_was_sent(world: World) -> None:
    world.seat()
    world.show(1)
    encodes = world.stream.encoder.encodes
    clip = world.stream.replay.clip("r1", "env", "env")
    assert clip is not None and len(clip.stills) == 1 and encodes == 1


def test_while_only_who_missed_one_is_there_nothing_is_made_for_nobody(film: World) -> None:
    seat = viewer_of(film, window=1)
    play(film, 1)
    play(film, 2)
    play(film, 3)
    assert film.stream.encoder.encodes == 1
    film.acknowledge(seat, 1)
    play(film, 4)  # Nothing was made in between: it still has all there are.
    assert kinds(seat) == [("h264", True), ("h264", False)]


def test_another_size_begins_another_chain(film: World) -> None:
    seat = viewer_of(film)
    play(film, 1)
    pixels = np.full((8, 6, 3), 77, np.uint8)
    film.loop.advance(0.1)
    film.stream.put(Frame(pixels, 2, film.loop.now), film.loop.now)
    film.fanout.arrived(film.stream)
    film.compress()
    first, second = pictures(seat)
    assert second.link["key"] and second.link["chain"] != first.link["chain"]


def test_when_it_stands_a_still_picture_comes_and_then_the_chain_goes_on(film: World) -> None:
    seat = viewer_of(film, window=2)
    play(film, 1)
    film.acknowledge(seat, 1)
    film.loop.advance(2 * STILL_AFTER)
    film.fanout.revive()
    film.compress()
    film.acknowledge(seat, 1)
    play(film, 2)
    assert kinds(seat) == [("h264", True), ("webp", None), ("h264", False)]


def test_an_encoder_that_fails_means_still_pictures_for_everybody_and_a_sentence(film: World) -> None:
    seat = viewer_of(film)
    play(film, 1)
    Codec.fails = True
    play(film, 2)
    assert "H.264 cannot be made here (no encoder); JPEG is sent instead" in (
        film.stream.notices.newest or ""
    )
    play(film, 3)
    assert kinds(seat) == [("h264", True), ("webp", None)]  # What is small and flat goes without loss.


def test_an_encoder_that_nobody_uses_is_let_go_of(film: World) -> None:
    seat = viewer_of(film)
    play(film, 1)
    film.fanout.leave(seat)
    film.loop.advance(IDLE_CHAIN + 1)
    film.fanout.revive()
    film.compress()
    assert Codec.closed == 1


def test_a_stream_that_began_anew_begins_another_chain(film: World) -> None:
    seat = viewer_of(film)
    play(film, 5)
    film.stream.finish()
    film.stream = film.hub.open("env", "env", film.hub.config)
    film.stream.video = True
    film.fanout.opened(film.stream)
    play(film, 1)
    first, second = pictures(seat)
    assert (second.frame.number, second.link["key"]) == (1, True)
    assert second.link["chain"] != first.link["chain"]


def test_a_rate_that_a_viewer_wants_is_the_rate_of_its_chain(film: World) -> None:
    seat = viewer_of(film, fps=2.0)
    for number in range(1, 51):
        play(film, number)
    assert abs(len(pictures(seat)) - 10) <= 1


def test_pixel_art_has_full_colour_where_that_can_be_decoded(film: World) -> None:
    seats = [viewer_of(film) for _ in range(3)]
    for seat in seats[1:]:
        seat.viewer.watches["env"].full_colour = True
    play(film, 1)
    numbers = [pictures(seat)[-1].link["chain"] for seat in seats]
    assert numbers[0] != numbers[1] == numbers[2]

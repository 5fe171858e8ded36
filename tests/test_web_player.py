"""The player: episodes on `NAME@episodes`, and when the next one is ordered. Time passes by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from envstream import codec
from envstream.clip import Clip, Still
from envstream.playback import PAUSE
from envstream.report import status
from envstream.stream import Stream
from envstream.web import delivery as delivery_module
from envstream.web import fanout as fanout_module
from envstream.web import player as player_module
from envstream.web.player import IMPATIENT, Player
from fakes import Mailbox
from worlds import Loop, MakeFrame, World

NAME = "env@episodes"


class Cinema(World):
    """A world with a player, whose trainer notes what it is asked for."""

    def __init__(self, loop: Loop, frame: MakeFrame) -> None:
        super().__init__(loop, frame)
        self.player = Player(self.hub, self.fanout, loop)  # type: ignore[arg-type]
        self.fanout.watched = self.player.watched
        self.orders: list[tuple[int, int, bool]] = []
        self.stream.screening.order = lambda *order: self.orders.append(order)
        self.stream.screening.natural_fps = 10.0
        self.stream.screening.possible = True
        self.count = 0

    @property
    def played(self) -> Stream:
        stream = self.hub.get(NAME)
        assert stream is not None
        return stream

    def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps, so that what is due is decoded and shown at once."""
        for _ in range(round(seconds / 0.01)):
            self.loop.advance(0.01)
            self.compress()

    def bring(self, frames: int, done: bool = True) -> Clip:
        """The trainer brings an episode of so many pictures."""
        self.count += 1
        clip = Clip(f"e{self.count}", "env", "title", fps=10.0)
        for step in range(frames):
            data = codec.encode(np.full((4, 6, 3), 20 * step % 256, np.uint8), "png")
            clip.add(Still(data, "png", step / 10, self.loop.now, 6, 4, {"step": step, "episode": 5}))
        if done:
            clip.finish("terminated")
        self.player.begun(self.stream, clip)
        self.compress()
        return clip


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    for module in (fanout_module, delivery_module, player_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=loop.time))
    return loop


@pytest.fixture
def cinema(loop: Loop, frame: MakeFrame) -> Cinema:
    return Cinema(loop, frame)


def costing(cinema: Cinema, seconds: float) -> None:
    """Have it known what a picture costs the trainer."""
    for number in (1, 2):
        cinema.frame(number, cost=seconds)
    cinema.loop.advance(100 * seconds)


def shown(seat: Any) -> list[dict[str, Any]]:
    assert isinstance(seat.pipe, Mailbox)
    return [dict(picture.frame.info) for picture in seat.pipe.pictures]


def test_nobody_watching_means_no_order(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    cinema.seat()
    cinema.player.look()
    cinema.pass_time(1.0)
    assert cinema.orders == []


def test_who_watches_causes_one_order(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    cinema.seat(NAME)
    cinema.pass_time(1.0)
    assert cinema.orders == [(1, 600, False)]


def test_what_a_picture_costs_is_found_out_first(cinema: Cinema) -> None:
    cinema.seat(NAME)
    cinema.pass_time(0.5)
    assert cinema.orders == [] and cinema.stream.asked
    costing(cinema, 0.001)
    cinema.pass_time(0.2)
    assert len(cinema.orders) == 1


def test_a_dear_picture_is_taken_each_kth_step(cinema: Cinema) -> None:
    costing(cinema, 0.04)
    cinema.seat(NAME)
    cinema.pass_time(2.0)
    assert cinema.orders[0][0] == 12, "0.04 s and what it leaves behind, ten times a second, of 4 %"
    assert cinema.stream.screening.every == 12


def test_the_whole_episode_is_shown_in_order_at_natural_speed(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    seat = cinema.seat(NAME, window=100)
    clip = cinema.bring(8)
    cinema.pass_time(1.5)
    infos = shown(seat)
    assert [info["step"] for info in infos] == list(range(8))
    assert {info["clip"] for info in infos} == {clip.name}
    assert [info["index"] for info in infos] == list(range(8))
    sent = [picture.encoded_at for picture in seat.pipe.pictures]  # type: ignore[attr-defined]
    assert len(sent) == 8


def test_its_pictures_say_when_they_were_captured(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    cinema.seat(NAME)
    captured = cinema.loop.now
    cinema.bring(8)
    cinema.pass_time(0.75)
    newest = cinema.played.buffer.newest()
    assert newest is not None and newest.captured == captured and newest.info["step"] == 7


def test_the_next_episode_follows_the_one_before(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    seat = cinema.seat(NAME, window=100)
    cinema.bring(3)
    cinema.pass_time(0.2)
    cinema.bring(3)
    cinema.pass_time(0.3 + PAUSE + 0.5)
    assert [info["clip"] for info in shown(seat)] == ["e1"] * 3 + ["e2"] * 3


def test_the_next_one_is_ordered_before_the_end_and_once(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    cinema.seat(NAME)
    cinema.pass_time(0.2)
    cinema.bring(50)
    cinema.pass_time(3.0)
    assert len(cinema.orders) == 1
    cinema.pass_time(1.9)
    assert len(cinema.orders) == 2


def test_nothing_is_ordered_that_is_not_paid(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    cinema.stream.pace.budget.paid_until = cinema.loop.now + 5.0
    cinema.seat(NAME)
    cinema.pass_time(4.9)
    assert cinema.orders == []
    cinema.pass_time(0.3)
    assert len(cinema.orders) == 1


def test_an_episode_that_does_not_begin_is_not_waited_for_for_ever(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    cinema.seat(NAME)
    cinema.pass_time(IMPATIENT + 0.5)
    assert [now for _, _, now in cinema.orders] == [False, True]


def test_when_the_last_one_leaves_it_is_called_off(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    seat = cinema.seat(NAME)
    cinema.pass_time(0.2)
    cinema.fanout.leave(seat)
    assert cinema.orders[-1] == (0, 0, False)
    assert cinema.stream.screening.playback.clip is None
    cinema.pass_time(1.0)
    assert len(cinema.orders) == 2


def test_a_recorded_episode_does_not_interrupt_what_is_played(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    seat = cinema.seat(NAME, window=100)
    cinema.pass_time(0.2)
    cinema.bring(10)
    cinema.pass_time(0.2)
    cinema.bring(10)
    cinema.pass_time(0.9)
    assert {info["clip"] for info in shown(seat)} == {"e1"}


def test_who_waits_for_a_stream_that_is_not_there_yet_sees_its_episodes_when_it_is(cinema: Cinema) -> None:
    seat = cinema.seat("later@episodes")
    stream = cinema.hub.open("later", "later", cinema.hub.config)
    cinema.fanout.opened(stream)
    assert stream.episodes_played is not None and stream.episodes_played.viewers == 1
    assert stream.watchers == 1 and seat.viewer.watches.keys() == {"later@episodes"}


def test_a_stream_that_begins_anew_is_played_anew(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    cinema.seat(NAME)
    cinema.bring(3)
    cinema.pass_time(0.5)
    again = cinema.hub.open("env", "env", cinema.hub.config)
    cinema.fanout.opened(again)
    assert again.episodes_played is not None and again.episodes_played.viewers == 1
    assert again.screening.playback.clip is None


def test_what_cannot_be_decoded_is_left_out(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    seat = cinema.seat(NAME, window=100)
    cinema.pass_time(0.1)
    clip = Clip("e9", "env", "title", fps=10.0)
    good = codec.encode(np.zeros((4, 6, 3), np.uint8), "png")
    for step, data in enumerate((good, b"\xff\xd8no", good)):
        clip.add(Still(data, "png", step / 10, 0.0, 6, 4, {"step": step}))
    clip.finish("terminated")
    cinema.player.begun(cinema.stream, clip)
    cinema.pass_time(0.5)
    assert [info["step"] for info in shown(seat)] == [0] or [info["step"] for info in shown(seat)] == [0, 2]


def test_the_page_is_told_why_steps_are_left_out(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    cinema.seat(NAME)
    clip = cinema.bring(3)
    cinema.pass_time(0.1)
    said = []
    for every in (1, 4):  # The trainer takes fewer than it was asked for where they turn out dear.
        clip.every = every
        screen = status(cinema.stream, cinema.loop.now)["screen"]
        said.append((screen["every"], screen["why"], screen["fps"]))
    assert said == [(1, None, 10.0), (4, "budget", 2.5)]


def test_streams_that_nobody_watches_by_episodes_are_not_gone_through(cinema: Cinema) -> None:
    costing(cinema, 0.001)
    others = [cinema.hub.open(f"other-{number}", "other", cinema.hub.config) for number in range(3)]
    seat = cinema.seat(NAME)
    cinema.pass_time(0.2)
    assert list(cinema.player._lanes) == [cinema.stream]
    cinema.fanout.leave(seat)
    assert not cinema.player._lanes and all(other.episodes_played is None for other in others)

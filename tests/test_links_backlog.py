"""The backlog: nothing of a take is left out while there is any place for it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from envstream import codec
from envstream.frame import Pixels
from envstream.links import backlog
from envstream.links.backlog import Backlog, Waiting
from envstream.links.block import SLOTS, Block
from envstream.links.reader import Reader
from envstream.links.writer import Packed, Writer


def picture(value: int) -> Pixels:
    return np.full((40, 60, 3), value, np.uint8)


def noise(value: int) -> Pixels:
    return np.random.default_rng(value).integers(0, 256, (40, 60, 3), np.uint8)


class Trainer:
    """A backlog, and a server that takes pictures over when the test says so."""

    def __init__(self, largest: int = backlog.LARGEST) -> None:
        block = Block.create(40 * 60, shared=False)
        self.reader = Reader(block)
        self.woken = 0
        self.backlog = Backlog(Writer(block), self._wake, largest)
        self.got: list[tuple[int, int]] = []
        self.answers = False

    def _wake(self) -> None:
        self.woken += 1
        if self.answers:
            self.take()

    def put(self, value: int, pixels: Pixels | None = None) -> bool:
        pixels = picture(value) if pixels is None else pixels
        return self.backlog.put(Waiting(pixels, time.monotonic(), 0.0, {"step": value}, 0, 7))

    def take(self) -> None:
        for one in self.reader.captures():
            shown = one.picture
            pixels = codec.decode(shown.data) if isinstance(shown, Packed) else shown
            assert isinstance(pixels, np.ndarray)
            self.got.append((one.info["step"], int(pixels[20, 30, 0])))


@pytest.fixture
def trainer() -> Trainer:
    return Trainer()


def test_while_there_is_room_a_picture_goes_out_as_it_is(trainer: Trainer) -> None:
    assert trainer.put(3)
    (one,) = trainer.reader.captures()
    assert isinstance(one.picture, np.ndarray) and (len(trainer.backlog), trainer.woken) == (0, 1)


def test_what_finds_no_room_waits_and_comes_in_order(trainer: Trainer) -> None:
    assert all(trainer.put(value) for value in range(40))
    assert len(trainer.backlog) == 40 - SLOTS
    while len(trainer.backlog):
        trainer.take()
        trainer.backlog.flush()
    trainer.take()
    assert [step for step, _ in trainer.got] == list(range(40))
    assert [value for _, value in trainer.got] == pytest.approx(list(range(40)), abs=1)


def test_nothing_overtakes_what_waits(trainer: Trainer) -> None:
    for value in range(SLOTS + 2):
        trainer.put(value)
    trainer.take()
    trainer.put(99)
    trainer.take()
    trainer.backlog.flush()
    trainer.take()
    assert [step for step, _ in trainer.got] == [*range(SLOTS + 2), 99]


def test_when_too_much_waits_a_picture_is_left_out_and_that_is_told() -> None:
    trainer = Trainer(largest=20_000)
    kept = [trainer.put(value, noise(value)) for value in range(30)]
    assert kept[0] and not kept[-1]
    assert len(trainer.backlog) == sum(kept) - SLOTS


def test_a_word_without_a_picture_is_never_left_out() -> None:
    trainer = Trainer(largest=20_000)
    while trainer.put(1, noise(1)):
        pass
    assert trainer.backlog.put(Waiting(None, 1.0, 0.0, {"step": -1, "end": {}}, 0, 7))


def test_a_full_backlog_gives_the_server_a_moment_to_take_something_over() -> None:
    trainer = Trainer(largest=20_000)
    while trainer.put(1, noise(1)):
        pass
    trainer.answers = True
    assert trainer.put(2, noise(2))


def test_at_the_end_what_waits_is_handed_over(trainer: Trainer) -> None:
    for value in range(30):
        trainer.put(value)
    trainer.answers = True
    trainer.backlog.wait(10.0)
    trainer.take()
    assert len(trainer.backlog) == 0 and len(trainer.got) == 30


def test_a_server_that_takes_nothing_is_not_waited_for_longer_than_said(trainer: Trainer) -> None:
    for value in range(30):
        trainer.put(value)
    trainer.backlog.wait(0.01)
    assert len(trainer.backlog) == 30 - SLOTS


def test_pixel_art_is_compressed_without_loss() -> None:
    art = np.zeros((40, 60, 3), np.uint8)
    art[10:20, 10:20] = 200, 30, 7
    assert np.array_equal(codec.decode(backlog.packed(art).data), art)

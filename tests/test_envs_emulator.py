"""The emulator: what is drawn for whom, and that looking changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest

from emulators import need_pyboy
from envstream.envs.emulator import WATCHED, Emulator
from envstream.errors import CartridgeError, SettingError
from envstream.pyboy_game import catch


@pytest.fixture(autouse=True)
def pyboy_is_there() -> None:
    need_pyboy()


def made(always_drawn: bool = False) -> Emulator:
    emulator = Emulator(None, window=False, always_drawn=always_drawn, options=catch.COLORS)
    emulator.run(120)
    catch.start(emulator.pyboy, 5)
    return emulator


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    emulator = made()
    yield emulator
    emulator.stop()


def test_looking_changes_nothing(emulator: Emulator) -> None:
    other = made()
    for count in range(60):
        button = ("left",) if count % 20 < 10 else ("right",)
        for each in (emulator, other):
            each.press(button)
            each.run(7)
        if count % 9 == 0:
            emulator.look()
            if count % 2:
                emulator._watched = 0  # Nobody looks for a long time.
        assert catch.look(emulator.pyboy) == catch.look(other.pyboy)
    other.stop()


def test_a_look_shows_what_is_on_the_screen_now(emulator: Emulator) -> None:
    drawn = made(always_drawn=True)
    for _ in range(5):
        for each in (emulator, drawn):
            each.press(("right",))
            each.run(12)
        emulator._watched = 0
        undrawn, shown = emulator.look(), drawn.look()
        assert undrawn.shape == (144, 160, 3)
        # One frame later, in which fruit and basket moved by a pixel or two.
        assert np.mean(undrawn != shown) < 0.02
        assert np.array_equal(undrawn[:16], shown[:16])
    drawn.stop()


def test_the_screen_is_drawn_while_somebody_looks_and_not_after(emulator: Emulator) -> None:
    emulator.run(1)
    assert not emulator._drawn
    emulator.look()
    emulator.run(1)
    assert emulator._drawn
    assert np.array_equal(emulator.look(), emulator.pyboy.screen.ndarray[:, :, :3])
    for _ in range(WATCHED):
        emulator.run(0)
    emulator.run(1)
    assert not emulator._drawn


def test_a_frame_that_nobody_will_see_is_not_drawn() -> None:
    emulator = made(always_drawn=True)
    emulator.run(1, seen=False)
    assert not emulator._drawn
    emulator.stop()


def test_a_state_is_gone_back_to_with_no_button_held(emulator: Emulator) -> None:
    begin = emulator.save()
    emulator.press(("right",))
    emulator.run(10)
    assert catch.look(emulator.pyboy).basket > 64
    emulator.load(begin)
    emulator.run(10)
    assert catch.look(emulator.pyboy).basket == 64


def test_buttons_that_were_held_in_a_state_can_be_released(emulator: Emulator) -> None:
    emulator.press(("right",))
    emulator.run(2)
    held = emulator.save()
    emulator.load(held)
    emulator.release()
    emulator.run(2)
    before = catch.look(emulator.pyboy).basket
    emulator.run(10)
    assert catch.look(emulator.pyboy).basket == before


def test_an_option_that_pyboy_does_not_have_is_refused() -> None:
    with pytest.raises(SettingError, match="expected arguments of PyBoy"):
        Emulator(None, window=False, always_drawn=False, options={"color": 1})


def test_a_cartridge_that_pyboy_does_not_know_is_refused(tmp_path: object) -> None:
    from pathlib import Path

    from envstream.pyboy_game.build import CARTRIDGE

    rom = bytearray(CARTRIDGE.read_bytes())
    rom[0x147] = 0xEE  # No kind of cartridge.
    rom[0x14D] = -sum(byte + 1 for byte in rom[0x134:0x14D]) & 0xFF
    path = Path(str(tmp_path)) / "odd.gb"
    path.write_bytes(bytes(rom))
    with pytest.raises(CartridgeError, match="PyBoy cannot play it"):
        Emulator(path, window=False, always_drawn=False, options={})


def test_without_pyboy_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyboy", None)
    with pytest.raises(gym.error.DependencyNotInstalled, match=r"gymnasium-envstream\[pyboy\]"):
        Emulator(None, window=False, always_drawn=False, options={})

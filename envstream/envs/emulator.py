"""A Game Boy emulator as an env needs it: buttons, frames, states, and a screen that is drawn when asked for.

This file is the door for PyBoy.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from os import PathLike
from typing import Any

from gymnasium.error import DependencyNotInstalled

from envstream.envs import cartridge
from envstream.errors import CartridgeError, SettingError
from envstream.frame import Pixels
from envstream.sources.pyboy import ScreenSource

WATCHED = 1000
"""Runs for which the screen is kept drawn after somebody looked at it."""

Buttons = tuple[str, ...]


class Emulator:
    """A PyBoy with a ROM: without sound, and without a window unless one is asked for.

    Drawing takes the emulator time. So it draws only for those who look: the first look after a while costs
    about 20 ms, and from then on each `run` draws its last frame, which costs less than 0.1 ms.

    Args:
        rom: path of a ROM; None = the game that comes with envstream.
        window: show a window, and run in real time.
        always_drawn: draw the last frame of each run, whether somebody looks or not.
        options: further arguments of PyBoy.

    Raises:
        CartridgeError: the ROM cannot be played. SettingError: PyBoy has no such option.
        gymnasium.error.DependencyNotInstalled: PyBoy is not installed.
    """

    def __init__(
        self, rom: str | PathLike[str] | None, *, window: bool, always_drawn: bool, options: Mapping[str, Any]
    ) -> None:
        self.pyboy = _started(rom, window, options)
        self._window = window
        self._always_drawn = always_drawn or window
        self._screen = ScreenSource(self.pyboy)
        self._held: Buttons = ()
        self._drawn = False
        self._watched = 0
        self._wanted = False  # The next run is to be drawn, for a look that was announced.
        self._announced = False

    def press(self, buttons: Buttons) -> None:
        """Hold these buttons down from now on, and no others."""
        for button in self._held:
            if button not in buttons:
                self.pyboy.button_release(button)
        for button in buttons:
            if button not in self._held:
                self.pyboy.button_press(button)
        self._held = buttons

    def run(self, frames: int, *, seen: bool = True) -> None:
        """Emulate so many frames; who will not look at the last one says `seen=False`."""
        self._watched -= self._watched > 0
        self._drawn = seen and frames > 0 and (self._always_drawn or self._watched > 0 or self._wanted)
        self._announced = self._drawn and self._wanted
        if self._drawn:
            self._wanted = False
        if self._window:  # It shows one picture a call.
            for _ in range(frames):
                self.pyboy.tick(1, True, False)
        else:
            self.pyboy.tick(frames, self._drawn, False)

    def look(self) -> Pixels:
        """A copy of the screen: uint8 RGB of shape (144, 160, 3)."""
        if not self._announced:  # Somebody who comes unannounced is expected to come again.
            self._watched = WATCHED
        if self._drawn:
            return self._screen.take()
        now = self.save()  # Run one frame on, look, and take that frame back.
        self.pyboy.tick(1, True, False)
        picture = self._screen.take()
        self._load(now)
        return picture

    def announce(self) -> bool:
        """Whether a look costs nothing now; if not, it will after the next run, which is drawn for it."""
        self._wanted = not self._drawn
        return self._drawn

    def save(self) -> bytes:
        """The whole state, for `load`."""
        state = io.BytesIO()
        self.pyboy.save_state(state)
        return state.getvalue()

    def load(self, state: bytes) -> None:
        """Go back to a state, and to the buttons that were held in it."""
        self._load(state)
        self._held = ()

    def release(self) -> None:
        """Have no button held from now on, whatever was held in a state that was loaded."""
        self._held = cartridge.BUTTONS
        self.press(())

    def stop(self) -> None:
        """Switch it off. Nothing is saved."""
        self.pyboy.stop(save=False)

    def _load(self, state: bytes) -> None:
        self.pyboy.load_state(io.BytesIO(state))
        self._drawn = False


def _started(rom: str | PathLike[str] | None, window: bool, options: Mapping[str, Any]) -> Any:
    game = io.BytesIO(cartridge.read(rom))
    settings = {"sound_emulated": False, "log_level": "ERROR", "no_input": not window, **options}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Using SDL2 binaries")
            from pyboy import PyBoy

            pyboy = PyBoy(game, window="SDL2" if window else "null", **settings)
    except ImportError as error:
        how = 'pip install "gymnasium-envstream[pyboy]"'
        raise DependencyNotInstalled(f"PyBoy is needed for this env ({error}); {how}") from None
    except (KeyError, TypeError) as error:
        raise SettingError.value("options", dict(options), f"arguments of PyBoy ({error})") from None
    except Exception as error:  # A cartridge of a kind that it does not know.
        raise CartridgeError.at(rom, f"PyBoy cannot play it: {error}") from None
    pyboy.set_emulation_speed(1 if window else 0)
    return pyboy

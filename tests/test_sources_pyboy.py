"""Pictures from an emulator: the right colours, by whatever the emulator offers, and never a live view."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from emulators import emulator
from envstream.errors import PictureError
from envstream.pyboy_game.catch import COLORS
from envstream.sources.pyboy import ScreenSource

PIXELS = np.random.default_rng(0).integers(0, 256, (144, 160, 3), np.uint8)
RGBA = np.dstack([PIXELS, np.full((144, 160), 255, np.uint8)])


def screen(channels: str = "RGBA", **parts: Any) -> Any:
    """An emulator with a screen that has these parts only."""
    given = {"raw_buffer_dims": (144, 160), "raw_buffer_format": channels, **parts}
    return SimpleNamespace(screen=SimpleNamespace(**given))


@pytest.mark.parametrize("channels", ["RGBA", "RGBX", "BGRA", "ARGB", "XBGR", "RGB"])
def test_the_raw_buffer_is_read_in_whatever_order_its_channels_are(channels: str) -> None:
    planes = {"R": PIXELS[:, :, 0], "G": PIXELS[:, :, 1], "B": PIXELS[:, :, 2]}
    raw = np.dstack([planes.get(channel, np.zeros((144, 160), np.uint8)) for channel in channels])
    for buffer in (memoryview(raw), raw.tobytes(), bytearray(raw.tobytes())):
        source = ScreenSource(screen(channels, raw_buffer=buffer))
        assert source.method == "raw_buffer"
        assert np.array_equal(source.take(), PIXELS)


def test_words_of_four_bytes_are_read_as_well() -> None:
    words = memoryview(RGBA.tobytes()).cast("I", shape=(144, 160))
    assert np.array_equal(ScreenSource(screen(raw_buffer=words)).take(), PIXELS)


@pytest.mark.parametrize(
    ("parts", "method"),
    [
        ({"raw_buffer": None, "ndarray": RGBA}, "ndarray"),
        ({"raw_buffer": b"too short", "ndarray": RGBA}, "ndarray"),
        ({"ndarray": PIXELS}, "ndarray"),
        ({"ndarray": None, "image": Image.fromarray(RGBA)}, "image"),
        ({"image": Image.fromarray(PIXELS)}, "image"),
        ({"raw_buffer": RGBA.tobytes(), "raw_buffer_format": "YUV", "image": Image.fromarray(RGBA)}, "image"),
    ],
)
def test_the_next_best_is_read_where_something_is_missing(parts: dict[str, Any], method: str) -> None:
    source = ScreenSource(screen(**parts))
    assert source.method == method
    assert np.array_equal(source.take(), PIXELS)


def test_an_emulator_without_a_screen_is_refused() -> None:
    with pytest.raises(PictureError, match="expected a screen with one of raw_buffer, ndarray, image"):
        ScreenSource(screen())


@pytest.mark.parametrize("method", ["raw_buffer", "ndarray", "image"])
def test_a_picture_stays_what_it_was_while_the_emulator_goes_on(method: str) -> None:
    with emulator(**COLORS) as pyboy:
        parts = {"raw_buffer": None, "ndarray": None, "image": None, method: None}
        whole = pyboy.screen

        class Only:
            """The real screen, of which only one way to read it is left."""

            def __getattr__(self, name: str) -> Any:
                return None if name in parts and name != method else getattr(whole, name)

        source = ScreenSource(SimpleNamespace(screen=Only()))
        assert source.method == method
        pyboy.tick(120)
        picture = source.take()
        kept = picture.copy()
        assert picture.shape == (144, 160, 3) and picture.dtype == np.uint8
        assert picture.flags.owndata and picture.flags.writeable
        assert np.array_equal(picture, pyboy.screen.ndarray[:, :, :3])
        pyboy.button_press("start")
        pyboy.tick(4)
        pyboy.tick(60)
        assert np.array_equal(picture, kept)
        assert not np.array_equal(source.take(), kept)


def test_the_screen_is_still_the_right_one_after_a_state_was_loaded() -> None:
    import io

    with emulator() as pyboy:
        source = ScreenSource(pyboy)
        pyboy.tick(120)
        state, before = io.BytesIO(), source.take()
        pyboy.save_state(state)
        pyboy.tick(1)
        pyboy.memory[0xFF47] = 0  # All shades are the lightest one now.
        pyboy.tick(5)
        assert not np.array_equal(source.take(), before)
        state.seek(0)
        pyboy.load_state(state)
        pyboy.tick(1)
        assert np.array_equal(source.take(), before)

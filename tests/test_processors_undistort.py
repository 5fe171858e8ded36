"""Undistort: what a lens bent is straight again, and nothing is there that nobody saw."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from envstream.errors import EnvstreamError, SettingError
from envstream.frame import Frame, Pixels
from envstream.processors.undistort import Undistort

cv2 = pytest.importorskip("cv2", reason='pip install "gymnasium-envstream[process]"')

SIZES = [(640, 480), (480, 640), (300, 300), (64, 48), (641, 333)]


def frame(pixels: Pixels) -> Frame:
    return Frame(pixels, 3, 0.5, 0.0, {"step": 4})


def bent(width: int, height: int, strength: float) -> Pixels:
    """What a lens makes of straight white lines, a tenth of the picture apart, on black."""
    focal = max(width, height)
    y, x = (np.indices((height, width)) - np.array([[[height - 1]], [[width - 1]]]) / 2) / focal
    seen = np.hypot(x, y)
    straight = seen.copy()  # The angle that is seen there.
    for _ in range(100):
        straight = seen / (1 + strength * straight**2)
    scale = np.divide(np.tan(straight), seen, out=np.ones_like(seen), where=seen > 1e-9)
    lines = (np.abs((x * scale * 10) % 1 - 0.5) > 0.45) | (np.abs((y * scale * 10) % 1 - 0.5) > 0.45)
    return np.where(lines[..., None], np.uint8(255), np.uint8(0)).repeat(3, 2)


def crooked(pixels: Pixels) -> float:
    """By how many pixels the first upright line right of the middle is off a straight one."""
    height, width = pixels.shape[:2]
    middle, rows = width // 2, range(height // 20, height - height // 20)
    start = middle + 4
    columns = []
    at = float(start + int(np.argmax(pixels[height // 2 - 7, start : start + width // 3, 0] > 128)) + 2)
    for upward in (range(height // 2 - 7, rows.start, -1), range(height // 2 - 7, rows.stop)):
        near = at
        for row in upward:
            low = max(0, int(near) - 6)
            strip = pixels[row, low : int(near) + 7, 0].astype(float)
            if strip.mean() > 200 or strip.sum() == 0:
                continue  # Where it crosses a level line.
            near = low + float((strip * np.arange(len(strip))).sum() / strip.sum())
            columns.append((row, near))
    found = np.array(columns)
    line = np.polyfit(found[:, 0], found[:, 1], 1)
    return float(np.abs(found[:, 1] - np.polyval(line, found[:, 0])).max())


@pytest.mark.parametrize("strength", [-0.25, -0.18, 1.0])
def test_lines_that_a_lens_bent_are_straight(strength: float) -> None:
    picture = bent(640, 480, strength)
    straight = Undistort(strength)(frame(picture)).pixels
    assert straight.shape == picture.shape
    assert crooked(straight) < 2 < crooked(picture)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("strength", [-0.25, -0.18, 0.0, 0.5, 1.0])
def test_without_balance_no_border_is_empty(size: tuple[int, int], strength: float) -> None:
    width, height = size
    shown = Undistort(strength, 0.0)(frame(np.full((height, width, 3), 200, np.uint8))).pixels
    assert shown.min() >= 190


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("strength", [-0.25, -0.18, 0.0, 0.5, 1.0])
def test_with_full_balance_all_that_was_seen_stays(size: tuple[int, int], strength: float) -> None:
    width, height = size
    for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1), (0, width // 2), (height // 2, 0)):
        picture = np.zeros((height, width, 3), np.uint8)
        rows, columns = (slice(at, at + 12) if at >= 0 else slice(at - 11, None) for at in (y, x))
        picture[rows, columns] = 255
        whole = Undistort(strength, 1.0)(frame(picture)).pixels
        # Something of a piece of a dozen pixels stays, also where it is squeezed.
        assert whole.max() > 60, (y, x)


def test_the_frame_that_is_given_is_left_as_it_is() -> None:
    picture = bent(64, 48, -0.18)
    before = picture.copy()
    given = frame(picture)
    done = Undistort()(given)
    assert np.array_equal(given.pixels, before) and not np.array_equal(done.pixels, before)
    assert (done.number, done.captured, done.info) == (3, 0.5, {"step": 4})


def test_each_size_is_mapped_once_and_only_some_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    undistort, made = Undistort(), []
    make = undistort._made

    def counted(width: int, height: int) -> Any:
        made.append((width, height))
        return make(width, height)

    monkeypatch.setattr(undistort, "_made", counted)
    for width in [*range(20, 40), 39, 39]:
        undistort(frame(np.zeros((16, width, 3), np.uint8)))
    assert made == [(width, 16) for width in range(20, 40)]
    assert len(undistort._maps) == 8


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2)], ids=str)
@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_the_smallest_pictures_come_through(size: tuple[int, int], balance: float) -> None:
    height, width = size
    shown = Undistort(balance=balance)(frame(np.full((height, width, 3), 9, np.uint8))).pixels
    assert shown.shape == (height, width, 3)


@pytest.mark.parametrize("options", [{"strength": -0.3}, {"strength": 2}, {"balance": 1.5}, {"balance": "0"}])
@pytest.mark.parametrize("more", [{}, {"strength": float("nan")}, {"balance": True}])
def test_a_value_that_cannot_be_meant_is_a_sentence(options: dict[str, Any], more: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"(strength|balance)=.*: expected a number from (-0.25|0) to 1"):
        Undistort(**options | more)


def test_it_says_how_it_was_done() -> None:
    assert Undistort(0.1, 0.5).finish({}) == {"strength": 0.1, "balance": 0.5}


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cv2" else find(name))
    with pytest.raises(EnvstreamError, match=r'pip install "gymnasium-envstream\[process\]"'):
        Undistort()

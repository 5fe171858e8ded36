"""Undistort: makes straight what a fisheye lens bends. The one door for OpenCV, loaded when it is needed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from envstream.errors import EnvstreamError, SettingError
from envstream.frame import Frame

WEAKEST, STRONGEST = -0.25, 1.0  # Beyond the first, a lens would show the same thing twice.
_SIZES = 8  # For so many sizes of pictures the maps are kept.


def missing() -> str | None:
    """None where there is OpenCV; else what to install. Loads nothing."""
    if importlib.util.find_spec("cv2") is None:
        return 'undistort needs OpenCV: pip install "gymnasium-envstream[process]"'
    return None


class Undistort:
    """Straightens the pictures of a fisheye lens. The frame that is given is left as it is.

    The lens is taken for one that looks from the middle of the picture, with a focal length of its longer
    side.

    Args:
        strength: OpenCV's first coefficient of a fisheye, k1, from -0.25, which is much, to 1. At a third
            nothing changes; beyond, it is for a lens that bends lines inwards.
        balance: 0 = no empty borders, 1 = all that was seen stays in the picture.

    Raises:
        SettingError: another value.
        EnvstreamError: when there is no OpenCV.
    """

    def __init__(self, strength: float = -0.18, balance: float = 0.0) -> None:
        self._strength = _within("strength", strength, WEAKEST, STRONGEST)
        self._balance = _within("balance", balance, 0.0, 1.0)
        if lacking := missing():
            raise EnvstreamError(lacking)
        self._maps: dict[tuple[int, int], tuple[Any, Any]] = {}
        self._sizes: dict[str, dict[str, float]] = {}

    def __call__(self, frame: Frame) -> Frame:
        """The frame with its picture straightened, as large as it was."""
        import cv2

        size = frame.width, frame.height
        if size not in self._maps:
            if len(self._maps) == _SIZES:
                del self._maps[next(iter(self._maps))]
            self._maps[size] = self._made(*size)
        pixels = cv2.remap(frame.pixels, *self._maps[size], cv2.INTER_LINEAR)
        return replace(frame, pixels=np.asarray(pixels, np.uint8), content=frame.content)

    def finish(self, about: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was done."""
        return {"strength": self._strength, "balance": self._balance}

    def _made(self, width: int, height: int) -> tuple[Any, Any]:
        """Where in the source each pixel of a straight picture is."""
        import cv2

        focal = float(max(width, height))
        middle = (width - 1) / 2, (height - 1) / 2
        lens = np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])
        bent = np.array([self._strength, 0.0, 0.0, 0.0])
        new = lens.copy()
        new[0, 0] = new[1, 1] = self._focal(cv2, lens, bent, width, height)
        maps: tuple[Any, Any] = cv2.fisheye.initUndistortRectifyMap(
            lens, bent, np.eye(3), new, (width, height), cv2.CV_16SC2
        )
        return maps

    def _focal(self, cv2: Any, lens: Any, bent: Any, width: int, height: int) -> float:
        """The focal length of the straight picture, between the two that `balance` is about."""
        right, low = width - 1.0, height - 1.0
        across, down = np.linspace(0, right, 65), np.linspace(0, low, 65)
        sides = np.array([(x, y) for y in down for x in (0.0, right)])
        ends = np.array([(x, y) for x in across for y in (0.0, low)])
        straight = (cv2.fisheye.undistortPoints(each[:, None], lens, bent)[:, 0] for each in (sides, ends))
        x, y = (np.maximum(np.abs(each[:, axis]), 1e-9) for axis, each in enumerate(straight))
        # A picture one pixel wide has no width to fill.
        fills = max(right / 2 / x.min(), low / 2 / y.min())
        holds = min([half / far for half, far in ((right / 2, x.max()), (low / 2, y.max())) if half] or [1.0])
        return float((fills + self._balance * (holds - fills)) or lens[0, 0])


def _within(name: str, value: Any, least: float, most: float) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most:
        return float(value)
    raise SettingError.value(name, value, f"a number from {least:g} to {most:g}")

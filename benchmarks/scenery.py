"""What is filmed for `ingest.py`: a camera's picture, with movement, texture and the noise of a sensor.

All of it is drawn once; a panorama that is passed by and discs that go round in it close after `LOOP`
pictures, so that a film of any length has no cut. As JPEG at quality 85 a picture takes 50 to 58 KB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

WIDTH, HEIGHT, FPS = 640, 480, 30
QUALITY = 85
LOOP = 128  # Pictures until it begins anew; the panorama is so many times `STEP` wide.
STEP = 5  # Pixels that it moves from one picture to the next.
GRAIN = 2.5  # Standard deviation of the noise.
DISCS = 6

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def scenes(count: int = LOOP, seed: int = 1) -> list[Pixels]:
    """The first pictures of the loop, at most all of them."""
    random = np.random.default_rng(seed)
    panorama = _panorama(random)
    grain = random.normal(0, GRAIN, (HEIGHT + 64, WIDTH + 64, 3)).astype(np.float32)
    return [_scene(number, panorama, grain, random) for number in range(min(count, LOOP))]


def jpeg(pixels: Pixels) -> bytes:
    """A picture as a camera sends it."""
    data: bytes = simplejpeg.encode_jpeg(pixels, QUALITY, "RGB", "420")
    return data


def film(path: Path, pictures: Sequence[Pixels], count: int, bits: int = 0, block: int = 16) -> None:
    """Write a video of so many pictures, over and over the same; each with its number in so many blocks."""
    from envstream.video import VideoFile

    file = VideoFile(path, WIDTH, HEIGHT, FPS, 90)
    for number in range(count):
        picture = pictures[number % len(pictures)].copy()
        for bit in range(bits):
            picture[:block, block * bit : block * (bit + 1)] = 255 * (number >> bit & 1)
        file.add(picture, number / FPS)
    file.close()


def frames_in(path: Path) -> int:
    """How many pictures of a video can be decoded; 0 when it does not play."""
    import av

    try:
        with av.open(str(path)) as file:
            return sum(1 for _ in file.decode(video=0))
    except (av.FFmpegError, LookupError):
        return 0


def _panorama(random: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Patches of several sizes, one over the other."""
    wide = LOOP * STEP
    whole = np.full((HEIGHT, wide, 3), 128.0, np.float32)
    for size, depth in ((80, 60.0), (20, 30.0), (4, 10.0)):
        patches = random.uniform(-depth, depth, (HEIGHT // size, wide // size, 3)).astype(np.float32)
        whole += patches.repeat(size, axis=0).repeat(size, axis=1)
    return whole


def _scene(
    number: int,
    panorama: np.ndarray[Any, np.dtype[np.float32]],
    grain: np.ndarray[Any, np.dtype[np.float32]],
    random: np.random.Generator,
) -> Pixels:
    picture = np.roll(panorama, -STEP * number, axis=1)[:, :WIDTH].copy()
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    for disc in range(DISCS):
        angle = 2 * math.pi * ((disc + 1) * number / LOOP + disc / DISCS)
        x, y = WIDTH * (0.5 + 0.4 * math.cos(angle)), HEIGHT * (0.5 + 0.4 * math.sin(angle))
        inside = (columns - x) ** 2 + (rows - y) ** 2 < (20 + 8 * disc) ** 2
        picture[inside] = (40 * disc, 255 - 40 * disc, 90 + 25 * disc)
    down, right = random.integers(0, 64, 2)
    picture += grain[down : down + HEIGHT, right : right + WIDTH]
    return picture.clip(0, 255).astype(np.uint8)

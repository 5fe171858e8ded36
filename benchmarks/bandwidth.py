"""What a viewer's pictures weigh: H.264 against JPEG of the same quality setting, over real envs' pictures.

Plays each env with random actions and takes its pictures 1/30 s of the env's own time apart, episodes' ends
included. The same pictures go through x264 as a viewer who joins once gets them, that is with one key
picture, and through JPEG; both are decoded again and held against their source (SSIM over all three
colours). Beside them JPEG as the page gets it, which does not halve the colours of drawings, and lossless
WebP where the page gets that. PyBoy plays Catch: in real time, and a step of 24 frames a picture.

Bars, at JPEG's quality 80: a twentieth of the bytes of Pillow's JPEG at no lower SSIM; for PyBoy a third of
lossless WebP.

    python benchmarks/bandwidth.py --json bandwidth.json --frames 300
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from common import Bar, Missing, Row, finish, note, parser
from envstream import codec
from envstream.frame import Pixels
from envstream.video import VideoEncoder, missing

FPS = 30.0
JPEG_BAR, WEBP_BAR = 20.0, 3.0
LOW_DELAY = 0x80000  # A decoder that holds nothing back.


class Scene(NamedTuple):
    """An env and how it is played.

    Attributes:
        needs: the package that its pictures come from.
        every_step: take a picture of each step, however long it is in the env's own time.
    """

    name: str
    id: str
    needs: str
    options: Mapping[str, Any] = {}
    every_step: bool = False


SCENES = [
    Scene("CartPole", "CartPole-v1", "pygame"),
    Scene("LunarLander", "LunarLander-v3", "Box2D"),
    Scene("HalfCheetah", "HalfCheetah-v5", "mujoco"),
    Scene("Breakout", "ALE/Breakout-v5", "ale_py"),
    Scene("PyBoy, real time", "envstream.envs:envstream/PyBoy-v0", "pyboy", {"frame_skip": 2}),
    Scene("PyBoy, by steps", "envstream.envs:envstream/PyBoy-v0", "pyboy", every_step=True),
]


def pictures(scene: Scene, count: int, seed: int) -> Iterator[Pixels]:
    """So many pictures of an env that is played at random.

    Raises:
        Missing: when what the env needs is not there.
    """
    import gymnasium as gym

    try:
        package = import_module(scene.needs)
        if scene.needs == "ale_py":
            gym.register_envs(package)
        env: Any = gym.make(scene.id, render_mode="rgb_array", **scene.options)
    except (ImportError, gym.error.Error) as error:
        raise Missing(f"{scene.name}: {error}") from error
    rate = env.metadata.get("render_fps") or FPS
    apart = 1.0 if scene.every_step else max(1.0, rate / FPS)
    env.reset(seed=seed)
    env.action_space.seed(seed)
    steps = 0
    try:
        for number in range(count):
            while steps < int(number * apart):
                _, _, terminated, truncated, _ = env.step(env.action_space.sample())
                steps += 1
                if terminated or truncated:
                    env.reset()
            yield np.array(env.render(), np.uint8, order="C")
    finally:
        env.close()


class Decoder:
    """H.264 to pixels, as a browser does it."""

    def __init__(self) -> None:
        import av

        self._av: Any = av
        self._context: Any = av.CodecContext.create("h264", "r")
        self._context.flags |= LOW_DELAY
        self._reformatter: Any = av.video.reformatter.VideoReformatter()
        kinds: Any = av.video.reformatter.Interpolation
        # Halved colours are enlarged smoothly, as in browsers, and as the JPEG's are.
        self._smooth = kinds.BILINEAR | kinds.FULL_CHR_H_INT | kinds.FULL_CHR_H_INP | kinds.ACCURATE_RND

    def decode(self, unit: bytes, size: tuple[int, ...]) -> Pixels:
        (frame,) = self._context.decode(self._av.Packet(unit))
        rgb = self._reformatter.reformat(
            frame,
            format="rgb24",
            interpolation=self._smooth,
            src_colorspace="ITU601",
            src_color_range="MPEG",
            dst_color_range="JPEG",
        )
        whole: Pixels = rgb.to_ndarray()
        return whole[: size[0], : size[1]]


def pillow(pixels: Pixels, quality: int) -> bytes:
    """JPEG as everybody's script writes it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def timed(encode: Callable[[], bytes]) -> tuple[bytes, float]:
    """What it gives, and how many milliseconds it took."""
    began = time.perf_counter()
    data = encode()
    return data, 1000 * (time.perf_counter() - began)


def measure(scene: Scene, args: argparse.Namespace) -> Row:
    """One env's pictures through every encoder."""
    from skimage.metrics import structural_similarity

    count = min(args.frames, 40) if args.quick else args.frames
    sizes: dict[str, list[int]] = {"h264": [], "jpeg": [], "page_jpeg": [], "webp": []}
    video_ms, jpeg_ms, alike = [], [], []
    video, decoder = None, Decoder()
    for number, picture in enumerate(pictures(scene, count, args.seed)):
        if video is None:
            height, width = picture.shape[:2]
            art = codec.is_pixel_art(picture)
            kind = {"flat": codec.is_flat(picture), "full_colour": art}  # As for a page in Chromium.
            video = VideoEncoder(width, height, FPS, args.quality, **kind)
        unit, took = timed(lambda: video.encode(picture, number == 0))  # noqa: B023
        video_ms.append(took)
        page, took = timed(lambda: codec.encode(picture, "jpeg", args.quality))  # noqa: B023
        jpeg_ms.append(took)
        jpeg = pillow(picture, args.quality)
        lossless = len(codec.encode(picture, "webp")) if art else 0
        for kind, size in zip(sizes, (len(unit), len(jpeg), len(page), lossless), strict=True):
            sizes[kind].append(size)
        shown = decoder.decode(unit, picture.shape)
        if number % args.compare_every == 0:
            others = (shown, np.asarray(Image.open(io.BytesIO(jpeg))))
            alike.append([structural_similarity(picture, other, channel_axis=2) for other in others])
    row: Row = {"env": scene.name, "size": f"{width}x{height}", "pictures": count, "key": sizes["h264"][0]}
    row.update({kind: round(float(np.mean(held)), 1) or None for kind, held in sizes.items()})
    row["ssim"], row["jpeg_ssim"] = (round(float(value), 4) for value in np.mean(alike, 0))
    row["encode_ms"] = [round(float(np.percentile(video_ms, share)), 2) for share in (50, 95, 99)]
    row["jpeg_ms"] = round(float(np.percentile(jpeg_ms, 50)), 2)
    row["saving"] = round(row["jpeg"] / row["h264"], 1)
    row["webp_saving"] = row["webp"] and round(row["webp"] / row["h264"], 1)
    return row


def bars_of(row: Row) -> list[Bar]:
    """What was promised of one env."""
    name, held = row["env"], row["ssim"] >= row["jpeg_ssim"]
    bars = [Bar(f"{name}: no lower SSIM than JPEG", f"{row['ssim']} and {row['jpeg_ssim']}", held)]
    pairs = [("JPEG", row["saving"], JPEG_BAR)]
    if name.startswith("PyBoy"):
        pairs = [("lossless WebP", row["webp_saving"], WEBP_BAR)]
    for what, saving, limit in pairs:
        found = saving is not None and saving >= limit
        bars.append(Bar(f"{name}: at most 1/{limit:g} of {what}", f"1/{saving}", found))
    return bars


def markdown(rows: Sequence[Row], columns: Mapping[str, str]) -> None:
    """Print a table that can be put into a document as it is."""
    print("| " + " | ".join(columns.values()) + " |")
    print("|---" + "|---:" * (len(columns) - 1) + "|")
    for row in rows:
        cells = ("–" if row[key] is None else str(row[key]) for key in columns)
        print("| " + " | ".join(cells) + " |")


def shown(row: Row) -> Row:
    """A row as it is printed."""
    texts = {
        key: None if row[key] is None else f"{row[key]:.0f}" for key in ("h264", "jpeg", "page_jpeg", "webp")
    }
    ratios = {key: row[key] and f"1/{row[key]}" for key in ("saving", "webp_saving")}
    encode = " / ".join(f"{value:.1f}" for value in row["encode_ms"])
    return {**row, **texts, **ratios, "encode_ms": encode}


COLUMNS = {
    "env": "env",
    "size": "pictures",
    "h264": "H.264, bytes",
    "key": "its key picture",
    "ssim": "SSIM",
    "jpeg": "JPEG 4:2:0, bytes",
    "jpeg_ssim": "SSIM",
    "saving": "H.264 of it",
    "page_jpeg": "page's JPEG",
    "webp": "lossless WebP",
    "webp_saving": "H.264 of it",
    "encode_ms": "H.264 p50 / p95 / p99, ms",
    "jpeg_ms": "JPEG p50, ms",
}


def main() -> None:
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("MUJOCO_GL", "egl")
    arguments = parser(__doc__, rounds=1, seconds=0.0)
    arguments.add_argument("--frames", type=int, default=300, metavar="N", help="pictures of each env")
    arguments.add_argument("--quality", type=int, default=80, help="JPEG's, 1 to 100 (default %(default)s)")
    arguments.add_argument("--seed", type=int, default=1, help="of the envs and their actions")
    arguments.add_argument("--env", action="append", metavar="NAME", help="only envs with that in their name")
    arguments.add_argument(
        "--compare-every", type=int, default=10, metavar="N", help="SSIM of every Nth picture"
    )
    args = arguments.parse_args()
    lacking = missing()
    if lacking is not None:
        raise SystemExit(lacking)
    rows: list[Row] = []
    for scene in SCENES:
        if args.env and not any(name.lower() in scene.name.lower() for name in args.env):
            continue
        note(scene.name)
        try:
            rows.append(measure(scene, args))
        except Missing as error:
            note(f"    left out: {error}")
    print(f"\nBytes of a picture at {FPS:g} fps, quality {args.quality}, one key picture\n")
    markdown([shown(row) for row in rows], COLUMNS)
    finish(args, "bandwidth", rows, [bar for row in rows for bar in bars_of(row)])


if __name__ == "__main__":
    main()

"""Train the small detector of shapes that comes with the package, and write it as an ONNX file.

It is shown drawings that are made as it goes, in sizes and qualities as cameras and viewers have them, and
judged by drawings that it has not seen. Needs the packages torch, onnx and onnxruntime:

    OMP_NUM_THREADS=1 python tools/train_detector.py --minutes 12 --out envstream/detection/shapes.onnx
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional

from envstream.codec import decode_jpeg, encode
from envstream.detection.boxes import Box, fit, suppress
from envstream.detection.layouts import Output, find
from envstream.detection.score import mean_average_precision
from envstream.detection.shapes import NAMES, drawing
from envstream.frame import Pixels
from shape_network import STRIDES, Network, export

# Sides of the shapes that each stride is asked for, in pixels; they overlap, so that none falls between two.
RANGES = ((0, 72), (40, 168), (112, 100_000))
# What is shown in turn: the side of the pictures, and of the smallest and the largest shape; in pixels.
SHOWN = ((192, 13, 90), (320, 13, 260), (448, 80, 360), (256, 13, 200))
BATCH, FEWEST, MOST = 8, 4, 12  # Pictures of 320 pixels at once, and of any.
GREY = 114  # Of the bars beside a picture that was fitted into a square.
RATE, DECAY, SMOOTHING = 2e-3, 0.02, 0.995
HELD_OUT = 1_000_000  # Drawings with seeds from here on are never trained with.


# --- what it is shown ----------------------------------------------------------------------------------


def seen(rng: np.random.Generator, size: int, least: int, largest: int) -> tuple[Pixels, list[Box]]:
    """A drawing as a camera or a viewer might have it: not square, a little blurred, compressed, dark."""
    wide, high = size, size
    if rng.random() < 0.4:
        shorter = int(size * rng.uniform(0.55, 1))
        wide, high = (size, shorter) if rng.random() < 0.7 else (shorter, size)
    sides = least / wide, min(0.95, largest / wide)
    pixels, truths = drawing(rng, wide, high, sides, most=10)
    if rng.random() < 0.3:
        soft = pixels.astype(np.uint16)
        soft[1:, 1:] = (soft[1:, 1:] + soft[:-1, :-1] + soft[1:, :-1] + soft[:-1, 1:] + 2) // 4
        pixels = soft.astype(np.uint8)
    if rng.random() < 0.3:
        pixels = (pixels * rng.uniform(0.5, 1)).astype(np.uint8)
    if rng.random() < 0.4:
        pixels = decode_jpeg(encode(pixels, "jpeg", int(rng.integers(35, 95))))
    return fitted(pixels, truths, size, GREY if rng.random() < 0.8 else 0)


def fitted(pixels: Pixels, truths: list[Box], size: int, grey: int) -> tuple[Pixels, list[Box]]:
    """A picture with bars beside it, so that it is square; its longer side fits already."""
    high, wide = pixels.shape[:2]
    place = fit(wide, high, size)
    square = np.full((size, size, 3), grey, np.uint8)
    square[place.top : place.top + high, place.left : place.left + wide] = pixels
    moved = [
        box._replace(
            x=(box.x * wide + place.left) / size,
            y=(box.y * high + place.top) / size,
            width=box.width * wide / size,
            height=box.height * high / size,
        )
        for box in truths
    ]
    return square, moved


class Batch(NamedTuple):
    """Pictures; boxes as middle and size in pixels; classes, -1 where there is no box."""

    pictures: Tensor
    boxes: Tensor
    classes: Tensor


def batch(rng: np.random.Generator, size: int, least: int, largest: int) -> Batch:
    """Pictures of one size with their truths."""
    many = min(max(FEWEST, BATCH * 320 * 320 // size**2), MOST)
    shown = [seen(rng, size, least, largest) for _ in range(many)]
    most = max(len(truths) for _, truths in shown)
    boxes, classes = torch.zeros(many, most, 4), torch.full((many, most), -1)
    for number, (_, truths) in enumerate(shown):
        for place, box in enumerate(truths):
            middle = box.x + box.width / 2, box.y + box.height / 2
            boxes[number, place] = torch.tensor([*middle, box.width, box.height]) * size
            classes[number, place] = box.index
    return Batch(torch.from_numpy(tensor([pixels for pixels, _ in shown])), boxes, classes)


def tensor(pictures: list[Pixels]) -> npt.NDArray[np.float32]:
    """What the network takes: float32 from 0 to 1, colours first."""
    return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2), np.float32) / np.float32(255)


# --- how wrong it is -----------------------------------------------------------------------------------


def places(size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The middle of every place in pixels, its stride, and the least and the largest side it is asked for."""
    middles, rest = [], []
    for stride, (low, high) in zip(STRIDES, RANGES, strict=True):
        line = (torch.arange(size // stride) + 0.5) * stride
        down, across = torch.meshgrid(line, line, indexing="ij")
        middles.append(torch.stack([across, down], dim=-1).view(-1, 2))
        rest.append(torch.tensor([float(stride), low, high]).expand(len(middles[-1]), 3))
    strides, low_sides, high_sides = torch.cat(rest).unbind(dim=1)
    return torch.cat(middles), strides, low_sides, high_sides


def owners(truth: Batch) -> tuple[Tensor, Tensor]:
    """For every place the truth that it has to find, and whether there is one.

    Those are asked that lie within a stride of a box's middle, of the strides that its size is for; of two
    truths the smaller counts.
    """
    middles, strides, low, high = places(truth.pictures.shape[-1])
    sides = truth.boxes[..., 2:].amax(dim=2)[:, None]
    near = (middles[None, :, None] - truth.boxes[:, None, :, :2]).abs().amax(dim=3) <= strides[:, None]
    meant = near & (sides >= low[:, None]) & (sides < high[:, None])
    meant &= (truth.classes >= 0)[:, None]
    smallest = torch.where(meant, sides, torch.inf).min(dim=2)
    return smallest.indices, smallest.values < torch.inf


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """How much boxes overlap (IoU), and that less how far apart they are, which also has a slope at 0."""
    a_low, a_high = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    b_low, b_high = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    shared = (torch.minimum(a_high, b_high) - torch.maximum(a_low, b_low)).clamp(min=0).prod(dim=1)
    iou = shared / (a[:, 2:].prod(dim=1) + b[:, 2:].prod(dim=1) - shared + 1e-6)
    span = torch.maximum(a_high, b_high) - torch.minimum(a_low, b_low)
    apart = (a[:, :2] - b[:, :2]).square().sum(dim=1) / (span.square().sum(dim=1) + 1e-6)
    return iou, iou - apart


def loss(boxes: Tensor, logits: Tensor, truth: Batch) -> Tensor:
    """How wrong boxes and scores are; a score is to say how well its box fits."""
    owner, asked = owners(truth)
    picture, place = asked.nonzero(as_tuple=True)
    mine = owner[picture, place]
    iou, closeness = overlap(boxes[picture, :, place], truth.boxes[picture, mine])
    wanted = torch.zeros_like(logits)
    wanted[picture, truth.classes[picture, mine], place] = iou.detach().clamp(min=0.05)
    off = (logits.sigmoid() - wanted).detach().square()
    scores = (off * functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")).sum()
    return (scores + 2 * (1 - closeness).sum()) / max(1, len(picture))


# --- training ------------------------------------------------------------------------------------------


def progress(minutes: float, steps: int | None) -> Iterator[float]:
    """How far the training is, from 0 to 1; by the steps where they are given, else by the CPU's time."""
    begun, step = time.process_time(), 0
    while True:
        done = step / steps if steps else (time.process_time() - begun) / (60 * minutes)
        if done >= 1:
            return
        yield done
        step += 1


def train(minutes: float, steps: int | None, seed: int) -> Network:
    """Train a network; of its weights along the way the smoothed ones are kept."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network(len(NAMES)).to(memory_format=torch.channels_last)
    smooth = deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    for step, done in enumerate(progress(minutes, steps)):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 60) * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
        shown = batch(rng, *SHOWN[step % len(SHOWN)])
        wrong = loss(*network(shown.pictures.contiguous(memory_format=torch.channels_last)), shown)
        optimiser.zero_grad()
        wrong.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        follow(smooth, network, min(SMOOTHING, step / (step + 10)))
        if step % 100 == 0:
            print(f"{done:4.0%}  step {step:5d}  loss {wrong.item():.3f}", flush=True)
    print(f"{step + 1} steps, {time.process_time() / 60:.1f} minutes of the CPU's time")
    return smooth


def follow(smooth: Network, network: Network, share: float) -> None:
    """Bring the smoothed weights a little nearer to those of now."""
    with torch.no_grad():
        for mine, now in zip(smooth.state_dict().values(), network.state_dict().values(), strict=True):
            mine.copy_(mine * share + now * (1 - share) if mine.is_floating_point() else now)


# --- how good it is ------------------------------------------------------------------------------------


def judge(path: Path, pictures: int = 200) -> None:
    """Print how well and how quickly the file finds what it has not been trained with."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    for size in (320, 480, 640):
        found, truths, took = [], [], []
        for number in range(pictures):
            pixels, real = drawing(np.random.default_rng(HELD_OUT + number), size, size)
            shown = tensor([pixels])
            begun = time.perf_counter()
            outputs = session.run(None, {"images": shown})
            took.append(time.perf_counter() - begun)
            found.append(boxes_of(outputs, size))
            truths.append(real)
        score = mean_average_precision(found, truths)
        print(f"{size}: mAP@0.5 {score:.3f}, {1e3 * min(took):.1f} ms a picture on one thread")


def boxes_of(outputs: Sequence[Any], size: int, least: float = 0.05) -> list[Box]:
    """What the file says about a square picture."""
    layout = find([Output("output0", outputs[0].shape)], size, len(NAMES))
    said = layout.read(outputs, size, least)
    places = fit(size, size, size).back(said.boxes).tolist()
    kept = suppress(said.boxes, said.scores, said.classes)
    found = ((places[n], float(said.scores[n]), int(said.classes[n])) for n in kept.tolist())
    return [
        Box(left, top, right - left, bottom - top, score, NAMES[index], index)
        for (left, top, right, bottom), score, index in found
    ]


def main() -> None:
    """Train, write the file, judge it."""
    parser = argparse.ArgumentParser(description="Train the detector of shapes.")
    parser.add_argument("--minutes", type=float, default=12.0, help="minutes of the CPU's time to train")
    parser.add_argument("--steps", type=int, help="steps to train instead, which makes it repeatable")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("envstream/detection/shapes.onnx"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = train(arguments.minutes, arguments.steps, arguments.seed)
    export(network, NAMES, arguments.out)
    judge(arguments.out)


if __name__ == "__main__":
    main()

"""How good a detector is: average precision, and its mean over the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envstream.detection.boxes import Box, iou


def _hits(found: Sequence[Box], truths: Sequence[Box], least: float) -> list[tuple[float, bool]]:
    """The score of each box of one picture and class, and whether it is the first to find a truth.

    The surest box chooses first, among the truths that are left, the one that it overlaps most.
    """
    sure = sorted(found, key=lambda box: -box.score)
    shared = iou(_corners(sure), _corners(truths))
    hits = []
    for row, box in enumerate(sure):
        best = int(shared[row].argmax()) if truths else 0
        hit = bool(truths) and bool(shared[row, best] >= least)
        if hit:
            shared[:, best] = -1  # Found once; whatever finds it again is wrong.
        hits.append((box.score, hit))
    return hits


def _corners(boxes: Sequence[Box]) -> list[tuple[float, float, float, float]]:
    return [(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes]


def _area(hits: Sequence[tuple[float, bool]], truths: int) -> float:
    """The area below precision over recall, where precision is the best that so much recall can have."""
    right = np.array([hit for _, hit in sorted(hits, key=lambda hit: -hit[0])], np.float64).cumsum()
    precision = right / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    gained = np.diff(right / truths, prepend=0.0)
    return float((best * gained).sum())


def average_precisions(
    found: Sequence[Sequence[Box]], truths: Sequence[Sequence[Box]], least: float = 0.5
) -> dict[str, float]:
    """The average precision of each label that occurs in the truths, from 0 to 1.

    Args:
        found: what was found in each picture, in any order.
        truths: what there is in each picture.
        least: how much of a truth has to be overlapped (IoU) for it to be found.
    """
    if len(found) != len(truths):
        raise ValueError(f"what was found is of {len(found)} pictures, the truths are of {len(truths)}")
    result = {}
    for label in sorted({truth.label for picture in truths for truth in picture}):
        hits, many = [], 0
        for boxes, real in zip(found, truths, strict=True):
            mine = [truth for truth in real if truth.label == label]
            hits += _hits([box for box in boxes if box.label == label], mine, least)
            many += len(mine)
        result[label] = _area(hits, many)
    return result


def mean_average_precision(
    found: Sequence[Sequence[Box]], truths: Sequence[Sequence[Box]], least: float = 0.5
) -> float:
    """The mean of the average precisions of all labels (mAP); see `average_precisions`."""
    each = average_precisions(found, truths, least)
    if not each:
        raise ValueError("there are no truths to measure against: give pictures in which something is")
    return sum(each.values()) / len(each)

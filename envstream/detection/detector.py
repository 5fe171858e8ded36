"""A detector: from the pixels of a picture to its boxes; and a lookout, who has it look at the newest."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from envstream import codec
from envstream.detection.adaption import Adaption
from envstream.detection.boxes import OVERLAP, Box, Fit, Floats, fit, suppress
from envstream.detection.layouts import Candidates
from envstream.detection.model import Model, label
from envstream.errors import EnvstreamError
from envstream.frame import Frame, Pixels

log = logging.getLogger("envstream")

CONFIDENCE = 0.25

_GREY = np.float32(114 / 255)  # Beside pictures, where models are trained to see nothing.
_MOST_SENTENCES = 16  # About failures; of a model that finds new words each time, the rest are one.
_PAUSE = 1.0  # Seconds after a failure.
_NICER = 10

Found = Callable[[int, list[Box], float], None]


class Detector:
    """Finds things in pictures. Not thread-safe.

    Args:
        model: see `models.load`.
        adaption: says in which size and how surely; it is told how long it took.
        size: without one: pixels that the square is wide; None = the largest that the model allows.
        confidence: without one: how sure the model has to be.
        overlap: what two boxes of one class share, from which on they are taken for the same thing.
        clock: seconds.

    Raises:
        EnvstreamError: the model does not allow that size.
    """

    def __init__(
        self,
        model: Model,
        adaption: Adaption | None = None,
        size: int | None = None,
        confidence: float = CONFIDENCE,
        overlap: float = OVERLAP,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if size is not None and size not in model.sizes:
            allowed = ", ".join(map(str, model.sizes))
            raise EnvstreamError(f"size={size}: expected one that the model allows: {allowed}")
        self.model, self.adaption = model, adaption
        self._size, self._confidence = size or model.sizes[-1], confidence
        self._overlap, self._clock = overlap, clock
        self._count, self._seconds = 0, 0.0

    @property
    def size(self) -> int:
        """Pixels that the square of the next picture is wide."""
        return self._size if self.adaption is None else self.adaption.size

    @property
    def confidence(self) -> float:
        """How sure the model has to be of the next picture."""
        return self._confidence if self.adaption is None else self.adaption.confidence

    @property
    def fps(self) -> float | None:
        """Pictures a second that are to be looked at; None = as many as there are."""
        return None if self.adaption is None else self.adaption.fps

    def detect(self, pixels: Pixels) -> list[Box]:
        """What is in a picture, the surest first.

        Args:
            pixels: uint8 RGB of shape (height, width, 3).
        """
        begun, size, confidence = self._clock(), self.size, self.confidence
        place = fit(pixels.shape[1], pixels.shape[0], size)
        outputs = self.model.run(prepared(pixels, place))
        boxes = self._boxes(self.model.layout.read(outputs, size, confidence), place)
        now = self._clock()
        self._count, self._seconds = self._count + 1, now - begun
        if self.adaption is not None:
            self.adaption.measured(now - begun, now, len(boxes))
        return boxes

    def said(self) -> dict[str, Any]:
        """How it is, for JSON."""
        return {
            "inference_size": self.size,
            "confidence_threshold": self.confidence,
            "target_fps": self.fps,
            "inference_ms": round(self._seconds * 1e3, 2) if self._count else None,
            **(self.adaption.said() if self.adaption is not None and self._count else {}),
            "gpu_available": self.model.gpu,
            "detections": self._count,
            "model": self.model.describe(),
        }

    def _boxes(self, found: Candidates, place: Fit) -> list[Box]:
        scores, classes = found.scores, found.classes
        if self.model.layout.distinct:
            kept = np.argsort(-scores, kind="stable")
        else:
            kept = suppress(found.boxes, scores, classes, self._overlap)
        shares = place.back(found.boxes[kept])
        boxes = []
        for (x, y, right, low), score, index in zip(
            shares.tolist(), scores[kept].tolist(), classes[kept].tolist(), strict=True
        ):
            if right > x and low > y:  # All of it may lie beside the picture.
                name = label(self.model.names, index)
                boxes.append(Box(x, y, right - x, low - y, min(score, 1.0), name, index))
        return boxes


def prepared(pixels: Pixels, place: Fit) -> Floats:
    """A picture as models take it: float32 of shape (1, 3, size, size), RGB from 0 to 1, grey beside it."""
    small = codec.resize(pixels, place.width, place.height)
    batch = np.empty((1, 3, place.size, place.size), np.float32)
    right, low = place.left + place.width, place.top + place.height
    batch[..., : place.top, :] = batch[..., low:, :] = _GREY
    batch[..., : place.left] = batch[..., right:] = _GREY
    inside = batch[0, :, place.top : low, place.left : right]
    np.multiply(small.transpose(2, 0, 1), np.float32(1 / 255), out=inside)
    return batch


class Lookout:
    """Has a detector look at the newest picture there is, in a thread of its own, as often as it is to.

    Pictures that come meanwhile are left out, but for the newest.

    Args:
        detector: used by nobody else.
        found: called in that thread, with the number of the frame, what is in it, and the seconds it took.
        failed: called in that thread with a sentence where the model, or `found`, raised: when it begins to
            fail, and where the sentence is another. It goes on with the next picture.
        name: of the thread.
    """

    def __init__(
        self, detector: Detector, found: Found, failed: Callable[[str], None], name: str = "lookout"
    ) -> None:
        self.detector = detector
        self._found, self._failed = found, failed
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._closed = False
        self._sentence: str | None = None  # What was said last of a model that fails.
        self._sentences: set[str] = set()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """The newest frame. Never waits for the model."""
        with self._changed:
            self._newest = frame
            self._changed.notify()

    def close(self) -> None:
        """Ends the thread, after the picture it is looking at; returns when it has ended."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        _give_way()
        due = 0.0
        while (frame := self._next(due)) is not None:
            begun = time.monotonic()
            try:
                boxes = self.detector.detect(frame.pixels)
                self._found(frame.number, boxes, time.monotonic() - begun)
                due = begun + 1 / (self.detector.fps or float("inf"))
                self._sentence = None
            except Exception as error:  # Whatever the model comes up with.
                due = time.monotonic() + _PAUSE
                self._report(error)

    def _next(self, due: float) -> Frame | None:
        """The newest frame at the time when one is due; None: it is closed."""
        with self._changed:
            while not self._closed:
                left = due - time.monotonic()
                if left <= 0 and self._newest is not None:
                    frame, self._newest = self._newest, None
                    return frame
                self._changed.wait(left if left > 0 else None)
            return None

    def _report(self, error: Exception) -> None:
        sentence = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if sentence not in self._sentences and len(self._sentences) == _MOST_SENTENCES:
            sentence = "it fails, each time for another reason"
        else:
            self._sentences.add(sentence)
        if sentence == self._sentence:
            return
        self._sentence = sentence
        try:
            self._failed(sentence)
        except Exception:  # Whoever was to be told is gone.
            log.warning("envstream: a model failed (%s), and nobody could be told", sentence)


def _give_way() -> None:
    """Where every core is busy, pictures go first. Only Linux gives a thread a priority of its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICER)

"""Footage that goes on by itself: a camera, and an env that is played."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from envstream.errors import EnvstreamError
from envstream.frame import Pixels
from envstream.push.footage import USUAL_FPS, Shot, loaded, pixels_of, rate_of, reason_of

_TEST = "lavfi:"  # What is before a test picture of FFmpeg.
_DEVICES = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}"), "win32": ("dshow", "{}")}


class Beat:
    """Which pictures of a source to take, for so many a second; None = all. Pure."""

    def __init__(self, fps: float | None) -> None:
        self._period, self._next = 1 / fps if fps else 0.0, 0.0

    def due(self, at: float) -> bool:
        """Whether one that comes at this second is to be taken."""
        if at < self._next - 0.25 * self._period:  # So that one that is a little early is not left out.
            return False
        self._next = max(self._next, at - self._period) + self._period
        return True


class CameraFootage:
    """What a camera sees, from now on, by the monotonic clock.

    Args:
        device: its number, its path or name, or `lavfi:` and a source of FFmpeg, which is a test picture.
        fps: pictures a second at most; None = its own rate.

    Raises:
        EnvstreamError: there is no such camera, or it cannot be read.
    """

    goes_on = True
    unwanted = 0
    expected: int | None = None

    def __init__(self, device: str, fps: float | None = None) -> None:
        self._av = loaded()
        self._device, self.damaged = device, 0
        self._test = device.startswith(_TEST)
        system, pattern = _DEVICES.get(sys.platform, ("v4l2", "/dev/video{}"))
        name = pattern.format(device) if device.isdigit() else device
        kind, name = ("lavfi", device.removeprefix(_TEST)) if self._test else (system, name)
        options = {} if fps is None or self._test else {"framerate": f"{fps:g}"}
        try:
            self._container: Any = self._opened(name, kind, options)
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise EnvstreamError(
                f"camera {device!r} cannot be opened ({reason_of(error)}); expected a number such as 0, a "
                "device such as /dev/video0, or a test picture such as lavfi:testsrc=size=640x480:rate=30"
            ) from error
        self._stream: Any = self._container.streams.video[0]
        own = rate_of(self._stream)
        self.fps = min(own, fps or own)
        self._beat = Beat(fps)

    def _opened(self, name: str, kind: str, options: Mapping[str, str]) -> Any:
        try:
            return self._av.open(name, format=kind, options=dict(options))
        except self._av.error.FFmpegError:
            if not options:
                raise
            return self._av.open(name, format=kind)  # It has not that rate; pictures are left out.

    def shots(self) -> Iterator[Shot]:
        """Its pictures, until it is unplugged."""
        began: float | None = None
        try:
            for frame in self._container.decode(self._stream):
                if self._test and began is not None:  # It is made as fast as it is taken.
                    time.sleep(max(0.0, began + float(frame.time or 0.0) - time.monotonic()))
                now = time.monotonic()
                began = now if began is None else began
                if self._beat.due(now - began):
                    yield Shot(pixels_of(frame), now - began)
        except self._av.error.EOFError:
            return
        except (self._av.error.FFmpegError, OSError) as error:
            raise EnvstreamError(
                f"camera {self._device!r} gives no more pictures ({reason_of(error)})"
            ) from error

    def close(self) -> None:
        """No more pictures."""
        with contextlib.suppress(Exception):
            self._container.close()


class EnvFootage:
    """The screen of a Gymnasium env that is played with random actions, at its natural speed.

    Args:
        fps: pictures a second at most; None = one a step.

    Raises:
        EnvstreamError: there is no such env, or it gives no pictures.
    """

    goes_on = True
    unwanted = 0
    expected: int | None = None
    damaged = 0

    def __init__(self, env: str, fps: float | None = None) -> None:
        import gymnasium

        try:
            self._env: Any = gymnasium.make(env, render_mode="rgb_array")
        except Exception as error:  # Whatever an env's own code raises.
            raise EnvstreamError(f"env {env!r} cannot be made: {error}") from error
        steps = self._env.metadata.get("render_fps")
        self._natural = float(steps) if isinstance(steps, (int, float)) and steps > 0 else USUAL_FPS
        self.fps = min(self._natural, fps or self._natural)
        self._beat = Beat(fps)
        self._name, self._stopped = env, threading.Event()

    def shots(self) -> Iterator[Shot]:
        """Episode after episode."""
        began = due = time.monotonic()
        steps, episode, step, total, over = 0, 0, 0, 0.0, True
        while not self._stopped.is_set():
            if over:
                self._env.reset()
                episode, step, total, over = episode + 1, 0, 0.0, False
            else:
                _, reward, terminated, truncated, _ = self._env.step(self._env.action_space.sample())
                steps, step, total = steps + 1, step + 1, total + float(reward)
                over = bool(terminated or truncated)
            info = {"episode": episode, "step": step, "return": round(total, 6), "totalSteps": steps}
            at = time.monotonic() - began if steps else 0.0
            if self._beat.due(at):
                yield Shot(self._screen(), at, info)
            # What took longer is not made up for.
            due = max(due + 1 / self._natural, time.monotonic() - 1 / self._natural)
            self._stopped.wait(due - time.monotonic())

    def _screen(self) -> Pixels:
        pixels = np.asarray(self._env.render())
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise EnvstreamError(
                f"env {self._name!r} renders {pixels.dtype} of shape {pixels.shape}: expected uint8 RGB"
            )
        return pixels

    def close(self) -> None:
        """No more pictures."""
        self._stopped.set()
        with contextlib.suppress(Exception):
            self._env.close()

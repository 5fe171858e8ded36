"""`publish()`: shows any picture from any loop, for whatever has no wrapper of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from envstream import settings as settings_module
from envstream.config import StreamConfig
from envstream.wrappers.tap import Tap

_published: dict[str, Published] = {}
# Protects the table of streams. Taken when one begins or ends, never for a picture.
_lock = threading.Lock()


class Published:
    """One stream that a loop of the user's shows."""

    def __init__(self, name: str, config: object) -> None:
        given = settings_module.settings_of(config)
        given.update(videoStream=True, videoStreamName=name)
        self.tap = Tap(StreamConfig(**given), given, name)
        self._count = 0
        self._episode: Any = None
        self._step: Any = None
        self._return: Any = None  # Of the running episode, where it is told of.
        # Two threads may show pictures under one name; the link is written by one at a time.
        self._writing = threading.Lock()

    def show(self, frame: object, info: dict[str, Any]) -> bool:
        """Hand the picture over when one is due, or when it is the first."""
        self._count += 1
        first = self._count == 1
        if first or not self.tap.ready:
            self.tap.open()
        if info:
            self._follow(info)
        if not (first or self.tap.due[0]):
            return False
        with self._writing:
            before = self.tap.captures
            told = {key: value.item() if hasattr(value, "item") else value for key, value in info.items()}
            self.tap.capture(
                lambda: self._picture(frame), {"method": "publish", **told, "totalSteps": self._count}
            )
            return self.tap.captures > before

    def _picture(self, frame: object) -> object:
        picture = frame() if callable(frame) else frame
        if isinstance(picture, np.ndarray) and picture.dtype.kind == "f" and np.isnan(picture).any():
            self.tap.warn("the picture has values that are no numbers (NaN); they are shown as black")
        return picture

    def _follow(self, info: dict[str, Any]) -> None:
        """Note the episode before, where the loop tells of a new one."""
        episode = info.get("episode")
        if episode != self._episode:
            if isinstance(self._episode, int) and self._return is not None:
                steps = self._step if isinstance(self._step, int) else 0
                self.tap.note_episode(self._episode, steps, float(self._return), self._count - 1)
            self._episode, self._return = episode, None
        self._step, self._return = info.get("step"), info.get("return", self._return)


def publish(
    frame: object | Callable[[], object], stream: str = "stream", *, config: object = None, **info: Any
) -> bool:
    """Show a picture on the page, from any loop. The first call starts the server; none ever waits for it.

    Nobody watching: nothing is copied or looked at, after the first picture. Make the picture only when it is
    wanted by giving a callable: `publish(env.render, "my env")`.

    Args:
        frame: an array or tensor (height, width, 1 to 4 channels), a PIL image, text, or a callable that
            gives one. It may change its shape from call to call. It is copied before this returns.
        stream: the stream's name on the page.
        config: a `StreamConfig`, a Hydra/OmegaConf node or a dict of settings; the first call of a stream
            decides.
        info: what to tell along with the picture. The page shows `episode`, `step` and `episode_return`;
            when `episode` changes, the return of the one before becomes a point of the chart.

    Returns:
        Whether the picture was handed over.

    Raises:
        SettingError: for settings that are wrong. Nothing else is raised: a picture that is none is warned of
            once, in the log and on the page.

    Example:
        >>> while True:
        ...     envstream.publish(camera.read(), "gripper", step=step)
    """
    if "episode_return" in info:
        info["return"] = info.pop("episode_return")
    published = _published.get(stream)
    if published is None:
        with _lock:
            published = _published.get(stream)
            if published is None:
                published = _published[stream] = Published(stream, config)
    try:
        return published.show(frame, info)
    except Exception as error:
        published.tap.failed(error)
        return False


def unpublish(stream: str | None = None) -> None:
    """End a stream that `publish()` began, or all of them; the last one ends the server."""
    with _lock:
        names = list(_published) if stream is None else [stream]
        ended = [_published.pop(name) for name in names if name in _published]
    for published in ended:
        published.tap.close()


def stream_url(stream: str = "stream") -> str | None:
    """The page's address, token included; waits up to 10 s for the server, None when there is none."""
    published = _published.get(stream)
    return None if published is None else published.tap.url


def _after_fork() -> None:
    global _lock
    # The streams are the parent's; what this process shows under their names are streams of its own.
    _lock = threading.Lock()
    _published.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""Pictures from an env's `render()`, whatever its render mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

LATER: Final = object()  # A picture that is on its way: it can be taken after a later step.


class Renders(Protocol):
    """Anything with Gymnasium's rendering interface."""

    render_mode: str | None

    def render(self) -> Any: ...


class RenderSource:
    """Takes the picture an env would show now, and gives `render()` back what was taken from it."""

    method = "render"  # How its pictures are taken, in the words of `/api/streaming/stats`.

    def __init__(self, env: Renders) -> None:
        self._env = env
        self._mode = env.render_mode
        self._kept: list[Any] = []
        # An env may have a cheap way to render for those who say a step before that they will.
        self._announce: Callable[[], bool] | None = getattr(
            getattr(env, "unwrapped", env), "announce_render", None
        )

    @property
    def problem(self) -> str | None:
        """Why this env cannot be streamed, and what to do; None when it can."""
        if self._mode is None:
            return (
                "this env renders nothing (render_mode=None); make it with "
                "gym.make(..., render_mode='rgb_array') to see it"
            )
        if self._mode == "human":
            return (
                "render_mode='human' draws a window of its own and gives no picture; make the env with "
                "gym.make(..., render_mode='rgb_array') to see it on the page"
            )
        return None

    @property
    def depth(self) -> bool:
        """Whether the pictures are depths, in whatever unit the env has."""
        return self._mode is not None and self._mode.startswith("depth")

    def take(self) -> object:
        """The picture of this moment: an array, text, or None."""
        if self._mode is not None and self._mode.endswith("_list"):
            return self._newest_of_list()
        picture = self._env.render()
        if self._mode == "rgbd_tuple" and isinstance(picture, tuple):
            return picture[0]
        return picture

    def take_or_announce(self) -> object:
        """The picture of this moment, or `LATER` where it is the cheaper after the next step."""
        if self._announce is not None and not self._announce():
            return LATER
        return self.take()

    def take_each(self) -> object:
        """The picture of this moment, and with it that of the next step is announced."""
        picture = self.take()
        if self._announce is not None:
            self._announce()
        return picture

    def render(self) -> Any:
        """What the user's own `render()` gives, as if nobody had looked in between."""
        frames = self._env.render()
        if self._kept and isinstance(frames, list):
            frames, self._kept = self._kept + frames, []
        return frames

    @property
    def keeps(self) -> bool:
        """Whether frames of the user's are kept here, to be given back."""
        return bool(self._kept)

    def reset(self) -> None:
        """The env was reset: a list of frames begins anew where the env's does."""
        if self._kept and getattr(self._collection(), "reset_clean", True):
            self._kept = []

    def _newest_of_list(self) -> object:
        collection = self._collection()
        if collection is not None:
            frames = collection.frame_list  # Looked at, not taken.
        else:
            self._kept += self._env.render() or []
            frames = self._kept
        return frames[-1] if frames else None

    def _collection(self) -> Any:
        """The wrapper below that collects frames, if there is one."""
        env: Any = self._env
        while env is not None:
            if isinstance(vars(env).get("frame_list"), list):
                return env
            env = vars(env).get("env")
        return None

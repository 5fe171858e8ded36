"""Pictures from the sub-envs of a vector env, one at a time: never all of them for the sake of one."""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from envstream.errors import EnvstreamError, PictureError
from envstream.sources.render import RenderSource

_PATIENCE = 0.5  # Seconds between two looks at whether a worker that does not answer still lives.
IN_A_WORKER = 2.5  # What a picture from a worker costs, as a multiple of the time that it takes.
_ATTRIBUTE = "_envstream_render"  # Under this name a worker's env keeps its `RemoteRender`.


class LastLook:
    """Takes the picture of an env before it is reset: the last one of an episode that is over.

    A vector env that begins anew within the step that ends an episode leaves no other moment for it. Never
    raises anything but what the env's own `reset()` does.
    """

    def __init__(self, env: Any, source: RenderSource) -> None:
        self._source = source
        self._reset = env.reset
        self._armed = False
        self._picture: object = None
        env.reset = self

    def arm(self) -> None:
        """Take the picture when the env is reset next."""
        self._armed, self._picture = True, None

    def picture(self) -> object:
        """That picture, once; None where there is none."""
        picture, self._picture = self._picture, None
        return picture

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._armed:
            self._armed = False
            with contextlib.suppress(Exception):  # What cannot be rendered is said when it is asked for.
                self._picture = np.array(self._source.take())
        return self._reset(*args, **kwargs)


class RemoteRender:
    """Renders an env inside the worker process that steps it; never raises there.

    An error in what a worker is asked to call ends the worker, and training with it. So what is called is
    this object, handed over with the vector env's own means for setting attributes, and what goes wrong
    comes back as a sentence.
    """

    def __init__(self) -> None:
        self._source: RenderSource | None = None
        self._last: LastLook | None = None

    def __call__(self, named: bool = False, last: str = "") -> tuple[object, str | None]:
        """The picture, or where `named` the env's name, and no complaint; or None and what went wrong.

        `last`: "arm" to have the last picture of the episode taken, "take" to get it.
        """
        try:
            # Set as an attribute it is not told whose; Gymnasium's and Stable-Baselines3's workers both call
            # it with their env in `env`.
            env = sys._getframe(1).f_locals["env"]
            if named:
                return _name(env), None
            if self._source is None:
                self._source = RenderSource(env)
            if last:
                self._last = self._last or LastLook(env, self._source)
                if last == "arm":
                    self._last.arm()
                    return None, None
                return self._last.picture(), None
            picture = self._source.take()
            if not isinstance(picture, (np.ndarray, str)):
                pickle.dumps(picture)  # Here it may fail; on its way out of the worker it must not.
            return picture, None
        except Exception as error:
            return None, f"{type(error).__name__}: {error}"


class SubEnvs:
    """Takes the picture of one sub-env of a vector env.

    Attributes:
        count: how many sub-envs there are.
        renders_all: one picture costs as much as those of all.
        method: how pictures are taken, for statistics.
        weight: what a picture costs, as a multiple of the time that it takes.

    Works with Gymnasium's `SyncVectorEnv` and `AsyncVectorEnv` and Stable-Baselines3's `DummyVecEnv` and
    `SubprocVecEnv`, below any wrappers around them; of others `render()` is called, which draws all.
    """

    def __init__(self, vector_env: Any) -> None:
        self._base = base = _innermost(vector_env)
        self._sources: dict[int, RenderSource] = {}
        self._prepared: set[int] = set()
        self._looks: dict[int, LastLook] = {}
        self.count = int(vector_env.num_envs)
        self.renders_all = False
        self.method = "render"
        # Workers wait for each other: a picture of one takes as much again from all of them afterwards, and
        # what the server does with it, where they keep every core busy. Measured with 8 on 2 cores.
        self.weight = 1.0
        self._take: Callable[..., object]
        self._in_workers = False
        if isinstance(getattr(base, "envs", None), Sequence):
            self._take = self._from_here
        elif hasattr(base, "parent_pipes"):
            self._take, self.weight = self._from_gymnasium_worker, IN_A_WORKER
            self._in_workers = True
        elif hasattr(base, "remotes") and hasattr(base, "env_method"):
            self._take, self.weight = self._from_sb3_worker, IN_A_WORKER
            self._in_workers = True
        else:
            self.renders_all = True
            self._take = self._from_all

    @property
    def problem(self) -> str | None:
        """Why these envs cannot be streamed, and what to do; None when they can."""
        mode = getattr(self._base, "render_mode", None)
        envs = getattr(self._base, "envs", None)
        if isinstance(envs, Sequence) and envs:
            mode = getattr(envs[0], "render_mode", mode)
        if mode is None:
            return (
                "these envs render nothing (render_mode=None); make them with render_mode='rgb_array', as in "
                "gym.make_vec(..., render_mode='rgb_array'), to see them"
            )
        if mode == "human":
            return (
                "render_mode='human' draws a window of its own and gives no picture; make the envs with "
                "render_mode='rgb_array' to see them on the page"
            )
        return None

    @property
    def depth(self) -> bool:
        """Whether the pictures are depths, in whatever unit the envs have."""
        return str(getattr(self._base, "render_mode", "")).startswith("depth")

    def take(self, index: int, each: bool = False) -> object:
        """The picture of one sub-env at this moment, or `LATER` where it is to be asked for after a step.

        `each`: that of the next step will be wanted as well, so that it is never later.

        Raises:
            EnvstreamError: when its worker says that it cannot be rendered, or does not answer any more.
        """
        if each and not self._in_workers and not self.renders_all:
            return self._source_of(index).take_each()
        return self._take(index)

    def arm(self, index: int) -> None:
        """Have the last picture of a sub-env's episode taken, where it begins anew within the same step.

        Raises:
            EnvstreamError: when its worker does not answer any more.
        """
        if self._in_workers:
            self._take(index, False, "arm")
        elif not self.renders_all:
            if index not in self._looks:
                source = self._source_of(index)
                self._looks[index] = LastLook(self._base.envs[index], source)
            self._looks[index].arm()

    def last(self, index: int) -> object:
        """The last picture of a sub-env's episode that is over, if it was armed; else None.

        Raises:
            EnvstreamError: when its worker does not answer any more.
        """
        if self._in_workers:
            return self._take(index, False, "take")
        look = self._looks.get(index)
        return None if look is None else look.picture()

    def title(self) -> str:
        """The name of the envs: their id where they have one."""
        base = self._base
        try:
            if isinstance(getattr(base, "envs", None), Sequence):
                return _name(base.envs[0])
            if hasattr(base, "parent_pipes"):
                return str(self._from_gymnasium_worker(0, True))
            if hasattr(base, "remotes") and hasattr(base, "env_method"):
                return str(self._from_sb3_worker(0, True))
        except EnvstreamError:
            pass  # What is wrong with the worker is said when a picture is wanted.
        return _name(base)

    def _from_here(self, index: int) -> object:
        return self._source_of(index).take_or_announce()

    def _source_of(self, index: int) -> RenderSource:
        source = self._sources.get(index)
        if source is None:
            source = self._sources[index] = RenderSource(self._base.envs[index])
        return source

    def _from_gymnasium_worker(self, index: int, named: bool = False, last: str = "") -> object:
        base = self._base
        if base._state.value != "default":  # In the midst of step_async: its answers come first.
            raise EnvstreamError(f"sub-env {index} is stepping: it can be rendered only between steps")
        if index not in self._prepared:
            self._ask(index, ("_setattr", (_ATTRIBUTE, RemoteRender())))
            self._prepared.add(index)
        answer, _ = self._ask(index, ("_call", (_ATTRIBUTE, (named, last), {})))
        return _picture(index, answer)

    def _from_sb3_worker(self, index: int, named: bool = False, last: str = "") -> object:
        self._see_it_lives(index)
        try:
            if index not in self._prepared:
                self._base.set_attr(_ATTRIBUTE, RemoteRender(), indices=[index])
                self._prepared.add(index)
            (answer,) = self._base.env_method(_ATTRIBUTE, named, last, indices=[index])
        except (EOFError, OSError) as error:
            raise _dead(index) from error
        return _picture(index, answer)

    def _from_all(self, index: int) -> object:
        pictures = self._base.render()
        if pictures is None:
            return None
        if len(pictures) <= index:
            raise PictureError(f"render() gave {len(pictures)} pictures for {self.count} sub-envs")
        return pictures[index]

    def _ask(self, index: int, command: tuple[str, Any]) -> Any:
        self._see_it_lives(index)
        pipe = self._base.parent_pipes[index]
        try:
            pipe.send(command)
            while not pipe.poll(_PATIENCE):
                self._see_it_lives(index)
            return pipe.recv()
        except (EOFError, OSError) as error:
            raise _dead(index) from error

    def _see_it_lives(self, index: int) -> None:
        # The end of its pipe may never be seen: workers that were forked later hold it open.
        if not self._base.processes[index].is_alive():
            raise _dead(index)


def _picture(index: int, answer: tuple[object, str | None]) -> object:
    picture, complaint = answer
    if complaint is not None:
        raise EnvstreamError(f"sub-env {index} cannot be rendered in its worker: {complaint}")
    return picture


def _name(env: Any) -> str:
    spec = getattr(env, "spec", None)
    return str(spec.id) if spec is not None else type(getattr(env, "unwrapped", env)).__name__


def _dead(index: int) -> EnvstreamError:
    return EnvstreamError(f"the worker of sub-env {index} does not answer; it has ended or was killed")


def _innermost(vector_env: Any) -> Any:
    """The vector env below all wrappers: Gymnasium's have an `env`, Stable-Baselines3's a `venv`."""
    while True:
        below = vars(vector_env).get("env") or vars(vector_env).get("venv")
        if below is None or not hasattr(below, "num_envs"):
            return vector_env
        vector_env = below

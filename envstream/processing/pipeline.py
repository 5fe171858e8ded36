"""The processors of a session: found by name, called one after the other, and what they found."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import re
import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from envstream.errors import EnvstreamError, SessionError
from envstream.frame import Frame
from envstream.processors.detect import Detect
from envstream.processors.overlay import Overlay
from envstream.processors.stats import Stats
from envstream.processors.undistort import Undistort

BUILT_IN: dict[str, Callable[..., Any]] = {
    "undistort": Undistort,
    "overlay": Overlay,
    "detect": Detect,
    "stats": Stats,
}
MOST = 16  # Processors of a session.

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_LARGEST = 2**20  # Characters of JSON that one processor may have to say.

# What a processor may do wrong: `sys.exit()` is to end its session's processing, not that of all.
_WRONG = (Exception, SystemExit)

At = Callable[[int, "str | None"], None]


class ProcessorFailed(EnvstreamError):
    """A processor raised, or gave what is no frame.

    Attributes:
        name: of the processor.
        number: of the frame; 0 = before the first.
        error: what was raised, and where.
        key: its name among the results.
    """

    def __init__(self, name: str, number: int, error: str, key: str = "") -> None:
        super().__init__(f"the processor {name!r} failed at frame {number}: {error}")
        self.name, self.number, self.error, self.key = name, number, error, key or name


class _Step(NamedTuple):
    name: str
    key: str  # Its name among the results.
    call: Any
    strange: bool  # Not built in: what it does, nobody here knows.

    @property
    def changes(self) -> bool:
        return bool(getattr(self.call, "changes", True))


def check(specs: Sequence[Any], allowed: Collection[str]) -> list[dict[str, Any]]:
    """The processors that are asked for, each as a dict with a `name` and its options.

    Args:
        specs: names, or dicts with a `name`.
        allowed: dotted paths that may be asked for besides the built-in names.

    Raises:
        SessionError: there is none of that name, it lacks something, or its options cannot be meant.
    """
    if len(specs) > MOST:
        raise _bad_start(f"{len(specs)} processors are too many; a session has {MOST} at most")
    return [_checked({"name": each} if isinstance(each, str) else each, allowed) for each in specs]


class Pipeline:
    """Processors in their order. Not thread-safe.

    A processor is called with a Frame and gives one, or None: then the picture is left out. `begin(about)`
    and `finish(about)` are called where it has them; what the second gives is its part of the result. One
    that only looks may have an attribute `changes = False`.

    Args:
        specs: dicts with a `name`: a built-in one or a dotted path; the rest is options.
        about: what is known of the session.
        at: called with the number of a frame and the name of the processor it goes to, before it does; with
            None when that one is through. Not for those built in.

    Attributes:
        changes: whether any of them may change a picture.
        failed: the first that failed; then, `run` is to be called no more.

    Raises:
        ProcessorFailed: one cannot be made.
    """

    def __init__(
        self, specs: Sequence[Mapping[str, Any]], about: Mapping[str, Any], at: At | None = None
    ) -> None:
        self._at = at or (lambda number, name: None)
        self._number = 0  # Of the newest frame.
        self._steps: list[_Step] = []
        self.failed: ProcessorFailed | None = None
        for spec in specs:
            self._steps.append(self._made(str(spec["name"]), {k: v for k, v in spec.items() if k != "name"}))
        for step in self._steps:
            begin = getattr(step.call, "begin", None)
            if begin is not None:
                self._called(step, partial(begin, about))
        self.changes = any(step.changes for step in self._steps)

    def run(self, frame: Frame) -> Frame | None:
        """What becomes of a frame; None: its picture is left out.

        Raises:
            ProcessorFailed: one raised, or gave something else.
        """
        self._number = frame.number
        for step in self._steps:
            given = self._called(step, partial(step.call, frame))
            if given is None:
                return None
            wrong = _wrong_with(given)
            if wrong is not None:
                raise self._failure(step, wrong)
            frame = given
        return frame

    def finish(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """What each processor found, by its name; of the second `stats` as `stats-2`.

        Of one that failed, now or before, it is empty.
        """
        found: dict[str, Any] = {}
        for step in self._steps:
            found[step.key] = {}
            finish = getattr(step.call, "finish", None)
            if finish is None or (self.failed is not None and self.failed.key == step.key):
                continue
            with contextlib.suppress(ProcessorFailed):
                given = self._called(step, partial(finish, about))
                try:
                    found[step.key] = _plain(given)
                except (TypeError, ValueError, RecursionError) as error:
                    raise self._failure(step, str(error)) from error
        return found

    def _made(self, name: str, options: dict[str, Any]) -> _Step:
        count = 1 + sum(step.name == name for step in self._steps)
        step = _Step(name, name if count == 1 else f"{name}-{count}", None, name not in BUILT_IN)
        call = self._called(step, lambda: _processor(BUILT_IN.get(name) or _found(name), options))
        return step._replace(call=call)

    def _called(self, step: _Step, call: Callable[[], Any]) -> Any:
        if step.strange:
            self._at(self._number, step.name)
        try:
            given = call()
        except _WRONG as error:
            raise self._failure(step, _said(error)) from error
        if step.strange:
            self._at(self._number, None)
        return given

    def _failure(self, step: _Step, error: str) -> ProcessorFailed:
        failed = ProcessorFailed(step.name, self._number, error, step.key)
        self.failed = self.failed or failed
        return failed


def _checked(spec: Any, allowed: Collection[str]) -> dict[str, Any]:
    name = spec.get("name") if isinstance(spec, Mapping) else None
    if not isinstance(name, str):
        raise _bad_start(f"expected the name of a processor, or an object with a `name`; {spec!r:.80} came")
    options = {str(key): value for key, value in spec.items() if key != "name"}
    if name in BUILT_IN:
        try:
            BUILT_IN[name](**options)
        except (EnvstreamError, TypeError) as error:
            raise _bad_start(f"the processor {name!r}: {error}") from error
    elif name not in allowed or not _DOTTED.fullmatch(name):
        there = ", ".join([*BUILT_IN, *sorted(allowed)])
        raise SessionError(
            "unknown_processor", f"there is no processor {name!r:.80}; there are: {there}", recoverable=False
        )
    return {"name": name, **options}


def _bad_start(sentence: str) -> SessionError:
    return SessionError("bad_start", sentence, recoverable=False)


def _found(path: str) -> Any:
    """What a dotted path names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _processor(target: Any, options: dict[str, Any]) -> Any:
    """A processor: `target` itself, or what it makes of the options."""
    made = target if _takes_frames(target, options) else target(**options)
    made = partial(made, **options) if made is target and options else made
    if not callable(made):
        raise TypeError(f"expected something that is called with a Frame; {type(made).__name__} came")
    return made


def _takes_frames(target: Any, options: dict[str, Any]) -> bool:
    """Whether it is a processor as it is, and not a class or factory that makes one of the options."""
    if inspect.isclass(target) or not callable(target):
        return not callable(target)
    try:
        takes = inspect.signature(target)
    except (ValueError, TypeError):
        return False
    try:
        takes.bind(**options)
    except TypeError:
        return True
    return False


def _wrong_with(given: Any) -> str | None:
    """Why what a processor gave cannot go on; None: it can."""
    if not isinstance(given, Frame):
        return (
            f"expected a Frame, or None to leave the picture out; {type(given).__name__} came; for other "
            "pixels give dataclasses.replace(frame, pixels=...)"
        )
    pixels: Any = given.pixels
    shape: tuple[int, ...] = getattr(pixels, "shape", ())
    dtype = getattr(pixels, "dtype", None)
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        return f"expected uint8 pixels of shape (height, width, 3); {dtype} of {shape} came"
    return None


def _plain(said: Any) -> Any:
    """What a processor found, as JSON has it; NaN as null.

    Raises:
        TypeError, ValueError, RecursionError: it is no mapping, no JSON, or too large.
    """
    if said is not None and not isinstance(said, Mapping):
        raise TypeError(f"expected a mapping, or None, of finish(); {type(said).__name__} came")
    text = json.dumps(dict(said or {}), default=_simple)
    if len(text) > _LARGEST:
        raise ValueError(f"what finish() gave takes {len(text)} characters; at most {_LARGEST}")
    return json.loads(text, parse_constant=lambda name: None)


def _simple(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _said(error: BaseException) -> str:
    """An error with the place where it was raised."""
    text = str(error)
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    lines = traceback.extract_tb(error.__traceback__) or traceback.extract_tb(sys.exc_info()[2])
    return f"{said[:500]} ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else said[:500]

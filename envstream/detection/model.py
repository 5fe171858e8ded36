"""A model: what every detector that can be asked has, and what is found out of one before it is."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from envstream.detection.boxes import Floats
from envstream.detection.layouts import PLAIN, Array, Intake, Layout, Output, find
from envstream.errors import EnvstreamError

SMALLEST, LARGEST = 320, 640  # Sizes that are tried of a model that allows many.
STRIDE = 32  # Of nearly all of them.
DEVICES = ("auto", "cpu", "cuda")

_LONGEST = 40  # Characters of a class's name.
_MOST = 10_000  # Names that are read.

Run = Callable[[Floats], list[tuple[str, Array]]]


class Model(Protocol):
    """A detector that has been loaded. Not thread-safe.

    Attributes:
        names: of its classes; none where nobody knows how many there are.
        sizes: pixels that a picture's square may be wide, the smallest first.
        layout: how it answers.
        gpu: whether it runs on one.
    """

    names: list[str]
    sizes: list[int]
    layout: Layout
    gpu: bool

    def run(self, batch: Floats) -> Sequence[npt.NDArray[Any]]:
        """What comes out for one picture: float32 of shape (1, 3, size, size), RGB from 0 to 1."""

    def describe(self) -> dict[str, Any]:
        """What there is to say of it, for JSON."""


class Traits(NamedTuple):
    """What was found out of a model by asking it."""

    names: list[str]
    sizes: list[int]
    layout: Layout


def traits(
    run: Run, sizes: Sequence[int], said: Mapping[str, Any], names: Sequence[str] | None, layout: str | None
) -> Traits:
    """Asks a model about empty pictures, and finds out at which sizes it answers, and how.

    Args:
        run: asks it; gives each output with its name.
        sizes: that are tried.
        said: what its file says of it: `names`, `task`.
        names: of its classes, where they are told.
        layout: its name, where it is told.

    Raises:
        EnvstreamError: it fails at all sizes, or answers in no layout that is known.
    """
    task = str(said.get("task") or "detect")
    if task != "detect":
        raise EnvstreamError(f"it was made to {task}; expected a model that detects")
    known = list(names) if names is not None else names_said(said.get("names"))
    good, outputs = _answers(run, sizes)
    listed = [Output(name, each.shape, each.dtype.kind in "iu") for name, each in outputs]
    found = find(listed, good[-1], len(known) or None, layout)
    if not known and found.classes is not None:
        known = [f"class {index}" for index in range(found.classes)]
    return Traits(known, good, found)


def label(names: Sequence[str], index: int) -> str:
    """The name of a class, also of one that has none."""
    return names[index] if 0 <= index < len(names) else f"class {index}"


def names_said(said: Any) -> list[str]:
    """Names of classes as a file has them: a list, or a mapping from numbers, as JSON or as Python writes it.

    What cannot be meant is none.
    """
    if isinstance(said, str):
        said = _read(said)
    if isinstance(said, Mapping):
        try:
            numbered = {int(key): name for key, name in said.items()}
        except (TypeError, ValueError):
            return []
        if not numbered or min(numbered) < 0 or max(numbered) >= _MOST:
            return []
        said = [numbered.get(index, f"class {index}") for index in range(max(numbered) + 1)]
    if not isinstance(said, (list, tuple)) or len(said) > _MOST:
        return []
    return [str(name)[:_LONGEST] for name in said]


def multiples(stride: Any = STRIDE) -> list[int]:
    """The sizes that a model of any size is asked in."""
    step = stride if isinstance(stride, int) and 1 <= stride <= SMALLEST else STRIDE
    step *= -(-STRIDE // step)  # Finer steps bring nothing.
    return [size for size in range(step, LARGEST + 1, step) if size >= SMALLEST]


def fed(batch: Floats, intake: Intake, dtype: Any = np.float32) -> Array:
    """A picture as a model expects it."""
    if intake != PLAIN:
        batch = batch[:, ::-1] if intake.reverse else batch
        mean, deviation = (np.array(each, np.float32)[:, None, None] for each in intake[1:3])
        batch = (batch * np.float32(intake.factor) - mean) / deviation
    return np.ascontiguousarray(batch, dtype)


def needed(package: str, what: str) -> None:
    """Raises EnvstreamError where a package is not installed. Loads nothing."""
    if importlib.util.find_spec(package) is None:
        raise EnvstreamError(f'{what} needs {package}: pip install "gymnasium-envstream[detect]"')


def _answers(run: Run, sizes: Sequence[int]) -> tuple[list[int], list[tuple[str, Array]]]:
    """The sizes at which a model answers, and what at the largest.

    One that answers at two sizes does between them: only the ends are looked for.
    """
    good, reason, last = sorted(sizes), "", None
    while good and last is None:
        last, reason = _tried(run, good[-1], reason)
        if last is None:
            good.pop()
    while len(good) > 1 and _tried(run, good[0], "")[0] is None:
        del good[0]
    if last is None:
        tried = f"{min(sizes)} to {max(sizes)}" if len(sizes) > 1 else str(sizes[0])
        raise EnvstreamError(f"it fails on an empty picture of size {tried}: {reason}")
    return good, last


def _tried(run: Run, size: int, reason: str) -> tuple[list[tuple[str, Array]] | None, str]:
    try:
        return run(np.zeros((1, 3, size, size), np.float32)), reason
    except Exception as error:  # Whatever the model, and what runs it, come up with.
        return None, reason or " ".join(str(error).split())[:300] or type(error).__name__


def _read(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None

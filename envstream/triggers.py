"""Triggers: which episodes are recorded, and at which steps a recording begins. Pure."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from envstream.errors import SettingError

Ask = Callable[[int], bool]

EXPECTED = (
    "'cubic', 'all', 'every: N', 'best', 'best of ...' one of those before, the dotted path of a function "
    "such as my_package.triggers.at, a function that is given a number and returns whether, or null"
)
_EVERY = re.compile(r"every\s*:\s*(\d{1,12})")
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*")


class Trigger(NamedTuple):
    """Whether to record, by number; `best`: only what turns out to be better than all before is kept."""

    asks: Ask
    best: bool = False


def cubic(number: int) -> bool:
    """RecordVideo's schedule: 0, 1, 8, 27, ... up to 1000, then every 1000th."""
    return round(number ** (1 / 3)) ** 3 == number if number < 1000 else number % 1000 == 0


def check(key: str, value: Any) -> Any:
    """A trigger as it may be written, in its usual form; nothing is imported.

    Raises:
        SettingError: for anything else.
    """
    if value is None or callable(value):
        return value
    if isinstance(value, Mapping) and list(value) == ["every"] and not isinstance(value["every"], bool):
        value = f"every: {value['every']}"
    if isinstance(value, str):
        written = " ".join(value.split())
        plain = written.removeprefix("best of ")
        every = _EVERY.fullmatch(plain)
        if every is not None and int(every[1]) > 0:
            return written
        if written == "best" or plain in ("cubic", "all") or (every is None and _PATH.fullmatch(plain)):
            return written
    raise SettingError.value(key, value, EXPECTED)


def read(key: str, value: Any) -> Trigger | None:
    """The trigger that a checked setting stands for; None where nothing is to be recorded.

    Raises:
        SettingError: when a dotted path leads to no function.
    """
    if value is None:
        return None
    if callable(value):
        return Trigger(value)
    written = str(value)
    if written == "best":
        return Trigger(_always, best=True)
    plain = written.removeprefix("best of ")
    return Trigger(_asks(key, plain), best=plain != written)


def _asks(key: str, written: str) -> Ask:
    if written == "cubic":
        return cubic
    if written == "all":
        return _always
    every = _EVERY.fullmatch(written)
    if every is not None:
        period = int(every[1])
        return lambda number: number % period == 0
    return _function(key, written)


def _function(key: str, path: str) -> Ask:
    module, _, name = path.replace(":", ".").rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # What a user's module does while it is imported can be anything.
        raise SettingError.value(
            key, path, f"the path of a function ({type(error).__name__}: {error})"
        ) from error
    if not callable(found):
        raise SettingError.value(key, path, f"the path of a function, not of a {type(found).__name__}")
    asks: Ask = found
    return asks


def _always(number: int) -> bool:
    return True

"""Fields: a message from outside, read field by field; what is not as it should be is a SessionError."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Collection, Mapping
from typing import Any

from envstream.errors import SessionError
from envstream.wire import compact

LONGEST_TEXT = 64 * 1024  # Bytes of one message as JSON.
MOST = 2**53  # The highest whole number that every JSON reader can tell from the next one.

_DEEP, _LARGE = 8, 8192  # Of a small object: nested so deep at most, and so many characters.
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

_shown = reprlib.Repr()  # Goes into what is nested a few levels only.
_shown.maxlevel, _shown.maxstring, _shown.maxother, _shown.maxlong = 2, 60, 60, 40


def shown(value: object) -> str:
    """A value that came from outside, short enough for a sentence."""
    return "null" if value is None else _shown.repr(value)


def read(data: str) -> dict[str, Any]:
    """The JSON object in a text message; it has a `type`.

    Raises:
        SessionError: for anything else.
    """
    size = len(data) if data.isascii() else len(data.encode("utf-8", "surrogatepass"))
    if size > LONGEST_TEXT:
        raise SessionError(
            "bad_message",
            f"a text message has at most {LONGEST_TEXT} bytes, not {size}; send pictures as binary messages",
        )
    try:
        message = json.loads(data, parse_constant=_no_number)
    except RecursionError:
        raise SessionError(
            "bad_message", "the message is nested too deep; send flat JSON objects as the protocol has them"
        ) from None
    except ValueError as error:
        raise SessionError(
            "bad_message", f"a text message is one JSON object, and this is none ({error}); send valid JSON"
        ) from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise SessionError(
            "bad_message",
            f'a text message is a JSON object with a "type", not {shown(message)}; add the type',
        )
    return message


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON; say null")


COST = ("share", "captures", "counting", "since_start", "seconds", "limit")


class Fields:
    """The fields of one object. Null is the same as a field that is not there.

    Args:
        code: of the errors that are raised for what is not as it should be.
        name: what the object is called there.
    """

    def __init__(self, values: Mapping[str, Any], code: str, name: str) -> None:
        self._values = values
        self._code = code
        self._name = name

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def wrong(self, key: str, expected: str) -> SessionError:
        """The error for a field that is not as it should be."""
        came = f"not {shown(self._values[key])}" if key in self._values else "and it is not there"
        return SessionError(
            self._code, f"{self._name}: {key} has to be {expected}, {came}; correct it and send it again"
        )

    def whole(self, key: str, least: int = 0, most: int = MOST) -> int:
        """A whole number."""
        value = self._values.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(key, f"a whole number from {least} to {most}")
        return value

    def number(self, key: str, least: float, most: float) -> float:
        """A number, whole or not."""
        value = self._values.get(key)
        # Compared before it is converted: JSON has whole numbers of any length.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise self.wrong(key, f"a number from {least:g} to {most:g}")
        return float(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self._values.get(key, default)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def text(self, key: str, most: int) -> str:
        """A text that can be shown in a line."""
        value = self._values.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= most or _UNSHOWN.search(value):
            raise self.wrong(key, f"a text of 1 to {most} characters, without control characters")
        return value

    def match(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        """A text of which all of a pattern's characters are."""
        value = self._values.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.wrong(key, expected)
        return value

    def choice(self, key: str, choices: Collection[str]) -> str:
        """One of a few texts."""
        value = self._values.get(key)
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(key, f"one of {', '.join(choices)}")
        return value

    def many(self, key: str, most: int) -> list[Any]:
        """A list, empty where there is none; what is in it was not looked at."""
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > most:
            raise self.wrong(key, f"a list of at most {most}")
        return value

    def inner(self, key: str) -> Fields:
        """An object, of which each field is still to be read."""
        value = self._values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Fields(value, self._code, f"{self._name}: {key}")

    def small(self, key: str) -> dict[str, Any]:
        """An object that may have anything in it, but little; empty where there is none."""
        value = self._values.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict) or not is_small(value):
            raise self.wrong(
                key, f"an object of finite numbers, texts and lists, {_LARGE} characters at most"
            )
        return value


def cost_in(said: Fields) -> dict[str, Any]:
    """What streaming costs a trainer elsewhere, where it says so: as `trainer_cost` in `/stats`."""
    if "trainerCost" not in said:
        return {}
    cost = said.inner("trainerCost")
    return {"trainerCost": {key: cost.number(key, 0, 1e12) if key in cost else None for key in COST}}


def is_small(value: object) -> bool:
    """Whether a JSON value can be kept and told to everybody: finite, not deep, and not large."""
    return _is_plain(value, _DEEP) and len(compact(value)) <= _LARGE


def _is_plain(value: object, deep: int) -> bool:
    if isinstance(value, str):
        return not _SURROGATE.search(value)
    if isinstance(value, (int, float)):
        return -1e300 < value < 1e300
    if isinstance(value, dict):
        return deep > 0 and all(_is_plain(k, 0) and _is_plain(v, deep - 1) for k, v in value.items())
    if isinstance(value, list):
        return deep > 0 and all(_is_plain(each, deep - 1) for each in value)
    return value is None

"""Checks of single settings: a key and a value in, the value as it is kept out, or a SettingError."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from envstream.errors import SettingError

Check = Callable[[str, Any], Any]


def boolean(key: str, value: Any) -> bool:
    """true or false, and nothing that is merely taken for it."""
    if not isinstance(value, bool):
        raise SettingError.value(key, value, "true or false")
    return value


def whole(low: int, high: int) -> Check:
    """A whole number in a range."""

    def check(key: str, value: Any) -> int:
        expected = f"a whole number from {low} to {high}"
        try:
            number = operator.index(value)
        except TypeError:
            raise SettingError.value(key, value, expected) from None
        if isinstance(value, bool) or not low <= number <= high:
            raise SettingError.value(key, value, expected)
        return number

    return check


def number(low: float, high: float) -> Check:
    """A finite number in a range."""

    def check(key: str, value: Any) -> float:
        expected = f"a number from {low:g} to {high:g}"
        if isinstance(value, (bool, str)):
            raise SettingError.value(key, value, expected)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise SettingError.value(key, value, expected) from None
        if math.isnan(number) or not low <= number <= high:
            raise SettingError.value(key, value, expected)
        return number

    return check


def span(one: Check, low: float, high: float) -> Check:
    """The two ends of a range, the lower one first; `one` checks each."""
    expected = f"[least, greatest], each from {low:g} to {high:g}"

    def check(key: str, value: Any) -> list[Any]:
        try:
            least, greatest = (one(key, each) for each in value)
        except (SettingError, TypeError, ValueError):
            raise SettingError.value(key, value, expected) from None
        if isinstance(value, str) or least > greatest:
            raise SettingError.value(key, value, expected)
        return [least, greatest]

    return check


def text(key: str, value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise SettingError.value(key, value, "a text that is not empty")
    return value


def choice(*choices: str) -> Check:
    """One of a few words."""

    def check(key: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise SettingError.value(key, value, "one of " + ", ".join(choices))
        return str(value)

    return check


def or_none(check: Check) -> Check:
    """None, or what `check` takes."""
    return lambda key, value: None if value is None else check(key, value)


def quality_or(presets: Collection[str]) -> Check:
    """A JPEG quality, or the name of a preset."""
    expected = "a JPEG quality from 1 to 100 or a preset (" + ", ".join(presets) + ")"

    def check(key: str, value: Any) -> int | str:
        if isinstance(value, str):
            if value not in presets:
                raise SettingError.value(key, value, expected)
            return value
        try:
            return int(whole(1, 100)(key, value))
        except SettingError:
            raise SettingError.value(key, value, expected) from None

    return check


def resolution(key: str, value: Any) -> list[int] | None:
    """[width, height] in pixels, or None."""
    if value is None:
        return None
    expected = "[width, height], each from 16 to 16384, or null for the size as rendered"
    try:
        width, height = value
        return [whole(16, 16384)(key, width), whole(16, 16384)(key, height)]
    except (SettingError, TypeError, ValueError):
        raise SettingError.value(key, value, expected) from None


def levels(key: str, value: Any) -> list[int]:
    """JPEG qualities from best to worst."""
    expected = "a list of JPEG qualities from best to worst, such as [90, 70, 50]"
    try:
        levels = [whole(1, 100)(key, level) for level in value]
    except (SettingError, TypeError):
        raise SettingError.value(key, value, expected) from None
    if not levels or levels != sorted(set(levels), reverse=True):
        raise SettingError.value(key, value, expected)
    return levels


def envs(key: str, value: Any) -> list[int] | str:
    """Indices of sub-envs, or `all`."""
    if isinstance(value, str) and value == "all":
        return "all"
    expected = "'all' or a list of sub-env indices, such as [0, 3]"
    try:
        indices = [whole(0, 1_000_000)(key, index) for index in value]
    except (SettingError, TypeError):
        raise SettingError.value(key, value, expected) from None
    if isinstance(value, str) or not indices:
        raise SettingError.value(key, value, expected)
    return indices


def names(key: str, value: Any) -> list[str]:
    """A list of names."""
    listed: list[Any] = list(value) if isinstance(value, (list, tuple, set, frozenset)) else [None]
    if not all(isinstance(name, str) and name.strip() for name in listed):
        raise SettingError.value(key, value, "a list of names, such as [hub.example.org]")
    return listed


def file(key: str, value: Any) -> str:
    """The absolute path of an existing file."""
    path = Path(text(key, value)).expanduser()
    if not path.is_file():
        raise SettingError.value(key, value, "an existing file")
    return str(path.resolve())


def certificate(key: str, value: Any) -> str | None:
    """None, `auto`, or an existing file."""
    if value is None or (isinstance(value, str) and value == "auto"):
        return value
    try:
        return file(key, value)
    except SettingError:
        raise SettingError.value(key, value, "an existing file, or auto") from None


ROLES = ("view", "control", "publish", "admin")
SHORTEST_TOKEN = 8


def tokens(key: str, value: Any) -> dict[str, str] | None:
    """Tokens by role; None where there is none."""
    expected = f"tokens by role, such as {{view: auto, admin: auto}}; roles are {', '.join(ROLES)}"
    if value is None:
        return None
    if not isinstance(value, Mapping) or not set(value) <= set(ROLES):
        raise SettingError(f"{key}: expected {expected}")
    given = {role: token for role, token in value.items() if token is not None}
    for role, token in given.items():
        # What was given is not shown: it may be nearly right.
        if not isinstance(token, str) or (token != "auto" and len(token.strip()) < SHORTEST_TOKEN):
            least = f"a text of at least {SHORTEST_TOKEN} characters, or auto"
            raise SettingError(f"{key}: the token of the role {role} is to be {least}")
    return given or None


def networks(key: str, value: Any) -> list[str]:
    """Addresses and networks."""
    expected = "a list of addresses or networks, such as [10.0.0.7, 192.168.0.0/16]"
    if not isinstance(value, (list, tuple)):
        raise SettingError.value(key, value, expected)
    try:
        return [str(ip_network(text(key, each), strict=False)) for each in value]
    except ValueError:  # A SettingError is one as well.
        raise SettingError.value(key, value, expected) from None


def processors(key: str, value: Any) -> list[dict[str, Any]]:
    """Processors with their options: a list of names, or of mappings with a name."""
    expected = "a list of processors, such as [stats, {name: undistort, strength: -0.18}]"
    listed: list[Any] = list(value) if isinstance(value, (list, tuple)) else [None]
    told = [{"name": each} if isinstance(each, str) else each for each in listed]
    for each in told:
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str) or not each["name"].strip():
            raise SettingError.value(key, value, expected)
        if not all(isinstance(option, str) for option in each):
            raise SettingError.value(key, value, expected)
    return [dict(each) for each in told]


BUSES = ("redis", "rediss")


def hub(key: str, value: Any) -> str:
    """The address of a server elsewhere, without a name or a password in it; of Redis it may have both."""
    expected = "an address such as ws://host:8080/stream or redis://host:6379/0"
    try:
        address = urlsplit(text(key, value))
        port, name = address.port, address.hostname
    except ValueError:  # A SettingError is one as well.
        raise SettingError.value(key, value, expected) from None
    bus = address.scheme in BUSES
    odd = ("@" in address.netloc and not bus) or not value.isprintable() or " " in value
    if address.scheme not in ("ws", "wss", *BUSES) or not name or port == 0 or odd:
        raise SettingError.value(key, value, expected)
    return str(value)


def model(key: str, value: Any) -> str:
    """`shapes`, the model that comes along, or the file of another one."""
    try:
        return "shapes" if isinstance(value, str) and value == "shapes" else file(key, value)
    except SettingError:
        raise SettingError.value(key, value, "shapes, or the file of a model, such as yolo.onnx") from None

"""JSON as it goes over wires: compact, and only what every browser can read."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np


def finite(value: Any) -> Any:
    """The same data with None for numbers that JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def compact(value: Any) -> str:
    """Data as JSON without a space too many; what is no JSON becomes its text."""
    try:
        return _strict(value)
    except ValueError:  # Seldom: to look through all of it first takes as long as to write it.
        return _lenient(finite(value))


_strict = json.JSONEncoder(separators=(",", ":"), default=str, allow_nan=False).encode
_lenient = json.JSONEncoder(separators=(",", ":"), default=str).encode  # The key of a dict may be NaN.


LONGEST = 16  # Numbers of a list that are told.


def brief(value: Any) -> Any:
    """What can be told of a value in little space: numbers, short texts, the first of many; else None."""
    if isinstance(value, (np.ndarray, np.generic)):
        # Cut before: a picture as an action is no list of a million numbers.
        value = value.item() if value.ndim == 0 else value.reshape(-1)[:LONGEST].tolist()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, str):
        return value[: LONGEST * 10]
    if isinstance(value, dict):
        return {str(key)[:40]: brief(item) for key, item in list(value.items())[:LONGEST]}
    if isinstance(value, (list, tuple)):
        return [brief(item) for item in value[:LONGEST]]
    return None  # Such as a tensor on a device, which would have to be waited for.

"""JSON as it goes over wires: compact, and only what every browser can read."""

from __future__ import annotations

import json
import math
from typing import Any


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
    return json.dumps(finite(value), separators=(",", ":"), default=str)

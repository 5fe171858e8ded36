"""Offers: which processors a server has, and which of them a publisher may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envstream.config import StreamConfig
from envstream.errors import SessionError
from envstream.processing import pipeline

DETECT = ("detect", "envstream.processors.detect.Detect")  # By both of its names.


def checked(config: StreamConfig, wanted: Sequence[Any]) -> list[dict[str, Any]]:
    """Those that every session has, and those that a publisher wants.

    Raises:
        SessionError: a publisher wants one that is not offered.
    """
    always = config.videoStreamProcessors
    # It would be the path of any file of this machine.
    if any(_names_a_model(each) for each in wanted):
        raise SessionError(
            "unknown_processor",
            "which model is used, the server's videoStreamDetect says; leave `model` out",
            recoverable=False,
        )
    allowed = {*config.videoStreamOffers, *(each["name"] for each in always)}
    model = {} if config.videoStreamDetect in (None, "shapes") else {"model": config.videoStreamDetect}
    specs = pipeline.check([*always, *wanted], allowed)
    return [{**model, **each} if each["name"] == "detect" else each for each in specs]


def _names_a_model(spec: object) -> bool:
    return isinstance(spec, Mapping) and spec.get("name") in DETECT and "model" in spec

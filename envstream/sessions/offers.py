"""Offers: which processors a server has, and which of them a publisher may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envstream.config import StreamConfig
from envstream.detection.models import kind_of
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
    specs = pipeline.check([*always, *wanted], allowed)
    return [{**_model(config), **each} if each["name"] == "detect" else each for each in specs]


def _model(config: StreamConfig) -> dict[str, str]:
    """What a publisher's `detect` looks with."""
    model = config.videoStreamDetect
    if model in (None, "shapes"):
        return {}
    if kind_of(Path(model)) != "onnx":
        raise SessionError(
            "unknown_processor",
            "this server's videoStreamDetect is no ONNX file, and sessions are looked into with those only; "
            "leave detect out",
            recoverable=False,
        )
    return {"model": model}


def _names_a_model(spec: object) -> bool:
    return isinstance(spec, Mapping) and spec.get("name") in DETECT and "model" in spec

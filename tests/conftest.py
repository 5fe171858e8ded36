"""Shared by all tests: stand-ins can be imported, and what a test needs is there or its lack is said."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def missing(what: str, how: str) -> None:
    """Skip a test whose tool is not there, saying how to install it; under CI that is a failure."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{what} is missing on this CI machine; {how}")
    pytest.skip(f"{what} is missing; {how}")


PACKAGES = {"chromium": "chromium", "ffmpeg": "ffmpeg", "openssl": "openssl", "nginx": "nginx-light"}


@pytest.fixture
def required() -> Callable[[str], str]:
    """Find a program, or skip with how to install it."""

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            missing(program, f"on Debian: apt-get install {PACKAGES[program]}")
        assert path is not None
        return path

    return find

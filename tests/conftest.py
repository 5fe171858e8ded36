"""Shared by all tests: stand-ins can be imported, and what a test needs is there or its lack is said."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from envstream.frame import Frame

sys.path.insert(0, str(Path(__file__).parent))

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
# Hundreds of processes begin here: where nothing compiled may be kept, each compiles all that it loads.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Runs of tests find each other's servers no more than those of two users do.
_MEETING = tempfile.TemporaryDirectory(prefix="envstream-")
os.environ["XDG_RUNTIME_DIR"] = _MEETING.name


def missing(what: str, how: str) -> None:
    """Skip a test whose tool is not there, saying how to install it; under CI that is a failure."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{what} is missing on this CI machine; {how}")
    pytest.skip(f"{what} is missing; {how}")


PACKAGES = {
    "chromium": "chromium",
    "ffmpeg": "ffmpeg",
    "openssl": "openssl",
    "nginx": "nginx-light",
    "redis-server": "redis-server",
}


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


# A file's tests stay together. The files that take longest begin, so that none of them is left for the end,
# when the other worker has nothing to do.
LONGEST = (
    "test_benchmarks",
    "test_page",
    "test_page_session",
    "test_page_many",
    "test_page_grid",
    "test_page_replay",
    "test_links_hosting",
    "test_links_sidecar",
    "test_doc_scripts",
    "test_page_view",
    "test_web_uplink",
    "test_page_camera",
    "test_page_video",
    "test_train",
    "test_page_quality",
    "test_ladder",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


# No test asserts a time.
settings.register_profile("envstream", deadline=None)
settings.load_profile("envstream")


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    """Where pictures are compressed in tests."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture(scope="session")
def frame() -> Callable[..., Frame]:
    """Makes small frames: `frame(7)` has number 7 and was captured at second 7."""

    def make(number: int, captured: float | None = None, cost: float = 0.0, **info: Any) -> Frame:
        pixels = np.full((4, 6, 3), number % 256, np.uint8)
        return Frame(pixels, number, float(number) if captured is None else captured, cost, info)

    return make

"""A disk that runs full while episodes are recorded: what was recorded plays, and training goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from disks import small_disk
from faults import NAME, Training, playing, unharmed
from serving import stats, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a disk of Linux's")

FULL = "No space left"


def test_a_full_disk_costs_what_it_has_no_room_for_and_nothing_else(tmp_path: Path) -> None:
    with small_disk(tmp_path, "6m") as disk:
        videos, ballast = disk / "videos", disk / "ballast"
        settings = {"videoRecord": True, "videoRecordFolder": str(videos), "videoRecordEpisodes": "every: 20"}
        with unharmed(tmp_path, size=(160, 120), **settings) as training:
            until(lambda: list(videos.glob("*.mp4")), "a recording")
            earlier = whole(videos)
            ballast.write_bytes(b"")
            fill(ballast)
            until(lambda: training.warnings(FULL), "a word about it")
            training.is_seen(20)
            until(
                lambda: "videoRecordFolder" in said_of(training) and FULL in said_of(training),
                "it on the page",
            )
            assert len(training.warnings(FULL)) == 1
            assert set(earlier) <= set(whole(videos))
            there = set(videos.glob("*.mp4"))
            ballast.unlink()
            for each in list(there)[:-1]:
                each.unlink()
            until(lambda: set(whole(videos)) - there, "a recording after it")
            until(lambda: FULL not in said_of(training), "the end of the word about it")
        assert playing(videos)


def said_of(training: Training) -> str:
    """What stands on the page about a problem."""
    return stats(training.port)["streams"][NAME]["message"] or ""


def fill(file: Path) -> None:
    """Leave no room on its disk."""
    with file.open("ab", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(65536))
        except OSError:
            pass


def whole(videos: Path) -> list[Path]:
    """The recordings that are finished."""
    return [path.with_suffix(".mp4") for path in videos.glob("*.json") if b'"finished"' in path.read_bytes()]

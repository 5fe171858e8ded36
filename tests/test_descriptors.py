"""How many descriptors a server's process asks for, and how many are left to itself in a crowd."""

from __future__ import annotations

import subprocess
import sys

import pytest

from envstream import descriptors

ENDLESS = -1

linux_only = pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")


def test_no_more_are_asked_for_than_make_sense() -> None:
    assert descriptors.within(1024, ENDLESS) == 1024
    assert descriptors.within(1_048_576, ENDLESS) == descriptors.MOST
    assert descriptors.within(ENDLESS, ENDLESS) == descriptors.MOST


def test_a_crowd_leaves_the_server_some_of_its_own() -> None:
    assert descriptors.for_connections(1024) == 896
    assert descriptors.for_connections(256) == 192
    assert descriptors.for_connections(65_536) == 57_344


def test_where_there_are_hardly_any_one_connection_is_still_possible() -> None:
    assert descriptors.for_connections(20) == 1


def limits_after(soft: int, hard: int) -> list[int]:
    """What a process has that began with these limits, and has asked for more."""
    code = (
        f"import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "from envstream.descriptors import limit, raise_limit\n"
        "print(raise_limit(), limit(), *r.getrlimit(r.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


@linux_only
def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    assert limits_after(256, 900) == [900, 900, 900, 900]


@linux_only
def test_a_limit_that_is_as_high_already_stays() -> None:
    assert limits_after(700, 700) == [700, 700, 700, 700]

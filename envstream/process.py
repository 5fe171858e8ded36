"""Process: what this process uses of its machine; None where the system does not tell."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

_OWN = Path("/proc/self")
_STARTED = time.time()


class Use(NamedTuple):
    """What a process uses.

    Attributes:
        rss: bytes of memory.
        cpu: seconds of all its threads.
        descriptors: open ones, and how many there may be.
        started: seconds since 1970.
    """

    rss: int | None
    cpu: float
    descriptors: int | None
    most_descriptors: int | None
    threads: int
    started: float


def use() -> Use:
    """What this process uses now."""
    return Use(_rss(), time.process_time(), _descriptors(), _most(), _threads(), _STARTED)


def _rss() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((_OWN / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(ImportError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # The most there ever was.
        return most if sys.platform == "darwin" else most * 1024
    return None


def _descriptors() -> int | None:
    for folder in (_OWN / "fd", Path("/dev/fd")):
        with contextlib.suppress(OSError):
            return sum(1 for _ in folder.iterdir()) - 1  # Without that of the listing.
    return None


def _most() -> int | None:
    with contextlib.suppress(ImportError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return None if most == resource.RLIM_INFINITY else most
    return None


def _threads() -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int((_OWN / "stat").read_text().rsplit(")", 1)[1].split()[17])
    return threading.active_count()

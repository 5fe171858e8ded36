"""What a process holds, as Linux tells it: memory, descriptors, threads, shared memory. For `soak.py`.

python benchmarks/gauges.py PID
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

SHARED = ("/memfd:", "/dev/shm/")  # How mapped shared memory is called.


def held(pid: int) -> dict[str, float]:
    """Megabytes (`rss`, `heap`, `shared`) and counts (`descriptors`, `sockets`, `threads`, `maps`).

    `heap` is what is no file's: how many other processes have the same libraries does not change it.

    Raises:
        OSError: the process is gone.
    """
    home = Path("/proc") / str(pid)
    rollup = _kilobytes(home / "smaps_rollup")
    links = _links(home / "fd")
    maps, shared = _shared(home / "maps")
    return {
        "rss": rollup["Rss"] / 1000,
        "heap": rollup["Anonymous"] / 1000,
        "shared": shared / 1e6,
        "maps": maps,
        "descriptors": len(links),
        "sockets": sum(link.startswith("socket:") for link in links),
        "threads": sum(1 for _ in (home / "task").iterdir()),
    }


def children(pid: int) -> list[int]:
    """All processes below one, whoever of its threads began them."""
    found: list[int] = []
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *children(child)]
    return found


def _tasks(pid: int) -> list[Path]:
    with contextlib.suppress(OSError):
        return list((Path("/proc") / str(pid) / "task").iterdir())
    return []


def _kilobytes(path: Path) -> dict[str, int]:
    """The lines `Name: NUMBER kB`; of 1024 bytes, told as 1024/1000 of 1000."""
    lines = (line.split() for line in path.read_text().splitlines()[1:])
    return {words[0].rstrip(":"): int(words[1]) * 1024 // 1000 for words in lines}


def _links(folder: Path) -> list[str]:
    links = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # Closed since.
            links.append(str(path.readlink()))
    return links


def _shared(path: Path) -> tuple[int, int]:
    """How many pieces of shared memory are mapped, and their bytes."""
    count = size = 0
    for line in path.read_text().splitlines():
        words = line.split(maxsplit=5)
        if len(words) == 6 and words[5].startswith(SHARED):
            start, _, end = words[0].partition("-")
            count, size = count + 1, size + int(end, 16) - int(start, 16)
    return count, size


if __name__ == "__main__":
    print(json.dumps(held(int(sys.argv[1])), indent=1))

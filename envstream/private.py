"""What a user's servers keep between two runs: a few small files that nobody else can read."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

NAME = "envstream"


def folder() -> Path:
    """Where the system wants such files of this user; not made yet."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / NAME


def kept(name: str) -> bytes | None:
    """What was kept under a name; None: nothing, or something that others could have written."""
    try:
        path = folder() / name
        about = path.lstat()
        strange = path.is_symlink() or (os.name == "posix" and (about.st_mode & 0o077 or not _ours(about)))
        return None if strange else path.read_bytes()
    except (OSError, RuntimeError):  # A user without a home.
        return None


def keep(name: str, data: bytes) -> bool:
    """Keep it, for this user only; in one step, so that nobody sees half of it. Whether that went."""
    try:
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, made = tempfile.mkstemp(dir=place)  # 0600 from its first moment.
    except (OSError, RuntimeError):
        return False
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(made).replace(place / name)
        return True
    except OSError:
        with contextlib.suppress(OSError):
            Path(made).unlink()
        return False


def key(name: str, size: int = 32) -> bytes:
    """Random bytes that stay the same between runs, where they can be kept."""
    before = kept(name)
    if before is not None and len(before) == size:
        return before
    made = os.urandom(size)
    keep(name, made)
    return kept(name) or made  # Of two that begin at once, one was the later.


def _ours(about: os.stat_result) -> bool:
    return about.st_uid == os.getuid()

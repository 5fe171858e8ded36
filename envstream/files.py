"""Files that are whole whenever somebody looks, and are nobody else's: claimed, grown, replaced."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from envstream.errors import EnvstreamError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}

_BAD = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]')
_CHARACTERS, _BYTES = 150, 200  # Of a name; with all that comes after it, file systems take 255 bytes.
_NAMESAKES = 10_000


def unwritable(path: Path, error: BaseException) -> EnvstreamError:
    """What went wrong with the file or folder at `path`, as a sentence for people."""
    todo = "choose a folder that exists and can be written"
    if getattr(error, "errno", None) in _FULL:
        todo = "make room on its disk"
    return EnvstreamError(f"{path} cannot be written ({getattr(error, 'strerror', None) or error}); {todo}")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to make the next content of a file: it takes the file's place, unless something goes wrong."""
    new = path.with_name(f".{path.name}.new")
    try:
        yield new
        new.replace(path)
    finally:
        with contextlib.suppress(OSError):
            new.unlink()


def write_json(path: Path, said: Mapping[str, Any]) -> None:
    """Gives a file a new content, all of it or none; what JSON cannot say is said as text, NaN as null.

    Raises:
        OSError: nothing changed.
    """
    text = json.dumps(_plain(said), indent=2)
    with replacing(path) as new:
        new.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):  # NumPy's.
        return _plain(value.tolist())
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def fitting(name: str) -> str:
    """A name, without suffix, that file systems take."""
    name = _BAD.sub("-", name)[:_CHARACTERS].encode()[:_BYTES].decode(errors="ignore")
    return name.strip(". ") or "recording"


def namesakes(name: str) -> Iterator[str]:
    """The name, and those to take when there is such a file: `name-2`, `name-3`, …; not for ever."""
    yield name
    yield from (f"{name}-{number}" for number in range(2, _NAMESAKES))


def removed(paths: Iterable[Path]) -> str | None:
    """Removes files, as far as they are there; a sentence when one stays."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            return f"{path} cannot be removed ({error.strerror}); remove it, and all beside it, by hand"
    return None


class Growing:
    """A new file that grows by whole pieces only. It is there from the first piece on.

    Raises:
        FileExistsError: there is something at `path`.
        OSError: nothing can be written there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.RawIOBase | None = None
        with path.open("xb"):  # That it can be made is to be known now.
            path.unlink()
        self._waiting = bytearray()
        self._whole = 0
        self._closed = False

    def write(self, data: bytes) -> int:
        """Adds to the piece that `flush` writes. Never fails."""
        before = len(self._waiting)
        self._waiting += data
        return len(self._waiting) - before

    def flush(self) -> None:
        """Writes what waits.

        Raises:
            OSError: of it, nothing is in the file.
        """
        piece, self._waiting = memoryview(self._waiting), bytearray()
        done = 0
        if self._closed:
            raise OSError(errno.EBADF, "it was closed")
        file = self._file = self._file or self._path.open("xb", buffering=0)
        try:
            while done < len(piece):
                done += file.write(piece[done:]) or 0
        except OSError:
            with contextlib.suppress(OSError):
                file.seek(self._whole)
                file.truncate()
            raise
        self._whole += done

    def look(self) -> None:
        """Sees whether the file is still where it was made.

        Raises:
            FileNotFoundError: somebody removed it, or its folder; what is written now, nobody finds.
        """
        if self._file is not None and not self._path.exists():
            raise FileNotFoundError(errno.ENOENT, "it was there and is not any more")

    def close(self) -> None:
        """No more pieces; what waits is dropped. Never raises."""
        self._closed = True
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

"""A file as an answer: as it is at the moment it is asked for."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Response, request, send_file
from werkzeug.exceptions import NotFound, RequestedRangeNotSatisfiable
from werkzeug.security import safe_join


def download(folder: Path, name: str, **how: Any) -> Response:
    """The answer to a request for a file, all of it or the range that was asked for.

    A recording grows while it is written, and its JSON is replaced. Length and content of the answer are both
    of the file as it was opened, so that they agree all the same.

    Args:
        folder: where the file is.
        name: of the file; one outside the folder is not found.
        how: what else `flask.send_file` takes, such as `mimetype` and `as_attachment`.

    Raises:
        werkzeug.exceptions.NotFound: there is no such file.
    """
    path = safe_join(str(folder), name)
    try:
        file = _Opened(path or "")
    except (OSError, ValueError):  # Of a name with a NUL, too.
        raise NotFound from None
    state = file.state
    answer = send_file(
        file,
        download_name=name,
        conditional=False,
        etag=f"{state.st_ino:x}-{state.st_mtime_ns:x}-{state.st_size:x}",
        last_modified=state.st_mtime,
        max_age=0,
        **how,
    )
    answer.content_length = state.st_size
    try:
        answer.make_conditional(request.environ, accept_ranges=True, complete_length=state.st_size)
    except RequestedRangeNotSatisfiable:
        file.close()
        raise
    return answer


def attachment(name: str) -> str:
    """The `Content-Disposition` of a file to be saved as `name`; headers are ASCII (RFC 6266)."""
    plain = "".join(
        char if char.isascii() and char.isprintable() and char not in '"\\' else "-" for char in name
    )
    if plain == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


class _Opened(io.FileIO):
    """A file to read that ends where it did when it was opened."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "rb")
        self.state = os.fstat(self.fileno())

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self.state.st_size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left)) or b""

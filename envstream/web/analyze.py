"""`POST /analyze`: a whole video and its signal file in one request; the same processing and result."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any

from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from envstream.errors import EnvstreamError, SessionError
from envstream.files import write_json
from envstream.sessions.depot import NEWCOMERS
from envstream.sessions.table import Sessions
from envstream.wire import compact

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

FILES = {"video": "video-as-sent", "signal": "signal"}  # Name in the form → on disk, without its suffix.
MOST_PARTS = 20
LONGEST_FIELD = 64 * 1024  # Bytes of `processors`.
MOST_AT_ONCE = 4  # Requests that are read or processed at one time.

WANTED = (
    "send multipart/form-data with a file `video`, and a file `signal` where there is one: "
    "curl -F video=@video.mp4 -F signal=@signal.txt http://HOST:PORT/analyze"
)


class Refused(EnvstreamError):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Upload:
    """The parts of one request on their way to disk. Not thread-safe; what it does waits for disks.

    Raises:
        Refused: what comes is not what was wanted, or more than there is room for.
    """

    def __init__(self, folder: Path, content_type: str, take: Callable[[int], bool]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get("boundary", "").encode(errors="replace")
        if kind != "multipart/form-data" or not boundary:
            raise Refused(400, "bad_request", f"the body is {kind or 'of no type'!r:.80}; {WANTED}")
        self._decoder = MultipartDecoder(boundary, 1_000_000, max_parts=MOST_PARTS)
        self._folder = folder
        self._take = take
        self._file: IO[bytes] | None = None
        self._field: bytearray | None = None
        self.paths: dict[str, Path] = {}
        self.fields: dict[str, bytearray] = {}

    def add(self, data: bytes | None) -> None:
        """Further bytes of the body; None = that was all."""
        try:
            self._decoder.receive_data(data)
            while not isinstance(event := self._decoder.next_event(), (NeedData, Epilogue)):
                if isinstance(event, File):
                    self._begin(_name_of(event), event.filename or "")
                elif isinstance(event, Field):
                    self._field = self.fields.setdefault(_name_of(event)[:40], bytearray())
                    self._file = None
                elif isinstance(event, Data):
                    self._data(event.data)
        except (ValueError, HTTPException) as error:
            raise Refused(400, "bad_request", f"the body cannot be read ({error}); {WANTED}") from None

    def close(self) -> None:
        """Nothing more comes."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self, name: str, filename: str) -> None:
        self.close()
        if name not in FILES or name in self.paths:
            raise Refused(400, "bad_request", f"there is no place for a file {name[:40]!r}; {WANTED}")
        letters = Path(filename).suffix.lower()[1:9]
        suffix = "".join(letter for letter in letters if letter.isascii() and letter.isalnum())
        path = self.paths[name] = self._folder / f"{FILES[name]}.{suffix or 'bin'}"
        self._file = path.open("xb")

    def _data(self, data: bytes) -> None:
        if self._file is None:
            if self._field is not None and len(self._field) + len(data) <= LONGEST_FIELD:
                self._field += data
                return
            raise Refused(413, "too_large", f"a field has at most {LONGEST_FIELD} bytes")
        if not self._take(len(data)):
            raise Refused(507, "disk_quota", "the sessions on disk have reached videoStreamMaxDisk")
        self._file.write(data)


class Analyses:
    """Answers `POST /analyze`. Lives on the event loop."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="envstream-analyze")
        self._running = 0

    async def answer(self, headers: dict[str, str], receive: Receive) -> tuple[int, dict[str, Any]]:
        """Read the request, process it, and give status and JSON."""
        if self._running >= MOST_AT_ONCE:
            return 503, _error("too_many_sessions", f"{MOST_AT_ONCE} analyses run already; try again later")
        self._running += 1
        try:
            return await self._answer(headers, receive)
        except Refused as error:
            return error.status, _error(error.code, str(error))
        except SessionError as error:
            return 400, error.message()
        except (EnvstreamError, OSError) as error:
            return 507, _error("disk_full", str(error))
        finally:
            self._running -= 1

    def close(self) -> None:
        """The server ends; nobody asks any more."""
        self._threads.shutdown(wait=False)

    async def _answer(self, headers: dict[str, str], receive: Receive) -> tuple[int, dict[str, Any]]:
        folder, result = self._sessions.depot.analysis(), None
        try:
            upload = Upload(
                folder, headers.get("content-type", ""), partial(self._sessions.depot.take, share=NEWCOMERS)
            )
            await self._read(upload, receive)
            result = await self._process(folder, upload)
        finally:
            if result is None or result["video"] is None:  # Nothing came of it.
                await self._in_thread(self._sessions.depot.remove, folder)
        return (422 if result["video"] is None else 200), result

    async def _read(self, upload: Upload, receive: Receive) -> None:
        """All of the body, to disk."""
        more = True
        try:
            while more:
                try:
                    event = await asyncio.wait_for(receive(), self._sessions.timeout)
                except asyncio.TimeoutError:
                    raise Refused(408, "timed_out", "the rest of the body did not come") from None
                if event["type"] == "http.disconnect":
                    raise Refused(400, "bad_request", "the connection ended before the body did")
                await self._in_thread(upload.add, event.get("body", b""))
                more = event.get("more_body", False)
            await self._in_thread(upload.add, None)
        finally:
            await self._in_thread(upload.close)
        if "video" not in upload.paths:
            raise Refused(400, "bad_request", f"there is no file `video` in the request; {WANTED}")

    async def _process(self, folder: Path, upload: Upload) -> dict[str, Any]:
        processors = self._sessions.checked(_wanted(upload.fields.get("processors")))
        video, signal = upload.paths["video"], upload.paths.get("signal")
        about = {
            "session_id": folder.name,
            "name": folder.name,
            "video": video.name,
            "processors": processors,
        }
        done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._sessions.process_file(folder, about, signal, partial(_settle, done))
        result = {
            "session_id": folder.name,
            "name": folder.name,
            "folder": str(folder),
            "signal": None if signal is None else await self._in_thread(_described, signal),
            **await done,
        }
        if result["video"] is not None:
            await self._in_thread(write_json, folder / "result.json", result)
        # As it came it goes only when all of it is in the video.
        if not self._sessions.keeps and result["problem"] is None and not result["frames"]["damaged"]:
            await self._in_thread(video.unlink)
        return result

    async def _in_thread(self, do: Callable[..., Any], *given: Any) -> Any:
        """Wait for a disk, and not in the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, do, *given)


def body_of(answer: dict[str, Any]) -> bytes:
    """An answer as JSON."""
    return compact(answer).encode()


def _name_of(part: File | Field) -> str:
    """The name of a part of a form."""
    name: str | None = part.name  # Not there where its headers have none.
    if name is None:
        raise Refused(400, "bad_request", f"a part of the form has no name; {WANTED}")
    return name


def _settle(done: asyncio.Future[dict[str, Any]], result: dict[str, Any]) -> None:
    if not done.done():
        done.set_result(result)


def _described(path: Path) -> dict[str, Any]:
    """What the result says of a signal, as of one that came in a session."""
    size, lines, last, digest = 0, 0, b"\n", hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(2**20):
            size, lines, last = size + len(data), lines + data.count(b"\n"), data[-1:]
            digest.update(data)
    return {"file": path.name, "size": size, "lines": lines + (last != b"\n"), "sha256": digest.hexdigest()}


def _wanted(field: bytearray | None) -> list[dict[str, Any]]:
    """Processors as a form names them: a JSON list, or names with commas between."""
    if not field:
        return []
    text = field.decode(errors="replace").strip()
    try:
        listed = json.loads(text) if text.startswith("[") else [each.strip() for each in text.split(",")]
    except (ValueError, RecursionError):
        raise Refused(400, "bad_request", "processors is a JSON list, or names with commas between") from None
    return [{"name": each} if isinstance(each, str) else each for each in listed]


def _error(code: str, message: str) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": message, "recoverable": False}

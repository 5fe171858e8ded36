"""Sends the cases of `fuzzing.py` over sockets of its own, and judges what comes back."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fuzzing import DESCRIPTION, Case, case

PIPELINED = 8  # Requests that are sent in one piece.
PATIENCE = 40.0  # Seconds for an answer: `?after=` waits 30.
GLANCE = 65_536  # Bytes that are read of what has no end.
STAYS = 0.15  # Seconds that it is looked at.
ALLOWED = {501, 503, 507}  # Where the description tells of them.


class Lost(Exception):
    """The connection ended before the answer did."""


@dataclass
class Finding:
    """Something that is not to be."""

    case: Case
    what: str
    answer: bytes


@dataclass
class Tally:
    """What came of all cases."""

    sent: int = 0
    messages: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    answered: float = field(default_factory=time.monotonic)


def described(where: str) -> set[int]:
    """The statuses that the description has for `GET /address`."""
    method, _, path = where.partition(" ")
    of = DESCRIPTION["paths"].get(path, {})
    about = of.get(method.lower()) or of.get("get") or of.get("post") or {}
    return {int(status) for status in about.get("responses", {})}


class Client:
    """One worker: takes the next cases, sends them to its server, and goes on until there are none."""

    def __init__(self, port: int, seed: int, numbers: Iterator[int], tally: Tally) -> None:
        self._port, self._seed, self._numbers, self._tally = port, seed, numbers, tally
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, until: float) -> None:
        """Goes on until there are no more numbers, or the time has come."""
        waiting: list[Case] = []
        while time.monotonic() < until and (numbers := list(itertools.islice(self._numbers, PIPELINED))):
            for number in numbers:
                made = case(self._seed, number)
                if made.kind == "request":
                    waiting.append(made)
                else:
                    await self.alone(made)
            while waiting:
                waiting = await self._together(waiting)
        self._hang_up()

    async def alone(self, made: Case) -> None:
        """Sends one case on a connection of its own."""
        self._tally.kinds[made.kind] += 1
        self._tally.sent += 1
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            self._found(made, f"no connection: {error}")
            return
        try:
            writer.write(made.data)
            if made.kind == "socket":
                await self._converse(made, reader, writer)
            elif made.leaves:
                if made.kind == "broken" and writer.can_write_eof():
                    writer.write_eof()
                await self._glance(made, reader)
            else:
                status, answer = await asyncio.wait_for(answered(reader, made.method), PATIENCE)
                self._judge(made, status, answer)
        except (Lost, ConnectionError):
            pass  # Which is an answer, to what is no request.
        except asyncio.TimeoutError:
            self._found(made, f"no answer in {PATIENCE:.0f} s")
        finally:
            writer.transport.abort()
        self._tally.answered = time.monotonic()

    async def _glance(self, made: Case, reader: asyncio.StreamReader) -> None:
        """Looks at the beginning of what may have no end."""
        came = b""
        try:
            while len(came) < GLANCE and (piece := await asyncio.wait_for(reader.read(GLANCE), STAYS)):
                came += piece
        except asyncio.TimeoutError:
            pass
        if came.startswith(b"HTTP/1."):
            self._judge(made, int(came[9:12]), came)

    async def _converse(self, made: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE) if not reader.at_eof() else b""
        status = int(head[9:12])
        self._judge(made, status, head)
        if status != 101:
            return
        self._tally.messages += len(made.frames)
        writer.write(b"".join(made.frames))
        writer.write(b"\x88\x82\0\0\0\0\x03\xe8")  # 1000: goodbye.
        came, until = b"", time.monotonic() + 2.0
        try:
            while piece := await asyncio.wait_for(reader.read(GLANCE), max(0.0, until - time.monotonic())):
                came = (came + piece)[-200_000:]
        except (asyncio.TimeoutError, ConnectionError):
            pass
        at = came.rfind(b"\x88", -130)
        if at >= 0 and len(came) >= at + 4 and came[at + 1] >= 2:
            code = int.from_bytes(came[at + 2 : at + 4], "big")
            self._tally.codes[code] += 1
            if code == 1011:
                self._found(made, "closed with 1011: something broke", came)

    async def _together(self, cases: list[Case]) -> list[Case]:
        """Sends requests in one piece; gives back those without an answer, where the connection ended."""
        fresh = self._writer is None
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._writer.write(b"".join(each.data for each in cases))
        except OSError as error:
            self._hang_up()
            self._found(cases[0], f"no connection: {error}")
            return cases[1:]
        assert self._reader is not None
        for done, each in enumerate(cases):
            try:
                status, answer = await asyncio.wait_for(answered(self._reader, each.method), PATIENCE)
            except (Lost, ConnectionError):
                self._hang_up()
                if done or not fresh:
                    return cases[done:]
                self._count(each)
                self._found(each, "the connection ended without an answer")
                return cases[1:]
            except asyncio.TimeoutError:
                self._hang_up()
                self._found(each, f"no answer in {PATIENCE:.0f} s")
                return cases[done + 1 :]
            self._count(each)
            self._judge(each, status, answer)
            if b"connection: close" in answer.partition(b"\r\n\r\n")[0].lower():
                self._hang_up()
                return cases[done + 1 :]
        return []

    def _count(self, made: Case) -> None:
        self._tally.sent += 1
        self._tally.kinds[made.kind] += 1
        self._tally.answered = time.monotonic()

    def _judge(self, made: Case, status: int, answer: bytes) -> None:
        self._tally.statuses[status] += 1
        if status < 500 or (made.kind == "socket" and status == 503):
            return
        known = ALLOWED & described(made.where) if made.kind != "broken" else ALLOWED
        said = answer.partition(b"\r\n\r\n")[2]
        if status not in known or not (said or made.method == "HEAD"):
            self._found(made, f"answered {status}", answer)

    def _found(self, made: Case, what: str, answer: bytes = b"") -> None:
        self._tally.findings.append(Finding(made, what, answer[-2000:]))

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


async def answered(reader: asyncio.StreamReader, method: str) -> tuple[int, bytes]:
    """The next whole answer: its status, and its bytes.

    Raises:
        Lost: the connection ended first.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        if status == 100:
            return await answered(reader, method)
        if method == "HEAD" or status in (204, 304):
            return status, head
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            return status, head + await _chunks(reader)
        at = lower.find(b"content-length:")
        size = int(lower[at + 15 : lower.index(b"\r\n", at)]) if at >= 0 else 0
        return status, head + await reader.readexactly(size)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise Lost(str(error)) from None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


async def probing(port: int, stop: asyncio.Event, say: Any) -> float:
    """A viewer and a health check that go on all the while; the longest that either waited, in seconds."""
    longest, draw = 0.0, random.Random(port)
    while not stop.is_set():
        started = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            status, _ = await asyncio.wait_for(answered(reader, "GET"), 60)
            writer.transport.abort()
            assert status == 200
            await asyncio.wait_for(_viewed(port), 60)
        except (OSError, Lost, asyncio.TimeoutError, AssertionError) as error:
            say(f"the probe was not answered: {error!r}")
            longest = max(longest, 60.0)
        longest = max(longest, time.monotonic() - started)
        await asyncio.sleep(draw.uniform(0.5, 1.0))
    return longest


async def _viewed(port: int) -> None:
    """A viewer comes, says something, and hears the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'\x81\x95\0\0\0\0{"type":"ping","t":1}')
        await reader.readuntil(b'"pong"')
    except asyncio.IncompleteReadError as error:
        raise Lost(str(error)) from None
    finally:
        writer.transport.abort()

"""Connections to a Redis server: commands out, answers in, and what goes wrong as a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

from envstream.bus.address import BusAddress
from envstream.errors import EnvstreamError

PATIENCE = 5.0  # Seconds in which an answer has to come.
LAST_WORDS = 0.5  # Seconds that an encrypted connection may take to end.

Command = tuple[str | bytes | int | float, ...]

_MISSING = (
    "a redis:// address needs the package redis, which is not installed; "
    'pip install "gymnasium-envstream[redis]"'
)


class Problem(EnvstreamError):
    """Something is wrong with the bus, in a sentence without a secret.

    Attributes:
        kind: which problem it is, for programs: of each, people are told once.
        lasting: whether it does not go away by itself.
    """

    def __init__(self, kind: str, sentence: str, lasting: bool = False) -> None:
        super().__init__(sentence)
        self.kind, self.lasting = kind, lasting


def redis_package() -> ModuleType:
    """The package that speaks with Redis servers; loaded when it is first needed.

    Raises:
        EnvstreamError: it is not installed.
    """
    try:
        import redis.asyncio
    except ImportError as error:
        raise EnvstreamError(_MISSING) from error
    return redis


class Connection:
    """One connection. Commands may be given from several tasks; each gets its own answers.

    Args:
        raw: the package's own connection, which is connected.
    """

    def __init__(self, address: BusAddress, raw: Any) -> None:
        self._address = address
        self._raw = raw
        self._turn = asyncio.Lock()

    async def ask(self, *commands: Command) -> list[Any]:
        """Send commands at once and wait for their answers; one that was refused has a `Problem` for its own.

        Raises:
            Problem: the connection does not work any more.
        """
        async with self._turn:
            with self._sentences():
                await self._send(*commands)
                return [await self._answer() for _ in commands]

    async def tell(self, *commands: Command) -> None:
        """Send commands whose answers are heard elsewhere: where this connection listens to channels."""
        with self._sentences():
            await self._send(*commands)

    async def hear(self) -> tuple[str, bytes]:
        """The next message on the channels that were subscribed to: its channel, and what was said."""
        while True:
            with self._sentences():
                # Somebody pings, so that there is always something to hear.
                answer = await self._raw.read_response(disconnect_on_error=True)
            if isinstance(answer, list) and len(answer) == 3 and answer[0] == b"message":
                return answer[1].decode(errors="replace"), answer[2]

    async def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._raw.disconnect(), LAST_WORDS)

    async def _send(self, *commands: Command) -> None:
        if not self._raw.is_connected:  # It would connect anew by itself, and nobody would notice.
            raise Problem("unreachable", f"the connection to {self._address.shown} ended")
        await self._raw.send_packed_command(self._raw.pack_commands(commands), check_health=False)

    async def _answer(self) -> Any:
        try:
            return await self._raw.read_response()
        except redis_package().exceptions.ResponseError as error:
            return problem_of(error, self._address)

    @contextlib.contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except (redis_package().exceptions.RedisError, OSError, asyncio.IncompleteReadError) as error:
            raise problem_of(error, self._address, stood=True) from error


async def connected(address: BusAddress) -> Connection:
    """A new connection.

    Raises:
        Problem: it cannot be had.
    """
    package = redis_package()
    # Older editions of the package did not compare the host's name unless told to.
    secure = {"ssl_ca_certs": address.ca, "ssl_check_hostname": True} if address.tls else {}
    kind = package.asyncio.SSLConnection if address.tls else package.asyncio.Connection
    raw = kind(
        host=address.host,
        port=address.port,
        db=address.db,
        username=address.user,
        password=address.password,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        socket_keepalive=True,
        protocol=2,
        **secure,
    )
    try:
        await raw.connect()
    except (package.exceptions.RedisError, OSError) as error:
        raise problem_of(error, address) from error
    return Connection(address, raw)


@contextlib.asynccontextmanager
async def connections(address: BusAddress, count: int) -> AsyncIterator[list[Connection]]:
    """So many connections, for as long as the block lasts."""
    opened: list[Connection] = []
    try:
        for _ in range(count):
            opened.append(await connected(address))
        yield opened
    finally:
        for connection in opened:
            await connection.close()


async def ping(ear: Connection) -> None:
    """Have a connection that listens hear something every few seconds."""
    while True:
        await asyncio.sleep(PATIENCE / 2)
        await ear.tell(("PING",))


def answered(answers: list[Any]) -> list[Any]:
    """The answers, where nothing was refused but for lack of memory, which may pass.

    Raises:
        Problem: something was refused.
    """
    for answer in answers:
        if isinstance(answer, Problem) and answer.kind != "full":
            raise answer
    return answers


def problem_of(error: BaseException, address: BusAddress, stood: bool = False) -> Problem:
    """What an error of the package means, for people; `stood`: the connection was there before."""
    errors, where = redis_package().exceptions, address.shown
    for kinds, kind, lasting, sentence in _known(address):
        if isinstance(error, kinds):
            return Problem(kind, sentence, lasting)
    if isinstance(error, errors.ResponseError):
        return _refused(str(error), address)
    cause = error.__cause__ or error.__context__ or error
    if isinstance(cause, ssl.SSLError):
        return Problem(
            "tls",
            f"no encrypted connection to {where} ({_plain(cause.reason or cause, address)}); {_TRUST}",
            True,
        )
    if stood:
        return Problem("unreachable", f"the connection to {where} ended")
    number = getattr(cause, "errno", None)
    why = getattr(cause, "strerror", None) or type(cause).__name__
    if isinstance(number, int) and number > 0 and not isinstance(cause, socket.gaierror):
        why = os.strerror(number)
    return Problem("unreachable", f"{where} cannot be reached ({_plain(why, address)})")


def _known(address: BusAddress) -> tuple[tuple[Any, str, bool, str], ...]:
    """By the package's errors: the kind of problem, whether it lasts, and what is said of it."""
    errors, where = redis_package().exceptions, address.shown
    return (
        (errors.NoPermissionError, "permission", True, _permission(where, address)),
        (
            errors.OutOfMemoryError,
            "full",
            True,
            f"{where} is full; raise its maxmemory, or give it an eviction policy",
        ),
        (
            errors.ReadOnlyError,
            "replica",
            True,
            f"{where} is a replica that cannot be written to; give the address of its primary",
        ),
        (errors.BusyLoadingError, "loading", False, f"{where} is still loading its data"),
        (
            errors.AuthenticationError,
            "password",
            True,
            f"{where} does not take the user and password of the address; it is redis://USER:PASSWORD@HOST",
        ),
        (errors.InvalidResponse, "stranger", True, f"what answers at {where} is no Redis server"),
        ((errors.TimeoutError, asyncio.TimeoutError), "silent", False, f"{where} does not answer in time"),
    )


_TRUST = "a certificate of its own is trusted with ?ca=FILE"


def _permission(where: str, address: BusAddress) -> str:
    user = f"user {address.user!r}" if address.user else "the default user"
    return (
        f"{user} may not do at {where} what is needed; give it, as an ACL: ~{address.prefix}:* "
        f"&{address.prefix}:* +@read +@write +@pubsub +@connection +time"
    )


def _refused(said: str, address: BusAddress) -> Problem:
    where = address.shown
    if "unknown command" in said.lower() or "syntax error" in said.lower():
        return Problem("old", f"{where} does not know a command that is needed; Redis 5 or later is", True)
    if "MISCONF" in said:
        return Problem("misconf", f"{where} cannot write its data to disk, and so takes none", True)
    return Problem("refused", f"{where} refused something ({_plain(said, address)})", True)


def _plain(text: object, address: BusAddress) -> str:
    """What somebody else said, short, and without our password, whatever was repeated."""
    said = str(text)
    for secret in (address.password, address.user):
        if secret:
            said = said.replace(secret, "***")
    return said[:200]

"""Connections to a Redis server: what is asked is answered, and what goes wrong is a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elsewhere import free_port
from envstream.bus import connection as module
from envstream.bus.address import BusAddress
from envstream.bus.connection import (
    Problem,
    answered,
    connected,
    connections,
    ping,
    redis_package,
)
from envstream.bus.tries import together
from envstream.errors import EnvstreamError
from redises import Redis, certificate, redis_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def asked(url: str, *commands: tuple[Any, ...]) -> list[Any]:
    """What a server answers."""

    async def ask() -> list[Any]:
        async with connections(BusAddress.read(url), 1) as (line,):
            return await line.ask(*commands)

    return asyncio.run(ask())


def trouble(url: str, *commands: tuple[Any, ...]) -> Problem:
    """What is wrong with a server, or with what it was asked."""
    with pytest.raises(Problem) as problem:
        answers = asked(url, *commands)
        answered(answers)
        raise answers[0]
    assert "secret" not in str(problem.value)
    return problem.value


# --- what is asked -------------------------------------------------------------------------------------


def test_many_commands_are_answered_in_one_round_trip(server: Redis) -> None:
    answers = asked(
        server.url, ("SET", "a", b"\x00\xff"), ("GET", "a"), ("GET", "nothing"), ("INCRBY", "n", 3)
    )
    assert answers == [b"OK", b"\x00\xff", None, 3]


def test_a_database_may_be_chosen(server: Redis) -> None:
    other = server.url.replace("/0", "/3")
    assert asked(other, ("SET", "here", 1), ("GET", "here")) == [b"OK", b"1"]
    assert asked(server.url, ("GET", "here")) == [None]


def test_a_command_that_is_refused_does_not_hold_up_the_others(server: Redis) -> None:
    first, second = asked(server.url, ("LPUSH", "a-list", 1), ("GET", "a-list"))
    assert first == 1
    assert (second.kind, second.lasting) == ("refused", True) and "WRONGTYPE" in str(second)


def test_several_tasks_each_get_their_own_answers(server: Redis) -> None:
    async def many() -> list[Any]:
        async with connections(BusAddress.read(server.url), 1) as (line,):
            return await asyncio.gather(*(line.ask(("ECHO", number)) for number in range(50)))

    assert asyncio.run(many()) == [[b"%d" % number] for number in range(50)]


def test_channels_are_heard(server: Redis) -> None:
    async def heard() -> list[tuple[str, bytes]]:
        async with connections(BusAddress.read(server.url), 2) as (line, ear):
            await ear.tell(("SUBSCRIBE", "one", "two"))
            await ear.tell(("PING",))
            while not sum(await line.ask(("PUBLISH", "one", "x"))):
                await asyncio.sleep(0)
            await line.ask(("PUBLISH", "three", "y"), ("PUBLISH", "two", b"\xff"))
            return [await ear.hear(), await ear.hear()]

    assert asyncio.run(heard()) == [("one", b"x"), ("two", b"\xff")]


def test_a_listener_notices_that_the_way_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.4)

    async def listen(server: Redis) -> None:
        async with connections(BusAddress.read(server.url), 1) as (ear,):
            await ear.tell(("SUBSCRIBE", "one"))
            server.process.send_signal(19)  # type: ignore[union-attr]  # SIGSTOP: it is there, and says nothing.
            await together(_hear(ear), ping(ear))

    with redis_server(tmp_path) as server, pytest.raises(Problem, match="does not answer in time") as problem:
        asyncio.run(listen(server))
    assert problem.value.kind == "silent"


async def _hear(ear: module.Connection) -> None:
    await ear.hear()


# --- what goes wrong -----------------------------------------------------------------------------------


def test_nobody_is_there() -> None:
    port = free_port()
    problem = trouble(f"redis://me:secret@127.0.0.1:{port}")
    assert (problem.kind, problem.lasting) == ("unreachable", False)
    assert str(problem) == f"redis://127.0.0.1:{port}/0 cannot be reached (Connection refused)"


def test_a_host_that_does_not_exist() -> None:
    problem = trouble("redis://:secret@nowhere.invalid")
    assert problem.kind == "unreachable" and "redis://nowhere.invalid:6379/0 cannot be reached" in str(
        problem
    )


@pytest.mark.parametrize("who", ["", "me:wrongsecret@", ":wrongsecret@", "other:right@"])
def test_a_wrong_password(tmp_path: Path, who: str) -> None:
    with redis_server(tmp_path, "--requirepass", "right", "--user", "me on >right ~* &* +@all") as server:
        problem = trouble(server.url.replace("//", f"//{who}"), ("PING",))
        assert asked(server.url.replace("//", "//:right@"), ("PING",)) == [b"PONG"]
        assert asked(server.url.replace("//", "//me:right@"), ("PING",)) == [b"PONG"]
    assert (problem.kind, problem.lasting) == ("password", True)
    assert "does not take the user and password of the address" in str(problem)


def test_a_user_who_may_not_do_it(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--user", "me on >secret ~mine:* resetchannels +@all") as server:
        url = server.url.replace("//", "//me:secret@")
        problems = [trouble(url, command) for command in (("GET", "other"), ("PUBLISH", "news", "x"))]
    for problem in problems:
        assert (problem.kind, problem.lasting) == ("permission", True)
        assert "user 'me' may not" in str(problem) and "~envstream:* &envstream:*" in str(problem)


def test_what_the_sentence_says_is_enough(tmp_path: Path) -> None:
    acl = "me on >secret ~lab:* resetchannels &lab:* -@all +@read +@write +@pubsub +@connection +time"
    with redis_server(tmp_path, "--user", acl) as server:
        url = server.url.replace("//", "//me:secret@") + "?prefix=lab"
        commands: list[tuple[Any, ...]] = [
            ("TIME",),
            ("ZADD", "lab:workers", 1, "a"),
            ("XADD", "lab:x", "MAXLEN", "=", 1, "*", "m", "x"),
            ("XREAD", "COUNT", 1, "STREAMS", "lab:x", "0-0"),
            ("PEXPIRE", "lab:x", 1000),
            ("PUBLISH", "lab:news", "x"),
            ("SUBSCRIBE", "lab:news"),
        ]
        assert not any(isinstance(answer, Problem) for answer in asked(url, *commands))


def test_a_server_that_is_full(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
        (problem,) = asked(server.url, ("SET", "a", "x" * 1000))
        assert answered([problem]) == [problem]  # It may pass.
    assert (problem.kind, problem.lasting) == ("full", True)
    assert "is full; raise its maxmemory" in str(problem)


def test_a_replica_cannot_be_written_to(server: Redis, tmp_path: Path) -> None:
    with redis_server(tmp_path, "--replicaof", f"127.0.0.1 {server.port}") as replica:
        problem = trouble(replica.url, ("SET", "a", "x"))
    assert (problem.kind, problem.lasting) == ("replica", True)
    assert "give the address of its primary" in str(problem)


def test_an_encrypted_connection_has_to_be_trusted(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    files = ("--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-auth-clients", "no")
    with redis_server(tmp_path, *files, tls=True) as server:
        url = server.url.replace("redis:", "rediss:")
        assert asked(f"{url}?ca={cert}", ("PING",)) == [b"PONG"]
        problem = trouble(url, ("PING",))
        assert (problem.kind, problem.lasting) == ("tls", True) and "?ca=FILE" in str(problem)
        # By another name than the certificate's.
        other = url.replace("127.0.0.1", "127.0.0.2")
        with pytest.raises(Problem):
            asked(f"{other}?ca={cert}", ("PING",))
        assert trouble(server.url, ("PING",)).kind in ("unreachable", "stranger")


def test_a_ca_file_that_is_not_there_is_said() -> None:
    problem = trouble(f"rediss://127.0.0.1:{free_port()}?ca=/no/such/file", ("PING",))
    assert "No such file" in str(problem)


@contextlib.contextmanager
def stranger(says: bytes) -> Iterator[int]:
    """Something else that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    other, _ = listener.accept()
                    with other:
                        while asked := other.recv(1000):
                            other.sendall(says * asked.count(b"*"))  # What each command begins with.

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_what_is_no_redis_server_is_said_to_be_none() -> None:
    with stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        problem = trouble(f"redis://127.0.0.1:{port}", ("PING",))
    assert problem.kind == "stranger" and "is no Redis server" in str(problem)


def test_a_server_that_repeats_our_password_does_not_make_us_repeat_it() -> None:
    with stranger(b"-ERR unknown thing 'AUTH', with args beginning with: 'secret'\r\n") as port:
        assert trouble(f"redis://:secret@127.0.0.1:{port}", ("PING",)).kind == "refused"


def test_an_old_server_is_told_so() -> None:
    with stranger(b"-ERR unknown command 'XADD'\r\n") as port:
        problem = trouble(f"redis://127.0.0.1:{port}", ("XADD", "a"))
    assert problem.kind == "old" and "Redis 5 or later" in str(problem)


def test_a_server_that_loads_its_data_is_waited_for() -> None:
    with stranger(b"-LOADING Redis is loading the dataset in memory\r\n") as port:
        problem = trouble(f"redis://127.0.0.1:{port}", ("GET", "a"))
    assert (problem.kind, problem.lasting) == ("loading", False)


def test_a_server_that_dies_is_noticed_and_not_silently_replaced(tmp_path: Path) -> None:
    async def ask(server: Redis) -> list[str]:
        line = await connected(BusAddress.read(server.url))
        server.kill()
        said = []
        for _ in range(2):
            with pytest.raises(Problem) as problem:
                await line.ask(("PING",))
            said.append(problem.value.kind)
            if not said[1:]:
                server.start()
        await line.close()
        return said

    with redis_server(tmp_path) as server:
        assert asyncio.run(ask(server)) == ["unreachable", "unreachable"]


def test_where_the_package_is_missing_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(EnvstreamError, match=r'pip install "gymnasium-envstream\[redis\]"'):
        redis_package()


def test_whoever_uses_no_bus_does_not_load_the_package() -> None:
    code = (
        "import sys, envstream, envstream.bus.pages, envstream.bus.uplinks; assert 'redis' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

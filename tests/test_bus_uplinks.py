"""A worker's end of the bus: it sends what is asked for and nothing else, and training never notices."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from elsewhere import free_port
from envstream.bus import register, uplinks
from envstream.bus.demand import Want
from envstream.bus.layout import Keys, demand_text, read_about, read_picture, stream_id
from envstream.bus.register import worker_id
from envstream.config import StreamConfig
from envstream.errors import EnvstreamError
from envstream.hub import Hub
from envstream.identity import Identity
from envstream.stream import Place
from envstream.web.fanout import Fanout
from redises import Redis, WorkerEnd, certificate, ends, redis_server, soon

KEYS = Keys("envstream")
ENV = stream_id("env")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(shared: Redis) -> Redis:
    shared.client.flushall()
    return shared


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def about(server: Redis, worker: WorkerEnd) -> Any:
    """What a worker says of itself; None = nothing yet."""
    data = server.client.get(KEYS.about(worker.uplinks.worker))
    return None if data is None else read_about("w", data)


def picture(server: Redis, worker: WorkerEnd, stream: str = ENV) -> Any:
    """The picture of a worker that is on the bus; None = none."""
    entries = server.client.xrange(KEYS.frames(worker.uplinks.worker, stream))
    assert len(entries) <= 1
    for _, fields in entries:
        return read_picture([part for pair in fields.items() for part in pair], 10**6)
    return None


def ask(server: Redis, worker: WorkerEnd, by: str = "a", **wanted: Want) -> int:
    """Want something of a worker; how many hear it."""
    streams = {stream_id(name): want for name, want in wanted.items()}
    return int(server.client.publish(KEYS.demand(worker.uplinks.worker), demand_text(by, streams)))


# --- what it says of itself ----------------------------------------------------------------------------


def test_a_worker_says_who_it_is_and_what_it_shows(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        who = Identity("run-a", 3, "node", 77)
        worker = WorkerEnd(pool, server.url, "env", identity=who)
        worker.open("envs/1", title="Pong", place=Place("envs", 1))
        async with ends(worker):
            await soon(lambda: worker.sent, "the connection")
            said = about(server, worker)
            assert said.identity == who
            entries = {entry.name: entry for entry in said.streams.values()}
            assert entries["env"].id == ENV
            assert (entries["envs/1"].title, entries["envs/1"].group, entries["envs/1"].env) == (
                "Pong",
                "envs",
                1,
            )
            assert worker.sent == [{"op": "shown", "where": server.url}]
            now = server.client.time()[0]
            assert now < server.client.zscore(KEYS.workers, worker.uplinks.worker) < now + 6
            worker.hub.streams["env"].identity = Identity("run-a", 4, "node", 78)
            worker.open("later")
            await soon(lambda: stream_id("later") in about(server, worker).streams, "a further stream")
            # Processes of one machine may share one worker.
            ranks = [about(server, worker).streams[stream_id(name)].identity for name in ("env", "later")]
            assert ranks == [Identity("run-a", 4, "node", 78), None]
            worker.hub.streams["env"].finish()
            await soon(lambda: ENV not in about(server, worker).streams, "the end of one")
        assert about(server, worker) is None
        assert server.client.zcard(KEYS.workers) == 0

    run(test())


def test_every_key_expires_by_itself(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        async with ends(worker):
            await soon(lambda: ask(server, worker, env=Want()), "the connection")
            await soon(lambda: picture(server, worker), "a picture")
            lives = {key: server.client.pttl(key) for key in server.client.scan_iter()}
        assert len(lives) == 3 and all(0 < life <= 120_000 for life in lives.values())

    run(test())


def test_an_odd_name_is_told_as_far_as_it_can_be(server: Redis, pool: ThreadPoolExecutor) -> None:
    odd = ["a\nb\x00c", "ü" * 500, "\ud800", " ", "a/b:c*", "</script>"]

    async def test() -> None:
        worker = WorkerEnd(pool, server.url, *odd)
        async with ends(worker):
            said = await soon(lambda: about(server, worker), "the worker")
            assert set(said.streams) == {stream_id(name) for name in odd}
            assert said.streams[stream_id(odd[0])].name == "a b c"

    run(test())


def test_a_run_whose_id_does_not_fit_into_a_key_has_another() -> None:
    assert worker_id("abc-1") == "abc-1"
    for odd in ("", "a b", "a:b", "x" * 100, "\ud800"):
        assert re.fullmatch(r"[0-9a-f]{16}", worker_id(odd))


# --- what is sent --------------------------------------------------------------------------------------


def test_nobody_watching_means_nothing_is_rendered_or_sent(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, server.url, "env", "other")
        async with ends(worker):
            await soon(lambda: ask(server, worker, env=Want()), "the connection")
            await soon(lambda: picture(server, worker), "a picture")
            assert picture(server, worker, stream_id("other")) is None
            ask(server, worker)
            await soon(lambda: not worker.hub.streams["env"].viewers, "the end of the demand")
            await soon(lambda: not worker.hub.streams["env"].asked, "the last picture")
            renders, steps = worker.renders, worker.numbers
            await soon(lambda: worker.numbers > steps + 200, "further steps")
            assert worker.renders == renders

    run(test())


def test_a_page_server_that_is_not_heard_any_more_is_forgotten(
    server: Redis, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envstream.bus.demand.KEPT", 0.2)

    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        async with ends(worker):
            await soon(lambda: ask(server, worker, env=Want()), "the connection")
            await soon(lambda: worker.hub.streams["env"].viewers, "the demand")
            await soon(lambda: not worker.hub.streams["env"].viewers, "its end")

    run(test())


def test_what_two_page_servers_want_is_sent_once(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        async with ends(worker):
            await soon(lambda: ask(server, worker, "a", env=Want(2, 16)), "the connection")
            small = await soon(lambda: picture(server, worker), "a picture")
            assert (small.width, small.height) == (16, 12)
            ask(server, worker, "b", env=Want(20, 32))
            await soon(lambda: picture(server, worker).width == 32, "a larger picture")
            assert worker.uplinks._watched == {"env": Want(20, 32)}
            assert worker.hub.streams["env"].viewers == 1

    run(test())


def test_a_picture_says_when_it_was_taken_by_the_buss_clock(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        async with ends(worker):
            await soon(lambda: ask(server, worker, env=Want()), "the connection")
            sent = await soon(lambda: picture(server, worker), "a picture")
            whole, millionths = server.client.time()
            assert -1 < whole + millionths / 1e6 - sent.captured < 10
            assert sent.encoding == "jpeg" and sent.info["episode"] == 3

    run(test())


def test_a_quality_that_was_chosen_on_a_page_is_followed(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        async with ends(worker):

            def choose(quality: object) -> int:
                said = json.dumps({"stream": ENV, "quality": quality})
                return int(server.client.publish(KEYS.quality(worker.uplinks.worker), said))

            await soon(lambda: choose("low"), "the connection")
            for odd in ("splendid", None, 10**6):
                choose(odd)
            choose("high")
            await soon(lambda: worker.chosen == ["low", "high"], "both")
            assert worker.hub.streams["env"].quality == "high"

    run(test())


def test_statuses_are_told_while_somebody_looks(server: Redis, pool: ThreadPoolExecutor) -> None:
    heard: list[dict[str, Any]] = []

    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        with server.client.pubsub(ignore_subscribe_messages=True) as ear:
            ear.subscribe(KEYS.status)

            def listen() -> Any:
                message = ear.get_message()
                if message:
                    heard.append(json.loads(message["data"])["streams"][ENV])
                return heard

            async with ends(worker):
                await soon(lambda: worker.sent, "the connection")
                worker.episode("env", 1, 20, 7.5)
                steps = worker.numbers
                await soon(lambda: worker.numbers > steps + 100, "steps")
                assert not listen()
                server.client.publish(KEYS.looking, '{"server": "a"}')
                await soon(listen, "a status")
                assert heard[0]["episodes"] == [[1, 20, 7.5]] and heard[0]["totalSteps"] > 0
                heard.clear()
                await soon(listen, "another one")
                assert set(heard[0]) == {"totalSteps"}
                heard.clear()
                server.client.publish(KEYS.looking, '{"server": "b"}')
                await soon(lambda: any("episodes" in each for each in listen()), "everything for who is new")

    run(test())


def test_what_strangers_say_harms_nobody(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        async with ends(worker):
            await soon(lambda: worker.sent, "the connection")
            for channel in (KEYS.demand, KEYS.quality):
                for data in (b"", b"\xff", b"[]", b"{}", b"[" * 10_000, b"x" * 300_000):
                    server.client.publish(channel(worker.uplinks.worker), data)
                    server.client.publish(KEYS.looking, data)
            ask(server, worker, env=Want(), nothing=Want())
            await soon(lambda: picture(server, worker), "a picture")
            assert worker.said == []

    run(test())


# --- what goes wrong -----------------------------------------------------------------------------------


def test_a_server_that_dies_is_met_again_with_all_that_it_forgot(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    async def test() -> None:
        with redis_server(tmp_path) as server:
            worker = WorkerEnd(pool, server.url)
            async with ends(worker):
                await soon(lambda: ask(server, worker, env=Want()), "the connection")
                server.kill()
                await soon(lambda: worker.said, "the warning")
                await soon(lambda: not worker.hub.streams["env"].viewers, "that nothing is rendered")
                server.start()
                await soon(lambda: about(server, worker), "the worker")
                await soon(lambda: not worker.hub.streams["env"].notices.newest, "the end of the warning")
            assert worker.said == [
                f"the connection to {server.url} ended; training goes on, and it is tried again by itself"
            ]
            assert len(worker.sent) == 1

    run(test())


def test_a_memory_that_was_emptied_is_filled_again(
    server: Redis, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplinks, "BEAT", 0.05)

    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        async with ends(worker):
            await soon(lambda: about(server, worker), "the worker")
            server.client.flushall()
            await soon(lambda: about(server, worker), "the worker")
            monkeypatch.setattr(register, "RENEWED_EVERY", 1)
            server.client.delete(KEYS.about(worker.uplinks.worker))
            await soon(lambda: about(server, worker), "the worker")

    run(test())


def test_training_may_begin_before_the_server_does(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        with redis_server(tmp_path) as server:
            server.kill()
            worker = WorkerEnd(pool, server.url)
            async with ends(worker):
                await soon(lambda: worker.said, "the warning")
                assert (
                    f"{server.url} cannot be reached (Connection refused); training goes on" in worker.said[0]
                )
                server.start()
                await soon(lambda: about(server, worker), "the worker")
                assert len(worker.said) == 1

    run(test())


async def warned(pool: ThreadPoolExecutor, url: str) -> str:
    """The one warning of a worker that may not do what it needs; it goes on stepping."""
    worker = WorkerEnd(pool, url)
    async with ends(worker):
        await soon(lambda: worker.said, "a warning")
        steps = worker.numbers
        await soon(lambda: worker.numbers > steps + 200, "further steps")
        assert worker.sent == [] and worker.renders == 0
        (said,) = worker.said
    assert "secret" not in said
    return said


@pytest.mark.parametrize(
    ("options", "who", "says"),
    [
        (("--requirepass right",), "", "does not take the user and password"),
        (("--requirepass right",), ":secret@", "does not take the user and password"),
        (("--user me on >secret ~* &* -@all +@read +@connection +time",), "me:secret@", "user 'me' may not"),
        (("--user me on >secret ~other:* &* +@all",), "me:secret@", "~envstream:*"),
        (("--user me on >secret ~* resetchannels +@all",), "me:secret@", "&envstream:*"),
    ],
)
def test_who_may_not_is_told_what_is_missing(
    tmp_path: Path, pool: ThreadPoolExecutor, options: tuple[str, ...], who: str, says: str
) -> None:
    with redis_server(tmp_path, *options) as server:
        assert says in asyncio.run(warned(pool, server.url.replace("//", f"//{who}")))


def test_a_replica_is_no_place_for_a_worker(shared: Redis, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with redis_server(tmp_path, f"--replicaof 127.0.0.1 {shared.port}") as replica:
        assert "give the address of its primary" in asyncio.run(warned(pool, replica.url))


def test_a_server_that_is_full_is_used_again_once_it_is_not(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        with redis_server(tmp_path, "--maxmemory-policy noeviction") as server:
            worker = WorkerEnd(pool, server.url)
            async with ends(worker):
                await soon(lambda: ask(server, worker, env=Want()), "the connection")
                await soon(lambda: picture(server, worker), "a picture")
                server.client.config_set("maxmemory", 1)
                await soon(lambda: worker.said, "a warning")
                assert "is full; raise its maxmemory" in worker.said[0]
                server.client.config_set("maxmemory", 0)
                await soon(lambda: not worker.hub.streams["env"].notices.newest, "the end of the warning")
                ask(server, worker, env=Want())
                before = picture(server, worker)
                await soon(lambda: picture(server, worker) != before, "another picture")
                assert len(worker.said) == 1

    run(test())


def test_a_server_that_hangs_holds_up_nobody(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envstream.bus.connection.PATIENCE", 0.5)

    async def test() -> None:
        with redis_server(tmp_path) as server:
            worker = WorkerEnd(pool, server.url)
            async with ends(worker):
                await soon(lambda: ask(server, worker, env=Want()), "the connection")
                await soon(lambda: worker.renders, "a picture")
                server.pause(2.0)
                await soon(lambda: worker.said, "the warning")
                assert "does not answer in time" in worker.said[0]
                await soon(lambda: not worker.hub.streams["env"].notices.newest, "the end of the warning")

    run(test())


def test_an_encrypted_bus_is_a_bus(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    cert, key = certificate(tmp_path)
    options = (f"--tls-cert-file {cert}", f"--tls-key-file {key}", "--tls-auth-clients no")

    async def test(url: str) -> None:
        worker = WorkerEnd(pool, f"{url}?ca={cert}")
        async with ends(worker):
            await soon(lambda: worker.sent, "the connection")
            assert worker.sent == [{"op": "shown", "where": url}]
        assert "a certificate of its own is trusted with ?ca=FILE" in await warned(pool, url)

    with redis_server(tmp_path, *options, tls=True) as server:
        run(test(server.url.replace("redis:", "rediss:")))


def test_all_seats_may_be_taken(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, server.url, videoStreamMaxViewers=1)
        worker.fanout.seats.add(object())  # type: ignore[arg-type]
        async with ends(worker):
            await soon(lambda: worker.said, "a warning")
            assert "raise videoStreamMaxViewers" in worker.said[0]

    run(test())


def test_a_run_without_an_env_ends_without_a_word(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        hub = Hub(StreamConfig(videoStreamHub=server.url), pool)
        fanout = Fanout(hub, asyncio.get_running_loop())
        quiet: Any = lambda *said: None  # noqa: E731
        links = uplinks.BusUplinks(hub, fanout, Identity(), quiet, quiet, quiet)
        links.look()
        await links.finish(1)

    run(test())


def test_a_run_ends_where_nobody_is_there(pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, f"redis://127.0.0.1:{free_port()}")
        async with ends(worker):
            await soon(lambda: worker.said, "the warning")

    run(test())


def test_an_address_that_cannot_be_meant_is_said_at_once(pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        with pytest.raises(EnvstreamError, match="the number of a database"):
            WorkerEnd(pool, "redis://host/zero")

    run(test())

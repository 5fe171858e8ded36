"""A page server's end of the bus: workers' streams are there, are fetched while they are watched, and end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elsewhere import free_port
from envstream.bus import crew, pages, register, uplinks
from envstream.bus.layout import PROTOCOL, Keys, stream_id
from envstream.errors import EnvstreamError
from envstream.identity import Identity
from envstream.report import status
from envstream.sent import SentFrame
from envstream.stream import Place, Stream
from redises import End, PagesEnd, Redis, WorkerEnd, ends, redis_server, soon

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


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lives are short: who dies is missed soon."""
    monkeypatch.setattr(register, "LIFE", 0.5)
    monkeypatch.setattr(uplinks, "BEAT", 0.1)
    monkeypatch.setattr(pages, "ROUND", 0.1)
    monkeypatch.setattr(pages, "GRACE", 0.5)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def said(stream: Stream) -> dict[str, Any]:
    return status(stream, time.monotonic())


async def stands(end: PagesEnd) -> None:
    """Wait until a page server has met the bus."""
    await soon(lambda: end.pages._stood_at, "the connection")


# --- what is seen --------------------------------------------------------------------------------------


def test_a_workers_streams_appear_with_whose_they_are(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here = PagesEnd(pool, server.url)
        worker = WorkerEnd(pool, server.url, "env", identity=Identity("run-a", 3, "node", 7))
        worker.open("envs/1", title="Pong", place=Place("envs", 1))
        async with ends(here, worker):
            env, pong = await here.appears("env"), await here.appears("Pong/1")
            assert env.identity == Identity("run-a", 3, "node", 7)
            assert (pong.title, pong.place) == ("Pong", Place("Pong", 1))
            assert said(env)["state"] == "waiting"
            worker.open("later")
            await here.appears("later")
            worker.hub.streams["env"].finish()
            await soon(lambda: env.ended, "the end of one")
            assert not pong.ended
        assert worker.renders == 0 and here.said == []

    run(test())


def test_who_was_there_before_appears_as_well(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        async with ends(worker):
            await soon(lambda: worker.sent, "the worker")
            here = PagesEnd(pool, server.url)
            async with ends(here):
                await here.appears()

    run(test())


def test_a_picture_that_is_watched_arrives_as_it_was_compressed(
    server: Redis, pool: ThreadPoolExecutor
) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here, worker):
            stream = await here.appears()
            looker = here.look_at("env")
            parcels = await looker.frames(5)
            picture = parcels[-1].picture
            assert isinstance(picture.frame, SentFrame) and picture.frame.source is not None
            assert picture.data == picture.frame.source.data
            assert 0 <= parcels[-1].now - picture.frame.captured < 10
            assert picture.frame.info["episode"] == 3
            assert said(stream)["state"] == "live" and stream.encoder.encodes == 0
            numbers = [parcel.picture.frame.number for parcel in parcels]
            assert numbers == sorted(set(numbers))

    run(test())


def test_when_nobody_looks_any_more_nothing_is_rendered(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here, worker):
            await here.appears()
            looker = here.look_at("env")
            await looker.frames()
            looker.leave()
            await soon(lambda: not worker.hub.streams["env"].viewers, "the end of the demand")
            await soon(lambda: not worker.hub.streams["env"].asked, "the last picture")
            renders, steps = worker.renders, worker.numbers
            await soon(lambda: worker.numbers > steps + 200, "further steps")
            assert worker.renders == renders

    run(test())


def test_of_a_tile_no_more_is_sent_than_is_of_use(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here, worker):
            await here.appears()
            tile = here.look_at("env", fps=4.0, width=16)
            assert (await tile.frames(2))[-1].picture.frame.width == 16
            assert worker.uplinks._watched["env"].fps == 4.4
            large = here.look_at("env")
            await soon(lambda: large.parcels and large.parcels[-1].picture.width == 64, "the whole picture")

    run(test())


def test_another_stream_is_there_at_once_when_it_is_looked_at(
    server: Redis, pool: ThreadPoolExecutor
) -> None:
    async def test() -> None:
        names = [f"env {number}" for number in range(20)]
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url, *names)
        async with ends(here, worker):
            await here.appears(names[-1])
            looker = here.look_at(names[0])
            await looker.frames(1)
            for name in names[1:]:
                looker.watch(name)
                await soon(lambda name=name: looker.parcels[-1].picture.stream == name, name)
            looker.watch(*names)
            looker.parcels.clear()
            await soon(lambda: {each.picture.stream for each in looker.parcels} == set(names), "all of them")

    run(test())


def test_two_page_servers_show_the_same(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        worker = WorkerEnd(pool, server.url)
        both = PagesEnd(pool, server.url), PagesEnd(pool, server.url)
        async with ends(*both, worker):
            for here in both:
                await here.appears()
            lookers = [here.look_at("env") for here in both]
            for looker in lookers:
                await looker.frames()
            assert worker.hub.streams["env"].viewers == 1
            lookers[0].leave()
            await lookers[1].frames(3)

    run(test())


def test_workers_with_the_same_env_have_names_of_their_own(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here = PagesEnd(pool, server.url)
        async with ends(here):
            workers = []
            for rank in range(3):
                workers.append(WorkerEnd(pool, server.url, identity=Identity("run-a", rank)))
                await soon(lambda: len(here.hub.streams) == len(workers), "a further worker")
            async with ends(*workers):
                assert set(here.hub.streams) == {"env", "env · run-a · rank 1", "env · run-a · rank 2"}
                looker = here.look_at("env · run-a · rank 2")
                await looker.frames()
                assert [worker.renders > 0 for worker in workers] == [False, False, True]

    run(test())


def test_a_picture_that_stands_still_keeps_its_age_honest(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here, worker):
            stream = await here.appears()
            looker = here.look_at("env")
            await looker.frames()
            worker.still = True
            await soon(lambda: any('"still"' in text for text in looker.texts), "a word that it stands still")
            shown = stream.buffer.newest()
            assert shown is not None
            await soon(lambda: stream.buffer.newest().captured > shown.captured, "a later moment")  # type: ignore[union-attr]

    run(test())


def test_how_streams_are_is_told_while_a_page_is_open(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here, worker):
            stream = await here.appears()
            worker.episode("env", 1, 20, 7.5)
            worker.episode("env", 2, 30, 2.5)
            worker.hub.streams["env"].notices.say("something is odd", "training", lasting=True)
            here.pages.looking = True
            await soon(lambda: stream.episodes.seen == 2, "its episodes")
            about = said(stream)
            assert (about["meanReturn"], about["bestReturn"], about["return"]) == (5.0, 7.5, 2.5)
            assert about["totalSteps"] > 0 and about["message"] == "something is odd"
            steps = about["totalSteps"]
            worker.episode("env", 3, 40, 9.0)
            await soon(lambda: stream.episodes.seen == 3, "another one")
            assert said(stream)["bestReturn"] == 9.0 and said(stream)["totalSteps"] > steps
            assert [episode.number for episode in stream.episodes.last()] == [1, 2, 3]

    run(test())


def test_a_quality_is_the_same_for_all(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        both = PagesEnd(pool, server.url), PagesEnd(pool, server.url)
        worker = WorkerEnd(pool, server.url, videoStreamQuality="high")
        async with ends(*both, worker):
            first, second = [await here.appears() for here in both]
            assert (first.quality, second.quality) == ("high", "high")
            for here in both:
                here.pages.looking = True
            first.choose("low")
            await soon(lambda: worker.hub.streams["env"].quality == "low", "the worker")
            await soon(lambda: second.quality == "low", "the other page server")
            assert worker.chosen == ["low"]

    run(test())


def test_clocks_that_differ_by_minutes_make_no_picture_older(
    server: Redis, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A page server on a machine that was started at another time: its monotonic clock shows something else.
    def away(module: Any, seconds: float) -> None:
        shifted = SimpleNamespace(monotonic=lambda: time.monotonic() + seconds)
        monkeypatch.setattr(module, "time", shifted)

    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here, worker):
            stream = await here.appears()
            remote = next(each for _, _, each in here.pages.crew)
            remote._showing._clock = lambda: time.monotonic() + 500.0
            looker = here.look_at("env")
            await looker.frames(3)
            frame = stream.buffer.newest()
            assert frame is not None
            assert 0 <= time.monotonic() + 500.0 - frame.captured < 10

    away(pages, 500.0)
    run(test())


# --- who comes and goes --------------------------------------------------------------------------------


def test_a_worker_that_ends_has_ended_at_once(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here):
            stream = await here.appears()
            await worker.close()
            await soon(lambda: stream.ended, "its end")

    run(test())


def test_a_worker_that_dies_has_ended_soon_and_goes_on_when_it_is_back(
    server: Redis, pool: ThreadPoolExecutor, hasty: None
) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url, run="the-same")
        async with ends(here):
            stream = await here.appears()
            looker = here.look_at("env")
            await looker.frames()
            await soon(lambda: time.monotonic() - here.pages._stood_at > pages.GRACE, "that it is believed")
            await worker.die()
            await soon(lambda: stream.ended, "its end")
            again = WorkerEnd(pool, server.url, run="the-same")
            async with ends(again):
                await soon(lambda: not stream.ended, "its return")
                await looker.frames()
                assert list(here.hub.streams) == ["env"] and here.hub.streams["env"] is stream
        assert here.said == []

    run(test())


def test_a_worker_that_was_only_slow_is_back_by_itself(
    server: Redis, pool: ThreadPoolExecutor, hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here, worker):
            stream = await here.appears()
            await soon(lambda: time.monotonic() - here.pages._stood_at > pages.GRACE, "that it is believed")
            monkeypatch.setattr(uplinks, "BEAT", 1.5)
            await soon(lambda: stream.ended, "that it is missed")
            monkeypatch.setattr(uplinks, "BEAT", 0.1)
            await soon(lambda: not stream.ended, "its return")

    run(test())


def test_a_server_that_dies_and_forgets_everything_is_met_again(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    async def test() -> None:
        with redis_server(tmp_path) as server:
            here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
            async with ends(here, worker):
                stream = await here.appears()
                looker = here.look_at("env")
                await looker.frames()
                for _ in range(2):
                    server.kill()
                    await soon(lambda: stream.notices.newest, "a word on the page")
                    assert "tried again" in str(stream.notices.newest)
                    server.start()
                    await looker.frames()
                    assert not stream.notices.newest and not stream.ended
                assert len(here.said) == len(worker.said) == 1

    run(test())


def test_who_did_not_survive_it_has_ended(tmp_path: Path, pool: ThreadPoolExecutor, hasty: None) -> None:
    async def test() -> None:
        with redis_server(tmp_path) as server:
            here = PagesEnd(pool, server.url)
            lives, dies = WorkerEnd(pool, server.url, "lives"), WorkerEnd(pool, server.url, "dies")
            async with ends(here, lives):
                dead, living = await here.appears("dies"), await here.appears("lives")
                server.kill()
                await dies.die()
                server.start()
                await soon(lambda: dead.ended, "its end")
                assert not living.ended

    run(test())


def test_a_page_server_may_come_before_the_bus(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        with redis_server(tmp_path) as server:
            server.kill()
            here = PagesEnd(pool, server.url)
            async with ends(here):
                await soon(lambda: here.said, "a word")
                server.start()
                worker = WorkerEnd(pool, server.url)
                async with ends(worker):
                    await here.appears()
            assert here.said == [
                f"{server.url} cannot be reached (Connection refused); it is tried again by itself"
            ]

    run(test())


@pytest.mark.parametrize(
    ("option", "who", "says"),
    [
        ("--requirepass right", ":secret@", "does not take the user and password"),
        ("--user me on >secret ~* resetchannels +@all", "me:secret@", "user 'me' may not"),
        ("--user me on >secret ~* &* +@all -xadd", "me:secret@", "user 'me' may not"),
    ],
)
def test_who_may_not_is_told_what_is_missing(
    tmp_path: Path, pool: ThreadPoolExecutor, option: str, who: str, says: str
) -> None:
    async def test(url: str) -> None:
        here = PagesEnd(pool, url)
        async with ends(here):
            await soon(lambda: here.said, "a word")
            assert says in here.said[0] and "secret" not in here.said[0]

    with redis_server(tmp_path, option) as server:
        run(test(server.url.replace("//", f"//{who}")))


def test_a_replica_is_no_place_for_a_page_server(
    shared: Redis, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    async def test(url: str) -> None:
        here = PagesEnd(pool, url)
        async with ends(here):
            await soon(lambda: here.said, "a word")
            assert "give the address of its primary" in here.said[0]

    with redis_server(tmp_path, f"--replicaof 127.0.0.1 {shared.port}") as replica:
        run(test(replica.url))


def test_a_full_server_still_shows_what_is_there(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        with redis_server(tmp_path, "--maxmemory-policy noeviction") as server:
            here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
            async with ends(here, worker):
                await here.appears()
                server.client.config_set("maxmemory", 1)
                looker = here.look_at("env")
                await soon(lambda: here.said and worker.said, "a word")
                assert "is full; raise its maxmemory" in here.said[0]
                server.client.config_set("maxmemory", 0)
                await looker.frames()

    run(test())


def test_an_address_that_cannot_be_meant_is_said_at_once(pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        with pytest.raises(EnvstreamError, match="the number of a database"):
            PagesEnd(pool, "redis://host/zero")

    run(test())


def test_a_page_server_ends_where_nobody_is_there(pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here = PagesEnd(pool, f"redis://127.0.0.1:{free_port()}")
        async with ends(here):
            await soon(lambda: here.said, "a word")

    run(test())


# --- strangers -----------------------------------------------------------------------------------------


def announce(server: Redis, worker: str, about: object) -> None:
    """Somebody else says something of itself."""
    server.client.zadd(KEYS.workers, {worker: server.client.time()[0] + 60})
    server.client.set(KEYS.about(worker), about if isinstance(about, bytes) else json.dumps(about))
    server.client.publish(KEYS.news, worker)


def test_who_speaks_another_protocol_is_told_of_once(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here, worker):
            await stands(here)
            for name in ("old-one", "old-two"):
                announce(server, name, {"protocol": PROTOCOL + 1, "streams": 7})
            await soon(lambda: here.said, "a word")
            await here.appears()
            await (here.look_at("env")).frames()
            (sentence,) = here.said
            assert f"speaks version {PROTOCOL + 1} of the bus's protocol" in sentence

    run(test())


def test_what_strangers_write_harms_nobody(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here, worker = PagesEnd(pool, server.url), WorkerEnd(pool, server.url)
        async with ends(here, worker):
            stream = await here.appears()
            looker = here.look_at("env")
            await looker.frames()
            for number, about in enumerate((b"", b"\xff", b"[]", b"{}", b"[" * 10_000, b"x" * 2_100_000)):
                announce(server, f"odd{number}", about)
            server.client.zadd(
                KEYS.workers, {b"\xff\x00": 10**12, "a b": 10**12, "x" * 100: 10**12, "none": 10**12}
            )
            for data in (b"", b"\xff", b"none", b"[]", b"{}", b"[" * 10_000, b"x" * 300_000):
                server.client.publish(KEYS.news, data)
                server.client.publish(KEYS.status, data)
            odd = {"worker": worker.uplinks.worker, "streams": {ENV: {"fps": "x"}, "else": {}}}
            server.client.publish(KEYS.status, json.dumps(odd))
            for data in (b"\xff\xd8", b""):
                about = {"number": 1, "encoding": "jpeg", "width": 4, "height": 4}
                server.client.xadd(
                    KEYS.frames(worker.uplinks.worker, ENV), {"m": json.dumps(about), "d": data}
                )
                server.client.xadd(KEYS.frames(worker.uplinks.worker, ENV), {"x": "y"})
            await looker.frames(5)
            assert not stream.ended and list(here.hub.streams) == ["env"]

    run(test())


def test_more_than_can_be_shown_is_left_out_and_told_of(
    server: Redis, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "MOST_STREAMS", 3)
    monkeypatch.setattr(crew, "MOST_WORKERS", 2)

    async def test() -> None:
        here = PagesEnd(pool, server.url)
        some = [WorkerEnd(pool, server.url, *(f"{name}{number}" for number in range(2))) for name in "abc"]
        async with ends(here, *some):
            await soon(lambda: len(here.said) == 2, "words")
            assert len(here.hub.streams) == 3 and len(here.pages.crew.workers) == 2
            assert any("no more than 3 streams are shown" in each for each in here.said)
            assert any("no more than 2 workers are shown" in each for each in here.said)

    run(test())


# --- how much it is ------------------------------------------------------------------------------------


class Slow(WorkerEnd):
    """A worker whose round comes once a second, as in a server."""

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.round()


def test_of_many_workers_only_what_is_watched_is_traffic(server: Redis, pool: ThreadPoolExecutor) -> None:
    async def test() -> None:
        here: End = PagesEnd(pool, server.url)
        workers = [Slow(pool, server.url, identity=Identity("run", rank)) for rank in range(16)]
        assert isinstance(here, PagesEnd)
        async with ends(here, *workers):
            await soon(lambda: len(here.hub.streams) == 16, "all of them")
            here.pages.looking = True
            looker = here.look_at("env")
            await looker.frames(10)
            before, first = server.bytes_in(), len(looker.parcels)
            await looker.frames(90)
            came = sum(len(parcel.picture.data) for parcel in looker.parcels[first:])
            # Pictures of 3 KB here: what is said beside each weighs more than in use.
            assert server.bytes_in() - before < 1.5 * came
            assert sum(worker.renders > 0 for worker in workers) == 1

    run(test())

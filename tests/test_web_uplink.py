"""An env that is shown by a server elsewhere: whoever looks there sees it, and training never notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from elsewhere import NAME, Road, Run, Service, free_port, played, run
from envstream.config import StreamConfig
from envstream.errors import EnvstreamError
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.stream import Stream
from envstream.web import uplink as uplinks_of_one
from envstream.web.answers import reason, said_by, shown
from envstream.web.fanout import Fanout
from envstream.web.uplinks import Uplinks
from netns import far_network
from serving import Watcher, get, training, until

WORKERS = ["process", "thread"]

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server that many runs are shown by."""
    with Service(tmp_path_factory.mktemp("sessions")) as service:
        yield service


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of a test's own, for its run's stream."""
    return f"env of test {abs(hash(request.node.nodeid)) % 10**9}"


def appears(service: Service, name: str) -> dict[str, Any]:
    """A stream, as soon as it is there."""
    stream: dict[str, Any] = until(lambda: service.streams().get(name), f"{name} over there")
    return stream


# --- what is seen over there ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=WORKERS)
def seen(
    request: pytest.FixtureRequest, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """A run of which nothing is disturbed."""
    settings = {"videoStreamHub": service.address, "videoStreamWorker": request.param}
    diary = tmp_path_factory.mktemp("seen") / "diary"
    with run(
        diary, url="env.stream_url", videoStreamQuality="high", videoStreamName=request.param, **settings
    ) as trainer:
        trainer.name = request.param
        appears(service, trainer.name)
        yield trainer
        assert trainer.warnings == []


def test_nobody_watching_over_there_means_nothing_is_rendered(service: Service, seen: Run) -> None:
    assert seen.url == f"http://127.0.0.1:{service.port}/"
    # Steps and episodes are told of without pictures.
    until(lambda: appears(service, seen.name)["episodes"] > 5, "episodes")
    assert seen.diary["renders"] == 0
    with Watcher(service.port, seen.name) as watcher:
        watcher.frame()
        watcher.frame()
    until(lambda: appears(service, seen.name)["viewers"] == 0, "the viewer's leave")
    seen.goes_on()
    before = seen.diary["renders"]
    assert before >= 2
    seen.goes_on()
    assert seen.diary["renders"] == before


def test_pictures_episodes_steps_and_returns_are_seen_over_there(service: Service, seen: Run) -> None:
    with Watcher(service.port, seen.name) as watcher:
        first, picture = watcher.frame()
        until(lambda: watcher.frame()[0]["totalSteps"] > first["totalSteps"] + 40, "further steps")
        last, _ = watcher.frame()
    assert picture[:2] == b"\xff\xd8" and (first["width"], first["height"]) == (64, 48)
    assert last["return"] == pytest.approx(1.5 * last["step"])
    assert last["episode"] == pytest.approx(last["totalSteps"] / 20, abs=1.1)
    before = appears(service, seen.name)["episodes"]
    until(lambda: appears(service, seen.name)["episodes"] > before, "episodes")


def test_over_a_quick_line_quality_stays_as_it_is(service: Service, seen: Run) -> None:
    with Watcher(service.port, seen.name) as watcher:
        rungs, began, pictures = [], time.monotonic(), 0
        while time.monotonic() - began < 3:
            message = watcher.receive()
            if isinstance(message, bytes):
                pictures += 1
            elif message["type"] == "frame_metadata":
                watcher.ack(message)
                assert message["sourceWidth"] == 64
            elif message["type"] == "rung":
                rungs.append((message["quality"], message["size"], message["why"]))
    assert rungs == [(85, 1.0, None)]
    assert pictures > 15


def test_a_quality_chosen_over_there_reaches_the_training(service: Service, seen: Run) -> None:
    with Watcher(service.port, seen.name) as watcher:
        watcher.frame()
        seen.goes_on()
        # To look is not to choose: what the run was given stays.
        assert seen.diary["quality"] == "high"
        path = f"/api/streaming/quality/low?stream={seen.name}"
        assert get(service.port, path, method="POST")[0] == 200
        until(lambda: seen.diary["quality"] == "low", "the quality in the training")
        watcher.frame()


def test_two_runs_of_the_same_env_are_two_streams(service: Service, tmp_path: Path, name: str) -> None:
    settings = {"videoStreamHub": service.address, "videoStreamName": name}
    with run(tmp_path / "one", **settings), run(tmp_path / "two", **settings):
        for each in (name, f"{name}-2"):
            appears(service, each)
            with Watcher(service.port, each) as watcher:
                watcher.frame()


def test_a_name_that_is_long_or_odd_is_shown_as_far_as_it_can_be(service: Service, diary: Path) -> None:
    name = "a long\nname " * 20
    with run(diary, videoStreamHub=service.address, videoStreamName=name) as trainer:
        appears(service, ("a long name " * 20)[:100].strip())
        assert trainer.warnings == []


VECTOR = """
import sys, time
sys.path.insert(0, {tests!r})
import numpy as np
from gymnasium.vector import SyncVectorEnv
from envstream import StreamingVectorWrapper
from fakes import PictureEnv
def made(shade):
    env = PictureEnv(np.full((48, 64, 3), shade, np.uint8), length=20)
    env.flickers = True
    return env
envs = SyncVectorEnv([lambda n=n: made(60 * n + 60) for n in range(3)])
envs = StreamingVectorWrapper(envs, {settings!r})
envs.reset(seed=1)
print(envs.stream_url, flush=True)
while True:
    time.sleep(0.002)
    envs.step(np.zeros(3, int))
"""


def test_all_parts_of_a_vector_env_are_seen_over_there(service: Service, name: str) -> None:
    settings = {"videoStreamHub": service.address, "videoStreamEnvs": "all", "videoStreamName": name}
    script = VECTOR.format(tests=str(Path(__file__).parent), settings={"videoStreamPort": 0, **settings})
    with training(script=script) as trainer:
        shades = []
        for part in range(3):
            appears(service, f"{name}/{part}")
            with Watcher(service.port, f"{name}/{part}") as watcher:
                shades.append(shade_of(watcher.frame()[1]))
        assert shades == pytest.approx([60, 120, 180], abs=4)
        assert [line for line in trainer.errors if "shown at" not in line] == []


def shade_of(picture: bytes) -> float:
    from envstream import codec

    return float(codec.decode(picture)[20:40, 20:60].mean())


# --- how it ends over there ----------------------------------------------------------------------------


def test_a_run_that_is_over_has_ended_over_there_at_once(service: Service, diary: Path, name: str) -> None:
    with run(diary, videoStreamHub=service.address, videoStreamName=name) as trainer:
        appears(service, name)
        with Watcher(service.port) as watcher:
            watcher.watch(name, status=True)
            watcher.frame()
            trainer.finish()
            began = time.monotonic()
            until(lambda: state(watcher, name) == "ended", "the end")
            assert time.monotonic() - began < 4  # Who is missed has ended after 5 s.
        assert trainer.diary["closing"] < 6 and trainer.warnings == []
        steps = trainer.diary["steps"]
        assert appears(service, name)["episodes"] == steps // 20


def state(watcher: Watcher, name: str) -> str | None:
    """How a stream is, by the next message that tells of it."""
    streams = watcher.message("streams")["streams"]
    return next((each["state"] for each in streams if each["name"] == name), None)


@linux_only
@pytest.mark.parametrize("worker", WORKERS)
def test_a_run_that_is_killed_ends_over_there(worker: str, service: Service, diary: Path, name: str) -> None:
    settings = {"videoStreamHub": service.address, "videoStreamWorker": worker, "videoStreamName": name}
    with run(diary, **settings) as trainer:
        appears(service, name)
        with Watcher(service.port, name) as watcher:
            watcher.frame()
        trainer.process.kill()
        began = time.monotonic()
        if worker == "thread":
            until(lambda: "lost" in (appears(service, name)["message"] or ""), "the reason")
        until(lambda: appears(service, name)["state"] == "ended", "the end")
        assert time.monotonic() - began < 9


def test_an_env_that_is_closed_and_begun_anew_is_shown_again(
    service: Service, diary: Path, name: str
) -> None:
    each = "if steps == 300: env.close(); env.reset()"
    with run(diary, each=each, videoStreamHub=service.address, videoStreamName=name) as trainer:
        appears(service, name)
        until(lambda: trainer.diary["steps"] > 400, "the second life")
        until(lambda: appears(service, name)["state"] != "ended", "the stream's second life")
        with Watcher(service.port, name) as watcher:
            assert watcher.frame()[0]["totalSteps"] > 0
        assert trainer.warnings == []


# --- a server that is not there ------------------------------------------------------------------------


@contextlib.contextmanager
def web(port: int = 0) -> Iterator[int]:
    """A web server that has no page."""

    class Nothing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *said: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", port), Nothing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def warned(trainer: Run, words: str) -> None:
    """There is one warning, with these words, and training goes on at its pace."""
    until(lambda: trainer.warnings, "a warning")
    trainer.goes_on(400)
    (line,) = trainer.warnings
    assert words in line and "training goes on" in line
    assert trainer.process.poll() is None


def test_a_server_that_is_not_there_yet_shows_the_run_once_it_is(tmp_path: Path, diary: Path) -> None:
    port = free_port()
    with run(diary, videoStreamHub=f"ws://127.0.0.1:{port}") as trainer:
        warned(trainer, f"ws://127.0.0.1:{port}/stream cannot be reached")
        with Service(tmp_path / "sessions", port=port) as service:
            assert service.port == port
            until(lambda: NAME in service.streams(), "the stream")
            with Watcher(service.port, NAME) as watcher:
                watcher.frame()
            assert appears(service, NAME)["message"] is None
        assert len(trainer.warnings) <= 2  # The server has ended; that is news.


def test_a_server_that_is_killed_and_started_again_shows_the_run_again(tmp_path: Path, diary: Path) -> None:
    with Service(tmp_path / "sessions") as service:
        port = service.port
        trainer = Run(diary, videoStreamHub=service.address)
        with contextlib.ExitStack() as stack:
            stack.callback(trainer.stop)
            appears(service, NAME)
            with Watcher(port, NAME) as watcher:
                watcher.frame()
                service.kill()
            warned(trainer, f"the connection to ws://127.0.0.1:{port}/stream ended")
            # Nobody asks for pictures any more.
            before = trainer.diary["renders"]
            trainer.goes_on()
            assert trainer.diary["renders"] == before
            with Service(tmp_path / "sessions", port=port) as again:
                until(lambda: NAME in again.streams(), "the stream")
                with Watcher(port, NAME) as watcher:
                    watcher.frame()
                assert len(trainer.warnings) == 1


def test_a_way_that_breaks_and_is_mended_shows_the_run_to_those_who_waited(
    service: Service, diary: Path, name: str
) -> None:
    with Road(service.port) as road:
        address = f"ws://127.0.0.1:{road.port}"
        with run(diary, videoStreamHub=address, videoStreamName=name) as trainer:
            appears(service, name)
            with Watcher(service.port, name) as watcher:
                watcher.frame()
                road.cut()
                warned(trainer, "the connection to")
                road.mend()
                until(lambda: appears(service, name)["message"] is None, "the way")
                steps = trainer.diary["steps"]
                until(lambda: watcher.frame()[0]["totalSteps"] > steps, "a new picture")


@pytest.mark.parametrize("worker", WORKERS)
def test_a_wrong_token_is_said_once_and_is_no_trouble_at_the_end(
    worker: str, tmp_path: Path, diary: Path
) -> None:
    with Service(tmp_path / "sessions", "env.videoStreamToken=right") as service:
        settings = {"videoStreamHub": service.address, "videoStreamToken": "wrong-secret"}
        with run(diary, videoStreamWorker=worker, **settings) as trainer:
            warned(trainer, "401; give its token as videoStreamToken")
            trainer.finish()
            assert trainer.diary["closing"] < 6
            assert trainer.process.wait(10) == 0
            assert not any("secret" in line for line in trainer.errors)


def test_the_right_token_opens_the_page_over_there_as_well(tmp_path: Path, diary: Path) -> None:
    with Service(tmp_path / "sessions", "env.videoStreamToken=right-secret") as service:
        # In the address it is a token as well.
        address = f"{service.address}?token=right-secret"
        settings = {"videoStreamHub": address, "videoStreamToken": "right-secret"}
        with run(diary, url="env.stream_url", **settings) as trainer:
            assert trainer.url == f"http://127.0.0.1:{service.port}/?token=right-secret"
            with Watcher(service.port, NAME, path="/ws?token=right-secret") as watcher:
                watcher.frame()
            service.kill()
            until(lambda: trainer.warnings, "a warning")
            assert not any("secret" in line for line in trainer.warnings)


def test_what_is_no_such_server_is_said_once(diary: Path) -> None:
    with web() as port, run(diary, videoStreamHub=f"ws://127.0.0.1:{port}") as trainer:
        warned(trainer, "it answered 404; it takes no publishers there")
        trainer.finish()
        assert trainer.process.wait(10) == 0


def test_a_server_that_takes_connections_and_says_nothing_slows_nothing_down(diary: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        with run(diary, videoStreamHub=address) as trainer:
            trainer.goes_on()
            trainer.finish()
            assert trainer.diary["closing"] < 6 and trainer.process.wait(10) == 0
            assert "Traceback" not in "\n".join(trainer.errors)


# --- a slow and long way -------------------------------------------------------------------------------


FAR = """
import os, sys
sys.path.insert(0, {tests!r})
import ctypes
space = os.open("/run/netns/{space}", os.O_RDONLY)
assert ctypes.CDLL(None, use_errno=True).setns(space, 0) == 0
"""


@linux_only
def test_from_far_away_the_picture_is_fluent_and_as_old_as_it_says(tmp_path: Path, diary: Path) -> None:
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(far_network())
        far.shape("tbf", "rate", "1000kbit", "burst", "4k", "latency", "500ms")
        service = stack.enter_context(Service(tmp_path / "sessions", "env.videoStreamToken=token"))
        road = stack.enter_context(Road(service.port, delay=0.15, host=far.here))
        trainer = Run(
            diary,
            begin=FAR.format(tests=str(Path(__file__).parent), space=far.space),
            videoStreamHub=f"ws://{far.here}:{road.port}",
            videoStreamToken="token",
        )
        stack.callback(trainer.stop)
        path = "/ws?token=token"
        with Watcher(service.port, NAME, path=path) as watcher:
            watcher.frame(timeout=20)
            ages, began = [], time.monotonic()
            while time.monotonic() - began < 4:
                about, _ = watcher.frame()
                ages.append(time.monotonic() - about["timestamp"])
        ages = sorted(ages[len(ages) // 3 :])
        assert len(ages) >= 4 * 4 * 2 / 3  # Pictures a second; on a machine that is busy as well.
        # On its way it was 150 ms, and a little for steps, compression and waiting. How the clocks differ is
        # known to half of what the two ways differ by, which on a busy machine is some ten milliseconds.
        assert 0.08 < ages[len(ages) // 2] < 0.45
        assert trainer.warnings == []


# --- what is said, message by message ------------------------------------------------------------------

ACK = {"type": "session_ack", "resumed": False, "state": "receiving", "next": 1}
Part = Callable[["Far", ServerConnection, dict[str, Any]], Awaitable[None]]


class Far:
    """The other side, as a test plays it: each connection has the next part, and the last one goes on.

    Attributes:
        starts: how each connection began.
        heard: messages that came, of all connections.
        warnings: what the run was told.
        chosen: qualities that were chosen.
    """

    def __init__(self, *parts: Part, viewers: int = 1000) -> None:
        self._parts = list(parts)
        self._viewers = viewers
        self.starts: list[dict[str, Any]] = []
        self.heard: list[dict[str, Any]] = []
        self.pictures: list[bytes] = []
        self.warnings: list[str] = []
        self.chosen: list[int | str] = []
        self.listening: list[dict[str, Any]] = []

    @contextlib.asynccontextmanager
    async def play(self) -> AsyncIterator[Far]:
        """A run with one stream, and the server that it is shown by."""
        async with serve(self._talk, "127.0.0.1", 0, close_timeout=0.2) as server:
            self.port = server.sockets[0].getsockname()[1]
            address = f"ws://127.0.0.1:{self.port}/below?key=very-secret"
            config = StreamConfig(videoStreamHub=address, videoStreamMaxViewers=self._viewers)
            self.hub = hub = Hub(config, run="0123456789abcdef0123")
            self.fanout = Fanout(hub, asyncio.get_running_loop())
            say, chosen = self._say, lambda stream: self.chosen.append(stream.quality)
            self.uplinks = Uplinks(hub, self.fanout, "secret", say, chosen, self.listening.append)
            self.stream = hub.open("env", "env", config)
            self.uplinks.opened(self.stream)
            running = asyncio.ensure_future(self._run())
            try:
                yield self
            finally:
                running.cancel()
                await self.uplinks.finish(0.01)
                hub.close()
                await asyncio.gather(running, *self._tasks, return_exceptions=True)

    @property
    def _tasks(self) -> list[asyncio.Future[None]]:
        return [task for _, _, task in self.uplinks._running.values()]

    async def _run(self) -> None:
        """What a training run does to its stream."""
        import numpy as np

        number = 0
        while True:
            number += 1
            now = time.monotonic()
            if self.stream.asked:
                pixels = np.full((16, 24, 3), number % 256, np.uint8)
                self.stream.put(Frame(pixels, number, now, 0.0, {"step": number}), now)
                self.fanout.arrived(self.stream)
            await asyncio.sleep(0.002)

    def _say(self, stream: Stream, message: str, by: str) -> None:
        if stream.notices.say(message, by, lasting=True) and message:
            self.warnings.append(message)

    async def _talk(self, peer: ServerConnection) -> None:
        start = json.loads(await peer.recv())
        self.starts.append(start)
        part = self._parts.pop(0) if len(self._parts) > 1 else self._parts[0]
        await part(self, peer, start)

    async def listen(self, peer: ServerConnection) -> None:
        """Take what comes, and acknowledge pictures."""
        async for data in peer:
            if isinstance(data, bytes):
                self.pictures.append(data)
                await say(peer, type="frame_ack", up_to=self.heard[-1]["number"])
            else:
                self.heard.append(json.loads(data))

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            await asyncio.sleep(0.005)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["type"] == kind]


async def say(peer: ServerConnection, **message: Any) -> None:
    await peer.send(json.dumps(message))


async def honest(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
    await peer.send(json.dumps(ACK))
    await say(peer, type="demand", watched=True, fps=100, quality=85, width=None)
    await far.listen(peer)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a test need not wait for."""
    for pause in ("FIRST_PAUSE", "LONGEST_PAUSE", "REFUSED_PAUSE"):
        monkeypatch.setattr(uplinks_of_one, pause, 0.01)


NO_ANSWERS = [
    "",
    "x",
    "[]",
    "null",
    "7",
    '{"type": 7}',
    '{"type": "session_ack"}',
    '{"type": "session_ack", "state": "receiving", "next": "one"}',
    '{"type": "session_ack", "state": "receiving", "next": 0}',
    '{"type": "session_ack", "state": [], "next": 1}',
    '{"type": "error"}',
    '{"type": "error", "message": ["a"], "code": {}}',
    "[" * 5000,
    b"\xff\xfe",
    "x" * 100_000,
]
NO_MESSAGES = [
    "[]",
    b"\xff",
    '{"type": "frame_ack"}',
    '{"type": "frame_ack", "up_to": "x"}',
    '{"type": "frame_ack", "up_to": -1}',
    '{"type": "pong"}',
    '{"type": "pong", "t": "a", "now": []}',
    '{"type": "pong", "t": NaN, "now": 1}',
    '{"type": "demand", "watched": "yes"}',
    '{"type": "demand", "watched": true, "fps": 0}',
    '{"type": "demand", "watched": true, "width": -3}',
    '{"type": "error", "recoverable": false}',
    '{"type": "session_ended"}',
]


@pytest.mark.parametrize("stage", ["at the start", "later"])
def test_whatever_is_answered_the_picture_comes_once_the_answer_is_right(hasty: None, stage: str) -> None:
    answers = NO_ANSWERS if stage == "at the start" else NO_MESSAGES

    def strange(answer: str | bytes) -> Part:
        async def part(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
            if stage == "later":
                await peer.send(json.dumps(ACK))
            await peer.send(answer)
            await far.listen(peer)

        return part

    far = Far(*(strange(answer) for answer in answers), honest)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: len(far.pictures) > 2)
        assert len(far.starts) == len(answers) + 1
        assert len(far.warnings) == 1

    played(scene)


def test_unknown_messages_and_late_acknowledgements_are_passed_over() -> None:
    async def part(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        await say(peer, type="news of another edition")
        await peer.send(json.dumps(ACK))
        for kind in ("pong", "frame_ack", "surprise"):
            await say(peer, type=kind, t=0, now=0, up_to=10**6)
        await say(peer, type="demand", watched=True, quality=["odd"], width=12, more=1)
        await far.listen(peer)

    far = Far(part)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: len(far.pictures) > 2)
        assert far.warnings == [] and len(far.starts) == 1
        assert far.of("frame")[0]["width"] == 12  # No larger than it is looked at.

    played(scene)


def test_a_part_that_breaks_down_is_logged_and_begun_anew(
    hasty: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from envstream.web.outbox import Outbox

    pump, calls = Outbox.pump, []

    async def once_broken(self: Outbox, *given: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError("of all things")
        await pump(self, *given)

    monkeypatch.setattr(Outbox, "pump", once_broken)
    far = Far(honest)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: len(far.pictures) > 2)
        assert ["ZeroDivisionError" in line for line in far.warnings] == [True]

    played(scene)
    assert "of all things" in caplog.text


def test_a_mistake_that_ends_an_uplink_for_good_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: object, address: object) -> str:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(uplinks_of_one.Uplink, "_try", broken)
    far = Far(honest)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: "of all things" in caplog.text)

    played(scene)


def test_episodes_are_told_once_to_the_same_server_and_all_to_another(hasty: None) -> None:
    def part(resumed: bool, most: int) -> Part:
        async def talk(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
            await say(peer, **{**ACK, "resumed": resumed})
            async for data in peer:
                far.heard.append(json.loads(data))
                if sum(len(each["episodes"]) for each in far.of("status")) >= most:
                    return

        return talk

    far = Far(part(False, 2), part(True, 3), part(False, 6), honest)

    async def scene() -> None:
        async with far.play():
            for connection, count, ended in ((1, 2, 2), (2, 3, 3), (3, 6, 3)):
                await far.until(lambda connection=connection: len(far.of("ping")) == connection)
                while far.stream.episodes.seen < ended:
                    far.stream.episodes.add(far.stream.episodes.seen + 1, 5, 7.5)

                def told(count: int = count) -> bool:
                    far.uplinks.look()
                    return sum(len(each["episodes"]) for each in far.of("status")) >= count

                await far.until(told)
        numbers = [each[0] for status in far.of("status") for each in status["episodes"]]
        assert numbers[:6] == [1, 2, 3, 1, 2, 3]

    played(scene)


def test_what_cannot_be_told_as_it_is_is_told_as_far_as_it_can_be() -> None:
    far = Far(honest)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: far.listening)
            far.stream.episodes.add(1, 5, float("nan"))
            said = "a line\n\x1b[31mand another\ud800" + "!" * 900
            far.stream.notices.say(said, "training", lasting=True)
            far.uplinks.look()
            await far.until(lambda: any(each.get("episodes") for each in far.of("status")))
        (told,) = [each for each in far.of("status") if each.get("episodes")]
        assert told["episodes"] == [[1, 5, None]]
        assert told["message"].startswith("a line [31mand another !!!") and len(told["message"]) == 500

    played(scene)


def test_a_session_that_has_ended_there_is_followed_by_another_one(hasty: None) -> None:
    async def over(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        await say(peer, **{**ACK, "state": "ended", "resumed": True})
        await peer.wait_closed()

    far = Far(over, honest)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: far.pictures)
        first, second = far.starts
        assert first["session_id"] != second["session_id"]
        assert first["resume_token"] == second["resume_token"]
        assert far.warnings == []

    played(scene)


def test_a_picture_that_is_refused_is_said_once_and_another_one_goes(hasty: None) -> None:
    async def picky(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        await peer.send(json.dumps(ACK))
        await say(peer, type="demand", watched=True)
        async for data in peer:
            if isinstance(data, str):
                far.heard.append(json.loads(data))
                continue
            number = far.heard[-1]["number"]
            what = {"code": "too_large", "message": f"frame {number} is too large", "number": number}
            await say(peer, type="error", recoverable=True, **what)

    far = Far(picky)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: len(far.of("frame")) > 6)
        assert far.warnings == ["the server elsewhere: frame 1 is too large"]
        assert len(far.starts) == 1

    played(scene)


def test_why_a_session_is_not_to_be_is_said(hasty: None) -> None:
    async def full(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        await say(peer, type="error", code="too_many_sessions", message="no more room", recoverable=False)
        await peer.close(1008, "no more room")

    far = Far(full)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: len(far.starts) > 3)
            assert far.stream.notices.newest == far.warnings[0]
        (said,) = far.warnings
        assert "cannot be reached (no more room); training goes on" in said

    played(scene)


def test_why_it_is_hung_up_on_is_said(hasty: None) -> None:
    async def fatal(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        await peer.send(json.dumps(ACK))
        await say(peer, type="error", code="flooding", message="far too much", recoverable=False)
        await peer.close(1008, "far too much")

    far = Far(fatal)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: len(far.starts) > 3)
        (said,) = far.warnings
        assert "ended (far too much); training goes on" in said
        assert "very-secret" not in said

    played(scene)


def test_what_is_said_of_the_way_is_taken_back_and_nothing_else(hasty: None) -> None:
    async def away(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        return

    far = Far(away, away, honest)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: far.pictures)
            assert len(far.warnings) == 1 and far.stream.notices.newest is None

    played(scene)


def test_only_a_quality_that_changes_over_there_is_a_choice(hasty: None) -> None:
    async def part(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        await say(peer, **{**ACK, "resumed": len(far.starts) > 1})
        qualities = [85, 85, "low", "odd", 85] if len(far.starts) == 1 else [85, 60]
        for quality in qualities:
            await say(peer, type="demand", watched=True, quality=quality)
        await say(peer, type="demand", watched=True)
        if len(far.starts) > 1:
            await far.listen(peer)
        await far.until(lambda: far.chosen[-1:] == [85])

    far = Far(part)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: far.chosen[-1:] == [60])
        assert far.chosen == ["low", 85, 60]

    played(scene)


def test_a_run_whose_seats_are_all_taken_says_so(hasty: None) -> None:
    from envstream.viewer import Viewer
    from envstream.web.seat import Seat
    from fakes import Mailbox

    far = Far(honest, viewers=1)

    async def scene() -> None:
        async with far.play():
            assert far.fanout.join(Seat(Viewer(), Mailbox()))
            await far.until(lambda: len(far.starts) > 2)
        (said,) = far.warnings
        assert "raise videoStreamMaxViewers" in said

    played(scene)


def test_an_env_that_is_closed_has_ended_over_there_while_others_go_on() -> None:
    async def until_the_end(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        await peer.send(json.dumps(ACK))
        async for data in peer:
            message = json.loads(data)
            far.heard.append(message)
            if message["type"] == "session_end":
                await say(peer, type="session_ended", frames=0, received=0, lost=0)

    far = Far(until_the_end)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: far.listening)
            far.stream.episodes.add(1, 5, 7.5)
            far.stream.finish()

            def looked() -> bool:
                far.uplinks.look()
                return not far.uplinks._running

            await far.until(looked)
        kinds = [each["type"] for each in far.heard if each["type"] != "ping"]
        assert kinds == ["status", "session_end"] and far.heard[-2]["episodes"] == [[1, 5, 7.5]]
        assert far.of("session_end") == [{"type": "session_end", "frames": 0}]
        assert far.warnings == [] and len(far.starts) == 1

    played(scene)


@pytest.mark.parametrize("answers", [True, False], ids=["that is there", "that is silent"])
def test_at_the_end_a_server_is_waited_for_as_long_as_was_said(answers: bool) -> None:
    async def part(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        await peer.send(json.dumps(ACK))
        async for data in peer:
            if answers and json.loads(data)["type"] == "session_end":
                await say(peer, type="session_ended", frames=0, received=0, lost=0)

    far = Far(part)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: far.listening)
            began = time.monotonic()
            await far.uplinks.finish(5.0 if answers else 0.05)
            assert time.monotonic() - began < 3

    played(scene)


def test_where_the_run_is_seen_is_told_once_without_what_is_secret(hasty: None) -> None:
    async def short(far: Far, peer: ServerConnection, start: dict[str, Any]) -> None:
        await peer.send(json.dumps(ACK))

    far = Far(short)

    async def scene() -> None:
        async with far.play():
            await far.until(lambda: len(far.starts) > 2)
        where = {"scheme": "http", "host": "127.0.0.1", "port": far.port}
        assert far.listening == [{"op": "listening", **where}]

    played(scene)


# --- words ---------------------------------------------------------------------------------------------


def test_texts_are_shown_as_one_line() -> None:
    assert shown("  a\tb\r\nc\x00\x1b[0m\ud800 d ", 100) == "a b c [0m d"
    assert shown("ab cd", 3) == "ab"
    assert shown("\n", 3) == ""


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"message": "too\nmuch"}, "too much"),
        ({"code": "flooding"}, "flooding"),
        ({"message": None}, "an error without a word"),
        ({"message": "x" * 999}, "x" * 300),
    ],
)
def test_an_error_is_said_in_its_own_words(message: dict[str, Any], said: str) -> None:
    assert said_by(message) == said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError(), "no answer in time"),
        (asyncio.TimeoutError(), "no answer in time"),
        (EnvstreamError("a sentence"), "a sentence"),
        (OSError(), "OSError"),
    ],
)
def test_a_reason_is_never_empty(error: BaseException, said: str) -> None:
    assert reason(error) == said

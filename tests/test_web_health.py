"""`/health`: live is not ready, and what is wrong is named without telling anything secret."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from envstream.config import StreamConfig
from envstream.hub import Hub
from envstream.web.app import create_app
from envstream.web.backend import Backend
from envstream.web.health import LATEST, Readiness, disk
from fakes import PictureEnv
from serving import get, streaming, until

SECRET = "the-token"


class StillPulse:
    """A pulse that is as late as it is told to be."""

    seconds = 0.0

    def late(self) -> float:
        return self.seconds


class Case:
    """A server of its own that is ready, until something is changed."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.pulse: Any = StillPulse()
        self.listening = self.room = True
        self.trainers = 0
        self.bus: bool | None = None
        readiness = Readiness(
            hub,
            self.pulse,
            lambda: self.listening,
            lambda: self.trainers,
            lambda: self.room,
            lambda: self.bus,
        )
        self._client = create_app(hub, Backend(readiness=readiness)).test_client()

    def asked(self) -> tuple[int, dict[str, Any]]:
        """Status, and what is wrong."""
        response = self._client.get("/health/ready")
        said = json.loads(response.data)
        assert said["status"] == ("ready" if response.status_code == 200 else "not ready")
        wrong = {name: each["message"] for name, each in said["checks"].items() if not each["ok"]}
        return response.status_code, wrong


@pytest.fixture
def case(pool: ThreadPoolExecutor, tmp_path: Path) -> Case:
    folder = str(tmp_path / "private" / "sessions")
    hub = Hub(StreamConfig(videoStreamToken=SECRET, videoStreamFolder=folder), pool)
    hub.alone = True
    return Case(hub)


def test_a_server_that_can_do_all_is_ready_and_names_what_it_looked_at(case: Case) -> None:
    assert case.asked() == (200, {})
    assert not Path(case.hub.config.videoStreamFolder).exists()  # To look makes nothing.


def test_a_port_that_is_let_go_of_is_not_ready(case: Case) -> None:
    case.listening = False
    assert case.asked() == (503, {"listening": "the port is not open"})


def test_a_loop_that_does_not_come_to_its_work_is_not_ready(case: Case) -> None:
    case.pulse.seconds = LATEST + 0.1
    assert case.asked() == (503, {"loop": "the event loop is over 1 s late"})


def test_a_server_of_a_training_is_ready_while_it_has_a_trainer(case: Case) -> None:
    case.hub.alone = False
    assert case.asked() == (503, {"trainer": "no trainer is connected"})
    case.trainers = 1
    assert case.asked() == (200, {})


def test_a_bus_that_is_configured_has_to_be_there(case: Case) -> None:
    case.bus = False
    assert case.asked() == (503, {"bus": "Redis cannot be reached"})
    case.bus = True
    assert case.asked() == (200, {})


def test_sessions_need_room(case: Case) -> None:
    case.room = False
    assert case.asked() == (503, {"disk": "the sessions on disk have reached videoStreamMaxDisk"})


def test_a_folder_that_is_a_file_cannot_be_written_to_and_its_path_is_not_told(case: Case) -> None:
    folder = Path(case.hub.config.videoStreamFolder)
    folder.parent.mkdir()
    folder.write_text("in the way")
    status, wrong = case.asked()
    assert status == 503
    assert "sessions cannot be written to" in wrong["disk"] and "private" not in json.dumps(wrong)


def test_recordings_have_to_find_room_where_episodes_are_recorded(
    pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    (tmp_path / "videos").write_text("in the way")
    case = Case(Hub(StreamConfig(videoRecord=True, videoRecordFolder=str(tmp_path / "videos")), pool))
    case.trainers = 1
    status, wrong = case.asked()
    assert status == 503 and "recordings" in wrong["disk"]


def test_a_full_disk_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        free = 1000

    monkeypatch.setattr("envstream.web.health.shutil.disk_usage", lambda folder: Full)
    assert disk("sessions", tmp_path).message == "the disk of sessions is full"


def test_disks_are_not_looked_at_more_often_than_makes_sense(case: Case) -> None:
    assert case.asked() == (200, {})
    case.room = False
    assert case.asked() == (200, {})  # Within two seconds.


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are others there")
def test_what_is_looked_at_leaves_nothing_behind(tmp_path: Path) -> None:
    assert disk("sessions", tmp_path).ok
    assert list(tmp_path.iterdir()) == []


def test_a_real_server_is_live_and_ready_without_a_token_and_tells_nothing_secret(tmp_path: Path) -> None:
    with streaming(PictureEnv(), videoStreamToken=SECRET, videoStreamFolder=str(tmp_path)) as port:
        until(lambda: get(port, "/health/ready")[0] == 200, "readiness")
        for path in ("/health", "/health/live", "/health/ready"):
            status, _, body = get(port, path)
            assert status == 200
            for secret in (SECRET, "PictureEnv", str(tmp_path)):
                assert secret.encode() not in body
        assert get(port, "/metrics")[0] == 401
        assert get(port, f"/metrics?token={SECRET}")[0] == 200

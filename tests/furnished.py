"""A server with something at every address: streams, an episode, a recording, a session."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import envstream
from senders import sent
from serving import Trainer, Watcher, get, training, until

STREAM = "CartPole-v1"
DESCRIPTION: dict[str, Any] = json.loads(
    (Path(envstream.__file__).parent / "web" / "openapi.json").read_text(encoding="utf-8")
)


@dataclass
class Furnished:
    """A run that is watched, and what its server has.

    Attributes:
        names: what stands for each parameter of an address.
    """

    trainer: Trainer
    viewer: Watcher
    names: dict[str, str]

    @property
    def port(self) -> int:
        return self.trainer.port

    def unharmed(self) -> None:
        """The server is the one that it was, and somebody who watches is sent pictures."""
        pid = self.names["pid"]
        assert str(self.trainer.child()) == pid, "the server's process has gone"
        for _ in range(3):  # Of the run or of its episodes, whose numbers begin anew with each.
            self.viewer.frame(60)
        status = get(self.port, "/health", timeout=60)[0]
        assert status == 200, status


def json_of(port: int, path: str, method: str = "GET") -> Any:
    """The JSON at an address."""
    return json.loads(get(port, path, method=method, timeout=60)[2])


@contextlib.contextmanager
def furnished(folder: Path, **settings: Any) -> Iterator[Furnished]:
    """Such a server for as long as the block lasts; everything that it keeps goes into the folder."""
    folders = {"videoRecordFolder": str(folder / "videos"), "videoStreamFolder": str(folder / "sessions")}
    with training(**folders, **settings) as trainer:
        port = trainer.port
        with Watcher(port, f"{STREAM}@episodes", STREAM) as viewer:
            assert json_of(port, "/api/record/start", "POST")["success"]

            def watched() -> bool:
                viewer.frame()
                kept = any(clip["ended"] == "terminated" for clip in json_of(port, "/api/episodes")["clips"])
                return kept and any((folder / "videos").glob("*.mp4"))

            until(watched, "an episode and a recording")
            assert json_of(port, "/api/record/stop", "POST")["success"]
            sent(port, 3, session_id="complete")
            viewer.watch(STREAM)
            clips = json_of(port, "/api/episodes")["clips"]
            names = {
                "id": next(clip["id"] for clip in clips),
                "session": "complete",
                "file": "result.json",
                "name": next((folder / "videos").glob("*.mp4")).name,
                "pid": str(trainer.child()),
            }
            yield Furnished(trainer, viewer, names)

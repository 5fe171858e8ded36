"""`/metrics`: what a server is doing, as a real Prometheus reads it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envstream.config import StreamConfig
from envstream.frame import Frame
from envstream.hub import Hub
from envstream.web.backend import Backend
from envstream.web.metrics import MOST_STREAMS, Metrics
from envstream.web.pulse import Pulse
from fakes import PictureEnv
from serving import Watcher, get, streaming, until

SECRET = "the-token"
_SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


def samples(text: str) -> dict[tuple[str, str], float]:
    """Each series (its name, and its labels as they are written) with its value."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            matched = _SAMPLE.fullmatch(line)
            assert matched, line
            name, labels, value = matched.groups()
            assert (name, labels or "") not in found, line
            found[name, labels or ""] = float(value)
    return found


@pytest.fixture
def hub(pool: ThreadPoolExecutor) -> Hub:
    return Hub(StreamConfig(videoStreamToken=SECRET), pool)


def told(hub: Hub) -> dict[tuple[str, str], float]:
    """What is told of a hub, where no event loop runs."""
    metrics = Metrics(hub, Pulse(None), lambda: 3, lambda: {"active_sessions": 2})  # type: ignore[arg-type]
    text = metrics.text(metrics.gather())
    assert SECRET not in text
    return samples(text)


def shows(hub: Hub, name: str, frames: int = 1) -> Any:
    stream = hub.open(name, name, hub.config)
    for number in range(1, frames + 1):
        stream.put(Frame(np.full((2, 2, 3), number, np.uint8), number, 1.0, 0.002), 1.001)
    return stream


def test_a_hub_without_streams_tells_of_itself(hub: Hub) -> None:
    found = told(hub)
    assert found["envstream_streams", ""] == 0
    assert (found["envstream_connections", ""], found["envstream_sessions", ""]) == (3, 2)


def test_a_stream_tells_of_its_frames_stages_and_cost(hub: Hub) -> None:
    stream = shows(hub, "CartPole", 3)
    stream.episodes.add(1, 10, 8.5)
    found = told(hub)
    label = 'stream="CartPole"'
    assert found["envstream_stream_frames_received_total", label] == 3
    assert found["envstream_stream_frames_dropped_total", label] == 3
    assert found["envstream_stream_capture_seconds_total", label] == pytest.approx(0.006)
    assert found["envstream_stream_trainer_cost_limit_share", label] == 0.05
    assert found["envstream_stream_return_mean", label] == 8.5
    assert found["envstream_stage_seconds_count", label + ',stage="capture"'] == 3
    assert found["envstream_stage_seconds_bucket", label + ',stage="handover",le="0.001"'] == 3


def test_what_is_sent_of_a_streams_episodes_is_the_streams(hub: Hub) -> None:
    stream = shows(hub, "CartPole")
    stream.pictures_sent = 2
    played = hub.get("CartPole@episodes")
    assert played is not None
    played.pictures_sent = 5
    assert told(hub)["envstream_stream_frames_sent_total", 'stream="CartPole"'] == 7


def test_of_more_streams_than_are_told_of_one_by_one_the_rest_is_summed(hub: Hub) -> None:
    for number in range(MOST_STREAMS + 5):
        shows(hub, f"env/{number}", 2)
    found = told(hub)
    received = [labels for name, labels in found if name == "envstream_stream_frames_received_total"]
    assert len(received) == MOST_STREAMS + 1
    assert found["envstream_stream_frames_received_total", 'stream="other"'] == 10
    assert found["envstream_stage_seconds_count", 'stream="other",stage="handover"'] == 10
    assert ("envstream_stream_age_seconds", 'stream="other"') not in found


def test_streams_that_run_are_told_of_before_those_that_have_ended(hub: Hub) -> None:
    ended = [shows(hub, f"old/{number}") for number in range(10)]
    for stream in ended:
        stream.finish()
    for number in range(MOST_STREAMS):
        shows(hub, f"new/{number}")
    labels = {labels for name, labels in told(hub) if name == "envstream_stream_viewers"}
    assert 'stream="other"' in labels and not any("old" in label for label in labels)


def test_a_stream_called_other_is_summed_with_the_others_and_stands_once(hub: Hub) -> None:
    shows(hub, "other", 4)
    assert told(hub)["envstream_stream_frames_received_total", 'stream="other"'] == 4


@pytest.mark.parametrize("name", ['a"b', "a\\", "a\nb", "ünï", 'x"} 1\nevil 2'])
def test_names_of_any_kind_are_one_label(hub: Hub, name: str) -> None:
    shows(hub, name)
    found = told(hub)
    assert sum(series == "envstream_stream_viewers" for series, _ in found) == 1
    assert not any("evil" in series for series, _ in found)


def test_an_app_without_figures_has_no_such_address(hub: Hub) -> None:
    from envstream.web.app import create_app

    assert create_app(hub, Backend()).test_client().get("/metrics").status_code == 404


@pytest.fixture(scope="module")
def served() -> Iterator[int]:
    """A server with a trainer, a picture of which somebody has painted."""
    with streaming(PictureEnv()) as port:
        with Watcher(port, "PictureEnv") as watcher:
            for _ in range(5):
                about, _ = watcher.frame(ack=False)
                watcher.send(
                    type="ack", stream="PictureEnv", frameNumber=about["frameNumber"], transferMs=0.01
                )
            until(lambda: b'stage="paint"' in get(port, "/metrics")[2], "an acknowledgement")
            yield port


def test_promtool_finds_nothing_to_complain_about(served: int) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("apt-get install prometheus")
    text = get(served, "/metrics")[2]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_the_answer_is_of_the_type_that_prometheus_asks_for(served: int) -> None:
    _, headers, _ = get(served, "/metrics")
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


SCRAPING = """
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs:
  - job_name: envstream
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.fixture
def prometheus(served: int, tmp_path: Path) -> Iterator[int]:
    """A real Prometheus that scrapes the server; gives its port."""
    if shutil.which("prometheus") is None:
        pytest.skip("apt-get install prometheus")
    (tmp_path / "prometheus.yml").write_text(SCRAPING.format(port=served))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
    ]
    process = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        process.kill()
        process.wait(10)


def asked(port: int, query: str) -> list[Any]:
    """What a Prometheus answers to a query; nothing while it is not up."""
    try:
        answer = get(port, "/api/v1/query?query=" + urllib.parse.quote(query))[2]
        return list(json.loads(answer)["data"]["result"])
    except (OSError, ValueError, KeyError):
        return []


def test_a_real_prometheus_scrapes_the_series_of_a_stream(prometheus: int) -> None:
    wanted = 'envstream_stream_frames_received_total{stream="PictureEnv"} > 0'
    until(lambda: asked(prometheus, wanted), "the first scrape")
    assert asked(prometheus, 'up{job="envstream"}')[0]["value"][1] == "1"
    for series in ("envstream_build_info", "process_open_fds", "envstream_event_loop_lag_seconds_count"):
        assert asked(prometheus, series), series
    half = "histogram_quantile(0.5, envstream_stage_seconds_bucket{stage='total'})"
    assert 0 < float(asked(prometheus, half)[0]["value"][1]) < 60


DASHBOARD = json.loads((Path(__file__).parents[1] / "docs" / "grafana.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
VARIABLES = {each["name"]: each for each in DASHBOARD["templating"]["list"]}


def test_every_query_of_the_dashboard_names_only_series_that_there_are(served: int) -> None:
    there = {name for name, _ in samples(get(served, "/metrics")[2].decode())}
    asks = [*QUERIES, *(each["definition"] for each in VARIABLES.values() if "definition" in each)]
    named = {name for query in asks for name in re.findall(r"\b(?:envstream|process)_\w+", query)}
    assert len(named) > 25 and named - there == set()


def test_labels_that_the_dashboard_asks_for_are_there(served: int) -> None:
    text = get(served, "/metrics")[2].decode()
    there = {label for _, labels in samples(text) for label in re.findall(r'(\w+)="', labels)} | {"instance"}
    asked = {label for query in QUERIES for label in re.findall(r'(\w+)=~?"', query)}
    grouped = {
        name
        for query in QUERIES
        for each in re.findall(r"by \(([^)]*)\)", query)
        for name in each.split(", ")
    }
    shown = {
        label
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
        for label in re.findall(r"{{(\w+)}}", target["legendFormat"])
    }
    assert asked | grouped | shown <= there


def test_the_dashboard_asks_the_data_source_that_was_chosen_and_its_panels_lie_apart() -> None:
    panels = [panel for panel in DASHBOARD["panels"] if "targets" in panel]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert VARIABLES["datasource"]["query"] == "prometheus"
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for box in [panel["gridPos"]]
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]
    assert len(set(places)) == len(places) and max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_a_real_prometheus_understands_every_query_of_the_dashboard(prometheus: int) -> None:
    until(lambda: asked(prometheus, "up == 1"), "the first scrape")
    for query in QUERIES:
        filled = query.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$stream", ".*")
        status, _, body = get(prometheus, "/api/v1/query?query=" + urllib.parse.quote(filled))
        assert status == 200, (query, body)

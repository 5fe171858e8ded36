"""Every benchmark runs: `--quick`, in a process of its own. What it measures is never judged here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import missing

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytest.importorskip("psutil")
pytestmark = pytest.mark.long


def quick(name: str, folder: Path, *args: str) -> dict[str, Any]:
    """Run one benchmark briefly, and give what it wrote."""
    file = folder / f"{name}.json"
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--json", str(file), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    assert report["benchmark"] == name
    assert report["bars"], done.stdout
    assert all(bar["promise"] in done.stdout for bar in report["bars"])
    return report


def names(report: dict[str, Any]) -> list[str]:
    return [row["contender"] for row in report["rows"]]


def test_overhead_has_a_row_for_everybody_and_nobody_watching_means_no_render(tmp_path: Path) -> None:
    report = quick("overhead", tmp_path, "--part", "idle", "--part", "viewers")
    idle = [row for row in report["rows"] if row["part"] == "idle"]
    assert [row["contender"] for row in idle] == ["envstream process", "envstream thread"]
    assert [row["renders"] for row in idle] == [0, 0]
    rows = {(r["contender"], r["viewers"]): r for r in report["rows"] if r["part"] == "viewers"}
    for contender in ("bare", "bare, render at 30 Hz", "envstream process", "envstream thread"):
        assert rows[contender, 0]["steps_per_second"] > 0
        assert rows[contender, 1]["of_render"][0] > 0
    for worker in ("envstream process", "envstream thread"):
        assert rows[worker, 0]["renders"] == [0]
        assert rows[worker, 1]["renders"][0] > 0
        assert rows[worker, 1]["fps"] > 0


def test_overhead_says_what_a_costly_render_is_held_to(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    report = quick_costly(tmp_path)
    if not report["rows"]:
        pytest.skip("this machine cannot render MuJoCo without a screen")
    assert names(report) == ["bare", "envstream, budget 0.05", "envstream, budget 0.5"]
    assert all(row["steps_per_second"] > 0 for row in report["rows"])
    assert report["rows"][1]["limit"][0]["by"] == "budget"


def quick_costly(folder: Path) -> dict[str, Any]:
    """The part with MuJoCo, which a machine without EGL skips: then there is nothing to promise."""
    file = folder / "costly.json"
    command = [sys.executable, str(BENCHMARKS / "overhead.py"), "--quick", "--part", "costly"]
    done = subprocess.run([*command, "--json", str(file)], capture_output=True, text=True, timeout=115)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    return report


def test_latency_has_both_workers_and_every_stage(tmp_path: Path) -> None:
    report = quick("latency", tmp_path)
    assert names(report) == ["process", "thread"]
    for row in report["rows"]:
        assert row["p50"][0] > 0
        assert row["encode"] > 0 and row["wire"] > 0
        assert row["rounds"][0]["viewers"]["hangups"] == []


def test_staleness_has_every_way_to_watch_and_bars_from_the_measured_size(tmp_path: Path) -> None:
    report = quick("staleness", tmp_path)
    ways = [
        "/ws, no line between",
        "/ws through the relay",
        "/stream through the relay",
        "/stream, slow reader",
        "/ws far away, JPEG",
        "/ws far away, video",
    ]
    assert names(report) == ways
    assert 30_000 < report["rows"][0]["bytes"] < 70_000
    for row in report["rows"][1:]:
        assert 0 < row["bytes"] < 70_000
    assert report["rows"][1]["bar_ms"] > 2 * report["rows"][1]["frame_ms"]
    assert report["rows"][2]["bar_ms"] is None


def test_the_fan_out_has_every_part(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("a crowd and a server want a core each")
    report = quick("fanout", tmp_path)
    assert {row["part"] for row in report["rows"]} == {"viewers", "rungs", "trouble"}
    assert {"envstream /ws", "envstream /stream"} <= set(names(report))


def test_memory_follows_the_trainer_and_its_server(tmp_path: Path) -> None:
    report = quick("memory", tmp_path)
    assert names(report) == ["trainer", "server"]
    for row in report["rows"]:
        assert len(row["samples"]) > 10
        assert row["first_mb"] > 0


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What a short soak reports: its rows by their part, and its bars."""
    report = quick("soak", tmp_path_factory.mktemp("soak"))
    parts: dict[str, list[dict[str, Any]]] = {"bars": report["bars"]}
    for row in report["rows"]:
        parts.setdefault(row["part"], []).append(row)
    return parts


def test_soak_follows_everything_while_all_kinds_of_visitors_come_and_go(
    soaked: dict[str, list[dict[str, Any]]],
) -> None:
    rows, (ends,) = soaked["slopes"], soaked["ends"]
    names_of = {row["series"].partition(",")[0] for row in rows}
    assert {
        f"{who} {what}" for who in ("trainer", "server") for what in ("heap", "threads", "maps")
    } <= names_of
    assert {"viewer fps", "viewer age p99", "trainer steps/s", "server sockets", "server cpu"} <= names_of
    assert {row["series"]: row["verdict"] for row in rows}["machine stolen, %"] == "–"
    assert all(len(row["samples"]) > 10 for row in rows)
    assert min(ends["passers"]["kinds"].values()) >= 1 and len(ends["passers"]["kinds"]) == 10
    assert ends["passers"]["problems"] == {} and ends["passers"]["here"] == 0
    held = {bar["promise"]: bar["held"] for bar in soaked["bars"]}
    assert held["no exception in the trainer"] and held["every visitor is answered as it should be"]


def test_what_has_run_for_long_is_compared_with_what_has_just_begun(
    soaked: dict[str, list[dict[str, Any]]],
) -> None:
    turns = soaked["turns"]
    assert {row["figure"] for row in turns} >= {"trainer steps/s", "viewer age p50", "server cpu"}
    assert all(len(row["rounds"]) == 2 and row["low"] <= row["share"] <= row["high"] for row in turns)
    assert {f"{row['figure']}: as at first" for row in turns} <= {bar["promise"] for bar in soaked["bars"]}


def test_a_rival_that_is_not_installed_is_skipped_and_named() -> None:
    code = (
        "import sys; sys.modules['vidgear'] = None; sys.argv = ['trainer.py', '--contender', 'webgear'];"
        f"sys.path.insert(0, {str(BENCHMARKS)!r}); import trainer; trainer.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "vidgear" in json.loads(done.stdout)["missing"]


@pytest.mark.parametrize("part", ["memory", "longest", "tenth"])
def test_recording_has_a_row_for_everybody_also_for_who_is_not_installed(part: str, tmp_path: Path) -> None:
    pytest.importorskip("av")
    rows = {row["contender"]: row for row in quick("recording", tmp_path, "--part", part)["rows"]}
    by_steps = "VecVideoRecorder, by steps" if part == "tenth" else "VecVideoRecorder"
    assert {"envstream", "RecordVideo", by_steps} <= set(rows)
    key = {"memory": "trainer_mb", "longest": "excess_ms", "tenth": "of_bare"}[part]
    assert rows["envstream"][key] is not None
    for row in rows.values():
        assert (row[key] is None) == (row["missing"] is not None)
    if part == "tenth":
        assert rows["envstream"]["files"] > 0


def test_recording_watches_episodes_and_kills(tmp_path: Path) -> None:
    pytest.importorskip("av")
    report = quick("recording", tmp_path, "--part", "episodes", "--part", "kill")
    (watched,) = (row for row in report["rows"] if row["part"] == "episodes")
    assert watched["pictures"] > 0 and watched["of_bare"][0] > 0 and watched["disorder"] == 0
    kills = [row for row in report["rows"] if row["part"] == "kill"]
    assert names({"rows": kills}) == [f"{who}, full speed" for who in ("trainer", "server", "both")]
    assert all(row["taken"] > 0 for row in kills)


def test_what_records_and_is_not_installed_is_said_to_be_missing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['moviepy'] = None;"
        f"sys.argv = ['', 'tenth', '--kind', 'record-video', '--folder', {str(tmp_path / 'videos')!r}];"
        f"sys.path.insert(0, {str(BENCHMARKS)!r}); import recorders; recorders.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "MoviePy" in json.loads(done.stdout)["missing"]


def test_bandwidth_holds_video_against_jpeg(tmp_path: Path) -> None:
    pytest.importorskip("av")
    pytest.importorskip("skimage")
    report = quick("bandwidth", tmp_path, "--env", "CartPole")
    (row,) = report["rows"]
    assert row["h264"] < row["jpeg"] and 0.9 < row["jpeg_ssim"] < 1


def quick_ingest(folder: Path, part: str) -> list[dict[str, Any]]:
    """The rows of one part of what takes frames from elsewhere."""
    for package in ("av", "cv2"):
        pytest.importorskip(package)
    rows: list[dict[str, Any]] = quick("ingest", folder, "--part", part)["rows"]
    assert {row["part"] for row in rows} == {part}
    return rows


def test_ingest_has_a_recording_processed_while_it_goes_on_and_one_afterwards(tmp_path: Path) -> None:
    ours, other = quick_ingest(tmp_path, "latency")
    assert [row["rounds"][0]["frames"] for row in (ours, other)] == [90, 90]
    for row in (ours, other):
        assert row["whole"] == "1 of 1"
        assert row["rounds"][0]["processors"] == ["stats", "undistort"]
        assert row["lag_s"][0] > 0


def test_ingest_counts_what_many_publishers_sent_and_what_became_of_it(tmp_path: Path) -> None:
    (row,) = quick_ingest(tmp_path, "sessions")
    assert (row["count"], row["due"], row["sent"], row["received"], row["lost"]) == (3, 180, 180, 180, 0)
    assert row["in_videos"] == [60, 60, 60]
    assert row["ack_p50"] > 0 and row["server_cores"] > 0 and row["client_cores"] > 0


def test_ingest_tells_the_memory_of_the_server_from_that_of_its_workers(tmp_path: Path) -> None:
    one, several = quick_ingest(tmp_path, "memory")
    assert (one["in_videos"], several["in_videos"]) == ([300], [60, 60, 60])
    for row in (one, several):
        assert row["server_mb"] > row["idle_mb"] > 0
        assert row["workers"] > 0 and row["workers_mb"] > 0


def test_ingest_cuts_an_upload_and_kills_its_server_and_nothing_is_missing(tmp_path: Path) -> None:
    plain, cut = quick_ingest(tmp_path, "cuts")
    assert (plain["cuts"], plain["kills"], plain["sent"], plain["sent_again"]) == (0, 0, 300, 0)
    assert (cut["cuts"], cut["kills"], cut["frames"]) == (2, 1, 300)
    flaws = ("other_pictures", "other_times", "out_of_order", "too_many_or_few")
    assert [cut[flaw] for flaw in flaws] == [0, 0, 0, 0]


@pytest.mark.browser
def test_detection_sees_the_pictures_of_a_camera_in_a_real_browser(tmp_path: Path) -> None:
    pytest.importorskip("playwright")
    report = quick("detection", tmp_path, "--part", "camera")
    (row,) = report["rows"]
    assert row["matched"] > 0
    assert row["age_ms"]["p50"] > 0


def test_detection_shows_many_cameras_to_many(tmp_path: Path) -> None:
    (row,) = quick("detection", tmp_path, "--part", "many")["rows"]
    assert row["fps"] > 0 and row["fps_sent"] > 0
    assert (row["hangups"], row["errors"]) == ([], [])


def test_scaling_prints_the_tables_of_its_document_as_they_stand_there() -> None:
    command = [sys.executable, str(BENCHMARKS / "scaling.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    text = (BENCHMARKS.parent / "docs" / "scaling.md").read_text()
    tables = done.stdout.strip().split("\n\n")
    assert len(tables) == text.count("<!-- end of ") > 3
    for table in tables:
        assert table in text, f"python benchmarks/scaling.py --write: the document lacks\n{table}"


def quick_scale(folder: Path, part: str) -> list[dict[str, Any]]:
    """The rows of one part of what many workers cost."""
    if part != "idle" and shutil.which("redis-server") is None:
        missing("redis-server", "apt-get install redis-server")
    rows: list[dict[str, Any]] = quick("scale", folder, "--part", part)["rows"]
    assert {row["part"] for row in rows} == {part}
    return rows


def test_scale_has_trainers_that_share_a_page_and_trainers_without_one(tmp_path: Path) -> None:
    bare, again, ours = quick_scale(tmp_path, "idle")
    assert bare["share"] == 1 and bare["speed"] > 0 and again["speed"] > 0
    assert ours["speed"] > 0 and (ours["pages"], ours["renders"]) == (1, 0)


def test_scale_has_a_price_for_all_that_is_said_to_redis(tmp_path: Path) -> None:
    rows = quick_scale(tmp_path, "costs")
    assert [row["key"] for row in rows] == ["join", "beat", "status", "heard", "in", "out"]
    assert all(row["us"][0] > 0 for row in rows)


def test_scale_counts_what_goes_through_redis(tmp_path: Path) -> None:
    rows = quick_scale(tmp_path, "bus")
    assert [(row["workers"], row["watched"]) for row in rows] == [(1, 1), (3, 1), (1, 1), (3, 1), (3, 2)]
    for row in rows:
        assert row["fps"] > 0 and row["in_kb"] > 0 and row["out_kb"] > 0


def test_scale_watches_a_worker_directly_and_through_redis(tmp_path: Path) -> None:
    direct, bus = quick_scale(tmp_path, "latency")
    assert direct["p50"][0] > 0 and bus["p50"][0] > 0


def test_scale_has_several_page_servers_that_list_the_same(tmp_path: Path) -> None:
    (row,) = quick_scale(tmp_path, "servers")
    assert (row["lists"], row["streams"], row["hangups"]) == (1, 4, 0)
    assert row["fps"] > 0


def test_scale_kills_whatever_there_is_and_all_of_it_is_shown_again(tmp_path: Path) -> None:
    rows = quick_scale(tmp_path, "kills")
    assert [row["kills"] for row in rows] == [1] * 6
    assert all(row["took"][0] > 0 and row["raised"] == 0 for row in rows)


def test_faults_leave_a_training_running(tmp_path: Path) -> None:
    rows = quick("faults", tmp_path, "--part", "speed")["rows"]
    assert len(rows) == 3 and all(row["of_bare"] > 0 for row in rows)


def test_faults_has_newcomers_wait_beside_a_crowd(tmp_path: Path) -> None:
    rows = quick("faults", tmp_path, "--part", "crowd")["rows"]
    assert [row["newcomers"] for row in rows] == [5, 5]


def test_faults_kills_somebody_and_what_was_recorded_and_sent_is_whole(tmp_path: Path) -> None:
    report = quick("faults", tmp_path, "--part", "kills")
    assert sum(row["times"] for row in report["rows"]) >= 1
    held = {bar["promise"]: bar["held"] for bar in report["bars"]}
    assert held["kills: all recordings play"] and held["kills: all uploads are whole"]


def test_floods_have_others_wait(tmp_path: Path) -> None:
    calm, *rows = quick("floods", tmp_path)["rows"]
    assert calm["flood"] == "none" and len(rows) == 8
    assert all(row["longest_ms"] >= row["wait_ms"] > 0 and row["most_mb"] > 0 for row in rows)


def test_what_the_page_claims_is_held_against_what_it_costs(tmp_path: Path) -> None:
    rows = quick("claimed", tmp_path)["rows"]
    assert [(row["env"], row["viewers"]) for row in rows] == [
        (env, viewers) for env in ("CartPole-v1", "long") for viewers in (0, 1)
    ]
    assert all(row["said"] >= 0 for row in rows)

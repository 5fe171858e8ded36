"""Recordings: every picture is on disk with all that is known of it, and nothing else there is touched."""

from __future__ import annotations

import errno
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import videos
from envstream.frame import Frame
from envstream.recording import Recording, Shelf
from envstream.video import VideoFile

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

RECORDS = """
import json, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_recording import picture
from envstream.recording import Recording
shift = int(sys.argv[2])
sys.stdin.read()
for _ in range(4):
    recording = Recording(Path(sys.argv[1]), "take", 30.0, {{"from": shift}})
    for number in range(3):
        recording.add(picture(shift + number))
    recording.finish({{}})
    print(json.dumps([recording.problem, [path.name for path in recording.paths]]))
"""

FULL = """
import json, resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_recording import picture
from envstream.recording import Recording
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recording = Recording(Path(sys.argv[1]), "take", 30.0, {{"env": "Full"}})
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
kept = [recording.add(picture(number)) for number in range(40)]
recording.finish({{"return": 1.0}})
print(json.dumps([kept.count(True), recording.frames, recording.missing, recording.problem]))
"""


def picture(number: int, width: int = 64, height: int = 48) -> Frame:
    return Frame(videos.numbered(number, width, height), number + 1, 0.0)


def made(folder: Path, name: str = "take", count: int = 3, **more: Any) -> Recording:
    """A recording that is finished."""
    recording = Recording(folder, name, 30.0, more.pop("about", {}), **more)
    for number in range(count):
        recording.add(picture(number))
    recording.finish({"return": 1.0})
    return recording


def said(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return read


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def numbers(path: Path) -> list[int]:
    return [one.number for one in videos.played(path)]


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text.format(tests=str(Path(__file__).parent))]


# ---- what is kept


def test_nothing_is_created_before_the_first_picture(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "videos", "take", 30.0, {})
    assert recording.paths == []
    recording.finish({})
    assert (recording.paths, recording.problem, names(tmp_path)) == ([], None, [])


def test_a_take_becomes_a_video_and_a_json_in_a_folder_that_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "videos"
    recording = made(folder, "CartPole-v1-episode-531", 40)
    assert names(folder) == ["CartPole-v1-episode-531.json", "CartPole-v1-episode-531.mp4"]
    assert recording.paths == [
        folder / "CartPole-v1-episode-531.mp4",
        folder / "CartPole-v1-episode-531.json",
    ]
    assert numbers(recording.paths[0]) == list(range(40))
    assert (recording.frames, recording.problem) == (40, None)
    assert recording.seconds == pytest.approx(40 / 30) == videos.length(recording.paths[0])


def test_the_json_says_all_that_is_known(tmp_path: Path) -> None:
    about = {"env": "CartPole-v1", "seed": np.int64(3), "settings": {"videoFps": 30.0}}
    recording = Recording(tmp_path, "take", 20.0, about)
    for number in range(5):
        recording.add(picture(number))
    recording.finish({"return": np.float32(1.5), "steps": 5, "ended": "truncated"})
    text = said(tmp_path / "take.json")
    began, ended = (datetime.fromisoformat(text.pop(key)) for key in ("started", "ended"))
    assert began.utcoffset() == ended.utcoffset() == timedelta(0)
    assert began <= ended
    assert text == {
        "state": "finished",
        "files": ["take.mp4"],
        "frames": 5,
        "missing": 0,
        "width": 64,
        "height": 48,
        "fps": 20.0,
        "seconds": 0.25,
        "problem": None,
        "outcome": {"return": 1.5, "steps": 5, "ended": "truncated"},
        "about": {"env": "CartPole-v1", "seed": 3, "settings": {"videoFps": 30.0}},
    }


def test_from_the_first_picture_on_the_json_says_that_it_is_recording(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "take", 20.0, {"env": "CartPole-v1"})
    recording.add(picture(0))
    text = said(tmp_path / "take.json")
    assert (text["state"], text["ended"], text["outcome"]) == ("recording", None, {})
    assert (text["files"], text["about"]) == (["take.mp4"], {"env": "CartPole-v1"})
    recording.finish({})
    assert said(tmp_path / "take.json")["state"] == "finished"


def test_one_picture_is_a_recording_that_lasts_a_period(tmp_path: Path) -> None:
    recording = made(tmp_path, count=1)
    assert numbers(recording.paths[0]) == [0]
    assert said(recording.paths[1])["seconds"] == pytest.approx(1 / 30, abs=1e-5)


def test_pictures_keep_their_times_and_those_without_follow_after_a_period(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "take", 10.0, {})
    for number, at in enumerate([50.0, 50.3, None, float("nan"), 52.0]):
        assert recording.add(picture(number), at)
    recording.finish({})
    times = [one.time for one in videos.played(recording.paths[0])]
    assert times == pytest.approx([0.0, 0.3, 0.4, 0.5, 2.0], abs=2e-5)
    assert recording.seconds == pytest.approx(2.1)


def test_odd_sides_are_kept_and_the_json_says_the_picture_s_own(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "take", 30.0, {})
    recording.add(picture(7, 65, 49))
    recording.finish({})
    (one,) = videos.played(recording.paths[0])
    assert (one.number, one.size) == (7, (66, 50))
    assert (said(recording.paths[1])["width"], said(recording.paths[1])["height"]) == (65, 49)


def test_what_is_discarded_leaves_no_file_and_takes_no_picture(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "take", 30.0, {})
    for size in ((64, 48), (32, 32)):
        for number in range(2):
            recording.add(picture(number, *size))
    assert len(names(tmp_path)) == 3
    recording.discard()
    assert not recording.add(picture(1))
    recording.finish({})
    assert (names(tmp_path), recording.paths, recording.frames) == ([], [], 0)
    made(tmp_path).discard()
    assert names(tmp_path) == []


# ---- its end


def test_after_its_end_it_takes_no_picture_and_none_is_called_missing(tmp_path: Path) -> None:
    recording = made(tmp_path)
    assert not recording.add(picture(9))
    assert (recording.frames, recording.missing, recording.problem) == (3, 0, None)


def test_after_as_many_pictures_as_were_wanted_it_is_finished_by_itself(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "take", 30.0, {}, most=3)
    assert [recording.add(picture(number)) for number in range(5)] == [True] * 3 + [False] * 2
    assert numbers(recording.paths[0]) == [0, 1, 2]
    assert said(recording.paths[1])["state"] == "finished"
    recording.finish({"return": 4.0})
    text = said(recording.paths[1])
    assert (text["frames"], text["missing"], text["problem"]) == (3, 0, None)
    assert text["outcome"] == {"return": 4.0}, "what came later is said as well"


def test_a_take_without_end_ends_after_an_hour_of_playing_time_and_names_the_setting(tmp_path: Path) -> None:
    assert Recording.LONGEST == 3600.0
    recording = Recording(tmp_path, "take", 1.0, {})
    kept = [recording.add(picture(number), at) for number, at in enumerate([0.0, 3599.0, 3600.0, 3601.0])]
    assert kept == [True, True, False, False]
    assert recording.problem is not None and "set videoRecordLength" in recording.problem
    assert numbers(recording.paths[0]) == [0, 1]
    assert recording.seconds == 3600.0
    assert said(recording.paths[1])["state"] == "finished"


# ---- size


def test_after_a_change_of_size_it_goes_on_in_another_file(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "take", 10.0, {})
    for number, width in enumerate([64, 64, 80, 80, 80, 64]):
        assert recording.add(picture(number, width), number / 5)
        if number == 2:
            assert recording.problem == (
                "take: the pictures became 80x48 after 64x48, so that it goes on in take-part2.mp4; "
                "set videoResolution, and all have one size"
            )
    recording.finish({})
    files = ["take.mp4", "take-part2.mp4", "take-part3.mp4"]
    assert [numbers(tmp_path / name) for name in files] == [[0, 1], [2, 3, 4], [5]]
    second = videos.played(tmp_path / "take-part2.mp4")
    assert [one.time for one in second] == pytest.approx([0.0, 0.2, 0.4], abs=2e-5)
    text = said(tmp_path / "take.json")
    assert (text["files"], text["frames"], text["width"], text["height"]) == (files, 6, 64, 48)
    assert text["seconds"] == pytest.approx(0.3 + 0.5 + 0.1)
    assert names(tmp_path) == sorted([*files, "take.json"])


def test_pictures_that_keep_changing_their_size_end_it(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "take", 10.0, {})
    kept = [recording.add(picture(number, 64 + number % 2 * 16)) for number in range(30)]
    assert kept == [True] * 20 + [False] * 10
    assert recording.problem is not None and "set videoResolution" in recording.problem
    assert (recording.frames, recording.missing) == (20, 10)


# ---- names


def test_what_is_there_already_is_left_alone_whichever_half_it_is(tmp_path: Path) -> None:
    (tmp_path / "take.mp4").write_text("a video of mine")
    (tmp_path / "take-2.json").write_text("notes of mine")
    first, second = made(tmp_path), made(tmp_path)
    assert [path.name for path in first.paths] == ["take-3.mp4", "take-3.json"]
    assert [path.name for path in second.paths] == ["take-4.mp4", "take-4.json"]
    assert (tmp_path / "take.mp4").read_text() == "a video of mine"
    assert (tmp_path / "take-2.json").read_text() == "notes of mine"
    assert len(names(tmp_path)) == 6


def test_a_part_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "take-part2.mp4").write_text("mine")
    recording = Recording(tmp_path, "take", 10.0, {})
    recording.add(picture(0))
    recording.add(picture(1, 80))
    recording.finish({})
    assert said(tmp_path / "take.json")["files"] == ["take.mp4", "take-part3.mp4"]
    assert (tmp_path / "take-part2.mp4").read_text() == "mine"


def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    recording = made(tmp_path / "videos", "../../ALE/Pong-v5\n")
    assert names(tmp_path / "videos") == ["-..-ALE-Pong-v5-.json", "-..-ALE-Pong-v5-.mp4"]
    assert recording.problem is None


def test_threads_that_record_under_one_name_never_share_a_file(tmp_path: Path) -> None:
    def record(shift: int) -> list[list[Path]]:
        return [shifted(shift).paths for _ in range(5)]

    def shifted(shift: int) -> Recording:
        recording = Recording(tmp_path, "take", 30.0, {"from": shift})
        for number in range(3):
            recording.add(picture(shift + number))
        recording.finish({})
        return recording

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(record, (0, 10, 20, 30)))
    for shift, pairs in zip((0, 10, 20, 30), done, strict=True):
        for video, note in pairs:
            assert numbers(video) == [shift, shift + 1, shift + 2]
            assert (said(note)["about"], said(note)["files"]) == ({"from": shift}, [video.name])
    assert len({path for pairs in done for pair in pairs for path in pair}) == 40 == len(names(tmp_path))


def test_processes_that_record_under_one_name_never_share_a_file(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [*script(RECORDS), str(tmp_path), str(shift)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for shift in (0, 100)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    for shift, process in zip((0, 100), started, strict=True):
        output, _ = process.communicate()
        for problem, (video, note) in map(json.loads, output.splitlines()):
            assert problem is None
            assert numbers(tmp_path / video) == [shift, shift + 1, shift + 2]
            assert said(tmp_path / note)["about"] == {"from": shift}
    assert len(names(tmp_path)) == 16


# ---- trouble


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/videos"])
def test_a_folder_that_cannot_be_is_a_sentence_and_training_goes_on(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    recording = Recording(tmp_path / where, "take", 30.0, {})
    assert [recording.add(picture(number)) for number in range(3)] == [False] * 3
    recording.finish({})
    assert recording.problem is not None
    assert str(tmp_path / where) in recording.problem
    assert recording.problem.endswith(
        "; choose a folder that exists and can be written, or set videoRecordFolder to another one"
    )
    assert (recording.missing, recording.paths) == (3, [])
    assert names(tmp_path) == ["file"]


def test_on_a_full_disk_it_says_so_and_what_was_written_plays(tmp_path: Path) -> None:
    done = subprocess.run([*script(FULL), str(tmp_path)], capture_output=True, text=True, check=True)
    taken, frames, missing, problem = json.loads(done.stdout)
    assert done.stderr == ""
    assert 5 < frames < taken < 40
    assert frames + missing == 40
    assert problem == (
        f"{tmp_path / 'take.mp4'} cannot be written (File too large); make room on its disk, "
        "or set videoRecordFolder to another one"
    )
    assert numbers(tmp_path / "take.mp4") == list(range(frames))
    text = said(tmp_path / "take.json")
    assert (text["state"], text["frames"], text["missing"]) == ("finished", frames, missing)
    assert (text["problem"], text["outcome"]) == (problem, {"return": 1.0})
    assert names(tmp_path) == ["take.json", "take.mp4"]


def test_a_json_that_cannot_be_written_is_a_sentence_and_the_video_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(tmp_path, "take", 30.0, {})
    recording.add(picture(0))
    before = (tmp_path / "take.json").read_text()

    def full(path: Path, *args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    recording.finish({})
    assert recording.problem is not None and "take.json cannot be written (No space left" in recording.problem
    assert "videoRecordFolder" in recording.problem
    assert (tmp_path / "take.json").read_text() == before
    assert numbers(tmp_path / "take.mp4") == [0]


def test_a_folder_that_is_removed_meanwhile_is_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    recording = Recording(folder, "take", 1.0, {})
    for number in range(2):
        recording.add(picture(number))
    for path in recording.paths:
        path.unlink()
    folder.rmdir()
    kept = [recording.add(picture(number)) for number in range(2, 6)]
    assert kept[2:] == [False, False]
    recording.finish({})
    assert recording.problem is not None and "is not any more" in recording.problem
    assert recording.missing >= 3


def test_what_is_no_picture_ends_it_with_a_sentence_and_keeps_what_was_before(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "take", 30.0, {})
    recording.add(picture(0))
    odd: Any = videos.numbered(1).astype(float)
    assert not recording.add(Frame(odd, 2, 0.0))
    assert not recording.add(picture(2))
    assert recording.problem is not None and "cannot be H.264" in recording.problem
    assert "videoRecordFolder" not in recording.problem
    assert (numbers(tmp_path / "take.mp4"), recording.missing) == ([0], 2)


@pytest.mark.parametrize("fps", [0.0, float("nan")])
def test_a_rate_that_cannot_be_is_a_sentence_and_leaves_no_file(tmp_path: Path, fps: float) -> None:
    recording = Recording(tmp_path, "take", fps, {})
    assert not recording.add(picture(0))
    assert recording.problem is not None and "no video" in recording.problem
    assert names(tmp_path) == []


def test_without_pyav_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = 'H.264 needs PyAV with x264: pip install "gymnasium-envstream[record]" (no)'
    monkeypatch.setattr("envstream.video.missing", lambda: lacking)
    recording = Recording(tmp_path, "take", 30.0, {})
    assert not recording.add(picture(0))
    assert (recording.problem, names(tmp_path)) == (lacking, [])


def test_pictures_that_were_lost_on_the_way_are_counted_with_the_others(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "take", 30.0, {})
    recording.add(picture(0))
    recording.missing += 3
    recording.finish({})
    assert said(tmp_path / "take.json")["missing"] == 3


def test_a_video_that_could_not_be_finished_counts_what_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = VideoFile._write

    def fails_at_the_end(file: VideoFile, since: int, look: bool) -> None:
        if file._output is None:
            monkeypatch.setattr(file._file, "flush", full)
        write(file, since, look)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(VideoFile, "_write", fails_at_the_end)
    recording = made(tmp_path, count=4)
    assert numbers(tmp_path / "take.mp4") == [0, 1, 2]
    assert (recording.frames, said(tmp_path / "take.json")["missing"]) == (3, 1)


# ---- shelf


@pytest.fixture
def one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each recording begins later than the one before."""
    count = itertools.count()
    monkeypatch.setattr("envstream.recording._now", lambda: f"2025-01-01T00:00:00.{next(count):06}+00:00")


Record = Callable[..., Recording]


@pytest.fixture
def record(tmp_path: Path, one_after_the_other: None) -> Record:
    def of_run(name: str, run: str = "mine", **more: Any) -> Recording:
        return made(tmp_path, name, 2, about={"run": run}, **more)

    return of_run


def kept(folder: Path) -> list[str]:
    return [name.removesuffix(".mp4") for name in names(folder) if name.endswith(".mp4")]


def test_the_last_ones_are_kept_and_the_oldest_removed_with_all_their_files(
    tmp_path: Path, record: Record
) -> None:
    shelf = Shelf(tmp_path, 2, "mine")
    parts = Recording(tmp_path, "d", 30.0, {"run": "mine"})
    parts.add(picture(0))
    parts.add(picture(1, 80))
    parts.finish({})
    assert shelf.done(parts) is None
    assert kept(tmp_path) == ["d-part2", "d"]
    for name in "cba":
        assert shelf.done(record(name)) is None
    assert names(tmp_path) == ["a.json", "a.mp4", "b.json", "b.mp4"]


def test_all_are_kept_when_no_number_is_given(tmp_path: Path, record: Record) -> None:
    shelf = Shelf(tmp_path, None, "mine")
    assert [shelf.done(record(name)) for name in "abcd"] == [None] * 4
    assert kept(tmp_path) == list("abcd")


def test_after_a_restart_those_of_the_same_run_are_found_again(tmp_path: Path, record: Record) -> None:
    before = Shelf(tmp_path, 3, "mine")
    for name in "abc":
        before.done(record(name))
    after = Shelf(tmp_path, 3, "mine")
    assert after.done(record("d")) is None
    assert kept(tmp_path) == list("bcd")
    assert Shelf(tmp_path, 1, "mine").done(record("e")) is None
    assert kept(tmp_path) == ["e"]


def test_what_others_put_there_is_never_removed(tmp_path: Path, record: Record) -> None:
    record("theirs", run="other")
    unfinished = Recording(tmp_path, "under way", 30.0, {"run": "mine"})
    for number in range(2):
        unfinished.add(picture(number))
    odd = {
        "broken.json": "{",
        "list.json": "[1]",
        "empty.json": "",
        "deep.json": "[" * 100_000,
        "text.json": '"state"',
        "holiday.mp4": "mine",
        "large.json": json.dumps({"state": "finished", "about": {"run": "mine"}, "x": "x" * 2**20}),
    }
    for name, text in odd.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "folder.json").mkdir()
    before = names(tmp_path)
    shelf = Shelf(tmp_path, 1, "mine")
    assert shelf.done(record("a")) is None
    assert shelf.done(record("b")) is None
    unfinished.finish({})
    assert names(tmp_path) == sorted([*before, "b.json", "b.mp4"])
    assert all((tmp_path / name).read_text() == text for name, text in odd.items())


def test_a_json_cannot_have_files_removed_that_are_not_its_own(tmp_path: Path, record: Record) -> None:
    outside = tmp_path.parent / "outside.mp4"
    for path in (outside, tmp_path / "other.mp4", tmp_path / "a-part2.mp4.txt"):
        path.write_text("mine")
    files = ["../outside.mp4", "other.mp4", "a-part2.mp4.txt", str(outside), 7, None, "a.mp4"]
    forged = {"state": "finished", "about": {"run": "mine"}, "started": "2000", "files": files}
    (tmp_path / "a.json").write_text(json.dumps(forged))
    (tmp_path / "a.mp4").write_text("a video of that run")
    assert Shelf(tmp_path, 1, "mine").done(record("b")) is None
    assert names(tmp_path) == ["a-part2.mp4.txt", "b.json", "b.mp4", "other.mp4"]
    assert outside.read_text() == "mine"


def test_what_somebody_removed_already_is_no_trouble(tmp_path: Path, record: Record) -> None:
    shelf = Shelf(tmp_path, 2, "mine")
    for name in "ab":
        shelf.done(record(name))
    (tmp_path / "a.json").unlink()
    (tmp_path / "b.mp4").unlink()
    assert [shelf.done(record(name)) for name in "cd"] == [None] * 2
    assert names(tmp_path) == ["a.mp4", "c.json", "c.mp4", "d.json", "d.mp4"]


def test_what_cannot_be_removed_is_a_sentence_said_once(tmp_path: Path, record: Record) -> None:
    shelf = Shelf(tmp_path, 1, "mine")
    shelf.done(record("a"))
    (tmp_path / "a.mp4").unlink()
    (tmp_path / "a.mp4").mkdir()
    problem = shelf.done(record("b"))
    assert problem is not None and str(tmp_path / "a.mp4") in problem and "by hand" in problem
    assert shelf.done(record("c")) is None
    assert (tmp_path / "a.json").exists(), "it still says what the rest belongs to"


def test_only_so_many_files_are_looked_at_and_it_says_so_once(
    tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shelf, "LOOKED_AT", 3)
    for name in "abcde":
        record(name)
    shelf = Shelf(tmp_path, 1, "mine")
    problem = shelf.done(record("f"))
    assert problem is not None and "more than 3 JSON files" in problem
    assert "f" in kept(tmp_path) and len(kept(tmp_path)) >= 3
    assert shelf.done(record("g")) is None


def test_what_was_never_begun_or_is_discarded_is_not_on_the_shelf(tmp_path: Path, record: Record) -> None:
    shelf = Shelf(tmp_path, 1, "mine")
    shelf.done(record("a"))
    assert shelf.done(Recording(tmp_path, "b", 30.0, {})) is None
    discarded = record("c")
    discarded.discard()
    assert shelf.done(discarded) is None
    assert kept(tmp_path) == ["a"]

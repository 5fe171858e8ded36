"""A job: what was sent is the video, each picture at its own time; what went wrong is said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapes
import videos
from envstream.decoder import frames_of
from envstream.errors import EnvstreamError
from envstream.processing.job import Job
from envstream.sessions.arrival import Arrival
from envstream.sessions.tape import LOG
from envstream.video import VideoEncoder, VideoFile

pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

OURS = """
def darker(frame):
    return replace(frame, pixels=frame.pixels // 2)

def later(frame):
    return frame if frame.number < 4 else replace(frame, pixels=frame.pixels // 2)

def even(frame):
    return frame if frame.number % 2 == 0 else None

def larger(frame):
    return replace(frame, pixels=frame.pixels.repeat(1 + frame.number % 2, 0))

def raises(frame):
    if frame.number == 7:
        raise ValueError("seven")
    return replace(frame, pixels=255 - frame.pixels)

class Ends:
    def __call__(self, frame):
        return frame
    def finish(self, about):
        return {key: about[key] for key in ("session_id", "frames", "signal")}
"""


FULL = """
import json, resource, signal, sys
from pathlib import Path
from envstream.processing.job import Job
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))
job = Job(Path(sys.argv[1]), {"processors": [{"name": "stats"}]})
job.advance(40, 1e9)
print(json.dumps(job.finish({"frames": 40})))
"""


@pytest.fixture(autouse=True)
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of somebody's own, which can be imported."""
    tapes.module(tmp_path, "job_ours", OURS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "job_ours", raising=False)


class Clock:
    """Goes on by a second with each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def processed(
    folder: Path, arrivals: Iterable[Arrival | int], *processors: str, last: int | None = None, **about: Any
) -> dict[str, Any]:
    """The result of a session with these frames."""
    arrivals = list(arrivals)
    tapes.taped(folder, arrivals).close()
    numbers = [each if isinstance(each, int) else each.number for each in arrivals]
    last = max(numbers, default=0) if last is None else last
    job = Job(folder, {"fps": 30.0, "processors": [{"name": name} for name in processors], **about})
    assert job.advance(last, 1e9) == last
    return job.finish({"frames": last})


def said(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "video.json").read_bytes()))


def numbers(path: Path) -> list[int]:
    return [one.number for one in videos.played(path)]


# ---- the video


def test_every_frame_is_in_the_video_in_order_at_its_own_time_and_gaps_stay(tmp_path: Path) -> None:
    times = {1: 10.0, 2: 10.02, 3: 10.5, 4: 10.51, 8: 14.0, 9: 14.3}
    arrivals = [tapes.sent(number, timestamp=at) for number, at in times.items()]
    result = processed(tmp_path / "s", [arrivals[index] for index in (0, 3, 2, 1, 5, 4)])
    shown = videos.played(tmp_path / "s" / "video.mp4")
    assert [one.number for one in shown] == list(times)
    assert [one.time for one in shown] == pytest.approx([at - 10 for at in times.values()], abs=2e-5)
    seconds = pytest.approx(4.3 + 1 / 30, abs=2e-5)
    assert result["video"] == {
        "file": "video.mp4",
        "frames": 6,
        "seconds": seconds,
        "width": 64,
        "height": 48,
    }
    assert result["frames"] == {"read": 6, "decoded": 6, "damaged": 0, "lost": 3}
    assert (result["processed"], result["processors"], result["problem"]) == (None, {}, None)
    assert said(tmp_path / "s")["missing"] == [{"from": 5, "to": 7, "before": 0.51, "after": 4.0}]
    assert said(tmp_path / "s")["starts"] == 10.0


@pytest.mark.parametrize("encoding", ["jpeg", "png", "webp", "raw"])
def test_the_video_shows_what_was_sent(tmp_path: Path, encoding: str) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32], picture[:24, 32:], picture[24:, 32:] = (200, 30, 30), (20, 160, 40), (40, 60, 220)
    processed(tmp_path / "s", [tapes.sent(1, picture, encoding)])
    ((_, shown),) = frames_of(tmp_path / "s" / "video.mp4")
    for y, x in ((10, 10), (10, 50), (40, 50)):
        assert np.abs(shown[y, x].astype(int) - picture[y, x]).max() <= 6


def test_h264_is_taken_from_its_key_pictures_on_and_never_across_a_hole(tmp_path: Path) -> None:
    encoder = VideoEncoder(64, 48, 30.0, 90)
    stream = [encoder.encode(videos.numbered(number), number in (3, 9)) for number in range(1, 13)]
    arrivals = [
        tapes.sent(number, encoding="raw", data=unit, key=number in (3, 9))._replace(encoding="h264")
        for number, unit in enumerate(stream, 1)
    ]
    result = processed(tmp_path / "s", [each for each in arrivals if each.number not in (1, 6)])
    assert numbers(tmp_path / "s" / "video.mp4") == [3, 4, 5, 9, 10, 11, 12]
    assert result["frames"] == {"read": 10, "decoded": 7, "damaged": 3, "lost": 2}
    ranges = [(each["from"], each["to"]) for each in said(tmp_path / "s")["damaged"]]
    assert ranges == [(2, 2), (7, 8)]


def test_the_pixel_that_h264_adds_to_an_odd_side_is_taken_away(tmp_path: Path) -> None:
    unit = VideoEncoder(65, 49, 30.0, 90).encode(videos.numbered(1, 65, 49), True)
    result = processed(tmp_path / "s", [Arrival(1, 0.0, "h264", 65, 49, True, None, {}, unit)])
    assert (result["video"]["width"], result["video"]["height"]) == (65, 49)


def test_a_frame_that_cannot_be_decoded_is_counted_and_marked_and_the_rest_is_there(tmp_path: Path) -> None:
    arrivals = [tapes.sent(number) for number in range(1, 7)]
    arrivals[2] = arrivals[2]._replace(data=arrivals[2].data[:300])
    arrivals[3] = arrivals[3]._replace(data=b"no picture")
    result = processed(tmp_path / "s", arrivals, "stats")
    assert numbers(tmp_path / "s" / "video.mp4") == [1, 2, 5, 6]
    assert result["frames"] == {"read": 6, "decoded": 4, "damaged": 2, "lost": 0}
    (marked,) = said(tmp_path / "s")["damaged"]
    assert (marked["from"], marked["to"], bool(marked["error"])) == (3, 4, True)
    assert result["processors"]["stats"]["frames"] == 4


def test_a_record_that_is_damaged_on_disk_counts_as_lost(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    tapes.taped(folder, [1, 2, 3]).close()
    data = bytearray((folder / LOG).read_bytes())
    data[len(data) // 2] ^= 255
    (folder / LOG).write_bytes(data)
    job = Job(folder, {})
    job.advance(3, 1e9)
    assert job.finish({"frames": 3})["frames"] == {"read": 2, "decoded": 2, "damaged": 0, "lost": 1}
    assert numbers(folder / "video.mp4") == [1, 3]


def test_frames_of_another_size_are_scaled_to_the_first_and_it_is_said(tmp_path: Path) -> None:
    arrivals = [tapes.sent(1), tapes.sent(2, videos.numbered(2, 128, 96)), tapes.sent(3)]
    arrivals[1] = tapes.sent(2, videos.numbered(2).repeat(2, 0).repeat(2, 1))
    result = processed(tmp_path / "s", arrivals)
    shown = videos.played(tmp_path / "s" / "video.mp4")
    assert [(one.number, one.size) for one in shown] == [(number, (64, 48)) for number in (1, 2, 3)]
    assert said(tmp_path / "s")["scaled"] == {"frames": 1, "sizes": ["128x96"]}
    assert (result["video"]["width"], result["problem"]) == (64, None)


def test_without_frames_there_is_no_video_and_no_problem(tmp_path: Path) -> None:
    result = processed(tmp_path / "s", [], "stats", last=0)
    assert (result["video"], result["problem"]) == (None, None)
    result = processed(tmp_path / "t", [], last=5)
    assert (result["video"], result["frames"]["lost"]) == (None, 5)
    assert said(tmp_path / "t")["missing"] == [{"from": 1, "to": 5, "before": None, "after": None}]


def test_it_works_for_about_so_long(tmp_path: Path) -> None:
    tapes.taped(tmp_path / "s", range(1, 21)).close()
    job = Job(tmp_path / "s", {}, clock=Clock())
    assert [job.advance(20, 4.0), job.advance(20, 0.0), job.advance(5, 9.0), job.advance(7, 9.0)] == [
        4,
        5,
        5,
        7,
    ]
    assert (job.left(7), job.left(8)) == (False, True)
    job.leave()
    assert numbers(tmp_path / "s" / "video.mp4") == [1, 2, 3, 4, 5, 6, 7]


def test_the_video_grows_while_frames_arrive_and_plays_meanwhile(tmp_path: Path) -> None:
    store = tapes.taped(tmp_path / "s", [1])
    job = Job(tmp_path / "s", {})
    for number in range(2, 7):
        store.write(tapes.sent(number))
        job.advance(number, 1e9)
        copy = tmp_path / "copy.mp4"
        copy.write_bytes((tmp_path / "s" / "video.mp4").read_bytes())
        assert numbers(copy) == list(range(1, number))
    store.close()
    assert said(tmp_path / "s")["state"] == "growing"
    job.finish({"frames": 6})
    assert said(tmp_path / "s")["state"] == "finished"
    assert numbers(tmp_path / "s" / "video.mp4") == [1, 2, 3, 4, 5, 6]


def test_it_begins_again_where_an_earlier_life_left_something(tmp_path: Path) -> None:
    tapes.taped(tmp_path / "s", range(1, 6)).close()
    before = Job(tmp_path / "s", {"processors": [{"name": "job_ours.darker"}]})
    before.advance(4, 1e9)
    before.leave()
    (tmp_path / "s" / ".video.mp4.new").write_bytes(b"half")
    assert {"video.mp4", "processed.mp4", "video.json"} <= {path.name for path in (tmp_path / "s").iterdir()}
    job = Job(tmp_path / "s", {})
    job.advance(5, 1e9)
    job.finish({"frames": 5})
    assert numbers(tmp_path / "s" / "video.mp4") == [1, 2, 3, 4, 5]
    left = {path.name for path in (tmp_path / "s").iterdir()}
    assert left == {"frames.log", "frames.idx", "video.mp4", "video.json"}


def test_what_is_dropped_leaves_nothing(tmp_path: Path) -> None:
    tapes.taped(tmp_path / "s", range(1, 6)).close()
    job = Job(tmp_path / "s", {"processors": [{"name": "overlay"}]})
    job.advance(4, 1e9)
    job.drop()
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"frames.log", "frames.idx"}


# ---- processors


def test_changed_pictures_are_a_video_of_their_own(tmp_path: Path) -> None:
    result = processed(tmp_path / "s", range(1, 6), "job_ours.darker", "stats")
    assert result["processed"] == {**result["video"], "file": "processed.mp4", "starts": 0.0}
    plain, darker = (list(frames_of(tmp_path / "s" / name)) for name in ("video.mp4", "processed.mp4"))
    assert [at for at, _ in plain] == pytest.approx([at for at, _ in darker])
    assert plain[2][1].mean() == pytest.approx(2 * darker[2][1].mean(), rel=0.05)


def test_a_picture_that_is_changed_late_brings_all_before_it_along(tmp_path: Path) -> None:
    result = processed(tmp_path / "s", range(1, 6), "job_ours.later")
    assert result["processed"]["frames"] == 5


@pytest.mark.parametrize("processor", ["stats", "job_ours.Ends"])
def test_where_nothing_is_changed_there_is_one_video(tmp_path: Path, processor: str) -> None:
    about = {"session_id": "s", "signal": None}
    result = processed(tmp_path / "s", range(1, 4), processor, **about)
    assert result["processed"] is None
    assert not (tmp_path / "s" / "processed.mp4").exists()


def test_pictures_that_are_left_out_are_in_the_first_video_only(tmp_path: Path) -> None:
    result = processed(tmp_path / "s", range(1, 8), "job_ours.even")
    assert numbers(tmp_path / "s" / "video.mp4") == [1, 2, 3, 4, 5, 6, 7]
    assert numbers(tmp_path / "s" / "processed.mp4") == [2, 4, 6]
    assert result["processed"]["starts"] == pytest.approx(1 / 30)


def test_a_processor_may_change_the_size(tmp_path: Path) -> None:
    result = processed(tmp_path / "s", range(1, 5), "job_ours.larger")
    assert (result["processed"]["width"], result["processed"]["height"]) == (64, 96)
    assert (result["processed"]["frames"], result["problem"]) == (4, None)


def test_a_processor_that_raises_is_named_and_the_video_goes_on(tmp_path: Path) -> None:
    result = processed(tmp_path / "s", range(1, 11), "stats", "job_ours.raises")
    problem = result["problem"]
    assert (problem["processor"], problem["frame"]) == ("job_ours.raises", 7)
    assert problem["error"].startswith("ValueError: seven (job_ours.py, line ")
    assert numbers(tmp_path / "s" / "video.mp4") == list(range(1, 11))
    assert (result["processed"]["frames"], result["processors"]["stats"]["frames"]) == (6, 7)
    assert said(tmp_path / "s")["problem"] == problem


def test_a_processor_that_cannot_be_made_is_named_and_the_video_is_there(tmp_path: Path) -> None:
    result = processed(tmp_path / "s", range(1, 4), "job_ours.gone")
    assert (result["problem"]["processor"], result["problem"]["frame"]) == ("job_ours.gone", 0)
    assert (result["video"]["frames"], result["processors"]) == (3, {})


def test_after_a_problem_of_an_earlier_life_there_are_no_processors(tmp_path: Path) -> None:
    problem = {"processor": "job_ours.darker", "frame": 3, "error": "it died"}
    result = processed(tmp_path / "s", range(1, 4), "job_ours.darker", problem=problem)
    assert (result["problem"], result["processed"], result["processors"]) == (problem, None, {})
    assert result["video"]["frames"] == 3


def test_processors_hear_of_the_session_and_of_its_end(tmp_path: Path) -> None:
    tapes.taped(tmp_path / "s", [1]).close()
    job = Job(tmp_path / "s", {"session_id": "x", "processors": [{"name": "job_ours.Ends"}]})
    job.advance(1, 1e9)
    result = job.finish({"frames": 1, "signal": "/a/signal.csv"})
    assert result["processors"]["job_ours.Ends"] == {
        "session_id": "x",
        "frames": 1,
        "signal": "/a/signal.csv",
    }


# ---- a video as the source


def test_a_video_file_is_gone_through_like_a_session(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 1.0]
    file = VideoFile(tmp_path / "given.mp4", 64, 48, 30.0, 95)
    for number, at in enumerate(times, 1):
        file.add(videos.numbered(number), at)
    file.close()
    (tmp_path / "s").mkdir()
    about = {"video": str(tmp_path / "given.mp4"), "processors": [{"name": "stats"}]}
    job = Job(tmp_path / "s", about)
    assert (job.total, job.left(0)) == (4, True)
    assert (job.advance(0, 1e9), job.left(0)) == (4, False)
    result = job.finish({})
    shown = videos.played(tmp_path / "s" / "video.mp4")
    assert [one.number for one in shown] == [1, 2, 3, 4]
    assert [one.time for one in shown] == pytest.approx(times, abs=2e-5)
    assert (result["processors"]["stats"]["frames"], result["frames"]["read"]) == (4, 4)


def test_a_video_file_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "given.mp4").write_bytes(b"no video")
    with pytest.raises(EnvstreamError, match=r"given\.mp4 is no video that can be read"):
        Job(tmp_path, {"video": "given.mp4"})


def test_the_file_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"dear")
    with pytest.raises(EnvstreamError, match=r"video\.mp4 would be written over"):
        Job(tmp_path, {"video": "video.mp4"})
    assert (tmp_path / "video.mp4").read_bytes() == b"dear"


# ---- disks


def test_on_a_full_disk_the_video_plays_as_far_as_it_came_and_processors_go_on(tmp_path: Path) -> None:
    tapes.taped(tmp_path / "s", range(1, 41)).close()
    command = [sys.executable, "-c", FULL, str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    frames = result["video"]["frames"]
    assert 0 < frames < 40
    assert numbers(tmp_path / "s" / "video.mp4") == list(range(1, frames + 1))
    assert result["processors"]["stats"]["frames"] == 40
    assert (result["problem"]["processor"], result["problem"]["frame"]) == (None, frames + 2)
    assert "video.mp4 cannot be written (File too large); make room" in result["problem"]["error"]


def test_a_video_that_cannot_be_made_is_a_problem_and_processors_still_find_things(tmp_path: Path) -> None:
    wide = np.zeros((2, 20000, 3), np.uint8)
    result = processed(tmp_path / "s", [tapes.sent(1, wide, "raw")], "stats")
    assert (result["video"], result["processors"]["stats"]["frames"]) == (None, 1)
    assert result["problem"]["processor"] is None
    assert "a picture of 20000x2 cannot be H.264" in result["problem"]["error"]


def test_a_hundred_million_lost_numbers_are_passed_over_at_once(tmp_path: Path) -> None:
    last = 100_000_000
    tapes.taped(tmp_path / "session", [1, tapes.sent(2)._replace(number=last)]).close()
    job = Job(tmp_path / "session", {})
    assert job.advance(last, 20.0) == last
    result = job.finish({"frames": last})
    assert result["frames"] == {"read": 2, "decoded": 2, "damaged": 0, "lost": last - 2}
    missing = json.loads((tmp_path / "session" / "video.json").read_text())["missing"]
    assert [(each["from"], each["to"]) for each in missing] == [(2, last - 1)]

"""The command: every picture of the footage arrives as it was, and each way it can end has its status."""

from __future__ import annotations

import argparse
import io
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import videos
from envstream import codec
from envstream.errors import EnvstreamError
from envstream.push import command
from envstream.push import link as websocket
from envstream.push import order as push
from envstream.push.footage import VideoFootage
from envstream.push.meter import Meter
from envstream.video import VideoFile
from receiving import Receiver
from serving import HEEDS

av = pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

TIMES = [0.0, 0.05, 0.1, 0.3, 0.35, 0.9, 1.0, 1.05, 1.1, 2.6]  # A variable rate.


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(websocket, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(websocket, "LONGEST_DELAY", 0.1)
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures at a variable rate."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    file = VideoFile(path, 64, 48, 20)
    for number, at in enumerate(TIMES):
        file.add(videos.numbered(number), at)
    file.close()
    return path


def pushed(receiver: Receiver, *arguments: str) -> int:
    """What the command gives as its status."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    given = parser.parse_args(["push", receiver.url, *arguments])
    status: int = given.run(given)
    return status


def pictures(receiver: Receiver) -> list[np.ndarray[Any, Any]]:
    """What the server got, decoded, by number."""
    frames = receiver.only.frames
    return [codec.decode(frames[number][1]) for number in sorted(frames)]


def shots(film: Path) -> list[Any]:
    return list(VideoFootage(film).shots())


def test_a_video_arrives_pixel_for_pixel_at_its_own_times(receiver: Receiver, film: Path) -> None:
    assert pushed(receiver, "--video", str(film), "--encoding", "png") == 0
    sent, came = shots(film), receiver.only.frames
    assert sorted(came) == list(range(1, 11))
    for shot, picture in zip(sent, pictures(receiver), strict=True):
        np.testing.assert_array_equal(shot.pixels, picture)
    assert [came[n][0]["timestamp"] for n in sorted(came)] == pytest.approx(TIMES, abs=1e-4)
    start = receiver.only.start
    assert (start["width"], start["height"], start["expected_frames"]) == (64, 48, 10)
    assert start["name"] == "film.mp4" and start["encoding"] == "png"
    assert len(start["session_id"]) == 16 and 16 <= len(start["resume_token"]) <= 128


@pytest.mark.parametrize("encoding", ["raw", "h264", "jpeg", "auto"])
def test_every_encoding_shows_the_same_pictures(receiver: Receiver, film: Path, encoding: str) -> None:
    assert pushed(receiver, "--video", str(film), "--encoding", encoding, "--jpeg-quality", "90") == 0
    frames = receiver.only.frames
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.flags |= 0x80000  # Nothing is held back.
    for number, shot in enumerate(shots(film), 1):
        data = frames[number][1]
        if encoding == "raw":
            seen = np.frombuffer(data, np.uint8).reshape(48, 64, 3)
        elif encoding == "h264":
            (frame,) = decoder.decode(av.Packet(data))
            seen = frame.to_ndarray(format="rgb24")
        else:
            seen = codec.decode(data)
        assert np.abs(seen.astype(int) - shot.pixels).mean() < (1 if encoding == "raw" else 12)
    assert frames[1][0]["key"] is True
    assert all(
        frames[number][0].get("encoding") == ("jpeg" if encoding == "auto" else None) for number in frames
    )


def test_connections_that_break_lose_no_picture(receiver: Receiver, film: Path) -> None:
    count = itertools.count()
    receiver.cut = lambda message: next(count) % 9 == 8
    assert pushed(receiver, "--video", str(film), "--encoding", "png") == 0
    assert receiver.connections > 1
    for shot, picture in zip(shots(film), pictures(receiver), strict=True):
        np.testing.assert_array_equal(shot.pixels, picture)


def test_the_signal_goes_along(receiver: Receiver, film: Path, tmp_path: Path) -> None:
    signal = tmp_path / "eeg.csv"
    signal.write_bytes(b"0.1,0.2\n")
    assert pushed(receiver, "--video", str(film), "--signal", str(signal)) == 0
    assert receiver.only.signal is not None
    said, data = receiver.only.signal
    assert (said["name"], data, receiver.only.start["signal_expected"]) == ("eeg.csv", b"0.1,0.2\n", True)


def test_the_result_and_the_video_are_written(receiver: Receiver, film: Path, tmp_path: Path) -> None:
    receiver.files["/sessions/mine/video.mp4"] = b"a video"
    output, video = tmp_path / "result.json", tmp_path / "back.mp4"
    arguments = ["--session-id", "mine", "--output", str(output), "--save-video", str(video)]
    assert pushed(receiver, "--video", str(film), "--processors", "stats,overlay", *arguments) == 0
    assert json.loads(output.read_text())["frames"]["read"] == 10 and video.read_bytes() == b"a video"
    assert receiver.only.start["processors"] == ["stats", "overlay"]


def test_where_the_result_is_stands_in_one_line(
    receiver: Receiver, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pushed(receiver, "--video", str(film), "--session-id", "mine") == 0
    out, err = capsys.readouterr()
    assert out == (
        "10 pictures sent as session mine; the result: "
        f"http://127.0.0.1:{receiver.port}/sessions/mine/result.json\n"
    )
    assert "sent" in err or err == ""


def test_a_video_that_cannot_be_fetched_is_a_flaw(
    receiver: Receiver, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pushed(receiver, "--video", str(film), "--save-video", str(tmp_path / "back.mp4")) == 1
    assert "the video was not saved" in capsys.readouterr().err and not any(tmp_path.iterdir())


def test_a_picture_that_the_server_never_takes_is_given_up_and_said(
    receiver: Receiver, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.refuse = lambda number: "not_an_image" if number == 4 else None
    assert pushed(receiver, "--video", str(film), "--encoding", "png") == 1
    assert "1 pictures are missing" in capsys.readouterr().err
    assert receiver.only.lost == {4} and receiver.only.order.count(4) == 4


def test_processing_that_failed_is_a_flaw(
    receiver: Receiver, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.result = {"problem": {"processor": "mine", "frame": 3, "error": "no such thing"}}
    assert pushed(receiver, "--video", str(film)) == 1
    assert "the processing failed: no such thing (mine)" in capsys.readouterr().err


def test_a_server_that_refuses_is_said_so(
    receiver: Receiver, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.fatal = "too_many_sessions"
    assert pushed(receiver, "--video", str(film)) == 4
    assert "it is not to be (too_many_sessions)" in capsys.readouterr().err


def test_pictures_that_are_too_large_are_refused_before_they_are_sent(
    receiver: Receiver, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.max_message = 5000
    assert pushed(receiver, "--video", str(film), "--encoding", "raw") == 4
    assert "picture 1 has 9216 bytes" in capsys.readouterr().err and not receiver.only.frames


def test_no_server_is_no_connection(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Receiver() as gone:
        pass
    assert pushed(gone, "--video", str(film), "--retry-for", "0.2") == 3
    assert "no connection to ws://127.0.0.1:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--video", "/nowhere.mp4"], "expected a video file"),
        (["--video", __file__], "expected a video file"),
        (["--camera", "/nowhere/video9"], "camera '/nowhere/video9' cannot be opened"),
        (["--screen-of-env", "NoSuchEnv-v0"], "env 'NoSuchEnv-v0' cannot be made"),
        (["--camera", "lavfi:nothing"], "cannot be opened"),
        (["--camera", "0", "--output", "/nowhere/result.json"], "name a file in a folder that exists"),
        (["--camera", "0", "--signal", "/nowhere.csv"], "expected a signal's file"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence(receiver: Receiver, arguments: list[str], said: str) -> None:
    with pytest.raises(EnvstreamError, match="(?s)" + said):
        pushed(receiver, *arguments)
    assert receiver.connections == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "one of the arguments --video --camera --screen-of-env is required"),
        (["--video", "a", "--camera", "0"], "not allowed with argument"),
        (["--video", "a", "--fps", "0"], "expected a number from 0.01 to 1000, got '0'"),
        (["--video", "a", "--jpeg-quality", "101"], "expected a whole number from 1 to 100"),
        (["--video", "a", "--session-id", "a/b"], "expected 1 to 64 of A-Z"),
        (["--video", "a", "--processors", "a,,b"], "expected up to 16 names"),
        (["--video", "a", "--encoding", "gif"], "invalid choice"),
        (["--video", "a", "--name", " "], "expected a name"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(
    receiver: Receiver, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        pushed(receiver, *arguments)
    assert end.value.code == 2 and said in capsys.readouterr().err


def test_a_camera_is_sent_for_as_long_as_was_said(receiver: Receiver) -> None:
    arguments = ["--camera", "lavfi:testsrc=size=64x48:rate=30", "--duration", "0.7", "--fps", "10"]
    assert pushed(receiver, *arguments) == 0
    times = [receiver.only.frames[number][0]["timestamp"] for number in sorted(receiver.only.frames)]
    assert 4 <= len(times) <= 8 and times[0] == 0 and times[-1] < 0.7
    assert receiver.only.start["fps"] == 10 and "expected_frames" not in receiver.only.start


def test_an_env_is_played_and_says_how_it_goes(receiver: Receiver) -> None:
    assert pushed(receiver, "--screen-of-env", "CartPole-v1", "--duration", "0.5") == 0
    said = receiver.only.frames[1][0]
    assert said["info"] == {"episode": 1, "step": 0, "return": 0.0, "totalSteps": 0}
    assert receiver.only.start["name"] == "CartPole-v1" and len(receiver.only.frames) > 5


def test_a_file_with_a_rate_is_sent_at_that_rate_and_whole(receiver: Receiver, film: Path) -> None:
    began = time.monotonic()
    assert pushed(receiver, "--video", str(film), "--fps", "20") == 0
    assert time.monotonic() - began >= 9 / 20 and len(receiver.only.frames) == 10


def test_a_camera_goes_on_while_the_server_is_away(receiver: Receiver) -> None:
    away = itertools.chain([False] * 10, [True] * 3, itertools.repeat(False))
    receiver.cut = lambda message: next(away)
    assert pushed(receiver, "--camera", "lavfi:testsrc=size=64x48:rate=60", "--duration", "1") == 0
    assert receiver.connections > 1 and not receiver.only.lost
    assert sorted(receiver.only.frames) == list(range(1, len(receiver.only.frames) + 1))


def test_over_a_slow_link_pictures_become_smaller_by_themselves(receiver: Receiver) -> None:
    receiver.speed = 60_000
    camera = ["--camera", "lavfi:mandelbrot=size=160x120:rate=30", "--duration", "4"]
    assert pushed(receiver, *camera) == 0
    said = [receiver.only.frames[number][0] for number in sorted(receiver.only.frames)]
    assert said[0]["encoding"] == "jpeg" and not receiver.only.lost
    assert next(each for each in said if each["encoding"] == "h264")["key"]


def interrupted(
    receiver: Receiver, times: int, ready: Callable[[], bool]
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, to which Ctrl-C comes."""
    code = (
        "import argparse, sys; from envstream.push import command; p = argparse.ArgumentParser();"
        "command.add_parser(p.add_subparsers()); g = p.parse_args(sys.argv[1:]); sys.exit(g.run(g))"
    )
    camera = ["--camera", "lavfi:testsrc=size=64x48:rate=30"]
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDS + code, "push", receiver.url, *camera],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 30
    while not ready() and time.monotonic() < until:
        time.sleep(0.02)
    for _ in range(times):
        process.send_signal(2)
        time.sleep(0.3)
    out, err = process.communicate(timeout=20)
    return subprocess.CompletedProcess([], process.returncode, out, err)


def frames_came(receiver: Receiver) -> bool:
    return any(len(session.frames) > 5 for session in receiver.sessions.values())


def test_ctrl_c_ends_the_session_first(receiver: Receiver) -> None:
    done = interrupted(receiver, 1, lambda: frames_came(receiver))
    assert done.returncode == 130 and "Traceback" not in done.stderr
    assert receiver.only.state == "complete" and receiver.only.declared == len(receiver.only.frames)


def test_a_second_ctrl_c_leaves_at_once(receiver: Receiver) -> None:
    # Nothing after the first pictures is acknowledged, so that the session cannot end.
    receiver.refuse = lambda number: None
    receiver.cut = lambda message: frames_came(receiver)
    began = time.monotonic()
    done = interrupted(receiver, 2, lambda: frames_came(receiver))
    assert done.returncode == 130 and "Traceback" not in done.stderr
    assert receiver.only.state != "complete" and time.monotonic() - began < 15


def test_what_fails_on_the_way_is_said_and_what_came_is_kept(
    receiver: Receiver, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = VideoFootage.shots

    def broken(self: VideoFootage) -> Iterator[Any]:
        yield from itertools.islice(whole(self), 4)
        raise RuntimeError("the disk fell out")

    monkeypatch.setattr(VideoFootage, "shots", broken)
    with pytest.raises(EnvstreamError, match="the disk fell out"):
        pushed(receiver, "--video", str(film))
    assert receiver.only.state == "complete" and len(receiver.only.frames) == 4


def test_verbose_says_what_goes_wrong(receiver: Receiver, film: Path) -> None:
    receiver.refuse = lambda number: "not_an_image" if number == 2 else None
    out = io.StringIO()
    order = push.Order(push.Address.read(receiver.url), video=film, encoding="png", fps=20, verbose=True)
    assert push.run(order, Meter(out)) == 1
    assert "not_an_image: frame 2 is no good" in out.getvalue()


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import argparse, sys; from envstream.push import command; p = argparse.ArgumentParser();"
        "command.add_parser(p.add_subparsers()); p.format_help(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "av", "websockets", "gymnasium"} & set(done.stdout.split())

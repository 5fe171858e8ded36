"""The arguments of `envstream push`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENCODINGS = ("jpeg", "png", "raw", "h264", "auto")
_SECRET = re.compile(r"[!-~]{16,128}")
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")


def add_parser(commands: Any) -> None:
    """Adds the command to those of a parser; `run` of what is parsed gives its exit status."""
    push = commands.add_parser("push", help="send frames of a video, a camera or an env to a server")
    push.add_argument("url", metavar="URL", help="the server: http://host:8080, wss://host/stream, …")
    what = push.add_mutually_exclusive_group(required=True)
    what.add_argument("--video", metavar="FILE", type=Path, help="a video file")
    what.add_argument(
        "--camera",
        metavar="N",
        help="a camera: its number, its device, or lavfi:testsrc=size=640x480:rate=30",
    )
    what.add_argument("--screen-of-env", metavar="ID", help="a Gymnasium env, played with random actions")
    push.add_argument("--signal", metavar="FILE", type=Path, help="a file that belongs to the session")
    _how(push)
    _results(push)
    push.set_defaults(run=_run)


def _how(push: argparse.ArgumentParser) -> None:
    push.add_argument("--encoding", choices=ENCODINGS, default="auto", help="default: what the link carries")
    push.add_argument(
        "--jpeg-quality", type=_whole(1, 100), default=85, metavar="1-100", help="of H.264, too; default 85"
    )
    push.add_argument(
        "--fps",
        type=_number(0.01, 1000),
        metavar="N",
        help="pictures a second: a file is sent so fast, all of it; of a camera or an env, no more are taken",
    )
    push.add_argument("--duration", type=_number(0.001, 1e9), metavar="S", help="seconds of it; default all")
    push.add_argument("--session-id", type=_session, metavar="ID", help="default: one that nobody else has")
    push.add_argument(
        "--resume-token",
        type=_secret,
        metavar="TEXT",
        help="with --session-id: who starts again with the same two goes on where it was killed",
    )
    push.add_argument("--name", type=_name, help="what the page calls it")
    push.add_argument("--processors", type=_names, default=(), metavar="A,B", help="what it goes through")


def _results(push: argparse.ArgumentParser) -> None:
    push.add_argument("--output", metavar="FILE", type=Path, help="where to write the result, as JSON")
    push.add_argument("--save-video", metavar="FILE", type=Path, help="where to write the video, as MP4")
    push.add_argument("--token", help="the server's, unless it is in the URL")
    push.add_argument(
        "--retry-for",
        type=_number(0, 1e9),
        default=60.0,
        metavar="S",
        help="seconds without a connection until it is given up; default 60",
    )
    push.add_argument(
        "--log", choices=("text", "json"), default="text", help="what it says on stderr; default text"
    )
    push.add_argument("--verbose", action="store_true", help="say what goes wrong and what changes")


def _run(given: argparse.Namespace) -> int:
    """The exit status; of what can be interrupted at any moment, not only while pictures are sent."""
    try:
        return _push(given)
    except KeyboardInterrupt:
        return 130


def _push(given: argparse.Namespace) -> int:
    from envstream import logs
    from envstream.push.address import Address
    from envstream.push.order import Order, run

    logs.begin(given.log, secrets=[given.token, given.resume_token])

    return run(
        Order(
            address=Address.read(given.url, given.token),
            video=given.video,
            camera=given.camera,
            env=given.screen_of_env,
            signal=given.signal,
            encoding=given.encoding,
            quality=given.jpeg_quality,
            fps=given.fps,
            duration=given.duration,
            session_id=given.session_id,
            resume_token=given.resume_token,
            name=given.name,
            processors=given.processors,
            output=given.output,
            save_video=given.save_video,
            retry_for=given.retry_for,
            verbose=given.verbose,
        )
    )


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"expected a number from {low:g} to {high:g}, got {text!r}")
        return number

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return read


def _session(text: str) -> str:
    if not _SESSION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected 1 to 64 of A-Z, a-z, 0-9, _ and -, got {text!r}")
    return text


def _secret(text: str) -> str:
    if not _SECRET.fullmatch(text):
        raise argparse.ArgumentTypeError("expected 16 to 128 printable ASCII characters without spaces")
    return text


def _name(text: str) -> str:
    if not 1 <= len(text.strip()) <= 100:
        raise argparse.ArgumentTypeError("expected a name of 1 to 100 characters")
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(names) > 16:
        raise argparse.ArgumentTypeError(f"expected up to 16 names with commas between, got {text!r}")
    return names

"""The command `envstream`: what can be done without writing a program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from envstream._version import __version__
from envstream.errors import EnvstreamError
from envstream.push import command

SERVE = (
    "Show, keep and process what publishers send: videos, cameras, envs on other machines. Configured by the "
    "same keys as training, in Hydra's words: envstream serve env.videoStreamPort=8081"
)


def parser() -> argparse.ArgumentParser:
    """What the command understands. Each subcommand sets `run`: arguments in, an exit status out."""
    top = argparse.ArgumentParser(
        prog="envstream", description="Watch reinforcement learning train, live in any browser."
    )
    top.add_argument("--version", action="version", version=f"envstream {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve", help="show, keep and process what publishers send", description=SERVE
    )
    serve.add_argument("--config", metavar="FILE", help="a YAML file with settings, as under cfg/env")
    serve.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="such as env.videoStreamPort=8081")
    serve.set_defaults(run=_serve)
    command.add_parser(commands)
    demo = commands.add_parser("demo", help="show something that moves, and what streaming it costs")
    what = demo.add_subparsers(metavar="WHAT", required=True)
    pyboy = what.add_parser("pyboy", help="a Game Boy game at every quality, then the table before/after")
    pyboy.add_argument("--rom", metavar="PATH", help="a ROM; without it Catch, the game that comes along")
    pyboy.add_argument("--seconds", type=_seconds, default=20.0, metavar="S", help="how long (default 20)")
    pyboy.add_argument("--port", type=int, default=8080, help="port of the page (default 8080; 0 = any free)")
    pyboy.set_defaults(run=_demo_pyboy)
    detect = what.add_parser("detect", help="shapes that move, and a small model that finds them")
    detect.add_argument("--seconds", type=_seconds, default=60.0, metavar="S", help="how long (default 60)")
    detect.add_argument(
        "--port", type=int, default=8080, help="port of the page (default 8080; 0 = any free)"
    )
    detect.set_defaults(run=_demo_detect)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; an exit status. What is wrong with its input is one sentence on stderr."""
    given = parser().parse_args(arguments)
    try:
        status: int = given.run(given)
        return status
    except (EnvstreamError, ImportError) as error:
        sys.stderr.write(f"envstream: {error}\n")
        return 2


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"expected seconds from 0.1 to 86400, got {text!r}")
    return seconds


def _serve(given: Any) -> int:
    from envstream import settings
    from envstream.config import StreamConfig
    from envstream.web.serve import serve

    told = settings.overridden(given.settings, given.config)
    return serve(StreamConfig(**told), told)


def _demo_pyboy(given: Any) -> int:
    from envstream import demo

    return demo.main(given.rom, given.seconds, {"videoStreamPort": given.port})


def _demo_detect(given: Any) -> int:
    from envstream import demo_detect

    return demo_detect.main(given.seconds, {"videoStreamPort": given.port})

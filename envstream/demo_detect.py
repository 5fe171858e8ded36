"""The demo `envstream demo detect`: shapes that move, and a small model that finds them, live."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import Any

from envstream.detection.shapes import Scene
from envstream.errors import EnvstreamError
from envstream.frame import Pixels
from envstream.publishing import publish, stream_url, unpublish

STREAM = "shapes"
WIDTH, HEIGHT = 640, 480
FPS = 30.0


def run(seconds: float, settings: dict[str, Any]) -> int:
    """Show the scene for so long; how many pictures were handed over.

    Raises:
        EnvstreamError: the page cannot be served.
    """
    scene = Scene(WIDTH, HEIGHT, 7, 1)
    config = {"videoStreamDetect": "shapes", **settings}
    began = time.monotonic()
    shown = int(publish(scene.at(0.0)[0], STREAM, config=config))
    if stream_url(STREAM) is None:
        raise EnvstreamError("the page could not be served; what stands above says why")
    while (now := time.monotonic() - began) < seconds:
        # Nobody watching: no picture is made.
        shown += publish(partial(_picture, scene, now), STREAM, step=int(now * FPS))
        time.sleep(max(0.0, 1 / FPS - (time.monotonic() - began - now)))
    return shown


def _picture(scene: Scene, moment: float) -> Pixels:
    return scene.at(moment)[0]


def main(seconds: float, settings: dict[str, Any]) -> int:
    """The command: an exit status."""
    sys.stderr.write("envstream: open the page: what is found in the picture is drawn there, b hides it\n")
    try:
        run(seconds, settings)
    except KeyboardInterrupt:
        sys.stderr.write("\nended\n")
    finally:
        unpublish(STREAM)
    return 0

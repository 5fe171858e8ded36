"""The demo of the detector: a page on which shapes move and are found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from serving import Watcher, until

pytest.importorskip("onnxruntime", reason='pip install "gymnasium-envstream[detect]"')


def test_who_watches_the_demo_is_told_what_is_found_in_it() -> None:
    command = [sys.executable, "-u", "-m", "envstream", "demo", "detect", "--port", "0", "--seconds", "60"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stderr is not None
            lines = iter(demo.stderr.readline, "")
            address = next(line for line in lines if "watch at" in line).split()[-1]
            with Watcher(int(address.split(":")[2].split("/")[0])) as watcher:
                watcher.watch("shapes", boxes=True, quality=60)
                found: Counter[str] = Counter()

                def heard() -> bool:
                    data = watcher.socket.recv(20)
                    message = json.loads(data) if isinstance(data, str) else {"type": "picture"}
                    if message["type"] == "frame_metadata":
                        watcher.ack(message)
                    if message["type"] == "boxes":
                        found.update(box["label"] for box in message["boxes"])
                    return len(found) >= 3

                until(heard, "three kinds of shapes", 30)
        finally:
            demo.terminate()
            demo.wait(20)


def test_a_demo_of_no_length_says_what_is_expected() -> None:
    command = [sys.executable, "-m", "envstream", "demo", "detect", "--seconds", "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "expected seconds from 0.1" in done.stderr

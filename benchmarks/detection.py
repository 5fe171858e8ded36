"""From a camera to a viewer's eyes, with and without a model that looks into the pictures.

A real browser (Chromium) with a fake camera device of 1280 x 720 opens `/camera/bench`; a second page of it
opens `/view/bench`; the server is `envstream serve`. All of it shares the machine. Parts (`--part`):
  camera  No model. The age of each painted picture: from the moment its camera had it until the viewing page
          acknowledges, which it does once it is painted; by the browser's clock, at both ends. Bars: half of
          the pictures at most 50 ms, 95 of 100 at most 100 ms; 30 pictures a second.
  shapes  With the model that comes along, on the CPU: the same, and the age of the boxes when they come.
          Bars: 30 pictures a second, boxes at most 150 ms (half of them).
  slow    With a model that takes 300 ms at its largest size (the same one with ballast). Bars: 30 pictures a
          second; size and rate go down; with the ballast gone they come back (a fresh server: the model of a
          running one does not change; what comes back within one run is told by the tests of adaption).
  many    Ten cameras of 640 x 480 with five viewers each, without a browser: `webcams.py` and `viewers.py`
          beside the server. Bar: each viewer sees 30 pictures a second.

It wants playwright, a Chromium, onnxruntime and onnx.

    python benchmarks/detection.py --json detection.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from common import Bar, Row, Spread, Tool, finish, note, parser, table
from service import Gauge, Service

try:
    from playwright.sync_api import Page, sync_playwright
except ImportError as error:
    raise SystemExit(f"this needs playwright ({error}): {sys.executable} -m pip install playwright") from None

PARTS = ("camera", "shapes", "slow", "many")
CAMERAS, VIEWERS = 10, 5  # Of `many`.
WIDTH, HEIGHT, FPS = 1280, 720, 30
AGE_BARS_MS = {"p50": 50.0, "p95": 100.0}
BOXES_BAR_MS, FPS_BAR, SLOW_MS = 150.0, 28.5, 300.0  # A page counts a little under 30.
FAKE = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    f"--use-fake-device-for-media-stream=fps={FPS}",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]

# What passes through the pages' sockets, with the time by the browser's clock. Nothing of the page changes.
SPY = """
(() => {
  window.seen = { sent: [], came: [], acks: [], boxes: [] };
  const now = () => performance.timeOrigin + performance.now();
  const Plain = window.WebSocket;
  const send = Plain.prototype.send;
  Plain.prototype.send = function (data) {
    if (typeof data === 'string') {
      const said = JSON.parse(data);
      if (said.type === 'frame_metadata') seen.sent.push([said.captured ?? null, said.timestamp, now()]);
      if (said.type === 'ack') seen.acks.push([said.frameNumber, now()]);
    }
    return send.call(this, data);
  };
  window.WebSocket = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', ({ data }) => {
        if (typeof data !== 'string') return;
        const said = JSON.parse(data);
        if (said.type === 'frame_metadata') seen.came.push([said.frameNumber, said.timestamp]);
        if (said.type === 'boxes') seen.boxes.push([said.timestamp, now(), said.size, said.fps]);
      });
    }
  };
})();
"""


def measure(part: str, seconds: float, model: str | None) -> Row:
    """One turn: a server, a camera and a viewer of their own."""
    settings: dict[str, Any] = {} if model is None else {"videoStreamDetect": model}
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder, "sessions"), **settings) as service:
        with sync_playwright() as running:
            browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=FAKE)
            place = f"http://127.0.0.1:{service.port}"
            context = browser.new_context(permissions=["camera"], viewport={"width": 1280, "height": 800})
            context.add_init_script(SPY)
            camera, viewer = context.new_page(), context.new_page()
            camera.goto(f"{place}/camera/bench")
            _choose(camera)
            viewer.goto(f"{place}/view/bench")
            _until_live(viewer)
            time.sleep(3 if seconds < 5 else 6)  # Until rate, quality and model have settled.
            for page in (camera, viewer):
                page.evaluate("for (const key in seen) seen[key].length = 0")
            time.sleep(seconds)
            sent, seen = camera.evaluate("seen"), viewer.evaluate("seen")
            with urllib.request.urlopen(f"{place}/api/camera/bench/stats", timeout=10) as answer:
                stats = json.load(answer)
            browser.close()
    return {"part": part, **figures(sent, seen, seconds), "stats": stats}


def many(seconds: float) -> Row:
    """One turn of ten cameras and their viewers."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()), "sessions")
        service = stack.enter_context(Service(folder))
        port = ["--port", str(service.port)]
        cameras = stack.enter_context(Tool("webcams.py", *port, "--count", str(CAMERAS), "--fps", str(FPS)))
        cameras.hear()
        watching = ["--count", str(VIEWERS), "--path", "/ws"]
        crowd = [
            stack.enter_context(Tool("viewers.py", *port, *watching, "--stream", f"camera bench-{index}"))
            for index in range(CAMERAS)
        ]
        for tool in crowd:
            tool.hear()
        gauge = stack.enter_context(Gauge(service.pid))
        time.sleep(3)
        before, begun = gauge.load(), time.monotonic()
        window = {"from": begun + 0.2, "until": begun + 0.2 + seconds}
        for tool in (cameras, *crowd):
            tool.say(**window)
        sent, seen = cameras.hear(), [tool.hear() for tool in crowd]
        after = gauge.load()
    ages = [each["age_ms"] for each in seen]
    return {
        "part": "many",
        "fps_sent": sent["fps_min"],
        "left_out": sent["left_out"],
        "fps": min(each["fps_min"] for each in seen),
        "fps_middle": sorted(each["fps"] for each in seen)[len(seen) // 2],
        "age_ms": {name: max(age[name] for age in ages) for name in ("p50", "p99")},
        "boxes_ms": None,
        "server_cores": round((after.server - before.server) / (after.at - before.at), 2),
        "hangups": [hangup for each in seen for hangup in each["hangups"]],
        "errors": sent["errors"],
    }


def _choose(page: Page) -> None:
    """Have the camera page send 1280 x 720."""
    page.wait_for_selector("body", state="attached")
    page.locator("#size").select_option(str(HEIGHT))
    page.locator("#start").click()


def _until_live(page: Page) -> None:
    page.wait_for_selector("body[data-state=live]", state="attached", timeout=30_000)


def figures(sent: dict[str, Any], seen: dict[str, Any], seconds: float) -> Row:
    """Ages in milliseconds, and rates."""
    taken = {round(captured, 5): at for captured, at, _ in sent["sent"] if captured is not None}
    moments = {number: taken.get(round(timestamp, 5)) for number, timestamp in seen["came"]}
    painted = [(at - moments[number]) for number, at in seen["acks"] if moments.get(number) is not None]
    boxes = [(at - taken[round(when, 5)]) for when, at, *_ in seen["boxes"] if round(when, 5) in taken]
    looks = seen["boxes"]
    return {
        "fps_sent": round(len(sent["sent"]) / seconds, 2),
        "fps": round(len(seen["acks"]) / seconds, 2),
        "matched": len(painted),
        "age_ms": percentiles(painted),
        "boxes_ms": percentiles(boxes),
        "looks_a_second": round(len(looks) / seconds, 2),
        "size": looks[-1][2] if looks else None,
        "asked_a_second": looks[-1][3] if looks else None,
    }


def percentiles(values: list[float]) -> dict[str, float] | None:
    """Half of them are below the first, 95 and 99 of 100 below the others."""
    ranked = sorted(values)
    if not ranked:
        return None
    return {
        name: round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 2)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


def heavier(milliseconds: float, folder: Path) -> Path:
    """The model that comes along, made so slow at its largest size on this machine, by work for nothing."""
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper

    from envstream.detection.models import SHIPPED

    def made(layers: int) -> Path:
        model = onnx.load(str(SHIPPED))
        graph = model.graph
        given, answer = graph.input[0].name, graph.output[0].name
        for node in graph.node:
            node.output[:] = ["light" if name == answer else name for name in node.output]
        channels, before, entering = 32, given, 3
        for layer in range(layers):
            weights = np.full((channels, entering, 3, 3), 1e-4, np.float32)
            graph.initializer.append(numpy_helper.from_array(weights, f"ballast{layer}"))
            graph.node.append(
                helper.make_node("Conv", [before, f"ballast{layer}"], [f"b{layer}"], pads=[1, 1, 1, 1])
            )
            before, entering = f"b{layer}", channels
        graph.node.append(helper.make_node("ReduceMean", [before], ["mean"], keepdims=0))
        graph.initializer.append(numpy_helper.from_array(np.zeros((), np.float32), "nothing"))
        graph.node.append(helper.make_node("Mul", ["mean", "nothing"], ["none"]))
        graph.node.append(helper.make_node("Add", ["light", "none"], [answer]))
        path = folder / f"slow-{layers}.onnx"
        onnx.save(model, str(path))
        return path

    def taken(path: Path) -> float:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        batch = {session.get_inputs()[0].name: np.zeros((1, 3, 640, 640), np.float32)}
        times = []
        for _ in range(4):
            began = time.perf_counter()
            session.run(None, batch)
            times.append(1000 * (time.perf_counter() - began))
        return min(times)

    few, many = taken(made(2)), taken(made(6))
    layers = max(3, round(2 + (milliseconds - few) / max(0.1, (many - few) / 4)))
    path = made(layers)
    note(f"ballast of {layers} layers: {taken(path):.0f} ms at 640")
    return path


def model_of(part: str, folder: Path) -> str | None:
    if part == "slow":
        return str(heavier(SLOW_MS, folder))
    return "shapes" if part == "shapes" else None


def bars_of(part: str, rounds: list[Row]) -> list[Bar]:
    fps = Spread.of(row["fps"] for row in rounds)
    bars = [Bar(f"{part}: {FPS} pictures a second", fps.text(), fps.median >= FPS_BAR)]
    if part == "camera":
        for name, most in AGE_BARS_MS.items():
            age = Spread.of(row["age_ms"][name] for row in rounds)
            bars.append(Bar(f"camera: {name} at most {most:g} ms", age.text(), age.median <= most))
    if part == "many":
        said = f"each of {VIEWERS} viewers of each of {CAMERAS} cameras"
        bars[0] = Bar(f"many: {FPS} pictures a second, {said}", fps.text(), fps.median >= FPS_BAR)
    if part == "shapes":
        age = Spread.of(row["boxes_ms"]["p50"] for row in rounds)
        said = f"boxes at most {BOXES_BAR_MS:g} ms old when they come"
        bars.append(Bar(f"shapes: {said}", age.text(), age.median <= BOXES_BAR_MS))
    if part == "slow":
        least = all(row["size"] is not None and row["size"] < 640 for row in rounds)
        bars.append(Bar("slow: size goes down", str([row["size"] for row in rounds]), least))
    return bars


def main() -> None:
    arguments = parser(__doc__, rounds=3, seconds=20.0)
    arguments.add_argument("--part", action="append", choices=PARTS)
    args: argparse.Namespace = arguments.parse_args()
    rounds, seconds = (1, 2.0) if args.quick else (args.rounds, args.seconds)
    parts = [part for part in PARTS if part in (args.part or PARTS)]
    rows: list[Row] = []
    bars: list[Bar] = []
    with tempfile.TemporaryDirectory() as folder:
        models = {part: model_of(part, Path(folder)) for part in parts}
        found: dict[str, list[Row]] = {part: [] for part in parts}
        for number in range(rounds):
            for part in parts:
                note(f"round {number + 1} of {rounds}: {part}")
                row = many(seconds) if part == "many" else measure(part, seconds, models[part])
                found[part].append(row)
                note(f"    { {key: value for key, value in found[part][-1].items() if key != 'stats'} }")
    for part, turns in found.items():
        rows += turns
        bars += bars_of(part, turns)
    told = [{**row, "age": row["age_ms"], "boxes": row["boxes_ms"]} for row in rows]
    columns = {
        "part": "part",
        "fps_sent": "sent/s",
        "fps": "painted/s",
        "age": "age, ms",
        "boxes": "boxes, ms",
        "looks_a_second": "looks/s",
        "size": "size",
    }
    table("From a camera to a viewer's eyes", told, columns)
    finish(args, "detection", rows, bars)


if __name__ == "__main__":
    main()

"""The documents tell the truth: the notebook runs, and what README names exists."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envstream.config import KEYS
from serving import Watcher, get, until

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def ran() -> Any:
    """The notebook, executed by a real kernel."""
    nbformat = pytest.importorskip("nbformat", reason="pip install -e '.[test]'")
    nbclient = pytest.importorskip("nbclient", reason="pip install -e '.[test]'")
    pytest.importorskip("ipykernel", reason="pip install -e '.[notebook]'")
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=90, kernel_name="python3").execute()
    return notebook


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs_and_shows_the_live_page_inline(ran: Any) -> None:
    wrapped, trained = [cell for cell in ran.cells if cell.cell_type == "code"][:2]
    html = "".join(output.data.get("text/html", "") for output in wrapped.outputs if "data" in output)
    assert "<iframe" in html and "proxy/" in html and "embed=1" in html
    said = "".join(output.text for output in trained.outputs if output.output_type == "stream")
    assert re.search(r"[\d,]+ steps, page at http://127\.0\.0\.1:\d+/\?token=", said)
    assert "token=" in html


KERNEL = """
import gymnasium as gym
from envstream import StreamingWrapper
env = StreamingWrapper(gym.make("CartPole-v1", render_mode="rgb_array"), videoStreamPort=0)
env.reset(seed=0)
print(env.stream_url)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_killed_kernel_takes_its_server_with_it() -> None:
    manager = pytest.importorskip("jupyter_client.manager", reason="pip install -e '.[notebook]'")
    kernels, client = manager.start_new_kernel()
    try:
        said: list[str] = []
        client.execute_interactive(KERNEL, timeout=60, output_hook=lambda m: said.append(str(m["content"])))
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]+)", "".join(said))
        assert found, said
        port = int(found.group(1))
        client.execute("while True:\n    if any(env.step(0)[2:4]): env.reset()")
        with Watcher(port, "CartPole-v1", path=f"/ws?token={found.group(2)}") as watcher:
            watcher.frame()
        kernels.shutdown_kernel(now=True)
        until(lambda: not _answers(port), "the server's end")
    finally:
        client.stop_channels()
        if kernels.is_alive():
            kernels.shutdown_kernel(now=True)
        kernels.cleanup_resources()


def _answers(port: int) -> bool:
    try:
        return get(port, "/health", timeout=2)[0] == 200
    except OSError:
        return False


@pytest.fixture
def jupyter() -> Iterator[int]:
    pytest.importorskip("jupyter_server_proxy", reason="pip install -e '.[notebook]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyter_server", f"--port={port}", "--ServerApp.token=", "--no-browser"]
    options = ["--ServerApp.password=", "--ServerApp.base_url=/user/ann/", "--allow-root"]
    options += ["--ServerApp.allow_remote_access=True", "--ServerApp.disable_check_xsrf=True"]
    server = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _is_up(port), "Jupyter's server", 60)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def _is_up(port: int) -> bool:
    try:
        return get(port, "/user/ann/api", timeout=2)[0] == 200
    except OSError:
        time.sleep(0.2)
        return False


def test_pages_and_sockets_work_behind_jupyters_proxy(jupyter: int) -> None:
    from fakes import PictureEnv
    from serving import streaming

    with streaming(PictureEnv(), videoStreamToken="s3cret") as port:
        base = f"/user/ann/proxy/{port}"
        for host in (f"127.0.0.1:{jupyter}", "hub.example"):
            assert b"<canvas" in get(jupyter, f"{base}/?token=s3cret", {"Host": host})[2]
            assert get(jupyter, f"{base}/static/app.js", {"Host": host})[0] == 200
        origin = f"http://127.0.0.1:{jupyter}"
        with Watcher(jupyter, "PictureEnv", path=f"{base}/ws?token=s3cret", origin=origin) as watcher:
            watcher.frame()


def test_readme_lists_every_setting_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [key for key in KEYS if f"`{key}`" not in readme]
    assert missing == []


def test_what_documents_link_to_is_there() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+?)\)|src=\"([^\":]+)\"", document.read_text()):
            path = document.parent / (target[0] or target[1])
            assert path.exists(), f"{document.name} links to {path}"

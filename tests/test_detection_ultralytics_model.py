"""Checkpoints of Ultralytics: that package is loaded for them alone, and only where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="pip install torch")

# As much of the package as is used: what it gives is what a real one of YOLOv8 gives.
STAND_IN = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 5, 32, 32)
    def forward(self, x):
        table = self.conv(x).flatten(2)
        return table, [table]

class YOLO:
    task = "{task}"
    names = {{0: "red"}}
    def __init__(self, path):
        if "{task}" == "broken":
            raise KeyError("no model in here")
        self.model = Net()
"""

CODE = """
import sys
from envstream.detection.models import load
from envstream.errors import EnvstreamError
try:
    model = load({path!r}, "cpu")
    print(model.names, model.layout.name, model.sizes, model.describe()["format"])
except EnvstreamError as error:
    print(error)
print("ultralytics" in sys.modules)
"""


def checkpoint(folder: Path) -> Path:
    path = folder / "net.pt"
    torch.save({"model": torch.zeros(3)}, str(path))
    return path


def printed(path: Path, packages: Path) -> list[str]:
    code = f"import sys; sys.path.insert(0, {str(packages)!r})\n" + CODE.format(path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def installed(folder: Path, task: str = "detect") -> Path:
    (folder / "ultralytics.py").write_text(STAND_IN.format(task=task), encoding="utf-8")
    return folder


def test_without_the_package_the_error_names_it_and_its_licence(tmp_path: Path) -> None:
    import importlib.util

    if importlib.util.find_spec("ultralytics") is not None:
        pytest.skip("it is installed here")
    said, loaded = printed(checkpoint(tmp_path), tmp_path)
    assert said.startswith("net.pt is a checkpoint of PyTorch")
    assert "pip install ultralytics" in said and "AGPL-3.0" in said and "ONNX" in said
    assert loaded == "False"


def test_with_the_package_it_is_asked_to_read_the_file(tmp_path: Path) -> None:
    said, loaded = printed(checkpoint(tmp_path), installed(tmp_path))
    assert said == f"['red'] yolov8 {list(range(320, 641, 32))} ultralytics"
    assert loaded == "True"


def test_what_it_cannot_read_or_is_no_detector_is_an_error(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    said, _ = printed(path, installed(tmp_path, "broken"))
    assert "net.pt cannot be read by Ultralytics" in said and "no model in here" in said
    said, _ = printed(path, installed(tmp_path, "segment"))
    assert "made to segment" in said


def test_it_is_not_loaded_for_other_models_even_where_it_is_installed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "m.torchscript"
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); import torch\n"
        "net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 32, 32), torch.nn.Flatten(2))\n"
        f"torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3, 320, 320)), {str(path)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    said, loaded = printed(path, installed(tmp_path))
    assert said.endswith("torchscript") and loaded == "False"

"""Models from files: what a file is, is seen by what is in it; what is none is said to be none."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import detectors
from envstream.detection.models import SHIPPED, kind_of, load
from envstream.detection.onnx_model import OnnxModel
from envstream.errors import EnvstreamError


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"")
    return path


def test_the_kind_is_seen_by_the_content_whatever_the_name(tmp_path: Path) -> None:
    assert kind_of(detectors.looking(tmp_path / "a.bin")) == "onnx"
    script = archive(tmp_path / "b.onnx", "m/data.pkl", "m/constants.pkl", "m/code/__torch__.py")
    assert kind_of(script) == "torchscript"
    assert kind_of(archive(tmp_path / "c.pt", "m/models/model.json", "m/data/weights/w")) == "torch.export"
    assert kind_of(archive(tmp_path / "d.pt2", "serialized_exported_program.json")) == "torch.export"
    assert kind_of(archive(tmp_path / "e.pt", "m/data.pkl", "m/data/0")) == "checkpoint"
    old = tmp_path / "f.pt"
    old.write_bytes(pickle.dumps({"model": 1}))
    assert kind_of(old) == "checkpoint"


@pytest.mark.parametrize("content", [b"", b"hello world", b"\x89PNG\r\n", b"GIF89a"])
def test_what_is_no_model_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(EnvstreamError, match=r"net.onnx is no model: expected ONNX, TorchScript"):
        load(path)


def test_nothing_of_what_is_in_a_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"secret of somebody")
    with pytest.raises(EnvstreamError) as raised:
        load(path)
    assert "secret" not in str(raised.value)


def test_an_archive_of_something_else_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(EnvstreamError, match="is no model"):
        load(archive(tmp_path / "a.zip", "letter.txt"))


def test_a_torn_archive_or_a_folder_or_nothing_cannot_be_read(tmp_path: Path) -> None:
    torn = tmp_path / "a.pt"
    torn.write_bytes(b"PK\x03\x04 and no more")
    for path in (torn, tmp_path, tmp_path / "none.onnx"):
        with pytest.raises(EnvstreamError, match=f"{path} cannot be read"):
            load(path)


def test_a_device_that_cannot_be_meant_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EnvstreamError, match="device='gpu': expected one of auto, cpu, cuda"):
        load(tmp_path / "m.onnx", "gpu")


def test_onnx_is_run_by_onnxruntime_alone(tmp_path: Path) -> None:
    path = detectors.looking(tmp_path / "m.onnx")
    assert isinstance(load(str(path)), OnnxModel)
    code = (
        "import sys, envstream.detection.models as models, envstream.processors.detect\n"
        "assert not {'onnxruntime', 'torch', 'ultralytics'} & set(sys.modules), 'loaded too early'\n"
        f"models.load({str(path)!r})\n"
        "assert 'onnxruntime' in sys.modules\n"
        "assert not {'torch', 'ultralytics'} & set(sys.modules), 'loaded without need'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not SHIPPED.exists(), reason="the model is made by tools/train_detector.py")
def test_the_model_that_comes_with_it_can_be_used() -> None:
    model = load(SHIPPED, "cpu")
    assert model.layout.name == "yolov8"
    assert model.sizes == list(range(320, 641, 32))
    assert "circle" in model.names

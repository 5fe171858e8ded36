"""Models from files: which kind of file it is, and who can run it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from envstream.detection import onnx_model, torch_model, ultralytics_model
from envstream.detection.model import DEVICES, Model
from envstream.errors import EnvstreamError

SHIPPED = Path(__file__).with_name("shapes.onnx")  # A small one of our own: circles, squares and the like.

_PICKLE = b"\x80"


def load(
    path: str | Path,
    device: str = "auto",
    names: Sequence[str] | None = None,
    layout: str | None = None,
) -> Model:
    """A model from a file: ONNX, TorchScript, torch.export, or, where its package is installed, Ultralytics.

    All but ONNX are programs: only to be loaded from somebody who is trusted.

    Args:
        path: of the file.
        device: `auto` takes a GPU where there is one; else `cpu` or `cuda`.
        names: of its classes; None = as the file says, else `class 0` and so on.
        layout: how it answers, see `layouts.NAMES`; None = it is found out.

    Raises:
        EnvstreamError: it cannot be used; says why, and what to do.
    """
    if device not in DEVICES:
        raise EnvstreamError(f"device={device!r}: expected one of {', '.join(DEVICES)}")
    path = Path(path)
    kind = kind_of(path)
    if kind == "onnx":
        return onnx_model.OnnxModel(path, device, names, layout)
    if kind == "torchscript":
        return torch_model.load_script(path, device, names, layout)
    if kind == "torch.export":
        return torch_model.load_program(path, device, names, layout)
    return ultralytics_model.load(path, device, names, layout)


def kind_of(path: Path) -> str:
    """What a file is: `onnx`, `torchscript`, `torch.export` or `checkpoint`, by what is in it.

    Raises:
        EnvstreamError: there is none, or it is nothing of that kind.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if head[:2] == b"PK":
            kind = _packed(path)
        elif head[:1] == b"\x08":  # An ONNX file begins with its version: field 1, a whole number.
            kind = "onnx"
        else:
            kind = "checkpoint" if head[:1] == _PICKLE else None
    except (OSError, zipfile.BadZipFile) as error:
        raise EnvstreamError(f"{path} cannot be read: {error}") from error
    if kind is None:
        raise EnvstreamError(
            f"{path.name} is no model: expected ONNX, TorchScript, torch.export or a .pt of Ultralytics"
        )
    return kind


def _packed(path: Path) -> str | None:
    """What an archive of PyTorch holds."""
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
        plain = archive.namelist()
    if any(name.startswith("models/") for name in names) or "serialized_exported_program.json" in plain:
        return "torch.export"
    if "constants.pkl" in names:
        return "torchscript"
    return "checkpoint" if "data.pkl" in names else None

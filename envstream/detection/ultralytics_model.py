"""Checkpoints of Ultralytics, run by its own package where the user has installed it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from envstream.detection.torch_model import TorchModel, chosen
from envstream.errors import EnvstreamError


def load(
    path: Path, device: str = "auto", names: Sequence[str] | None = None, layout: str | None = None
) -> TorchModel:
    """A `.pt` file of Ultralytics. It holds Python: only to be loaded from somebody who is trusted.

    Raises:
        EnvstreamError: the package is not there, or it cannot make a detector of the file.
    """
    if importlib.util.find_spec("ultralytics") is None:
        raise EnvstreamError(
            f"{path.name} is a checkpoint of PyTorch, which only the package that wrote it can read; where "
            "that is Ultralytics: pip install ultralytics, whose licence is AGPL-3.0. Exported as ONNX, a "
            "model needs no such package"
        )
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")  # It would install what it misses.
    import torch
    import ultralytics

    device = chosen(torch, device)
    try:
        whole = ultralytics.YOLO(str(path))
        module = whole.model.to(device).float().eval()
        said = {"names": dict(whole.names), "task": whole.task}
    except Exception as error:  # Whatever is in the file.
        reason = " ".join(str(error).split())[:300]
        raise EnvstreamError(f"{path.name} cannot be read by Ultralytics: {reason}") from error
    return TorchModel(module, path.name, "ultralytics", device, said=said, names=names, layout=layout)

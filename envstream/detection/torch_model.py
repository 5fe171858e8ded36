"""Models as TorchScript or programs of torch.export, run by PyTorch, which is loaded with the first."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from envstream.detection.boxes import Floats
from envstream.detection.layouts import PLAIN, Array
from envstream.detection.model import fed, multiples, needed, traits
from envstream.errors import EnvstreamError

_LONGEST = 2**20  # Bytes of what a file says of itself.


class TorchModel:
    """See `Model`.

    On a GPU, what is costly is calculated in half precision, what needs it in full.

    Args:
        module: takes a picture, or a picture and its size.
        name, format: how it is called, and what it was.
        device: where it lies.
        sizes: that are tried.
        said: what its file says of it.
        names: of its classes; None = as the file says.
        layout: see `layouts.NAMES`; None = it is found out.
        sized: whether the picture's size is wanted beside it.

    Raises:
        EnvstreamError: it does not detect in a layout that is known.
    """

    def __init__(
        self,
        module: Any,
        name: str,
        format: str,
        device: str = "cpu",
        sizes: Sequence[int] = (),
        said: Mapping[str, Any] | None = None,
        names: Sequence[str] | None = None,
        layout: str | None = None,
        sized: bool = False,
    ) -> None:
        self._module, self._name, self._format, self._sized = module, name, format, sized
        self._device, self.gpu = device, device == "cuda"
        self._dtype = _dtype_of(module)
        self._intake = PLAIN
        try:
            found = traits(self._asked, sizes or multiples(), said or {}, names, layout)
        except EnvstreamError as error:
            raise EnvstreamError(f"{name} cannot be used: {error}") from error
        self.names, self.sizes, self.layout = found
        self._intake = found.layout.intake

    def run(self, batch: Floats) -> list[Array]:
        """What comes out for one picture."""
        return [each for _, each in self._asked(batch)]

    def describe(self) -> dict[str, Any]:
        """What there is to say of it."""
        return {
            "name": self._name,
            "format": self._format,
            "layout": self.layout.name,
            "classes": len(self.names) or None,
            "sizes": self.sizes,
            "device": self._device,
            "half": self.gpu or "16" in str(self._dtype),
        }

    def _asked(self, batch: Floats) -> list[tuple[str, Array]]:
        import torch

        picture = torch.from_numpy(fed(batch, self._intake)).to(self._device, self._dtype)
        size = [torch.tensor([[batch.shape[-1]] * 2], device=self._device)] if self._sized else []
        half = torch.autocast("cuda", torch.float16, enabled=self.gpu)
        with torch.inference_mode(), half:
            outputs = _flat(self._module(picture, *size))
        return [(name, _array(each)) for name, each in outputs]


def load_script(
    path: Path, device: str = "auto", names: Sequence[str] | None = None, layout: str | None = None
) -> TorchModel:
    """A TorchScript file. Like any program, it is only to be loaded from somebody who is trusted.

    Raises:
        EnvstreamError: no PyTorch, no such file, or see `TorchModel`.
    """
    torch, device = _loaded(path, device)
    said = said_in(path)
    with warnings.catch_warnings():
        # Old, and what most have; PyTorch 2.15 says so to users, and not to programmers only.
        for category in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        try:
            module = torch.jit.load(str(path), map_location=device).eval()
            wanted = module.forward.schema.arguments[1:]
        except (RuntimeError, ValueError, OSError, AttributeError) as error:
            raise _unreadable(path, "TorchScript", error) from error
    fixed = _fixed(said) if not said.get("dynamic") else []
    sizes = fixed or multiples(said.get("stride"))
    return TorchModel(module, path.name, "torchscript", device, sizes, said, names, layout, len(wanted) > 1)


def load_program(
    path: Path, device: str = "auto", names: Sequence[str] | None = None, layout: str | None = None
) -> TorchModel:
    """A file of torch.export. Like any program, it is only to be loaded from somebody who is trusted.

    Raises:
        EnvstreamError: no PyTorch, no such file, or see `TorchModel`.
    """
    torch, device = _loaded(path, device)
    said = said_in(path)
    try:
        program = torch.export.load(str(path))
        if device == "cuda":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, device)
    except Exception as error:  # It checks little of what it reads.
        raise _unreadable(path, "torch.export", error) from error
    inputs = [
        node.meta["val"]
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    ]
    sides = list(inputs[0].shape[-2:]) if inputs else []
    fixed = [int(side) for side in sides if isinstance(side, int)]
    sizes = fixed[:1] or multiples(said.get("stride"))
    module = program.module()
    return TorchModel(module, path.name, "torch.export", device, sizes, said, names, layout, len(inputs) > 1)


def said_in(path: Path) -> Mapping[str, Any]:
    """What an archive of PyTorch says of its model: JSON in its `config.txt`, as Ultralytics writes it."""
    try:
        with zipfile.ZipFile(path) as archive:
            for each in archive.infolist():
                if each.filename.endswith("extra/config.txt") and each.file_size <= _LONGEST:
                    said = json.loads(archive.read(each))
                    return said if isinstance(said, dict) else {}
    except (OSError, ValueError, zipfile.BadZipFile, RecursionError):
        pass
    return {}


def chosen(torch: Any, device: str) -> str:
    """`cuda` or `cpu`.

    Raises:
        EnvstreamError: a GPU is asked for, and there is none.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise EnvstreamError("device='cuda': PyTorch finds no GPU here; device='auto' takes what there is")
    return "cuda" if there and device != "cpu" else "cpu"


def _loaded(path: Path, device: str) -> tuple[Any, str]:
    needed("torch", f"{path.name} as a model of PyTorch")
    import torch

    return torch, chosen(torch, device)


def _unreadable(path: Path, what: str, error: Exception) -> EnvstreamError:
    return EnvstreamError(f"{path.name} is no {what} that can be read: {' '.join(str(error).split())[:300]}")


def _dtype_of(module: Any) -> Any:
    """The precision that it calculates in."""
    import torch

    return next((each.dtype for each in module.parameters() if each.is_floating_point()), torch.float32)


def _fixed(said: Mapping[str, Any]) -> list[int]:
    sides = said.get("imgsz")
    sides = sides if isinstance(sides, list) else [sides]
    if len(set(map(str, sides))) > 1:
        raise EnvstreamError(f"it takes pictures of {sides[-1]} x {sides[0]} pixels; export it for a square")
    return [side for side in sides[:1] if isinstance(side, int) and 0 < side <= 4096]


def _flat(given: Any) -> list[tuple[str, Any]]:
    """The tensors among what a module gave, with names where it gave some."""
    if isinstance(given, Mapping):
        return [(str(name), each) for name, each in given.items() if hasattr(each, "detach")]
    if not isinstance(given, (list, tuple)):
        return [("output", given)]
    tensors = [(f"output {index}", each) for index, each in enumerate(given) if hasattr(each, "detach")]
    return tensors or [pair for each in given[:1] for pair in _flat(each)]


def _array(tensor: Any) -> Array:
    tensor = tensor.detach()
    array: Array = np.asarray((tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy())
    return array

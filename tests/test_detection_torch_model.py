"""Models of PyTorch: real ones as TorchScript and as programs of torch.export, with sizes fixed and free."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envstream.detection.boxes import Floats
from envstream.detection.models import kind_of, load
from envstream.detection.torch_model import TorchModel, load_program, load_script, said_in
from envstream.errors import EnvstreamError

torch: Any = pytest.importorskip("torch", reason="pip install torch")
for _category in (DeprecationWarning, FutureWarning):
    warnings.filterwarnings("ignore", "`torch.jit", _category)


class Looking(torch.nn.Module):  # type: ignore[misc]
    """In the layout of YOLOv8 with one class: each cell of a grid is as sure as its pixels are red."""

    def __init__(self, side: int = 32) -> None:
        super().__init__()
        self.side = side
        self.conv = torch.nn.Conv2d(3, 1, side, side, bias=False)
        torch.nn.init.zeros_(self.conv.weight)
        self.conv.weight.data[:, 0] = 1 / side**2

    def forward(self, x: Any) -> Any:
        score = self.conv(x)
        ones = torch.zeros_like(score) + 1.0
        left, top = (ones.cumsum(3) - 0.5) * self.side, (ones.cumsum(2) - 0.5) * self.side
        return torch.cat([left, top, ones * self.side, ones * self.side, score], 1).flatten(2)


class Queries(torch.nn.Module):  # type: ignore[misc]
    """In the layout of RT-DETR: the whole picture, in the pixels that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: Any, orig_target_sizes: Any) -> Any:
        whole = torch.cat([torch.zeros_like(orig_target_sizes), orig_target_sizes], 1).float()[None]
        score = x.mean(dim=(1, 2, 3))[None] + self.weight + 0.5
        return torch.ones_like(score).long(), whole, score


class Fixed(Looking):
    """Of one size only."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) + torch.zeros(1, 5, 100)


def script(path: Path, module: Any, *inputs: Any, said: dict[str, Any] | None = None) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module.eval(), inputs or (torch.zeros(1, 3, 320, 320),))
        files = {"config.txt": json.dumps(said)} if said is not None else {}
        torch.jit.save(traced, str(path), _extra_files=files)
    return path


def program(path: Path, module: Any, inputs: tuple[Any, ...], free: bool = False, **said: Any) -> Path:
    side = torch.export.Dim("side", min=10, max=20)
    shapes = ({2: 32 * side, 3: 32 * side},) if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.export.export(module.eval(), inputs, dynamic_shapes=shapes)
        torch.export.save(made, str(path), extra_files={"config.txt": json.dumps(said)} if said else None)
    return path


def scene(size: int = 320) -> Floats:
    batch = np.zeros((1, 3, size, size), np.float32)
    batch[0, 0, 64:96, 32:64] = 0.75
    return batch


def found(model: Any, size: int = 320) -> list[Any]:
    return model.layout.read(model.run(scene(size)), size, 0.5).boxes.tolist()


def test_torchscript_of_any_size(tmp_path: Path) -> None:
    path = script(tmp_path / "net.torchscript", Looking())
    assert kind_of(path) == "torchscript"
    model = load(path, "cpu", names=["red"])
    assert (model.sizes, model.layout.name) == (list(range(320, 641, 32)), "yolov8")
    assert found(model) == found(model, 416) == [[32, 64, 64, 96]]
    assert model.describe() == {
        "name": "net.torchscript",
        "format": "torchscript",
        "layout": "yolov8",
        "classes": 1,
        "sizes": model.sizes,
        "device": "cpu",
        "half": False,
    }


def test_torchscript_of_one_size_is_asked_in_that(tmp_path: Path) -> None:
    path = script(tmp_path / "m.pt", Fixed())
    assert load(path, "cpu").sizes == [320]


def test_what_torchscript_says_of_itself_is_heard(tmp_path: Path) -> None:
    said = {"imgsz": [416, 416], "names": {"0": "red"}, "stride": 32, "task": "detect"}
    path = script(tmp_path / "m.pt", Looking(), said=said)
    model = load_script(path, "cpu")
    assert (model.sizes, model.names, said_in(path)) == ([416], ["red"], said)


def test_torchscript_for_something_else_or_no_square_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EnvstreamError, match="made to classify"):
        load_script(script(tmp_path / "a.pt", Looking(), said={"task": "classify"}), "cpu")
    with pytest.raises(EnvstreamError, match="pictures of 640 x 384 pixels"):
        load_script(script(tmp_path / "b.pt", Looking(), said={"imgsz": [384, 640]}), "cpu")


def test_torchscript_that_wants_the_size_is_told(tmp_path: Path) -> None:
    sizes = torch.tensor([[320, 320]])
    model = load(script(tmp_path / "m.pt", Queries(), torch.zeros(1, 3, 320, 320), sizes), "cpu")
    assert model.layout.name == "rtdetr"
    assert found(model, 352) == [[0, 0, 352, 352]]


def test_torchscript_of_half_precision_is_fed_in_it(tmp_path: Path) -> None:
    model = load(script(tmp_path / "m.pt", Looking().half(), torch.zeros(1, 3, 320, 320).half()), "cpu")
    assert found(model) == [[32, 64, 64, 96]]
    assert model.describe()["half"] is True


def test_a_program_of_one_size(tmp_path: Path) -> None:
    path = program(tmp_path / "m.pt2", Looking(), (torch.zeros(1, 3, 384, 384),), names={"0": "red"})
    assert kind_of(path) == "torch.export"
    model = load(path, "cpu")
    assert (model.sizes, model.names) == ([384], ["red"])
    assert found(model, 384) == [[32, 64, 64, 96]]


def test_a_program_of_any_size(tmp_path: Path) -> None:
    model = load_program(program(tmp_path / "m.pt2", Looking(), (torch.zeros(1, 3, 384, 384),), True), "cpu")
    assert model.sizes == list(range(320, 641, 32))
    assert found(model, 512) == [[32, 64, 64, 96]]


def test_a_program_that_wants_the_size_is_told(tmp_path: Path) -> None:
    inputs = (torch.zeros(1, 3, 320, 320), torch.tensor([[320, 320]]))
    model = load(program(tmp_path / "m.pt2", Queries(), inputs), "cpu")
    assert found(model) == [[0, 0, 320, 320]]


def test_outputs_may_come_as_they_like() -> None:
    class Wrapped(Looking):
        def forward(self, x: Any) -> Any:
            table = super().forward(x)
            return self.wrap(table)

    module = Wrapped().eval()
    for wrap in (
        lambda table: {"output0": table, "note": "none"},
        lambda table: (table, [table]),
        lambda table: ((table, [table]),),
        lambda table: [table, {"features": table}],
    ):
        module.wrap = wrap
        assert TorchModel(module, "m", "made", sizes=[320]).layout.name == "yolov8"


def test_a_module_that_gives_no_detections_is_an_error() -> None:
    module = torch.nn.Conv2d(3, 7, 8, 8).eval()
    with pytest.raises(EnvstreamError, match=r"net cannot be used: .*output \(1, 7, 40, 40\)"):
        TorchModel(module, "net", "made", sizes=[320])


def test_damaged_files_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "version"):
            archive.writestr(f"a/{name}", b"3")
    with pytest.raises(EnvstreamError, match=r"a.pt is no TorchScript that can be read"):
        load(path, "cpu")
    path = program(tmp_path / "b.pt2", Looking(), (torch.zeros(1, 3, 320, 320),))
    path.write_bytes(path.read_bytes().replace(b'"nodes"', b'"nudes"'))
    with pytest.raises(EnvstreamError, match=r"b.pt2 is no torch.export that can be read"):
        load(path, "cpu")


def test_a_gpu_that_is_not_there_is_an_error_only_where_it_is_asked_for(tmp_path: Path) -> None:
    path = script(tmp_path / "m.pt", Looking())
    if torch.cuda.is_available():
        model = load(path)
        assert model.gpu and found(model) == [[32, 64, 64, 96]]
        assert model.describe()["half"] is True
        return
    assert load(path, "auto").gpu is False
    with pytest.raises(EnvstreamError, match="PyTorch finds no GPU here"):
        load(path, "cuda")

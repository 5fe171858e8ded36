"""The small network that finds shapes, and how it becomes an ONNX file in the layout of YOLOv8.

It is fully convolutional, looks at a picture in steps of 8, 16 and 32 pixels, and says at each place what is
there and which box it has.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
WIDTHS = (32, 64, 80)  # Channels of what is seen in these steps.
MANY = 256  # Weights from which on they are kept in half precision.


class Layer(nn.Module):
    """A convolution over 3x3 or 1x1 pixels, normalised and rectified.

    Args:
        added: what went in is added to what comes out.
        apart: how far the pixels that are looked at lie from each other.
    """

    def __init__(
        self, before: int, after: int, stride: int = 1, kernel: int = 3, added: bool = False, apart: int = 1
    ) -> None:
        super().__init__()
        around = kernel // 2 * apart
        self.convolution = nn.Conv2d(before, after, kernel, stride, around, dilation=apart, bias=False)
        self.norm = nn.BatchNorm2d(after, momentum=0.03)  # The sizes that are shown take turns.
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm(self.convolution(x)))
        return x + y if self.added else y


class Head(nn.Module):
    """What is said in one step: a box, and a score for each class, at each place."""

    def __init__(self, width: int, stride: int, classes: int) -> None:
        super().__init__()
        self.layer = Layer(width, width)
        self.box = nn.Conv2d(width, 4, 1)
        self.score = nn.Conv2d(width, classes, 1)
        self.score.bias = nn.Parameter(torch.full((classes,), -4.0))  # At most places there is nothing.
        self.stride = stride

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.layer(x)
        middle, side = self.box(x).split(2, dim=1)
        down = torch.arange(x.shape[2], dtype=x.dtype).view(1, 1, -1, 1)
        across = torch.arange(x.shape[3], dtype=x.dtype).view(1, 1, 1, -1)
        place = torch.cat([across + 0 * down, down + 0 * across], dim=1) + 0.5
        middle, side = (middle + place) * self.stride, side.clamp(max=4).exp() * (4 * self.stride)
        return torch.cat([middle, side], dim=1).flatten(2), self.score(x).flatten(2)


class Network(nn.Module):
    """The detector: boxes and logits while it is trained, and when it is `finished`, what the file gives."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.finished = False
        small, middle, large = WIDTHS
        self.small = nn.Sequential(
            Layer(3, 8, 2), Layer(8, 24, 2), Layer(24, small, 2), Layer(small, small, added=True)
        )
        self.middle = nn.Sequential(
            Layer(small, middle, 2), *(Layer(middle, middle, added=True) for _ in range(2))
        )
        # From the middle of a shape its edges have to be seen, up to 200 pixels away.
        self.large = nn.Sequential(
            Layer(middle, large, 2), *(Layer(large, large, added=True, apart=apart) for apart in (1, 2, 3))
        )
        self.to_middle, self.to_small = Layer(large, middle, kernel=1), Layer(middle, small, kernel=1)
        heads = (Head(width, stride, classes) for width, stride in zip(WIDTHS, STRIDES, strict=True))
        self.heads = nn.ModuleList(heads)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        small = self.small(x)
        middle = self.middle(small)
        large = self.large(middle)
        middle = middle + functional.interpolate(self.to_middle(large), scale_factor=2.0)
        small = small + functional.interpolate(self.to_small(middle), scale_factor=2.0)
        said = [head(y) for head, y in zip(self.heads, (small, middle, large), strict=True)]
        boxes, logits = (torch.cat(part, dim=2) for part in zip(*said, strict=True))
        return torch.cat([boxes, logits.sigmoid()], dim=1) if self.finished else (boxes, logits)


def export(network: Network, names: tuple[str, ...], path: Path) -> None:
    """Write the network as ONNX, for pictures of any size in steps of the largest stride."""
    network.finished = True
    with warnings.catch_warnings():
        # The exporter that needs no further package; it says that there is a newer one.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, 320, 320),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["images"],
            output_names=["output0"],
            dynamic_axes={"images": {2: "height", 3: "width"}, "output0": {2: "places"}},
        )
    model = halved(onnx.load(path))
    said = {"task": "detect", "stride": str(max(STRIDES)), "names": repr(dict(enumerate(names)))}
    helper.set_model_props(model, {"description": "envstream's detector of shapes", "batch": "1", **said})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keep weights in half precision; a file that is loaded turns them into single precision at once."""
    casts = []
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.size >= MANY:
            name = weights.name
            weights.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model

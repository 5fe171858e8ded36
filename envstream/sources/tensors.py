"""Pictures that are tensors on a device: one of a batch is chosen, made into bytes and made smaller there.

What comes over to the host is what is shown, and nothing waits for it. torch is imported when a tensor
comes; JAX and Warp arrays become torch tensors through DLPack, without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from envstream.errors import PictureError
from envstream.sources.transfer import Arrival, Arrived, Carry, carry

_CHANNELS = (1, 2, 3, 4)


class TensorPicture:
    """The picture of one env, taken from a batch on a device again and again.

    Args:
        resolution: width and height that will be shown; pictures larger than that are made smaller on the
            device. None = as they are.
        depth: the values are distances, and come over as they are.
        max_pixels: the most pixels (height times width) that are accepted.
        carry: begins a copy; another one than torch's own in tests.
    """

    def __init__(
        self,
        resolution: Sequence[int] | None = None,
        *,
        depth: bool = False,
        max_pixels: int = 33_000_000,
        carry: Carry = carry,
    ) -> None:
        self._resolution = resolution
        self._depth = depth
        self._max_pixels = max_pixels
        self._carry = carry
        self._highest: Any = None  # The highest value of float pictures so far; lies on the device.

    def begin(self, batch: Any, index: int) -> Arrival:
        """Begin to bring the picture of env `index` over; see `choose` for what a batch may be.

        Collected it is one array of shape (height, width, 3) and type uint8 - or, of distances and of
        arrays that are no tensors, one that `to_rgb` accepts.

        Raises:
            PictureError: for what is no batch of pictures.
        """
        chosen = choose(batch, index)
        height, width = chosen.shape[:2]
        if height * width > self._max_pixels:
            raise PictureError(
                f"the picture of env {index} has {height * width} pixels, more than "
                f"videoStreamMaxPixels={self._max_pixels}: let the camera render smaller, or raise the limit"
            )
        if isinstance(chosen, np.ndarray):
            return Arrived([chosen])
        if not self._depth:
            chosen, self._highest = to_bytes(chosen, self._highest)
            if self._resolution is not None and chosen.device.type != "cpu":  # Pillow is faster there.
                chosen = shrink(chosen, *self._resolution)
        return self._carry([chosen])


def as_tensor(array: Any) -> Any:
    """What has a tensor's manners as a torch tensor; a numpy array, or one where torch is not there, as that.

    Isaac Lab's arrays have the tensor in `.torch`; those of JAX and Warp are handed over by DLPack.
    """
    if isinstance(array, np.ndarray):
        return array
    try:
        import torch
        from torch.utils.dlpack import from_dlpack
    except ImportError:
        return np.asarray(array)
    if isinstance(array, torch.Tensor):
        return array.detach()
    inner = getattr(array, "torch", None)
    if isinstance(inner, torch.Tensor):
        return inner.detach()
    if hasattr(array, "__dlpack__"):
        return from_dlpack(array)
    return np.asarray(array)


def is_tensor(thing: object) -> bool:
    """Whether a thing lies, or may lie, on a device."""
    return hasattr(thing, "__dlpack__") or hasattr(thing, "torch")


def choose(batch: Any, index: int) -> Any:
    """The picture of env `index`, as a view of shape (height, width, channels) where it lies.

    Args:
        batch: (envs, height, width, channels) or (envs, channels, height, width); a list with one picture
            an env; or, where there is only one view, (height, width, channels), (channels, height, width) or
            (height, width), which is that of env 0.

    Raises:
        PictureError: for anything else, and for an env that is not in it.
    """
    if isinstance(batch, list | tuple):
        if index >= len(batch):
            raise _refusal(f"a list of {len(batch)}", f"there is no picture of env {index} in it", index)
        picture = as_tensor(batch[index])
    else:
        picture = as_tensor(batch)
        if picture.ndim == 4:
            if index >= picture.shape[0]:
                raise _refusal(_said(batch, picture), f"it has no env {index}", index)
            picture = picture[index]
        elif index > 0:
            raise _refusal(_said(batch, picture), "one view of all envs can be shown as env 0 only", index)
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.ndim == 3 and picture.shape[2] not in _CHANNELS and picture.shape[0] in _CHANNELS:
        picture = picture.swapaxes(0, 1).swapaxes(1, 2)
    if picture.ndim != 3 or picture.shape[2] not in _CHANNELS:
        raise _refusal(_said(batch, picture), "reshape it, or choose the camera in it", index)
    if 0 in picture.shape:
        raise _refusal(_said(batch, picture), "it has no pixels: check the camera's size", index)
    return picture


def to_bytes(picture: Any, highest: Any = None) -> tuple[Any, Any]:
    """A torch tensor (height, width, channels) as uint8 of shape (height, width, 3), where it lies.

    Grey is repeated. Alpha is dropped, as simulators do it themselves: theirs is 0 where the sky is.
    Integers are 0-255, uint16 0-65535. Floats are 0-1 until one above 1 was seen, and 0-255 from then on;
    as the device decides that, nobody waits for the answer.

    Args:
        highest: the highest value so far, as it came back from the call before.

    Returns:
        the bytes, and the highest value of float pictures so far.
    """
    import torch

    picture = picture[:, :, :3] if picture.shape[2] > 2 else picture[:, :, :1]
    if picture.is_floating_point():
        picture = picture.float()
        seen = torch.where(picture.isfinite(), picture, 0.0).amax()
        highest = seen if highest is None else torch.maximum(highest.to(seen.device), seen)
        scale = torch.where(highest <= 1, 255.0, 1.0)
        picture = (picture.nan_to_num(0.0) * scale + 0.5).clamp(0, 255).to(torch.uint8)
    elif picture.dtype == torch.bool:
        picture = picture.to(torch.uint8) * 255
    elif picture.dtype == torch.uint16:
        picture = (picture.to(torch.int32) >> 8).to(torch.uint8)
    elif picture.dtype != torch.uint8:
        if picture.is_complex():
            raise _refusal(f"values of type {picture.dtype}", "give bool, integer or float values", 0)
        picture = picture.to(torch.int64).clamp(0, 255).to(torch.uint8)
    return picture.expand(-1, -1, 3), highest


def shrink(picture: Any, width: int, height: int) -> Any:
    """A uint8 tensor (height, width, 3) no larger than that; one that is smaller in a direction stays."""
    if picture.shape[0] < height or picture.shape[1] < width or picture.shape[:2] == (height, width):
        return picture
    import torch
    from torch.nn import functional

    planes = picture.permute(2, 0, 1).unsqueeze(0).float()
    small = functional.interpolate(planes, size=(height, width), mode="area")
    return (small + 0.5).to(torch.uint8).squeeze(0).permute(1, 2, 0)


def one_each(values: Any, count: int) -> Any:
    """Values of `count` envs as a torch tensor of one dimension; None where it is not one value an env."""
    try:
        import torch
    except ImportError:
        return None
    if isinstance(values, dict | list | tuple) or not hasattr(values, "shape"):
        return None
    tensor = torch.as_tensor(as_tensor(values)).detach().reshape(-1)
    return tensor if tensor.shape[0] == count else None


def index_and_rows(envs: Sequence[int], rows: int, likes: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The numbers of envs as a tensor, and for each of `likes` an empty one of so many rows for these envs.

    They lie where `likes` lie. Learners step in torch's inference mode, and what is made there cannot be
    written to outside of it; these can be, in both.
    """
    import torch

    with torch.inference_mode(False):
        index = torch.tensor(list(envs), dtype=torch.long, device=likes[0].device)
        made = [torch.empty((rows, len(envs)), dtype=like.dtype, device=like.device) for like in likes]
    return index, made


def pick(values: Any, index: Any, into: Any) -> None:
    """Copy the values of the envs in `index` into a tensor on the same device. Costs one small kernel."""
    import torch

    if type(values) is not torch.Tensor or values.ndim != 1 or values.requires_grad:
        values = torch.as_tensor(as_tensor(values)).detach().reshape(-1)
    torch.index_select(values, 0, index, out=into)


def _said(batch: Any, picture: Any) -> str:
    return f"{type(batch).__name__} of shape {tuple(getattr(batch, 'shape', picture.shape))}"


def _refusal(came: str, advice: str, index: int) -> PictureError:
    return PictureError(
        f"expected pictures of envs (envs, height, width, 1 to 4 channels), or one such picture for each env "
        f"in a list, to show env {index}; got {came}; {advice}"
    )

"""Copies from a device to this process, that nobody waits for.

A simulator on a GPU runs ahead of Python: to wait for a value would stop it. So a copy is begun, and
looked at again at a later step. This file and `sources.tensors` are the doors of torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

_streams: dict[Any, Any] = {}  # For each GPU the stream on which copies leave it.


class Arrival(Protocol):
    """Arrays on their way to this process."""

    def ready(self) -> bool:
        """Whether they are there; never waits."""
        ...

    def collect(self) -> list[npt.NDArray[Any]]:
        """The arrays; waits for them where they are not there yet."""
        ...


Carry = Callable[[Sequence[Any]], Arrival]


class Arrived:
    """Arrays that are there already."""

    def __init__(self, arrays: list[npt.NDArray[Any]]) -> None:
        self._arrays = arrays

    def ready(self) -> bool:
        """True."""
        return True

    def collect(self) -> list[npt.NDArray[Any]]:
        """The arrays."""
        return self._arrays


class Underway:
    """Copies in page-locked memory, complete when the event behind them has happened."""

    def __init__(self, copies: list[Any], event: Any) -> None:
        self._copies = copies
        self._event = event

    def ready(self) -> bool:
        """Whether the event has happened."""
        return bool(self._event.query())

    def collect(self) -> list[npt.NDArray[Any]]:
        """The arrays, which share memory with the copies."""
        self._event.synchronize()
        return [copy.numpy() for copy in self._copies]


def carry(tensors: Sequence[Any]) -> Arrival:
    """Begin to copy torch tensors of one device to this process.

    What is written into the tensors afterwards does not change the copies. From a GPU nothing is waited
    for; tensors that are here already are copied at once.
    """
    if tensors[0].device.type == "cuda":
        return _from_cuda(tensors)
    return Arrived([np.array(tensor.detach().cpu().numpy()) for tensor in tensors])


def _from_cuda(tensors: Sequence[Any]) -> Arrival:
    import torch

    cuda: Any = torch.cuda
    device = tensors[0].device
    aside = _streams.get(device)
    if aside is None:
        aside = _streams[device] = cuda.Stream(device)
    # The clone is ordered among the simulator's own work: its next step overwrites the original.
    staged = [tensor.detach().clone(memory_format=torch.contiguous_format) for tensor in tensors]
    aside.wait_stream(cuda.current_stream(device))
    with cuda.stream(aside):
        copies = []
        for tensor in staged:
            # Page-locked memory comes from torch's cache of it, and goes back there when it is dropped.
            copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            copies.append(copy.copy_(tensor, non_blocking=True))
            tensor.record_stream(aside)
        event = cuda.Event()
        event.record(aside)
    return Underway(copies, event)

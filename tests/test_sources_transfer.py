"""Copies from a device: at once from the CPU, never waited for from a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envstream.sources.transfer import Arrived, Underway, carry

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")


class Event:
    """As `torch.cuda.Event`, but it happens when the test says so."""

    def __init__(self) -> None:
        self.happened = False
        self.waited_for = False

    def query(self) -> bool:
        return self.happened

    def synchronize(self) -> None:
        self.waited_for = True


def test_what_is_on_the_cpu_is_copied_at_once() -> None:
    tensor = torch.tensor([1, 2])
    arrival = carry([tensor])
    tensor += 1
    assert arrival.ready()
    assert arrival.collect()[0].tolist() == [1, 2]


def test_several_tensors_come_together_with_their_types() -> None:
    arrays = carry([torch.zeros(2, 3), torch.ones(2, dtype=torch.bool)]).collect()
    assert [(array.shape, array.dtype) for array in arrays] == [((2, 3), np.float32), ((2,), np.bool_)]


def test_a_tensor_of_a_learner_comes_without_its_graph() -> None:
    assert carry([torch.ones(2, requires_grad=True) * 2]).collect()[0].tolist() == [2.0, 2.0]


def test_what_is_there_already_is_ready() -> None:
    assert Arrived([np.zeros(1)]).ready()


def test_what_is_underway_is_ready_when_its_event_has_happened() -> None:
    event = Event()
    arrival = Underway([torch.tensor([7])], event)
    assert not arrival.ready() and not event.waited_for
    event.happened = True
    assert arrival.ready() and not event.waited_for
    assert arrival.collect()[0].tolist() == [7]


def test_who_collects_too_early_waits() -> None:
    event = Event()
    Underway([torch.tensor([7])], event).collect()
    assert event.waited_for


@on_a_gpu
def test_a_copy_from_a_gpu_is_begun_without_waiting_and_arrives() -> None:
    torch.cuda.set_sync_debug_mode("error")
    try:
        tensor = torch.arange(1_000_000, device="cuda")
        arrival = carry([tensor])
        tensor += 1  # As the simulator's next step does.
        arrival.ready()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert arrival.collect()[0].tolist() == list(range(1_000_000))

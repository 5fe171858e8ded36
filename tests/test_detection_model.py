"""A model: what is found out of one by asking it, and names that come in many ways."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from envstream.detection.boxes import Floats
from envstream.detection.layouts import IMAGENET, PLAIN, Intake
from envstream.detection.model import fed, label, multiples, names_said, needed, traits
from envstream.errors import EnvstreamError

ALL = multiples()


def answering(*sizes: int, classes: int = 2) -> Any:
    """A model in the layout of YOLOv8 that answers at some sizes, and counts how often it is asked."""

    def run(batch: Floats) -> list[tuple[str, Any]]:
        assert batch.shape[:2] == (1, 3) and batch.dtype == np.float32
        run.asked += 1  # type: ignore[attr-defined]
        size = batch.shape[-1]
        if size not in sizes:
            raise RuntimeError(f"{size} is no size for me")
        return [("output0", np.zeros((1, 4 + classes, 21 * (size // 32) ** 2), np.float32))]

    run.asked = 0  # type: ignore[attr-defined]
    return run


def test_a_model_that_answers_at_both_ends_answers_at_all_sizes() -> None:
    run = answering(*ALL)
    assert traits(run, ALL, {}, None, None).sizes == ALL
    assert run.asked == 2


@pytest.mark.parametrize("sizes", [[416], [320], [640], [384, 416, 448], [320, 352]])
def test_sizes_at_which_it_fails_are_not_among_its_sizes(sizes: list[int]) -> None:
    assert traits(answering(*sizes), ALL, {}, None, None).sizes == sizes


def test_one_that_always_fails_says_why() -> None:
    with pytest.raises(EnvstreamError, match="fails on an empty picture of size 320 to 640: 640 is no size"):
        traits(answering(), ALL, {}, None, None)


def test_names_come_from_whoever_knows_them_best() -> None:
    run, said = answering(*ALL), {"names": "{0: 'cat', 1: 'dog'}"}
    assert traits(run, ALL, said, ["a", "b"], None).names == ["a", "b"]
    assert traits(run, ALL, said, None, None).names == ["cat", "dog"]
    assert traits(run, ALL, {}, None, None).names == ["class 0", "class 1"]


def test_names_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(EnvstreamError, match="with 3 classes"):
        traits(answering(*ALL), ALL, {}, ["a", "b", "c"], None)


def test_a_model_for_something_else_is_an_error() -> None:
    with pytest.raises(EnvstreamError, match="made to segment; expected a model that detects"):
        traits(answering(*ALL), ALL, {"task": "segment"}, None, None)


@pytest.mark.parametrize(
    "said",
    [
        "{0: 'cat', 1: 'dog'}",
        "['cat', 'dog']",
        json.dumps({"0": "cat", "1": "dog"}),
        json.dumps(["cat", "dog"]),
        {0: "cat", 1: "dog"},
        ("cat", "dog"),
    ],
)
def test_names_are_read_as_python_and_as_json(said: Any) -> None:
    assert names_said(said) == ["cat", "dog"]


@pytest.mark.parametrize(
    "said",
    [None, "", "cat", "{", "__import__('os')", "{'a': 'b'}", "{-1: 'a'}", "{99999999: 'a'}", 5, "[" * 5000],
)
def test_names_that_cannot_be_meant_are_none(said: Any) -> None:
    assert names_said(said) == []


def test_a_gap_among_the_names_is_filled_and_long_ones_are_cut() -> None:
    assert names_said({2: "x" * 1000}) == ["class 0", "class 1", "x" * 40]


def test_a_class_without_a_name_has_its_number() -> None:
    assert [label(["cat"], index) for index in (0, 1, -1)] == ["cat", "class 1", "class -1"]


@pytest.mark.parametrize(
    ("stride", "expected"), [(32, 11), (None, 11), (64, 6), (8, 11), ("x", 11), (0, 11), (320, 2)]
)
def test_sizes_are_multiples_of_the_stride(stride: Any, expected: int) -> None:
    sizes = multiples(stride)
    assert (len(sizes), sizes[0], sizes[-1]) == (expected, 320, 640)


def test_a_picture_is_fed_as_the_model_was_trained() -> None:
    batch = np.zeros((1, 3, 2, 2), np.float32)
    batch[0, 0] = 1.0  # Red.
    assert fed(batch, PLAIN) is batch
    assert fed(batch, Intake(255.0, reverse=True))[0, :, 0, 0].tolist() == [0, 0, 255]
    expected = (np.array([1, 0, 0]) - IMAGENET.mean) / IMAGENET.deviation
    assert fed(batch, IMAGENET)[0, :, 0, 0] == pytest.approx(expected)
    assert fed(batch, PLAIN, np.float16).dtype == np.float16


def test_a_package_that_is_missing_is_named_with_how_to_get_it() -> None:
    needed("numpy", "this")
    with pytest.raises(
        EnvstreamError, match=r'this needs nosuchthing: pip install "gymnasium-envstream\[detect\]"'
    ):
        needed("nosuchthing", "this")

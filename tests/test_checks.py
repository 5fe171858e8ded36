"""Checks: a value comes out as it is kept, or the refusal names the key and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envstream import checks
from envstream.checks import Check
from envstream.errors import SettingError

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.sampled_from(
        [object(), np.zeros(0), np.zeros(2), np.zeros((2, 2)), np.array("a"), range(3), {1, 2}]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)

CHECKS: dict[str, Check] = {
    "boolean": checks.boolean,
    "whole": checks.whole(1, 9),
    "number": checks.number(0.5, 9),
    "span": checks.span(checks.number(0.5, 9), 0.5, 9),
    "whole span": checks.span(checks.whole(1, 9), 1, 9),
    "text": checks.text,
    "choice": checks.choice("red", "blue"),
    "or_none": checks.or_none(checks.text),
    "quality_or": checks.quality_or(["low", "high"]),
    "resolution": checks.resolution,
    "levels": checks.levels,
    "envs": checks.envs,
    "names": checks.names,
    "file": checks.file,
    "processors": checks.processors,
    "hub": checks.hub,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@settings(max_examples=60)
@given(value=ANYTHING)
def test_anything_is_taken_or_refused_by_name(check: Check, value: Any) -> None:
    try:
        check("colour", value)
    except SettingError as refusal:
        assert str(refusal).startswith("colour=")


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@settings(max_examples=60)
@given(value=ANYTHING)
def test_what_was_taken_is_taken_again_as_it_is(check: Check, value: Any) -> None:
    try:
        once = check("colour", value)
    except SettingError:
        return
    assert check("colour", once) == once


@pytest.mark.parametrize(
    ("check", "value", "kept"),
    [
        ("boolean", True, True),
        ("whole", 1, 1),
        ("whole", np.int64(9), 9),
        ("number", 1, 1.0),
        ("number", np.float32(0.5), 0.5),
        ("span", (1, np.float32(2.5)), [1.0, 2.5]),
        ("span", [9, 9], [9.0, 9.0]),
        ("span", np.array([1, 2]), [1.0, 2.0]),
        ("whole span", (1, np.int64(9)), [1, 9]),
        ("text", "a b", "a b"),
        ("choice", "red", "red"),
        ("or_none", None, None),
        ("or_none", "a", "a"),
        ("quality_or", "low", "low"),
        ("quality_or", 85, 85),
        ("resolution", (640, np.int64(480)), [640, 480]),
        ("resolution", None, None),
        ("levels", (90, 70), [90, 70]),
        ("envs", "all", "all"),
        ("envs", range(3), [0, 1, 2]),
        ("envs", np.array([0, 3]), [0, 3]),
        ("names", ("a.example", "b.example"), ["a.example", "b.example"]),
        ("names", [], []),
        ("processors", ("stats",), [{"name": "stats"}]),
        (
            "processors",
            [{"name": "undistort", "strength": -0.18}],
            [{"name": "undistort", "strength": -0.18}],
        ),
        ("processors", [], []),
        ("hub", "ws://host", "ws://host"),
        ("hub", "wss://host:8443/below/stream?token=x", "wss://host:8443/below/stream?token=x"),
        ("hub", "ws://[::1]:8080/", "ws://[::1]:8080/"),
    ],
)
def test_what_can_be_meant_is_kept_as_plain_data(check: str, value: Any, kept: Any) -> None:
    found = CHECKS[check]("colour", value)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        ("boolean", 1, "true or false"),
        ("whole", 0, "a whole number from 1 to 9"),
        ("whole", True, "a whole number from 1 to 9"),
        ("whole", 1.0, "a whole number from 1 to 9"),
        ("number", 0.4, "a number from 0.5 to 9"),
        ("number", float("nan"), "a number from 0.5 to 9"),
        ("number", "1", "a number from 0.5 to 9"),
        ("span", [2, 1], "[least, greatest], each from 0.5 to 9"),
        ("span", [1], "[least, greatest], each from 0.5 to 9"),
        ("span", [1, 2, 3], "[least, greatest], each from 0.5 to 9"),
        ("span", [], "[least, greatest], each from 0.5 to 9"),
        ("span", [0.4, 2], "[least, greatest], each from 0.5 to 9"),
        ("span", [1, 9.1], "[least, greatest], each from 0.5 to 9"),
        ("span", [1, float("nan")], "[least, greatest], each from 0.5 to 9"),
        ("span", [None, 2], "[least, greatest], each from 0.5 to 9"),
        ("span", [True, 2], "[least, greatest], each from 0.5 to 9"),
        ("span", "12", "[least, greatest], each from 0.5 to 9"),
        ("span", 5, "[least, greatest], each from 0.5 to 9"),
        ("span", None, "[least, greatest], each from 0.5 to 9"),
        ("span", {"least": 1, "greatest": 2}, "[least, greatest], each from 0.5 to 9"),
        ("whole span", [1.5, 2], "[least, greatest], each from 1 to 9"),
        ("text", " ", "a text that is not empty"),
        ("choice", "green", "one of red, blue"),
        ("choice", np.zeros(2), "one of red, blue"),
        ("quality_or", "medium", "a JPEG quality from 1 to 100 or a preset (low, high)"),
        ("quality_or", 101, "a JPEG quality from 1 to 100 or a preset (low, high)"),
        ("resolution", [16], "[width, height], each from 16 to 16384"),
        ("levels", [70, 90], "a list of JPEG qualities from best to worst"),
        ("envs", [-1], "a list of sub-env indices"),
        ("envs", np.zeros(2), "a list of sub-env indices"),
        ("names", "a.example", "a list of names"),
        ("file", "/nowhere", "an existing file"),
        ("processors", "stats", "a list of processors"),
        ("processors", [["stats"]], "a list of processors"),
        ("processors", [{"strength": 1}], "a list of processors"),
        ("processors", [{"name": " "}], "a list of processors"),
        ("processors", [{"name": "stats", 1: 2}], "a list of processors"),
        ("processors", {"name": "stats"}, "a list of processors"),
        ("hub", "http://host:8080", "such as ws://host:8080/stream"),
        ("hub", "host:8080", "such as ws://host:8080/stream"),
        ("hub", "ws://", "such as ws://host:8080/stream"),
        ("hub", "ws://:8080", "such as ws://host:8080/stream"),
        ("hub", "ws://host:0", "such as ws://host:8080/stream"),
        ("hub", "ws://host:99999", "such as ws://host:8080/stream"),
        ("hub", "ws://host:http", "such as ws://host:8080/stream"),
        ("hub", "ws://[::1", "such as ws://host:8080/stream"),
        ("hub", "ws://somebody:secret@host", "such as ws://host:8080/stream"),
        ("hub", "ws://two hosts", "such as ws://host:8080/stream"),
        ("hub", "ws://host\n", "such as ws://host:8080/stream"),
        ("hub", "", "such as ws://host:8080/stream"),
        ("hub", 8080, "such as ws://host:8080/stream"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_told_what_was_expected(
    check: str, value: Any, expected: str
) -> None:
    with pytest.raises(SettingError) as refusal:
        CHECKS[check]("colour", value)
    assert str(refusal.value).startswith(f"colour={value!r}: expected ")
    assert expected in str(refusal.value)


def test_a_file_is_kept_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pem").touch()
    monkeypatch.chdir(tmp_path)
    assert checks.file("cert", "a.pem") == str(tmp_path.resolve() / "a.pem")


def test_a_file_in_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pem").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checks.file("cert", "~/a.pem") == str(tmp_path.resolve() / "a.pem")


@pytest.mark.parametrize("make", [checks.whole, checks.number])
def test_both_ends_of_a_range_belong_to_it(make: Callable[[int, int], Check]) -> None:
    assert [make(1, 9)("colour", value) for value in (1, 9)] == [1, 9]


def test_processors_are_kept_as_a_copy() -> None:
    given = [{"name": "stats"}]
    kept = checks.processors("processors", given)
    given[0]["name"] = "another"
    assert kept == [{"name": "stats"}]


@pytest.mark.parametrize("value", ["nowhere.onnx", "", 5, None, np.zeros(2), ["shapes"]], ids=repr)
def test_a_model_is_the_one_that_comes_along_or_a_file(value: Any) -> None:
    with pytest.raises(SettingError, match="shapes, or the file of a model"):
        checks.model("videoStreamDetect", value)


def test_the_model_that_comes_along_goes_by_its_name() -> None:
    assert checks.model("videoStreamDetect", "shapes") == "shapes"

"""What goes over wires is JSON that every browser can read."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.wire import compact, finite

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def read(text: str) -> Any:
    """JSON as strictly as browsers read it."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@given(JSON)
def test_any_data_can_be_read_by_a_browser(value: Any) -> None:
    assert read(compact(value)) == finite(value)


@given(JSON.filter(lambda value: "nan" not in repr(value) and "inf" not in repr(value)))
def test_data_that_is_finite_already_stays_as_it_is(value: Any) -> None:
    assert finite(value) == value


def test_what_json_has_no_word_for_becomes_null() -> None:
    assert finite({"a": (math.nan, [math.inf]), "b": 1.5}) == {"a": [None, [None]], "b": 1.5}


def test_what_json_does_not_know_becomes_its_text() -> None:
    assert compact([1 + 2j]) == '["(1+2j)"]'


def test_no_space_is_wasted() -> None:
    assert compact({"a": [1, 2]}) == '{"a":[1,2]}'


@given(st.dictionaries(st.floats() | st.text(max_size=3), JSON, max_size=3))
def test_the_names_in_an_object_may_be_any_number(value: Any) -> None:
    read(compact(value))

"""The bus's layout: what is written is read again, and what others write there harms nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.bus import layout
from envstream.bus.demand import Want
from envstream.bus.layout import About, Entry, Keys
from envstream.errors import SessionError
from envstream.identity import Identity

READERS = {
    "about": lambda data: layout.read_about("w", data),
    "demand": layout.read_demand,
    "quality": layout.read_quality,
    "looking": layout.read_server,
    "status": layout.read_status,
    "picture": lambda data: layout.read_picture([b"m", data, b"d", b"\xff\xd8"], 100),
}

every_reader = pytest.mark.parametrize("name", READERS)


def said(**values: Any) -> bytes:
    return json.dumps(values).encode()


def test_all_keys_begin_with_the_prefix() -> None:
    keys = Keys("lab")
    assert (keys.workers, keys.news, keys.looking, keys.status) == (
        "lab:workers",
        "lab:news",
        "lab:looking",
        "lab:status",
    )
    assert keys.frames("w", "s") == "lab:frames:w:s"
    assert [keys.about("w"), keys.demand("w"), keys.quality("w"), keys.wake("p")] == [
        "lab:about:w",
        "lab:demand:w",
        "lab:quality:w",
        "lab:wake:p",
    ]


@pytest.mark.parametrize("name", ["CartPole-v1", "", "a/b:c\n*", "ü" * 1000, "\ud800"])
def test_a_streams_id_fits_into_a_key_whatever_its_name(name: str) -> None:
    assert layout.STREAM.fullmatch(layout.stream_id(name))
    assert layout.stream_id(name) == layout.stream_id(name) != layout.stream_id(name + "x")


def test_what_a_worker_says_of_itself_is_read_again() -> None:
    entries = (
        Entry("a", "CartPole-v1", "CartPole-v1"),
        Entry("b", "envs/3", "Pong ü", "envs", 3, 60.0, "high"),
        Entry("c", "c", "c", quality=70, identity=Identity("run-b", 0)),
    )
    about = About("1.2", Identity("run-a", 3, "node", 77), {entry.id: entry for entry in entries})
    assert layout.read_about("w", layout.about_text(about).encode()) == about
    nobody = About("1.2", Identity(), {})
    assert layout.read_about("w", layout.about_text(nobody).encode()) == nobody


@pytest.mark.parametrize(("protocol", "who"), [(0, "envstream there"), (2, "the server here")])
def test_another_version_is_told_who_is_to_be_brought_up_to_date(protocol: int, who: str) -> None:
    with pytest.raises(
        SessionError, match=f"version {protocol} of the bus's protocol.*until {who} is"
    ) as error:
        layout.read_about("w", said(protocol=protocol, all="else"))
    assert error.value.code == "protocol"


def test_a_picture_is_read_again() -> None:
    text = layout.picture_text(7, 12.5, ("jpeg", 64, 48), {"step": 3, "return": float("nan")})
    sent = layout.read_picture([b"m", text.encode(), b"d", b"\xff\xd8"], 100)
    assert sent == layout.Sent(7, 12.5, "jpeg", 64, 48, {"step": 3, "return": None}, b"\xff\xd8")


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [b"m"],
        [b"m", b"{}", b"d", b""],
        [b"m", b"{}", b"d", b"x" * 101],
        [b"d", b"x"],
        [b"m", said(number=1, encoding="h264", width=1, height=1), b"d", b"x"],
        [b"m", said(number=1, encoding="jpeg", width=0, height=1), b"d", b"x"],
        [b"m", said(number=1, encoding="jpeg", width=1, height=99999), b"d", b"x"],
        [b"m", said(number=1, encoding="jpeg", width=1, height=1, captured="now"), b"d", b"x"],
        [b"m", said(number=1, encoding="jpeg", width=1, height=1, info=[1]), b"d", b"x"],
        [b"m", said(number=1, encoding="jpeg", width=1, height=1, info={"a": "x" * 9000}), b"d", b"x"],
    ],
)
def test_what_is_no_picture_is_not_taken(fields: list[bytes]) -> None:
    with pytest.raises(SessionError):
        layout.read_picture(fields, 100)


def test_demand_is_read_again() -> None:
    wanted = {"a": Want(), "b": Want(2.5, 320)}
    assert layout.read_demand(layout.demand_text("p", wanted).encode()) == ("p", wanted)


@pytest.mark.parametrize(
    "streams",
    [
        None,
        [],
        "x",
        {"a": {"fps": 0}},
        {"a": {"fps": True}},
        {"a": {"width": 1.5}},
        dict.fromkeys(range(5000)),
    ],
)
def test_demand_that_cannot_be_is_not_heard(streams: object) -> None:
    with pytest.raises(SessionError):
        layout.read_demand(said(server="p", streams=streams))


def test_a_chosen_quality_is_a_number_or_a_name() -> None:
    assert layout.read_quality(said(stream="a", quality=70)) == ("a", 70)
    assert layout.read_quality(said(stream="a", quality="high")) == ("a", "high")
    for quality in (None, True, 1.5, [], "x" * 200):
        with pytest.raises(SessionError):
            layout.read_quality(said(stream="a", quality=quality))


def test_a_status_is_by_stream() -> None:
    streams = {"a": {"fps": 1}, "b": 3, "c": {"x": "y" * 9000}}
    assert layout.read_status(said(worker="w", streams=streams)) == ("w", {"a": {"fps": 1}})


@pytest.mark.parametrize(
    ("data", "worker"), [(b"a-b_1", "a-b_1"), (b"", None), (b"a b", None), (b"\xff", None), (b"a" * 65, None)]
)
def test_a_workers_id_is_short_and_plain(data: bytes, worker: str | None) -> None:
    assert layout.worker_of(data) == worker


@every_reader
@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"[" * 100_000, b"null", b"[]", b'{"a":', b'"x"', b"1e999", b"{}", b"x" * 2_100_000],
)
def test_what_is_no_message_is_an_error_that_says_so(name: str, data: bytes) -> None:
    with pytest.raises(SessionError):
        READERS[name](data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
KNOWN = """
protocol version run rank host pid streams server stream quality worker number captured encoding width height
info id name title env fps
"""
known_fields = st.sampled_from(KNOWN.split())


@every_reader
@given(values=st.dictionaries(known_fields, json_values, max_size=8))
def test_whatever_strangers_say_nothing_else_is_raised(name: str, values: dict[str, Any]) -> None:
    values.setdefault("protocol", layout.PROTOCOL)
    try:
        READERS[name](json.dumps(values).encode())
    except SessionError:
        pass


@given(data=st.binary(max_size=200))
def test_nor_by_bytes_of_any_kind(data: bytes) -> None:
    for read in READERS.values():
        try:
            read(data)
        except SessionError:
            pass

"""The pipeline: processors are found and called in their order, and what one does wrong is a sentence."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapes
from envstream.errors import SessionError
from envstream.frame import Frame
from envstream.processing.pipeline import MOST, Pipeline, ProcessorFailed, check

OURS = """
def plain(frame):
    return replace(frame, pixels=frame.pixels // 2)

def gain(frame, by=2):
    return replace(frame, pixels=frame.pixels * by)

def nothing(frame):
    return None

def factory(level=1):
    def process(frame):
        return replace(frame, pixels=frame.pixels * 0 + level)
    return process

class Counts:
    changes = False
    def __init__(self, of="frames"):
        self.of, self.count = of, 0
    def begin(self, about):
        self.session = about["session_id"]
    def __call__(self, frame):
        self.count += 1
        return frame
    def finish(self, about):
        return {self.of: self.count, "session": self.session, "end": about["frames"]}

made = Counts("made")

class Ends:
    def __call__(self, frame):
        return frame
    def finish(self, about):
        import numpy
        return {"odd": float("nan"), "array": numpy.arange(3), "path": os}

class Talks(Ends):
    def finish(self, about):
        return {"text": "x" * 2**21}

class Lists(Ends):
    def finish(self, about):
        return [1]

class Falls(Ends):
    def finish(self, about):
        raise KeyError("gone")

def raises(frame):
    if frame.number == 7:
        raise ValueError("seven is too many")
    return frame

def leaves(frame):
    sys.exit("enough")

def writes(frame):
    frame.pixels[0] = 0

def array(frame):
    return frame.pixels

def floats(frame):
    return replace(frame, pixels=frame.pixels / 2)

def greys(frame):
    return replace(frame, pixels=frame.pixels[..., 0].copy())

number = 7
"""


@pytest.fixture(autouse=True)
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module of somebody's own, which can be imported."""
    tapes.module(tmp_path, "pipeline_ours", OURS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    import sys

    sys.modules.pop("pipeline_ours", None)


ABOUT = {"session_id": "s"}


def pipeline(*specs: Any) -> Pipeline:
    return Pipeline([{"name": each} if isinstance(each, str) else each for each in specs], ABOUT)


def frame(number: int = 1, level: int = 100) -> Frame:
    return Frame(np.full((40, 60, 3), level, np.uint8), number, number / 10, 0.0, {"step": number})


def level(*specs: Any) -> int:
    """What becomes of a picture of level 100."""
    done = pipeline(*specs).run(frame())
    assert done is not None
    return int(done.pixels.max())


# ---- what is asked for


def test_names_and_objects_are_taken() -> None:
    asked = ["stats", {"name": "undistort", "balance": 1}, {"name": "my.own", "x": [1]}]
    assert check(asked, ["my.own"]) == [{"name": "stats"}, *asked[1:]]


@pytest.mark.parametrize("name", ["blur", "os.system", "envstream.processors.stats.Stats", "", "x" * 500])
def test_only_what_is_offered_may_be_asked_for(name: str) -> None:
    with pytest.raises(SessionError, match=r"are: undistort, overlay, detect, stats, my\.own$") as raised:
        check([name], ["my.own"])
    assert (raised.value.code, raised.value.recoverable) == ("unknown_processor", False)
    assert len(str(raised.value)) < 200


def test_what_is_asked_for_is_imported_by_nobody_here(tmp_path: Path) -> None:
    tapes.module(tmp_path, "pipeline_trap", "raise SystemExit('imported')")
    assert check(["pipeline_trap.x"], ["pipeline_trap.x"]) == [{"name": "pipeline_trap.x"}]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"name": "undistort", "strength": 9}, "strength=9: expected a number from -0.25 to 1"),
        ({"name": "undistort", "power": 9}, "unexpected keyword argument 'power'"),
        ({"name": "stats", "x": 1}, "'stats'"),
        ({"strength": 1}, "expected the name of a processor"),
        (7, "expected the name of a processor, or an object with a `name`; 7 came"),
        (None, "None came"),
        ({"name": ["stats"]}, "expected the name"),
    ],
)
def test_options_that_cannot_be_meant_are_a_sentence(spec: Any, says: str) -> None:
    with pytest.raises(SessionError, match=says) as raised:
        check([spec], [])
    assert raised.value.code == "bad_start"


def test_too_many_processors_are_a_sentence() -> None:
    assert len(check(["stats"] * MOST, [])) == MOST
    with pytest.raises(SessionError, match="a session has 16 at most"):
        check(["stats"] * (MOST + 1), [])


def test_what_cannot_work_here_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cv2" else find(name))
    with pytest.raises(SessionError, match=r"gymnasium-envstream\[process\]"):
        check(["undistort"], [])


# ---- how processors are made


def test_a_plain_function_is_used_as_it_is() -> None:
    assert level("pipeline_ours.plain") == 50


def test_options_of_a_plain_function_are_given_with_each_frame() -> None:
    assert level("pipeline_ours.gain") == 200
    assert level({"name": "pipeline_ours.gain", "by": 1}) == 100


def test_a_factory_is_called_with_the_options() -> None:
    assert level("pipeline_ours.factory") == 1
    assert level({"name": "pipeline_ours.factory", "level": 9}) == 9


def test_a_class_is_called_with_the_options_and_told_of_the_session() -> None:
    made = pipeline({"name": "pipeline_ours.Counts", "of": "pictures"})
    for number in range(1, 4):
        made.run(frame(number))
    said = {"pictures": 3, "session": "s", "end": 3}
    assert made.finish({**ABOUT, "frames": 3}) == {"pipeline_ours.Counts": said}


def test_a_processor_that_is_there_already_is_used() -> None:
    made = pipeline("pipeline_ours.made")
    made.run(frame())
    assert made.finish({"frames": 1}) == {"pipeline_ours.made": {"made": 1, "session": "s", "end": 1}}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("pipeline_ours.none", "AttributeError: module 'pipeline_ours' has no attribute 'none'"),
        ("pipeline_nowhere.x", "ModuleNotFoundError: No module named 'pipeline_nowhere'"),
        ("pipeline_ours.number", "TypeError"),
        ({"name": "pipeline_ours.Counts", "what": 1}, "unexpected keyword argument 'what'"),
    ],
    ids=str,
)
def test_a_processor_that_cannot_be_made_is_a_sentence(spec: Any, says: str) -> None:
    with pytest.raises(ProcessorFailed, match=says) as raised:
        pipeline("stats", spec)
    assert raised.value.number == 0


# ---- what becomes of frames


def test_processors_are_called_in_their_order() -> None:
    assert level("pipeline_ours.plain", {"name": "pipeline_ours.gain", "by": 3}) == 150
    assert level({"name": "pipeline_ours.gain", "by": 3}, "pipeline_ours.plain") == (300 % 256) // 2


def test_a_picture_that_is_left_out_goes_no_further() -> None:
    made = pipeline("pipeline_ours.nothing", "stats")
    assert made.run(frame()) is None
    assert made.finish({})["stats"]["frames"] == 0


def test_the_built_in_ones_are_there() -> None:
    made = pipeline("undistort", "overlay", "stats")
    done = made.run(frame())
    assert done is not None and not np.array_equal(done.pixels, frame().pixels)
    found = made.finish({})
    assert list(found) == ["undistort", "overlay", "stats"]
    assert (found["undistort"]["strength"], found["overlay"], found["stats"]["frames"]) == (-0.18, {}, 1)


def test_of_two_with_one_name_each_has_its_own_result() -> None:
    made = pipeline("stats", "pipeline_ours.plain", "stats")
    made.run(frame())
    found = made.finish({})
    assert list(found) == ["stats", "pipeline_ours.plain", "stats-2"]
    assert found["stats"]["brightness"]["max"] == pytest.approx(2 * found["stats-2"]["brightness"]["max"])


@pytest.mark.parametrize(
    ("specs", "changes"),
    [([], False), (["stats"], False), (["pipeline_ours.made", "stats"], False), (["stats", "overlay"], True)],
    ids=str,
)
def test_it_knows_whether_pictures_may_be_changed(specs: list[str], changes: bool) -> None:
    assert pipeline(*specs).changes is changes


def test_it_says_who_gets_a_frame_before_and_after_but_not_of_those_built_in() -> None:
    heard: list[tuple[int, str | None]] = []
    specs = [{"name": "stats"}, {"name": "pipeline_ours.made"}]
    made = Pipeline(specs, ABOUT, lambda number, name: heard.append((number, name)))
    made.run(frame(4))
    made.finish({"frames": 4})
    name = "pipeline_ours.made"
    assert heard == [(0, name), (0, None)] * 2 + [(4, name), (4, None)] * 2


# ---- what goes wrong


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("leaves", "SystemExit: enough"),
        ("writes", "ValueError: assignment destination is read-only"),
        ("array", "expected a Frame, or None to leave the picture out; ndarray came"),
        ("floats", r"expected uint8 pixels of shape \(height, width, 3\); float64 of \(40, 60, 3\) came"),
        ("greys", r"uint8 of \(40, 60\) came"),
    ],
)
def test_what_a_processor_does_wrong_is_a_sentence(name: str, says: str) -> None:
    with pytest.raises(ProcessorFailed, match=says) as raised:
        pipeline(f"pipeline_ours.{name}").run(frame(3))
    assert (raised.value.name, raised.value.number) == (f"pipeline_ours.{name}", 3)


def test_an_error_says_where_it_was_raised() -> None:
    made = pipeline("pipeline_ours.raises", "stats")
    assert made.run(frame(6)) is not None
    line = 1 + tapes.IMPORTS.count("\n") + OURS[: OURS.index("raise ValueError")].count("\n")
    with pytest.raises(ProcessorFailed) as raised:
        made.run(frame(7))
    assert raised.value.error == f"ValueError: seven is too many (pipeline_ours.py, line {line})"


def test_after_a_failure_the_others_still_say_what_they_found() -> None:
    made = pipeline("stats", "pipeline_ours.raises", "pipeline_ours.made")
    made.run(frame(6))
    with pytest.raises(ProcessorFailed):
        made.run(frame(7))
    assert made.failed is not None and made.failed.name == "pipeline_ours.raises"
    found = made.finish({"frames": 9})
    assert (found["stats"]["frames"], found["pipeline_ours.raises"]) == (2, {})
    assert found["pipeline_ours.made"]["made"] == 1


def test_what_is_found_can_be_told_as_json() -> None:
    made = pipeline("pipeline_ours.Ends")
    found = made.finish({})["pipeline_ours.Ends"]
    assert (found["odd"], found["array"]) == (None, [0, 1, 2])
    assert found["path"].startswith("<module 'os'")
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Talks", "what finish() gave takes 2097164 characters; at most 1048576"),
        ("Lists", "expected a mapping, or None, of finish(); list came"),
        ("Falls", "KeyError: 'gone' (pipeline_ours.py, line "),
    ],
)
def test_a_result_that_cannot_be_taken_is_a_sentence(name: str, says: str) -> None:
    made = pipeline("stats", f"pipeline_ours.{name}")
    made.run(frame(5))
    assert made.finish({})["stats"]["frames"] == 1
    assert made.failed is not None and made.failed.error.startswith(says)
    assert (made.failed.name, made.failed.number) == (f"pipeline_ours.{name}", 5)

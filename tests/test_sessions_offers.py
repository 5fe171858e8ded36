"""Offers: a publisher names what is offered, and of the model of `detect` only the server has a say."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

import detectors
from envstream.config import StreamConfig
from envstream.errors import SessionError
from envstream.sessions import offers


def names(specs: list[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in specs]


def test_what_every_session_has_comes_before_what_a_publisher_wants() -> None:
    config = StreamConfig(videoStreamProcessors=["undistort"])
    assert names(offers.checked(config, [{"name": "stats"}])) == ["undistort", "stats"]


def test_nothing_is_wanted_and_nothing_there() -> None:
    assert offers.checked(StreamConfig(), []) == []


def test_what_is_not_offered_is_refused_and_what_is_offered_is_named() -> None:
    config = StreamConfig(videoStreamOffers=["somebodys.thing"])
    with pytest.raises(SessionError, match=r"somebodys\.thing") as refusal:
        offers.checked(config, [{"name": "os.remove"}])
    assert (refusal.value.code, refusal.value.recoverable) == ("unknown_processor", False)


@pytest.mark.parametrize("name", offers.DETECT)
def test_a_publisher_does_not_say_which_file_is_a_model(name: str) -> None:
    config = StreamConfig(videoStreamOffers=[offers.DETECT[1]])
    with pytest.raises(SessionError, match="leave `model` out") as refusal:
        offers.checked(config, [{"name": "stats"}, {"name": name, "model": "/etc/passwd"}])
    assert not refusal.value.recoverable


@pytest.mark.parametrize("model", [None, "", 7])
def test_nor_whatever_else_it_says_of_a_model(model: Any) -> None:
    with pytest.raises(SessionError, match="videoStreamDetect"):
        offers.checked(StreamConfig(), [{"name": "detect", "model": model}])


def test_a_processor_of_somebody_may_have_an_option_of_that_name() -> None:
    config = StreamConfig(videoStreamOffers=["somebodys.thing"])
    wanted = {"name": "somebodys.thing", "model": "large"}
    assert offers.checked(config, [wanted]) == [wanted]


def test_a_model_that_is_a_program_is_not_for_publishers(tmp_path: Path) -> None:
    model = tmp_path / "secret.pt"
    with zipfile.ZipFile(model, "w") as file:
        file.writestr("archive/constants.pkl", "")
    with pytest.raises(SessionError, match="leave detect out") as refusal:
        offers.checked(StreamConfig(videoStreamDetect=str(model)), [{"name": "detect"}])
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("detect", [None, "shapes"])
def test_detect_uses_the_model_that_comes_along(detect: str | None) -> None:
    (spec,) = offers.checked(StreamConfig(videoStreamDetect=detect), [{"name": "detect", "every": 3}])
    assert spec == {"name": "detect", "every": 3}


def test_detect_uses_the_model_of_the_server(tmp_path: Path) -> None:
    path = detectors.looking(tmp_path / "red.onnx")
    config = StreamConfig(videoStreamDetect=str(path))
    (spec,) = offers.checked(config, [{"name": "detect", "confidence": 0.5}])
    assert spec == {"name": "detect", "model": str(path), "confidence": 0.5}


def test_of_what_every_session_has_the_server_may_say_another_model(tmp_path: Path) -> None:
    one, other = (detectors.looking(tmp_path / name) for name in ("one.onnx", "other.onnx"))
    always = [{"name": "detect", "model": str(other)}]
    config = StreamConfig(videoStreamDetect=str(one), videoStreamProcessors=always)
    specs = offers.checked(config, [{"name": "detect"}])
    assert [spec["model"] for spec in specs] == [str(other), str(one)]


def test_options_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(SessionError, match=r"from 0\.01 to 1"):
        offers.checked(StreamConfig(), [{"name": "detect", "confidence": 5}])

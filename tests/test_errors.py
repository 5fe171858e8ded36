"""Errors say what was expected, what came and what to do; and each can be caught as what it is."""

from __future__ import annotations

import pytest

from envstream import errors
from envstream.errors import AddressError, EnvstreamError, SessionError, SettingError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.SettingError, ValueError),
        (errors.PictureError, ValueError),
        (errors.MessageError, ValueError),
        (errors.SharedMemoryError, OSError),
        (errors.AddressError, OSError),
        (errors.WorkerError, RuntimeError),
        (errors.SessionError, ValueError),
    ],
)
def test_an_error_is_one_of_ours_and_one_of_pythons(error: type[Exception], kind: type[Exception]) -> None:
    assert issubclass(error, EnvstreamError)
    assert issubclass(error, kind)


def test_an_unknown_setting_names_the_nearest() -> None:
    error = SettingError.unknown("prot", ["port", "host"])
    assert str(error) == "'prot' is not a setting of envstream; did you mean 'port'?"


def test_the_nearest_is_found_in_any_case() -> None:
    assert "did you mean 'abcDEF'?" in str(SettingError.unknown("ABCdef", ["abcDEF", "other"]))


def test_an_unknown_setting_that_is_near_to_none_lists_all() -> None:
    assert str(SettingError.unknown("x", iter(["port", "host"]))).endswith("the settings are: port, host")


def test_a_wrong_value_says_what_came_and_what_was_expected() -> None:
    assert str(SettingError.value("port", "x", "a number")) == "port='x': expected a number"


def test_an_address_that_cannot_be_had_says_which_settings_help() -> None:
    said = str(AddressError.cannot_bind("10.0.0.1", 80, "permission denied"))
    assert said.startswith("cannot listen on 10.0.0.1:80 (permission denied)")
    assert "videoStreamHost" in said and "videoStreamPort" in said


def test_an_error_of_a_session_is_a_message_for_its_client() -> None:
    error = SessionError("wrong_size", "a sentence", number=3)
    assert str(error) == "a sentence"
    assert error.message() == {
        "type": "error",
        "code": "wrong_size",
        "message": "a sentence",
        "recoverable": True,
        "number": 3,
    }


def test_an_error_that_is_about_no_frame_names_none_and_may_end_the_connection() -> None:
    said = SessionError("flooding", "a sentence", recoverable=False).message()
    assert "number" not in said
    assert said["recoverable"] is False

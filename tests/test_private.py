"""What is kept between two runs: for this user only, and never what somebody else could have written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envstream import private


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(private, "folder", lambda: tmp_path / "kept")
    return tmp_path / "kept"


def test_what_is_kept_is_there_again_and_only_for_its_user(place: Path) -> None:
    assert private.kept("a") is None
    assert private.keep("a", b"one") and private.keep("a", b"two")
    assert private.kept("a") == b"two"
    if os.name == "posix":
        assert (place / "a").stat().st_mode & 0o777 == 0o600 and place.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in place.iterdir()] == ["a"], "nothing half is left"


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_what_others_can_read_or_write_is_not_used(place: Path, mode: int) -> None:
    private.keep("a", b"one")
    (place / "a").chmod(mode)
    assert private.kept("a") is None


def test_a_link_is_not_followed(place: Path, tmp_path: Path) -> None:
    place.mkdir()
    (tmp_path / "other").write_bytes(b"theirs")
    (tmp_path / "other").chmod(0o600)
    (place / "a").symlink_to(tmp_path / "other")
    assert private.kept("a") is None
    assert private.keep("a", b"ours") and (tmp_path / "other").read_bytes() == b"theirs"


def test_a_key_stays_the_same() -> None:
    assert private.key("k") == private.key("k") and len(private.key("k")) == 32
    assert private.key("k") != private.key("other")


def test_a_key_that_is_damaged_is_made_anew(place: Path) -> None:
    private.keep("k", b"short")
    assert len(private.key("k")) == 32


def test_where_nothing_can_be_kept_a_key_is_made_for_this_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write_text("no folder")
    assert private.keep("a", b"one") is False
    assert len(private.key("k")) == 32 and private.key("k") != private.key("k")


def test_a_user_without_a_home_has_nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(private, "folder", homeless)
    assert private.kept("a") is None and private.keep("a", b"one") is False

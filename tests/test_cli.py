"""The command: what it understands, and one sentence for what it does not."""

from __future__ import annotations

import runpy
import subprocess
import sys
from typing import Any

import pytest

from envstream import __version__, cli, demo


@pytest.fixture
def demos(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the demo was called with, instead of being run."""
    calls: list[Any] = []

    def main(*given: Any) -> int:
        calls.append(given)
        return 0

    monkeypatch.setattr(demo, "main", main)
    return calls


def test_the_demo_plays_our_own_game_unless_told_otherwise(demos: list[Any]) -> None:
    assert cli.main(["demo", "pyboy"]) == 0
    assert cli.main(["demo", "pyboy", "--rom", "my.gb", "--seconds", "3", "--port", "0"]) == 0
    assert demos == [(None, 20.0, {"videoStreamPort": 8080}), ("my.gb", 3.0, {"videoStreamPort": 0})]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon", "1e9"])
def test_seconds_that_cannot_be_meant_are_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["demo", "pyboy", f"--seconds={seconds}"])
    assert end.value.code == 2
    assert "expected seconds from 0.1 to 86400" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["demo"], ["demo", "doom"], ["dance"]])
def test_what_it_does_not_know_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert "usage: envstream" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_setting_that_is_wrong_is_one_sentence(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyboy", reason="pip install 'gymnasium-envstream[pyboy]'")
    assert cli.main(["demo", "pyboy", f"--port={port}"]) == 2
    assert capsys.readouterr().err.startswith("envstream: videoStreamPort=")


def test_a_rom_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "pyboy", "--rom", "/nowhere.gb"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("envstream: ") and "/nowhere.gb" in said


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"envstream {__version__}\n")


def test_the_module_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["envstream", "--version"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("envstream", run_name="__main__")
    assert end.value.code == 0


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, envstream.cli as c; c.parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {
        "numpy",
        "flask",
        "pyboy",
        "gymnasium",
        "uvicorn",
        "websockets",
        "hydra",
        "omegaconf",
        "av",
        "cv2",
    }
    assert not heavy & set(loaded.split())


def test_help_names_all_that_can_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert [word for word in ("serve", "push", "demo") if f"\n    {word} " in said] == [
        "serve",
        "push",
        "demo",
    ]


@pytest.mark.parametrize(
    ("command", "words"),
    [("serve", ["--config FILE", "KEY=VALUE", "env.videoStreamPort=8081"]), ("push", ["--token", "--video"])],
)
def test_each_command_has_help_of_its_own(
    command: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 0
    assert [word for word in words if word not in said] == []

"""The scripts in the documentation's recipes: each is run as it stands, and started as it says."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import missing

TEXT = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text()
ONE_PAGE = {"Stable-Baselines3, each worker on its own", "Eight runs at once", "torchrun", "Ray RLlib"}


def scripts(language: str = "python") -> list[tuple[str, str]]:
    """Heading and text of each script."""
    found, heading = [], ""
    pattern = rf"^## ([^\n]+)\n|^```{language}\n(.*?)^```"
    for title, script in re.findall(pattern, TEXT, re.MULTILINE | re.DOTALL):
        heading = title or heading
        if script:
            found.append((heading, script))
    return found


def command_of(script: str, path: Path) -> list[str]:
    """How it is started: with Python, unless its first line says otherwise."""
    said = re.match(r"# Start with: torchrun (.*) recipe.py\n", script)
    if said is None:
        return [sys.executable, str(path)]
    return [sys.executable, "-m", "torch.distributed.run", *said[1].split(), str(path)]


def test_there_are_scripts() -> None:
    assert len(scripts()) >= 4
    assert {title for title, _ in scripts()} >= ONE_PAGE


@pytest.mark.long
@pytest.mark.parametrize(("title", "script"), [pytest.param(*one, id=one[0]) for one in scripts()])
def test_a_script_runs_as_it_stands(title: str, script: str, tmp_path: Path) -> None:
    if "import ray" in script and find_spec("ray") is None:
        pytest.skip("ray is not installed; pip install -e '.[ray]' in a virtual environment of its own")
    path = tmp_path / "recipe.py"
    path.write_text(script)
    command = command_of(script, path)
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=110)
    if "ModuleNotFoundError" in run.stderr:
        missing(run.stderr.strip().splitlines()[-1], "pip install -e '.[all]'")
    assert run.returncode == 0, run.stderr
    pages = set(re.findall(r"at (http://127\.0\.0\.1:\d+/)", run.stdout))
    assert pages, run.stdout
    if title in ONE_PAGE:
        assert len(pages) == 1, run.stdout


@pytest.mark.parametrize(("title", "script"), scripts("bash"))
def test_what_is_typed_into_a_shell_can_be_read_by_one(title: str, script: str) -> None:
    run = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, timeout=10)
    assert run.returncode == 0, run.stderr

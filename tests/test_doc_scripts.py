"""The scripts in the documentation's recipes: each is run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import missing

TEXT = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text()


def scripts() -> list[tuple[str, str]]:
    """Heading and text of each script."""
    found, heading = [], ""
    for title, script in re.findall(r"^## ([^\n]+)\n|^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        heading = title or heading
        if script:
            found.append((heading, script))
    return found


def test_there_are_scripts() -> None:
    assert len(scripts()) >= 4


@pytest.mark.parametrize("script", [pytest.param(text, id=title) for title, text in scripts()])
def test_a_script_runs_as_it_stands(script: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.py"
    path.write_text(script)
    run = subprocess.run([sys.executable, path], capture_output=True, text=True, cwd=tmp_path, timeout=110)
    if "ModuleNotFoundError" in run.stderr:
        missing(run.stderr.strip().splitlines()[-1], "pip install -e '.[all]'")
    assert run.returncode == 0, run.stderr
    assert "at http://127.0.0.1:" in run.stdout

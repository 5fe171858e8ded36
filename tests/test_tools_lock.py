"""The set of packages that the tests ran with: setup.cfg allows it, and it is made of what is needed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import lock  # noqa: E402

LINES = [line for line in lock.FILE.read_text().splitlines() if not line.startswith("#")]
LOCKED = dict(line.split("==") for line in LINES)


def asked() -> list[Requirement]:
    """What setup.cfg asks for on Linux."""
    found = [Requirement(line) for line in lock.ours()]
    return [one for one in found if one.marker is None or one.marker.evaluate({"sys_platform": "linux"})]


@pytest.mark.parametrize("requirement", asked(), ids=str)
def test_what_was_tested_is_what_setup_cfg_allows(requirement: Requirement) -> None:
    assert requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)])


def test_every_package_has_one_version_that_anybody_can_install() -> None:
    assert sorted(LINES, key=lambda line: line.split("==")[0]) == LINES and len(LOCKED) == len(LINES)
    assert all(Version(version).local is None for version in LOCKED.values())


@pytest.mark.parametrize("requirement", asked(), ids=str)
def test_every_dependency_has_a_lower_bound(requirement: Requirement) -> None:
    unbounded = {"tqdm", "rich", "ipykernel", "pre-commit"}  # Any version does.
    free = requirement.name in unbounded or requirement.extras
    assert free or any(one.operator == ">=" for one in requirement.specifier)


def test_what_is_needed_is_found_through_extras_and_markers() -> None:
    here = {
        "ours": (
            "1",
            ["Plain>=1", "with_extra[more]", 'other; extra == "rest"'],
        ),
        "plain": ("2.0+cpu", ['old; python_version < "3"']),
        "with-extra": ("3", ['deep; extra == "more"', 'never; extra == "less"']),
        "deep": ("5", ["with-extra"]),
        "stray": ("6", []),
    }
    found = lock.needed("ours", here.__getitem__)
    assert found == {"deep": "5", "plain": "2.0+cpu", "with-extra": "3"}
    assert lock.text_of(found).splitlines()[-3:] == [
        "deep==5",
        "plain==2.0",
        "with-extra==3",
    ]

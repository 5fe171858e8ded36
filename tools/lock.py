"""Write down the set of packages that the tests ran with: `requirements/tested.txt`.

    pip install -e ".[all]" && pytest && python tools/lock.py

What is written is what this environment has of all that envstream's extra `all` asks for, and what that asks
for in turn; what else is installed is left out, and so are tags of local builds (`torch==2.9.0+cpu`).
"""

from __future__ import annotations

import argparse
import configparser
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "requirements" / "tested.txt"
NAME = "gymnasium-envstream"

HEADER = """\
# The set of packages that the whole suite (`.ci/run`) ran with, on Python {python} and Linux:
#     pip install -e ".[all]" -c requirements/tested.txt
# Made anew after a run with others:
#     pip install -e ".[all]" && pytest && python tools/lock.py
# It is no demand: what envstream needs at least stands in setup.cfg, with reasons.
"""

Find = Callable[[str], tuple[str, list[str]]]


def installed(name: str) -> tuple[str, list[str]]:
    """Version and requirements of a package that is here; ours are those that setup.cfg says now."""
    found = metadata.distribution(name)
    return found.version, ours() if name == NAME else list(found.requires or [])


def ours() -> list[str]:
    """What setup.cfg asks for, of itself and with the extra `all`."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    asked = settings["options"]["install_requires"] + settings["options.extras_require"]["all"]
    return [line for line in asked.splitlines() if line.strip()]


def needed(name: str, find: Find = installed) -> dict[str, str]:
    """All that a package needs, and what that needs: name → version, in order.

    Raises:
        metadata.PackageNotFoundError: something of it is not installed.
    """
    versions: dict[str, str] = {}
    asked: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(canonicalize_name(name), frozenset())]
    while waiting:
        package, wanted = waiting.pop()
        if (package, wanted) in asked:
            continue
        asked.add((package, wanted))
        versions[package], requirements = find(package)
        for requirement in map(Requirement, requirements):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    del versions[canonicalize_name(name)]
    return dict(sorted(versions.items()))


def text_of(versions: dict[str, str]) -> str:
    """The file."""
    lines = [f"{name}=={version.partition('+')[0]}\n" for name, version in versions.items()]
    return HEADER.format(python=platform.python_version()) + "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text_of(needed(NAME)))
    print(f"{FILE.relative_to(ROOT)} is written")


if __name__ == "__main__":
    main()

"""Write what the tests of a real package see into ``docs/power.md``: ``tox -e graded``, or ``python -m tools.graded``.

The tests come from the source distribution of the version that is installed, and are run by ``droppath-audit grade`` as
they are; nothing of them is kept. The section stands between marks, which ``python -m tools.power`` leaves alone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from tools import DOCS

PAGE = DOCS / "power.md"
BEFORE = "## Bias of the keep probability\n"
FIRST, LAST = "<!-- graded: written by python -m tools.graded -->\n", "<!-- end of graded -->\n"
BLOCK = re.compile(f"{re.escape(FIRST)}.*?{re.escape(LAST)}\n", re.DOTALL)
SHOWN = 8  # checks
INTRODUCTION = (
    "What `droppath-audit grade` says of the tests that packages ship, run as they are: faults that fit the target and "
    "show in",
    "its place, how many of them the tests see, and how often they reject sound code. Tests are graded on what they "
    "call; a",
    "restated rule above asks one layer what tests of a class and of a function ask apart.",
)


class Suite(NamedTuple):
    """Tests of a package.

    Attributes:
        package: By which it is installed, and its source distribution found.
        file: Of the tests, in that distribution.
        target: What they test.
        chosen: Arguments for pytest.
    """

    package: str
    file: str
    target: str
    chosen: tuple[str, ...]


SUITES = (
    Suite("timm", "tests/test_layers_drop.py", "timm.layers.drop:DropPath", ("-k", "TestDropPathModule")),
    Suite("timm", "tests/test_layers_drop.py", "timm.layers.drop:drop_path", ("-k", "TestDropPath and not Module")),
)
NOT_HAD = (
    "torchvision has no source distribution by its package name, so its tests stand in this page as the restated rules "
    "*torchvision row* and *torchvision batch* alone.\n"
)


def with_section(page: str, section: str) -> str:
    """Return the page with a section in the place of the one that it has, or before that on the bias."""
    rest = BLOCK.sub("", page)
    return rest.replace(BEFORE, f"{section}{BEFORE}", 1)


def section_of(page: str) -> str:
    """Return the section of a page, marks included; empty where it has none."""
    found = BLOCK.search(page)
    return found[0] if found else ""


def section(grades: list[tuple[Suite, str, dict[str, Any]]]) -> str:
    """Return the section.

    Args:
        grades: Of each suite, with the package's version and what ``grade`` says, as JSON.
    """
    rows = [
        f"| `{suite.file}` `{' '.join(suite.chosen)}` | {suite.package} {number} | `{suite.target}` "
        f"| {grade['seen']} | {grade['graded']} | {_chance(grade)} | {grade['seconds_of_runs']:.0f} |"
        for suite, number, grade in grades
    ]
    return "\n".join(
        [
            FIRST + "## The tests themselves",
            "",
            *INTRODUCTION,
            "",
            "| tests | of | target | seen | faults | rejects sound code | seconds of runs |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            *(line for one in grades for line in _missed(*one)),
            NOT_HAD + LAST,
            "",
        ]
    )


def _chance(grade: dict[str, Any]) -> str:
    runs, interval = grade["sound_runs"], grade["sound_runs"]["interval"]
    told = f"{runs['rejected']} of {runs['runs']} runs"
    if interval is None:
        return told
    return f"{told} ({100 * interval[0]:.2g}% to {100 * interval[1]:.2g}%, confidence {100 * runs['confidence']:g}%)"


def _missed(suite: Suite, _: str, grade: dict[str, Any]) -> list[str]:
    """Return a sentence on which checks see most of what a suite lets through; none where that is nothing."""
    missed = Counter(fault["check"] for fault in grade["faults"] if fault["outcome"] == "missed")
    told = [f"{check} {grade['checks'][check]['slug']} ({number})" for check, number in missed.most_common(SHOWN)]
    if not told:
        return []
    return [f"What the tests of `{suite.target}` let through, by the check that sees it: {', '.join(told)}.", ""]


def unpacked(package: str, folder: Path) -> Path:
    """Return where the source distribution of the installed version is unpacked, in a folder; once for each package."""
    if not [*folder.glob(f"{package}-*.tar.gz")]:
        wanted = f"{package}=={version(package)}"
        download = ["pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), wanted]
        subprocess.run([sys.executable, "-m", *download], check=True)  # noqa: S603 - our own
        (archive,) = folder.glob(f"{package}-*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    (found,) = (path for path in folder.glob(f"{package}-*") if path.is_dir())
    return found


def graded(suite: Suite, folder: Path) -> dict[str, Any]:
    """Return what ``grade`` says of a suite, as JSON.

    Args:
        suite: The suite.
        folder: Where distributions are unpacked.

    Raises:
        SystemExit: If the tests could not be graded.
    """
    file = unpacked(suite.package, folder) / suite.file
    document, site = folder / "grade.json", folder / "site"
    site.mkdir(exist_ok=True)
    # In every process: packages import torchvision, whose operators do not load beside a torch of another build.
    (site / "sitecustomize.py").write_text("import droppath_audit.targets.torchvision_operators\n", encoding="utf-8")
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = ["grade", str(file), "--target", suite.target, "--json", str(document), "--", *suite.chosen]
    environment = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run([sys.executable, "-m", "droppath_audit", *command], check=False, env=environment)  # noqa: S603 - our own
    if ended.returncode:
        raise SystemExit(ended.returncode)
    found: dict[str, Any] = json.loads(document.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Grade every suite and write the section."""
    with tempfile.TemporaryDirectory() as name:
        grades = [(suite, version(suite.package), graded(suite, Path(name))) for suite in SUITES]
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), section(grades)), encoding="utf-8")


if __name__ == "__main__":
    main()

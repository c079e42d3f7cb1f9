"""The recipes of CONTRIBUTING.md, done in a copy of the repository as they stand there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tools import ROOT
from tools.blocks import blocks

if TYPE_CHECKING:
    from pathlib import Path

MUTANT = "droppath_audit.mutants.alternating:doubles_every_other_evaluation"
COPIED = ("droppath_under_test", "reference", "tests", "docs", "tools")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the repository with every file that the recipes show."""
    copied = tmp_path_factory.mktemp("clone")
    for name in COPIED:
        shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copyfile(ROOT / name, copied / name)
    for block in blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        if block.title:
            file = copied / block.title
            assert not file.exists()
            file.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
    return copied


def run(copy: Path, *arguments: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": f"{copy / 'droppath_under_test'}:{copy / 'reference'}"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=copy, env=environment, capture_output=True, text=True, timeout=500
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.docs
def test_the_check_fails_the_mutant_and_passes_the_reference(copy: Path) -> None:
    status, said = run(copy, "droppath_audit", MUTANT, "--only", "DP011", "--effort", "quick", "-v")
    assert status == 1, said
    assert "it was run, and fails" in said
    assert run(copy, "droppath_audit", "--only", "DP011", "--effort", "quick")[0] == 0


@pytest.mark.docs
def test_the_laws_of_the_catalogue_hold_and_its_page_can_be_written(copy: Path) -> None:
    status, said = run(copy, "pytest", "-q", "-p", "no:cacheprovider", "tests/catalogue/test_catalogue.py")
    assert status == 0, said
    assert run(copy, "tools.pages")[0] == 0
    assert "doubles_every_other_evaluation" in (copy / "docs" / "checks.md").read_text(encoding="utf-8")


@pytest.mark.docs
def test_the_known_package_has_a_name(copy: Path) -> None:
    status, said = run(copy, "droppath_audit", "list", "my-package")
    assert (status, "my_package.layers:DropPath" in said) == (0, True)
    status, said = run(copy, "droppath_audit", "my-package")
    assert status == 2
    assert "pip install --no-deps my-package==1.0" in said

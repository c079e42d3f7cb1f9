"""The commit of a file, read from the files of its repository."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from droppath_audit.core.repository import commit_of, root_of

if TYPE_CHECKING:
    from pathlib import Path

NAMED = ("-c", "user.name=n", "-c", "user.email=e@example.org")


def git(folder: Path, *words: str) -> str:
    command = [shutil.which("git") or "git", *NAMED, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "main")
    folder = tmp_path / "main"
    (folder / "package").mkdir()
    (folder / "package" / "layer.py").write_text("x = 1\n", encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.mark.parametrize(
    "words", [(), ("pack-refs", "--all"), ("checkout", "-q", "--detach"), ("checkout", "-qb", "a/b")]
)
def test_the_commit_is_that_of_git(repository: Path, words: tuple[str, ...]) -> None:
    if words:
        git(repository, *words)
    file = repository / "package" / "layer.py"
    assert commit_of(str(file)) == git(repository, "rev-parse", "HEAD") != ""
    assert root_of(str(file)) == repository.resolve()


def test_a_worktree_has_its_own(repository: Path) -> None:
    there = repository.parent / "other"
    git(repository, "worktree", "add", "-q", "-b", "other", str(there))
    (there / "new.py").write_text("y = 2\n", encoding="utf-8")
    git(there, "add", ".")
    git(there, "commit", "-qm", "second")
    assert commit_of(str(there / "new.py")) == git(there, "rev-parse", "HEAD") != commit_of(str(repository))


def test_what_lies_in_none_or_has_no_commit_yet_has_none(tmp_path: Path) -> None:
    assert commit_of("") == commit_of("\0") == commit_of(str(tmp_path / "nothing.py")) == ""
    git(tmp_path, "init", "-q", "empty")
    assert commit_of(str(tmp_path / "empty")) == ""
    (tmp_path / "empty" / ".git" / "HEAD").write_bytes(b"\xff")
    assert commit_of(str(tmp_path / "empty")) == ""

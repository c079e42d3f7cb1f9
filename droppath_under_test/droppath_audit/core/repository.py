"""The git repository in which a file lies, read from its files: no program is started for it."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

COMMIT = re.compile("[0-9a-f]{40}([0-9a-f]{24})?")  # SHA-1, or SHA-256
LINKED = "gitdir: "  # in a file that stands for the folder: of a worktree, or of a submodule
REFERENCE = "ref: "


def root_of(path: str) -> Path | None:
    """Return the folder of the repository in which a file or folder lies; None where it lies in none."""
    if not path:
        return None
    with suppress(OSError, ValueError):
        here = Path(path).resolve()
        return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), None)
    return None


def root_here() -> Path:
    """Return the folder of the repository in which this runs; the working directory where that is none."""
    here = Path.cwd()
    return root_of(str(here)) or here


def commit_of(path: str) -> str:
    """Return the commit that is checked out where a file lies; empty where it lies in no repository.

    Whether the file was changed since is not looked at.
    """
    root = root_of(path)
    if root is None:
        return ""
    with suppress(OSError, ValueError):
        return _commit(_folder(root / ".git"))
    return ""


def _folder(git: Path) -> Path:
    if git.is_dir():
        return git
    return git.parent / git.read_text(encoding="utf-8").removeprefix(LINKED).strip()


def _commit(folder: Path) -> str:
    """Return the commit to which HEAD points, itself or by the name of a branch."""
    head = (folder / "HEAD").read_text(encoding="utf-8").strip()
    if head.startswith(REFERENCE):
        head = _of_branch(folder, head.removeprefix(REFERENCE))
    return head if COMMIT.fullmatch(head) else ""


def _of_branch(folder: Path, name: str) -> str:
    common = folder
    with suppress(FileNotFoundError):  # a worktree shares its branches
        common = folder / (folder / "commondir").read_text(encoding="utf-8").strip()
    with suppress(FileNotFoundError):
        return (common / name).read_text(encoding="utf-8").strip()
    for line in (common / "packed-refs").read_text(encoding="utf-8").splitlines():
        commit, _, found = line.partition(" ")
        if found == name:
            return commit
    return ""

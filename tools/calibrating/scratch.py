"""Answers that are kept with the code that gave them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import droppath_audit
import droppath_reference
from droppath_audit.checks import catalogue
from tools import ROOT
from tools.calibrating.imports import closure, imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from droppath_audit.selftest.examination import Subject


def versions() -> dict[str, str]:
    """Return the versions that figures depend on."""
    return {name: importlib.metadata.version(name) for name in ("torch", "numpy", "scipy", "hypothesis")}


def commit() -> str:
    """Return the commit of the code that is measured, ``-dirty`` where files differ from it."""
    asked = ("git", "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty")
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return told.stdout.strip() or "unknown"


class Digests:
    """Digests of what an answer depends on: a subject's files, a check's files, and all that checks share.

    The files of a subject or of a check are its own and those that it imports. Shared are those which what makes an
    answer here imports: plan, engine and worker, the loader, the probes that they make, and the writers of scripts too,
    because a script that cannot be written makes an error of a failure. So are all frameworks, which the loader finds
    by their being there, and the reference.
    """

    def __init__(self) -> None:
        folder = Path(droppath_audit.__file__).parent
        self._files = {
            file.relative_to(folder).with_suffix("").as_posix(): file.read_text(encoding="utf-8")
            for file in sorted(folder.rglob("*.py"))
        }
        reference = sorted(Path(droppath_reference.__file__).parent.rglob("*.py"))
        outside = [*(Path(__file__).parent / name for name in ("alarms.py", "synthetic.py")), *reference]
        texts = [file.read_text(encoding="utf-8") for file in outside]
        asked = {name for text in texts for name in imported(text)} & self._files.keys()
        found = {name for name in self._files if name.startswith("frameworks/")}
        self.shared = self._digest(asked | found, repr(sorted(versions().items())), *texts)[:16]
        self._checks = {
            check: name for check in catalogue() for name in self._files if name.startswith(f"checks/{check.lower()}_")
        }
        self._known: dict[str, str] = {}

    def _digest(self, names: Iterable[str], *parts: str) -> str:
        """Return the digest of these files, of all that they import, and of further texts."""
        digest = hashlib.sha256("\0".join(parts).encode())
        for name in sorted(closure(names, self._files)):
            digest.update(f"{name}\0{self._files[name]}\0".encode())
        return digest.hexdigest()

    def _of(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = self._digest([name])[:8]
        return self._known[name]

    def check(self, check: str) -> str:
        """Return a check's id with the digest of its files."""
        return f"{check}:{self._of(self._checks[check])}"

    def subject(self, one: Subject) -> str:
        """Return a subject's name with the digest of its files; the reference is part of what is shared."""
        name = one.spec.partition(":")[0].removeprefix("droppath_audit.").replace(".", "/")
        return f"{one.name}:{self._of(name)}" if name in self._files else one.name


class Scratch:
    """Answers by key and check, in a file of JSON lines.

    Args:
        folder: Where the file is; its name comes from the shared code and the versions of what computes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.digests = Digests()
        self.path = folder / f"{self.digests.shared}.jsonl"
        self._known: dict[str, dict[str, Any]] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            try:
                for key, answer in json.loads(line).items():
                    self._known.setdefault(key, {}).update(answer)
            except ValueError:
                continue  # the line at which an earlier run was interrupted

    def add(self, key: str, answer: Mapping[str, Any]) -> None:
        """Keep the answers of checks to a question, also for a later run."""
        named = {self.digests.check(check): found for check, found in answer.items()}
        self._known.setdefault(key, {}).update(named)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps({key: named})}")  # begins anew after a line that was cut off

    def known(self, key: str, checks: Iterable[str]) -> dict[str, Any]:
        """Return those answers to a question that these checks, as they are now, have given."""
        there = self._known.get(key, {})
        return {check: there[self.digests.check(check)] for check in checks if self.digests.check(check) in there}

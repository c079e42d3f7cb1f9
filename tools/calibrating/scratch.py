"""Answers that are kept with the code that gave them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import droppath_audit
import droppath_reference
from droppath_audit.checks import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from droppath_audit.selftest.examination import Subject


def versions() -> dict[str, str]:
    """Return the versions that figures depend on."""
    return {name: importlib.metadata.version(name) for name in ("torch", "numpy", "scipy", "hypothesis")}


class Digests:
    """Digests of what an answer depends on: a subject's file, a check's files, and all that checks share.

    A check's files are its own and those of ``sampling`` that it imports, directly or through one another. The rest of
    both packages is shared, but for the files of other checks and of mutants and sound variants; so is what makes an
    answer here.
    """

    def __init__(self) -> None:
        folder = Path(droppath_audit.__file__).parent
        self._files = {file.relative_to(folder).with_suffix("").as_posix(): file for file in folder.rglob("*.py")}
        own = ("checks/dp", "mutants/", "sound/", "sampling/")
        shared = [name for name in self._files if not name.startswith(own)]
        reference = sorted(Path(droppath_reference.__file__).parent.rglob("*.py"))
        asking = [Path(__file__).parent / name for name in ("alarms.py", "synthetic.py")]
        parts = [repr(sorted(versions().items())), *(file.read_text(encoding="utf-8") for file in reference + asking)]
        self.shared = self._digest(self._with_sampling(shared), *parts)[:16]
        self._checks = {
            check: self._digest(self._with_sampling([name]))[:8]
            for name in self._files
            for check in catalogue()
            if name.startswith(f"checks/{check.lower()}_")
        }

    def _with_sampling(self, names: Iterable[str]) -> set[str]:
        """Return these files and those of ``sampling`` that they import."""
        found, waiting = set[str](), list(names)
        while waiting:
            if (name := waiting.pop()) in found:
                continue
            found.add(name)
            text = self._files[name].read_text(encoding="utf-8")
            waiting += [f"sampling/{module}" for module in re.findall(r"droppath_audit\.sampling\.(\w+)", text)]
        return found

    def _digest(self, names: Iterable[str], *parts: str) -> str:
        digest = hashlib.sha256("\0".join(parts).encode())
        for name in sorted(names):
            digest.update(name.encode() + b"\0" + self._files[name].read_bytes() + b"\0")
        return digest.hexdigest()

    def check(self, check: str) -> str:
        """Return a check's id with the digest of its files."""
        return f"{check}:{self._checks[check]}"

    def subject(self, one: Subject) -> str:
        """Return a subject's name with the digest of its file; the reference is part of what is shared."""
        name = one.spec.partition(":")[0].removeprefix("droppath_audit.").replace(".", "/")
        return f"{one.name}:{self._digest([name])[:8]}" if name in self._files else one.name


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

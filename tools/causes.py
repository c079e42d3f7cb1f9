"""Write ``docs/causes.md``: ``python -m tools.causes [NAME…]``, which audits every mutant.

A mutant's fault is marked at its line, by a comment at its end (``# fault``). Where it has no line, a comment above the
definition says why. Each is audited for the checks that claim it, and the line of the first cause is compared with
the mark. No figure on the page has another source.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit import mutants
from droppath_audit.checks import catalogue
from droppath_audit.core.cause import DEFINITION
from droppath_audit.core.discovery import implementations
from tools import DOCS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = DOCS / "causes.md"
MARK = "# fault"
REASON = re.compile(r"# No fault line: (.+)\.")
LEAST_MARKED, LEAST_NAMED = 0.6, 0.9
JOBS = 2

INTRODUCTION = """# Which line is named

Written by `python -m tools.causes`: no figure here has another source.

A finding is gathered under a cause: a line of the implementation, found by running the finding's script again under
observation (see `droppath_audit/causes`). Here every faulty implementation of this package is audited for the checks
that claim it, at effort quick, or at standard where quick does not find it. Its fault is marked at its line in the
source, where it has one line.

| | |
|---|---|
"""


@dataclass(frozen=True)
class Marked:
    """A faulty implementation with the lines at which its faults are.

    Attributes:
        name: Its name.
        spec: The SPEC that audits it.
        file: The file that it stands in.
        lines: The lines.
        reason: Why there is none.
    """

    name: str
    spec: str
    file: str
    lines: tuple[int, ...]
    reason: str


@dataclass
class Named:
    """What an audit says of one.

    Attributes:
        marked: Of which.
        causes: The causes that name a line, in their order: file, line, kind and checks.
        unexplained: Checks that stand at the definition.
        found: Whether anything was broken.
    """

    marked: Marked
    causes: list[tuple[str, int, str, list[str]]] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    found: bool = False

    @property
    def first_is_right(self) -> bool:
        """Whether the first cause names a marked line."""
        return bool(self.causes) and self.causes[0][1] in self.marked.lines

    @property
    def thrown_together(self) -> bool:
        """Whether faults on several lines gave fewer causes than that, one of them at a marked line."""
        at = {line for _, line, _, _ in self.causes}
        return len(self.marked.lines) > 1 and self.first_is_right and not set(self.marked.lines) <= at


@cache
def _parsed(file: str) -> tuple[list[str], dict[str, ast.FunctionDef | ast.ClassDef]]:
    text = Path(file).read_text(encoding="utf-8")
    tree = ast.parse(text)
    named = {one.name: one for one in tree.body if isinstance(one, (ast.FunctionDef, ast.ClassDef))}
    return text.split("\n"), named


def marked(name: str, spec: str) -> Marked:
    """Return a mutant with its marks: those in its definition and in what that names in the same file."""
    file = str(import_module(spec.partition(":")[0]).__file__)
    lines, definitions = _parsed(file)
    # Each with the methods that a class below it has in their place.
    waiting, met, found = [(name, frozenset[str]())], set[str](), set[int]()
    while waiting:
        one, replaced = waiting.pop()
        if one in met or one not in definitions:
            continue
        met.add(one)
        node = definitions[one]
        away = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name in replaced]
        hidden = {number for part in away for number in range(part.lineno, (part.end_lineno or part.lineno) + 1)}
        first, last = node.lineno, node.end_lineno or node.lineno
        found |= {number for number in range(first, last + 1) if MARK in lines[number - 1] and number not in hidden}
        own = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        bases = {base.id for base in getattr(node, "bases", ()) if isinstance(base, ast.Name)}
        names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and inner.lineno not in hidden}
        waiting += [(inner, replaced | own if inner in bases else frozenset()) for inner in sorted(names)]
    before = definitions[name].lineno - len(definitions[name].decorator_list) - 1
    reason = REASON.search(lines[before - 1])
    return Marked(name, spec, file, tuple(sorted(found)), reason.group(1) if reason else "")


def everything() -> list[Marked]:
    """Return every mutant."""
    specs = implementations(mutants.__name__)
    return [marked(name, spec) for name, spec in specs.items()]


def claims() -> Mapping[str, list[str]]:
    """Return the checks that claim each mutant."""
    found: dict[str, list[str]] = {}
    for check in catalogue().values():
        for name in check.mutants:
            found.setdefault(name, []).append(check.id)
    return found


def audited(one: Marked, checks: Sequence[str]) -> Named:
    """Return what an audit of these checks says."""
    named = Named(one)
    for effort in ("quick", "standard"):
        report = _report(one.spec, checks, effort)
        for cause in report["causes"]:
            named.found = True
            if cause["kind"] == DEFINITION:
                named.unexplained += cause["checks"]
            else:
                named.causes.append((cause["file"], cause["line"], cause["kind"], cause["checks"]))
        if named.found:
            break
    return named


def _report(spec: str, checks: Sequence[str], effort: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        only = [part for check in checks for part in ("--only", check)]
        command = ["-m", "droppath_audit", spec, *only, "--effort", effort, "--jobs", "1", "--json", str(file)]
        subprocess.run([sys.executable, *command], capture_output=True, check=False)  # noqa: S603 - our own module
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["reports"][0]
        return report


def page(found: Sequence[Named]) -> str:
    """Return the page."""
    lined = [one for one in found if one.marked.lines]
    right = [one for one in lined if one.first_is_right]
    rows = [
        ("faulty implementations", str(len(found))),
        ("whose fault is marked at a line", f"{len(lined)} ({len(lined) / len(found):.0%})"),
        ("of which the first cause names exactly that line", f"{len(right)} ({len(right) / len(lined):.0%})"),
        ("with faults on several lines that were thrown together", str(sum(one.thrown_together for one in found))),
    ]
    told = [INTRODUCTION + "".join(f"| {name} | {value} |\n" for name, value in rows)]
    kinds = Counter(one.causes[0][2] for one in right)
    told += ["\n## By kind of mistake\n\n| kind | lines that it named |\n|---|---|\n"]
    told += [f"| `{kind}` | {number} |\n" for kind, number in kinds.most_common()]
    told += ["\n## Where another line was named, or none\n\n| mutant | marked | named |\n|---|---|---|\n"]
    told += [
        f"| {one.marked.name} | {_lines(one.marked.lines)} | {_said(one)} |\n" for one in lined if one not in right
    ]
    told += ["\n## Without a line\n\n| mutant | why |\n|---|---|\n"]
    told += [f"| {one.marked.name} | {one.marked.reason} |\n" for one in found if not one.marked.lines]
    return "".join(told)


def _lines(lines: Sequence[int]) -> str:
    return ", ".join(map(str, lines))


def _said(one: Named) -> str:
    if not one.found:
        return "nothing was broken"
    if not one.causes:
        return "the definition"
    _, line, kind, _ = one.causes[0]
    return f"{line}, as `{kind}`"


def main() -> int:
    """Audit, write the page, and return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these mutants, without writing the page")
    names = parser.parse_args().names
    claimed = claims()
    subjects = [one for one in everything() if not names or one.name in names]
    with ThreadPoolExecutor(JOBS) as pool:
        found = list(pool.map(lambda one: audited(one, claimed.get(one.name, ["DP1xx", "DP2xx"])), subjects))
    text = page(found)
    if names:
        sys.stdout.write(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
    lined = [one for one in found if one.marked.lines]
    right = sum(one.first_is_right for one in lined)
    met = len(lined) >= LEAST_MARKED * len(found) and right >= LEAST_NAMED * len(lined)
    return 0 if met and not any(one.thrown_together for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())

"""A grade as Markdown, for a step summary or a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.graded import HIDDEN, SHARED, UNFIT
from droppath_audit.report.formats.markdown import escaped
from droppath_audit.report.grade_table import UNGRADED, conclusion, cost, families, missed, sound

if TYPE_CHECKING:
    from droppath_audit.core.graded import Grade


def text(grade: Grade) -> str:
    """Return a grade as Markdown."""
    tests = escaped(" ".join(grade.tests))
    lines = [f"### {tests} on {escaped(grade.target)}: {escaped(conclusion(grade))}", ""]
    lines += [f"- {escaped(line)}" for line in sound(grade)]
    lines.append(f"- {escaped(cost(grade))}")
    found = families(grade)
    if found:
        lines += ["", "| kind of fault | seen | of |", "|---|---|---|"]
        lines += [f"| {family} | {seen} | {all_} |" for family, seen, all_ in found]
    if grade.missed:
        lines += ["", "Let through, and the check that sees it in the target's place:", ""]
        lines += ["| check | fault | what is wrong |", "|---|---|---|"]
        lines += [
            f"| {check} {grade.checks[check].slug} | {fault.name} | {escaped(fault.what)} |"
            for check, faults in missed(grade).items()
            for fault in faults
        ]
    left = [(outcome, grade.of(outcome)) for outcome in (UNFIT, HIDDEN, SHARED)]
    if any(faults for _, faults in left):
        lines += ["", "Not graded:", ""]
        lines += [f"- {len(faults)} {UNGRADED[outcome]}" for outcome, faults in left if faults]
    return "\n".join(lines) + "\n"

"""Workflow commands, which GitHub shows as annotations: an error a cause of findings, a warning for what does not fail.

GitHub shows ten of each kind a step; beyond that the last one says how many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from droppath_audit.core.cause import DEFINITION
from droppath_audit.core.repository import root_here
from droppath_audit.core.verdict import Outcome
from droppath_audit.core.visible import clipped
from droppath_audit.report.broken import LONGEST, conclusion, is_finding, name_of, place_of, telling, within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WHAT = "annotations of GitHub Actions"
MOST = 10  # of a kind that a step may show


def text(document: Mapping[str, Any]) -> str:
    """Return the document as workflow commands, a line each."""
    lines: dict[str, list[str]] = {"error": [], "warning": []}
    for report in document["reports"]:
        for kind, line in _annotations(report):
            lines[kind].append(line)
    told = [line for kind, found in lines.items() for line in _fewer(kind, found)]
    return "".join(f"{line}\n" for line in told)


def _annotations(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the annotations of one report, each with its kind, each at its line if the repository has that."""
    for cause in report["causes"]:
        if telling(report, cause)["verdict"] == Outcome.WAIVED:
            continue
        kind = "error" if is_finding(report, telling(report, cause)) else "warning"
        yield (
            kind,
            f"::{kind} {_at(*place_of(report, cause))}title={_property(_title(report, cause))}::{_said(report, cause)}",
        )
    at = _at(*place_of(report))
    if report["exit_status"] not in (0, 1):
        yield "error", f"::error {at}title={_property(name_of(report))}::{_data(conclusion(report))}"


def _at(file: str, line: int) -> str:
    """Return the properties of a place that the repository has; nothing for another."""
    path = within(file, root_here())
    return f"file={_property(path)},line={line}," if path else ""


def _title(report: Mapping[str, Any], cause: Mapping[str, Any]) -> str:
    if cause["kind"] == DEFINITION:
        return f"{cause['checks'][0]} {telling(report, cause)['slug']}"
    return str(cause["sentence"])


def _said(report: Mapping[str, Any], cause: Mapping[str, Any]) -> str:
    first, many = telling(report, cause), len(cause["trials"])
    trials = f"{many} trials" if many > 1 else "1 trial"
    rows = [
        f"{name_of(report)}: {first['message']} ({first['trial']})",
        f"breaks {', '.join(cause['checks'])} in {trials}",
        first["hint"],
        cause["fix"],
    ]
    return _data("\n".join(row for row in rows if row))


def _fewer(kind: str, lines: list[str]) -> list[str]:
    if len(lines) <= MOST:
        return lines
    return [*lines[: MOST - 1], f"::{kind} ::{len(lines) - MOST + 1} more; the report has them all"]


def _data(said: str) -> str:
    return clipped(said, LONGEST).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(said: str) -> str:
    return _data(said).replace(":", "%3A").replace(",", "%2C")

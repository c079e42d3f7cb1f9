"""Workflow commands, which GitHub shows as annotations: an error a finding, a warning for what does not fail.

GitHub shows ten of each kind a step; beyond that the last one says how many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from droppath_audit.core.repository import root_here
from droppath_audit.core.visible import clipped
from droppath_audit.report.broken import LONGEST, broken, conclusion, name_of, place_of, told, within

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
    """Yield the annotations of one report, each with its kind, at the target's definition if the repository has it."""
    file, line = place_of(report)
    path = within(file, root_here())
    at = f"file={_property(path)},line={line}," if path else ""
    for one in broken(report):
        kind = "error" if one.finding else "warning"
        yield kind, f"::{kind} {at}title={_property(f'{one.check} {one.slug}')}::{_data(told(report, one))}"
    if report["exit_status"] not in (0, 1):
        yield "error", f"::error {at}title={_property(name_of(report))}::{_data(conclusion(report))}"


def _fewer(kind: str, lines: list[str]) -> list[str]:
    if len(lines) <= MOST:
        return lines
    return [*lines[: MOST - 1], f"::{kind} ::{len(lines) - MOST + 1} more; the report has them all"]


def _data(said: str) -> str:
    return clipped(said, LONGEST).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(said: str) -> str:
    return _data(said).replace(":", "%3A").replace(",", "%2C")

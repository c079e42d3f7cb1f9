"""What a report as plain data says is broken, check by check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit.core.cause import DEFINITION
from droppath_audit.core.level import Level
from droppath_audit.core.report import concluded, ended
from droppath_audit.core.result import BAD
from droppath_audit.core.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    Result = Mapping[str, Any]

KNOWN = (*BAD, Outcome.WAIVED)
"""Verdicts of promises that are broken, whether that was known or not."""
LONGEST = 2**12  # characters of a text of the target that forms show; the JSON document has all of it


@dataclass(frozen=True)
class Broken:
    """The broken trials of one check at one level, all of them or those of one cause.

    Attributes:
        check: Its id.
        slug: Its name in words.
        level: What they weigh.
        finding: Whether they fail the audit.
        first: The first of them, as the report has it.
        trials: Ids of all of them.
        ran: Number of trials of the check that were run.
        cause: What explains them, as the report has it; None for all trials of the check.
    """

    check: str
    slug: str
    level: str
    finding: bool
    first: Result
    trials: tuple[str, ...]
    ran: int
    cause: Mapping[str, Any] | None = None


def is_finding(report: Mapping[str, Any], result: Result) -> bool:
    """Return whether a result fails the audit: a broken MUST, under ``strict`` a broken SHOULD as well."""
    failing = (Level.MUST, Level.SHOULD) if report["strict"] else (Level.MUST,)
    return result["verdict"] in BAD and result["level"] in map(str, failing)


def broken(report: Mapping[str, Any]) -> list[Broken]:
    """Return what is broken: findings first, each in the order of the checks."""
    found = []
    for check, group in groupby(report["results"], key=lambda result: result["check"]):
        results = list(group)
        ran = sum(result["verdict"] != "not-applicable" for result in results)
        for level in map(str, Level):
            bad = [result for result in results if result["verdict"] in KNOWN and result["level"] == level]
            bad.sort(key=lambda result: result["verdict"] == Outcome.WAIVED)
            if bad:
                trials = tuple(result["trial"] for result in bad)
                finding = is_finding(report, bad[0])
                found.append(Broken(check, bad[0]["slug"], level, finding, bad[0], trials, ran))
    return sorted(found, key=lambda one: not one.finding)


def by_cause(report: Mapping[str, Any]) -> list[Broken]:
    """Return the same, once for each cause that explains trials of a check."""
    causes = {trial: cause for cause in report["causes"] for trial in cause["trials"]}
    results = {result["trial"]: result for result in report["results"]}
    found = []
    for one in broken(report):
        apart: dict[tuple[int, bool], list[str]] = {}
        for trial in one.trials:
            known = results[trial]["verdict"] == Outcome.WAIVED
            apart.setdefault((id(causes.get(trial)), known), []).append(trial)
        for trials in apart.values():
            first, finding = results[trials[0]], is_finding(report, results[trials[0]])
            found.append(replace(one, first=first, trials=tuple(trials), cause=causes.get(trials[0]), finding=finding))
    return found


def waived(one: Broken) -> str:
    """Return why what is broken does not fail the audit; empty where nobody has waived it."""
    return str(one.first["note"]) if one.first["verdict"] == Outcome.WAIVED else ""


def telling(report: Mapping[str, Any], cause: Mapping[str, Any]) -> Result:
    """Return what tells most of a cause; of what is not waived, where not all of it is."""
    results = [result for result in report["results"] if result["trial"] in cause["trials"]]
    return min(results, key=lambda one: (one["verdict"] == Outcome.WAIVED, one["trial"] != cause["telling"]))


def name_of(report: Mapping[str, Any]) -> str:
    """Return what the user called the target."""
    return str(report["target"]["spec"])


def place_of(report: Mapping[str, Any], cause: Mapping[str, Any] | None = None) -> tuple[str, int]:
    """Return the file and the line of a cause, or of the target's definition; an empty file where nobody knows it."""
    if cause is not None and cause["file"] and cause["line"]:
        return cause["file"], cause["line"]
    file, _, line = report["target"]["origin"].rpartition(":")
    return (file, int(line)) if file and line.isdecimal() else ("", 1)


def told(report: Mapping[str, Any], one: Broken) -> str:
    """Return what was observed, of how many trials, with the hint and what to change, a line each."""
    many = f" ({len(one.trials)} of {one.ran} trials)" if one.ran > 1 else ""
    cause = one.cause
    rows = [f"{name_of(report)}: {one.first['message']}{many}", one.first["hint"]]
    rows += [one.first["fix"]] if cause is None or cause["kind"] == DEFINITION else [cause["sentence"], cause["fix"]]
    return "\n".join(row for row in rows if row)


def within(file: str, root: Path) -> str:
    """Return the path of a file below a folder, with slashes; empty where it does not lie there."""
    try:
        return Path(file).resolve().relative_to(root.resolve()).as_posix() if file else ""
    except (ValueError, OSError):
        return ""


def conclusion(report: Mapping[str, Any]) -> str:
    """Return the verdict in a few words, with the exit status."""
    number = sum(is_finding(report, result) for result in report["results"])
    said = concluded(number, report["incomplete"], report["exit_status"])
    return f"{said} (exit {report['exit_status']})"


def counted(report: Mapping[str, Any], level: str) -> str:
    """Return how many trials of a level passed, failed and so on; empty where none was run."""
    return ", ".join(ended(report["levels"][level]))

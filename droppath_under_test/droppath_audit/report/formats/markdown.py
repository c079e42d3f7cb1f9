"""Markdown, as step summaries and comments show it: the verdict, a table of what is broken, and each finding in full.

A step summary of GitHub holds 1 MiB; what would be longer is left out, and said.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from droppath_audit.core.cause import DEFINITION
from droppath_audit.core.level import Level
from droppath_audit.core.visible import clipped
from droppath_audit.report.broken import LONGEST, broken, conclusion, counted, name_of, waived

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.report.broken import Broken

WHAT = "Markdown, for a step summary"
MOST = 2**20 - 2**10  # bytes
CELL = 300  # characters
CAUSES = 10  # that are told above the table
ALSO = 8  # further trials that are named
_MARKUP = re.compile(r"([\\`*_{}\[\]<>!|~&$])")  # where a line begins with something else


def text(document: Mapping[str, Any]) -> str:
    """Return the document as Markdown, shorter than 1 MiB."""
    found = [(report, broken(report)) for report in document["reports"]]
    said = "\n".join(_head(*one) for one in found).encode()
    if len(said) > MOST:
        whole = said[:MOST].decode("utf-8", "ignore").rpartition("\n")[0]
        return f"{whole}\n\nThe rest is left out, because a summary can hold no more; the JSON report has it.\n"
    left = 0
    for report, one in ((report, one) for report, several in found for one in several):
        details = b"" if left else _details(report, one).encode()
        if left or len(said) + len(details) > MOST:
            left += 1
        else:
            said += details
    if left:
        said += f"\n{left} findings in full are left out, because a summary can hold no more.\n".encode()
    return said.decode()


def _head(report: Mapping[str, Any], found: list[Broken]) -> str:
    target, counts = report["target"], report["counts"]
    called = f" ({escaped(target['package'])})" if target["package"] else ""
    lines = [
        f"### {escaped(name_of(report))}{called}: {escaped(conclusion(report))}",
        "",
        f"{counts['run']} of {counts['planned']} trials were run, at effort {report['effort']}, seed {report['seed']}, "
        f"on {escaped(target['framework'])} {escaped(target['framework_version'])}.",
        *(f"- {level}: {said}" for level in map(str, Level) if (said := counted(report, level))),
    ]
    for number, cause in enumerate(report["causes"][:CAUSES], start=1):
        lines += ["", *_cause(number, cause)]
    if found:
        lines += ["", "| check | level | broken | observed |", "|---|---|---|---|"]
        lines += [
            f"| {one.check} {one.slug} | {one.level}{_waived(one)} | {len(one.trials)} of {one.ran} "
            f"| {_cell(one.first['message'])} |"
            for one in found
        ]
    lines += [
        f"- inconclusive: `{result['trial']}`: {_cell(result['message'])}"
        for result in report["results"]
        if result["verdict"] == "inconclusive"
    ]
    return "\n".join(lines) + "\n"


def _cause(number: int, cause: Mapping[str, Any]) -> list[str]:
    """Return a mistake with the line at which it arises; what has no line is told by the table."""
    if cause["kind"] == DEFINITION or cause["level"] != "MUST":
        return []
    inside = f" in {escaped(cause['function'])}" if cause["function"] else ""
    return [
        f"**{number}. {escaped(cause['sentence'])}**: `{escaped(cause['file'])}:{cause['line']}`{inside}",
        "",
        *_fenced("\n".join(f"{at:>5}  {text}" for at, text in cause["around"]), "python"),
        "",
        f"Breaks {', '.join(cause['checks'])}. {escaped(cause['fix'])}",
    ]


def _details(report: Mapping[str, Any], one: Broken) -> str:
    """Return all about the first broken trial of a check, folded."""
    result = one.first
    title = f"{one.check} {one.slug}, {one.level}: {name_of(report)}"
    lines = ["", "<details>", f"<summary>{_html(title)}</summary>", ""]
    rows = ("promised", "message", "hint", "why", "fix")
    names = {"message": "observed"}
    lines += [f"- **{names.get(name, name)}**: {escaped(result[name])}" for name in rows if result[name]]
    if len(one.trials) > 1:
        shown = ", ".join(f"`{trial}`" for trial in one.trials[1 : ALSO + 1])
        more = len(one.trials) - 1 - ALSO
        lines.append(f"- **also**: {shown}{f' and {more} more' if more > 0 else ''}")
    lines += ["", "Reproduce:", "", *_fenced(result["reproduce"], "sh")]
    if result["snippet"]:
        lines += ["", f"Without this package ({escaped(result['snippet_state'] or 'not run')}):", ""]
        lines += _fenced(result["snippet"], "python")
    return "\n".join([*lines, "", "</details>", ""])


def escaped(said: str) -> str:
    """Return a text in which nothing is markup, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(clipped(said, LONGEST).split()))


def _html(said: str) -> str:
    return clipped(said, LONGEST).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


def _waived(one: Broken) -> str:
    return f", {escaped(waived(one))}" if waived(one) else ""


def _cell(said: str) -> str:
    return escaped(clipped(said, CELL))


def _fenced(said: str, language: str) -> list[str]:
    """Return a block of code, whose fence is longer than any in it."""
    said = clipped(said, 4 * LONGEST)
    longest = max((len(run) for run in re.findall("`+", said)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", said.rstrip("\n"), fence]

"""SARIF 2.1.0, which code hosts show beside the code: a rule a check, a result for each check that is broken.

A result stands at the line of its cause, or at the target's definition. Where that lies outside of the repository, it
stands at the file that names the target to the audit. Fingerprints are made of the check, of the cause's kind and
function, of the target's name and of the text of the line, and not of its number, so that they survive when lines move.
Source: OASIS, "Static Analysis Results Interchange Format (SARIF)
Version 2.1.0", 2020.
"""

from __future__ import annotations

import json
import linecache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from droppath_audit.core.repository import root_here
from droppath_audit.core.version import __version__
from droppath_audit.core.visible import clipped, visible
from droppath_audit.report.broken import LONGEST, by_cause, conclusion, name_of, place_of, told, waived, within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from droppath_audit.report.broken import Broken

WHAT = "SARIF 2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"MUST": "error", "SHOULD": "warning", "INFO": "note"}
CONFIGURATIONS = ("pyproject.toml", "tox.ini", "setup.cfg", "README.md")
"""Files of which the first that is there stands for a target outside of the repository."""
FINGERPRINT = "droppathAudit/v1"


def text(document: Mapping[str, Any]) -> str:
    """Return the document as SARIF; paths are those below the repository in which this runs."""
    root = root_here()
    found = [(report, one) for report in document["reports"] for one in by_cause(report)]
    checks = sorted({one.check for _, one in found})
    run = {
        "tool": {
            "driver": {
                "name": "droppath-audit",
                "version": __version__,
                "rules": [_rule(check, found) for check in checks],
            }
        },
        "invocations": [_invocation(report) for report in document["reports"]],
        "results": [_result(report, one, checks, root) for report, one in found],
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(check: str, found: list[tuple[Mapping[str, Any], Broken]]) -> dict[str, Any]:
    """Return the rule of a check, from its documentation as a report has it."""
    report, one = next((report, one) for report, one in found if one.check == check)
    documented = report["documentation"][check]
    return {
        "id": check,
        "name": "".join(word.capitalize() for word in one.slug.split("-")),
        "shortDescription": {"text": documented["promise"]},
        "fullDescription": {"text": documented["what"]},
        "help": {"text": f"{documented['why']}\n\nHow to fix: {documented['fix']}"},
        "defaultConfiguration": {"level": LEVELS[one.level]},
        "properties": {"tags": [documented["family"]]},
    }


def _invocation(report: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "executionSuccessful": report["exit_status"] in (0, 1),
        "exitCode": report["exit_status"],
        "exitCodeDescription": visible(f"{name_of(report)}: {conclusion(report)}"),
    }
    if report["started"]:
        said["startTimeUtc"] = report["started"].replace("+00:00", "Z")
    return said


def _result(report: Mapping[str, Any], one: Broken, checks: list[str], root: Path) -> dict[str, Any]:
    file, line = place_of(report, one.cause)
    path = within(file, root)
    text = one.cause["text"] if one.cause is not None else ""
    source = text or _line(file, line)
    place = {"uri": quote(path)} if path else _elsewhere(root)
    region: dict[str, Any] = {"startLine": line if path else 1}
    if path and source:
        region["snippet"] = {"text": visible(source)}
    known = {"suppressions": [{"kind": "external", "justification": visible(waived(one))}]} if waived(one) else {}
    return {
        **known,
        "ruleId": one.check,
        "ruleIndex": checks.index(one.check),
        "level": LEVELS[one.level],
        "message": {"text": clipped(told(report, one), LONGEST)},
        "locations": [{"physicalLocation": {"artifactLocation": place, "region": region}}],
        "partialFingerprints": {FINGERPRINT: _fingerprint(*_what(one), name_of(report), source)},
        "properties": {"trials": len(one.trials), "reproduce": visible(one.first["reproduce"])},
    }


def _line(file: str, line: int) -> str:
    """Return the text of a line; nothing where there is no such file."""
    try:
        return linecache.getline(file, line).strip() if file else ""
    except (OSError, ValueError):  # no path of any system
        return ""


def _what(one: Broken) -> tuple[str, ...]:
    """Return what is wrong, without numbers of lines and trials."""
    return (one.check,) if one.cause is None else (one.check, one.cause["kind"], one.cause["function"])


def _elsewhere(root: Path) -> dict[str, Any]:
    """Return the file that stands for what lies outside of the repository."""
    return {"uri": next((name for name in CONFIGURATIONS if (root / name).is_file()), CONFIGURATIONS[0])}


def _fingerprint(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

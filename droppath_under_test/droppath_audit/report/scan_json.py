"""The JSON of a scan; ``scan_schema.json`` beside this file describes it, and ``schema.json`` the reports in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from droppath_audit.report.json import of_one, text_of

if TYPE_CHECKING:
    from droppath_audit.core.scanned import Group, Scan

SCHEMA_VERSION = "2.0"


def document(scan: Scan) -> dict[str, Any]:
    """Return a scan as plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": f"droppath-audit {scan.version}",
        "target": scan.target,
        "where": list(scan.where),
        "files": scan.files,
        "read": scan.read,
        "skipped": [asdict(one) for one in scan.skipped],
        "audited": scan.audited,
        "effort": scan.effort,
        "seed": scan.seed,
        "exit_status": scan.exit_status,
        "incomplete": scan.incomplete,
        "seconds": scan.seconds,
        "definitions": scan.copies,
        "groups": [_group(group) for group in scan.groups],
    }


def dumps(scan: Scan) -> str:
    """Return the document as text, as ``report.json`` does for an audit."""
    return text_of(document(scan))


def _group(group: Group) -> dict[str, Any]:
    report = group.report
    return {
        "name": group.first.name,
        "digest": group.digest,
        "found_by": group.by,
        "spec": group.spec,
        "copies": len(group.places),
        "places": [_lists(asdict(place)) for place in group.places],
        "verdict": group.verdict,
        "broken": sorted({result.trial.check for result in report.findings}) if report is not None else [],
        "refused": group.refused,
        "command": group.command,
        "lifted": None if group.lifted is None else _lists(asdict(group.lifted)),
        "report": None if report is None else of_one(report),
    }


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

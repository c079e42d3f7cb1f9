"""The JSON of a grade; ``grade_schema.json`` beside this file describes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from droppath_audit.report.json import text_of

if TYPE_CHECKING:
    from droppath_audit.core.graded import Grade

SCHEMA_VERSION = "1.0"


def document(grade: Grade) -> dict[str, Any]:
    """Return a grade as plain data."""
    rejected, runs = grade.by_chance
    tested = asdict(grade.tested)
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": f"droppath-audit {grade.version}",
        "target": grade.target,
        "tests": list(grade.tests),
        "tested": {**tested, "failed_at": {str(seed): test for seed, test in tested["failed_at"].items()}},
        "graded": grade.graded,
        "seen": grade.graded - len(grade.missed),
        "percent": grade.percent,
        "sound_runs": {
            "runs": runs,
            "rejected": rejected,
            "interval": None if grade.interval is None else list(grade.interval),
            "confidence": grade.confidence,
        },
        "tests_that_draw": list(grade.drawing),
        "tests_that_seed": list(grade.seeded),
        "tests_with_calls_aside": list(grade.aside),
        "seconds": grade.seconds,
        "seconds_of_runs": grade.spent,
        "itself": _lists(asdict(grade.itself)),
        "checks": {check: asdict(one) for check, one in grade.checks.items()},
        "faults": [_lists({**asdict(fault), "check": fault.check}) for fault in grade.faults],
        "sound_variants": [_lists({**asdict(one), "always": one.always}) for one in grade.variants],
    }


def dumps(grade: Grade) -> str:
    """Return the document as text."""
    return text_of(document(grade))


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

"""The JSON report: the primary one, of which all others can be made. ``schema.json`` beside this file describes it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from droppath_audit.core.report import SCHEMA_VERSION
from droppath_audit.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.core.report import Report


def document(reports: Sequence[Report]) -> dict[str, Any]:
    """Return the document of one report or several, of one shape."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": f"droppath-audit {__version__}",
        "reports": [of_one(report) for report in reports],
    }


def of_one(report: Report) -> dict[str, Any]:
    """Return one report as it stands in a document."""
    return _finite(report.to_json())  # type: ignore[no-any-return]


def dumps(reports: Sequence[Report]) -> str:
    """Return the document as text: strict JSON, in which infinities and NaN are the strings that name them."""
    return text_of(document(reports))


def text_of(data: dict[str, Any]) -> str:
    """Return plain data without infinities and NaN as the text of a JSON document."""
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    # A target's message may hold half a surrogate pair, which UTF-8 cannot; its escape is JSON as well.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value

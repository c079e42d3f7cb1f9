"""Reading JSON reports that an audit wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from droppath_audit.core.errors import UsageError
from droppath_audit.core.files import reason
from droppath_audit.core.report import SCHEMA_VERSION
from droppath_audit.core.visible import shortened

MOST = 2**30  # bytes


def read_document(file: str) -> dict[str, Any]:
    """Return the document that a file holds.

    Raises:
        UsageError: If it cannot be read, is no report of droppath-audit, or one of another version's shape.
    """
    name = shortened(file)
    try:
        path = Path(file)
        if path.stat().st_size > MOST:
            raise UsageError(f"{name} is larger than any report.")
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = reason(error) if isinstance(error, OSError) else "it is no JSON"
        raise UsageError(f"{name} cannot be read as a report: {said}.") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version is None or (version == SCHEMA_VERSION and not isinstance(data.get("reports"), list)):
        raise UsageError(f"{name} is no JSON report of droppath-audit, which --json FILE writes.")
    if version != SCHEMA_VERSION:
        raise UsageError(f"{name} has the schema version {version!r}; this version reads {SCHEMA_VERSION!r}.")
    return dict(data)

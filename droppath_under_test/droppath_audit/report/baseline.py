"""A baseline: what an earlier report has found, and a later audit does not fail for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.cause import DEFINITION
from droppath_audit.core.visible import shortened
from droppath_audit.core.waiver import Waiver
from droppath_audit.report.broken import by_cause, name_of
from droppath_audit.report.reading import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator


def baseline(file: str | None) -> Iterator[Waiver]:
    """Yield a waiver for everything that a JSON report has found; nothing without one.

    A finding is known again by its check and by the line that makes it, its function and text, whatever its number.
    What no line was found for stands at the definition in both. The kind of mistake is left open: of two that one line
    makes, another seed may see the other first.

    Raises:
        UsageError: If it cannot be read.
    """
    if file is None:
        return
    for report in read_document(file)["reports"]:
        for one in by_cause(report):
            cause = one.cause or {"kind": "", "function": "", "text": ""}
            yield Waiver(
                one.check,
                f"in the baseline {shortened(file)}",
                target=name_of(report),
                kind=DEFINITION if cause["kind"] == DEFINITION else "",
                function=cause["function"],
                line=cause["text"],
                source=file,
            )

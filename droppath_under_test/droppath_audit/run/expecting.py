"""What was known of an implementation with a name: whether an audit found that, and why it is so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from droppath_audit.core.case import EAGER
from droppath_audit.core.cause import DEFINITION, Cause
from droppath_audit.core.verdict import Outcome
from droppath_audit.targets.known import known_systems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.known import Known
    from droppath_audit.core.result import Result

WRITTEN = "known"
"""The kind of a cause that was written down."""


def known_of(facts: Facts) -> Known | None:
    """Return what is known of a target that was named; None of any other."""
    return known_systems().get(facts.spec) if facts.stands_for else None


def expected(facts: Facts, results: Sequence[Result], effort: str) -> str:
    """Return in words whether this is what was expected of an implementation with a name; empty for any other.

    What was expected to be broken and holds is no surprise at quick effort, which sees less.
    """
    known = known_of(facts)
    if known is None:
        return ""
    wanted = {
        (one.check, dtype) for one in known.broken for dtype in (*one.dtypes.split(), *([] if one.dtypes else [None]))
    }
    told = [one for one in results if one.trial.id not in known.either and one.trial.case.variant == EAGER]
    broken = {(result.trial.check, _dtype(result)) for result in told if result.bad}
    ran = {(one.trial.check, _dtype(one)) for one in told if one.outcome is not Outcome.NOT_APPLICABLE}
    surprises = [f"{_named(*one)} is broken" for one in sorted(broken - wanted, key=str)]
    if effort != "quick":
        surprises += [f"{_named(*one)} holds" for one in sorted((wanted - broken) & ran, key=str)]
    return f"not as expected of {known.name}: {', '.join(surprises)}" if surprises else f"as expected of {known.name}"


def _dtype(result: Result) -> str | None:
    found: str | None = result.trial.case.to_json()["dtype"]
    return found


def _named(check: str, dtype: str | None) -> str:
    return check if dtype is None else f"{check} in {dtype}"


def written(causes: Sequence[Cause], facts: Facts) -> tuple[Cause, ...]:
    """Return the causes, those that were written down in the words in which they were."""
    known = known_of(facts)
    whys = {} if known is None else {one.check: one.why for one in known.broken}
    found: dict[tuple[str, str, int, str], Cause] = {}
    for cause in causes:
        why = whys.get(cause.telling.partition("[")[0])
        if why is not None:
            kind = WRITTEN if cause.kind == DEFINITION else cause.kind
            cause = replace(cause, kind=kind, sentence=why)
        key = (
            cause.sentence if cause.kind == WRITTEN else cause.telling,
            cause.place.file,
            cause.place.line,
            cause.level,
        )
        same = found.get(key)
        found[key] = cause if same is None else replace(same, trials=(*same.trials, *cause.trials))
    return tuple(found.values())

"""Waiving: broken promises that are known do not fail the audit, and are shown as what they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from droppath_audit.core.verdict import Outcome
from droppath_audit.core.waiver import Waived

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from droppath_audit.core.cause import Cause
    from droppath_audit.core.result import Result
    from droppath_audit.core.waiver import Waiver


def waived(
    results: Sequence[Result],
    causes: Sequence[Cause],
    waivers: Sequence[Waiver],
    spec: str,
    *,
    today: date | None = None,
) -> tuple[tuple[Result, ...], tuple[Waived, ...]]:
    """Return the results, those that a waiver covers with that verdict, and what became of each waiver.

    A broken trial is covered by the first waiver that matches it. One whose last day is over covers nothing.

    Args:
        results: Of the audit.
        causes: What explains those that are broken.
        waivers: All of them; those of other targets are left out.
        spec: What the user called the target.
        today: The day; by default that of the clock, in UTC.
    """
    day = datetime.now(timezone.utc).date() if today is None else today
    of = {trial: cause for cause in causes for trial in cause.trials}
    mine = [waiver for waiver in waivers if waiver.covers(spec)]
    covered: dict[int, list[str]] = {number: [] for number in range(len(mine))}
    found = []
    for result in results:
        number = next(
            (at for at, one in enumerate(mine) if result.bad and one.matches(result, of.get(result.trial.id))), None
        )
        if number is not None:
            covered[number].append(result.trial.id)
            if not mine[number].expired(day):
                verdict = replace(result.verdict, outcome=Outcome.WAIVED)
                result = replace(result, verdict=verdict, note=f"waived: {mine[number].reason}")
        found.append(result)
    told = [Waived(one, tuple(covered[at]), one.expired(day)) for at, one in enumerate(mine)]
    return tuple(found), tuple(told)

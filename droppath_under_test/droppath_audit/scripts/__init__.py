"""Scripts that show a fault without this package, written from named parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.invocation import Building, Reading, Scheduling
from droppath_audit.frameworks import spelling_of
from droppath_audit.scripts.live import LiveScript
from droppath_audit.scripts.model import ModelScript
from droppath_audit.scripts.recorded import RecordedScript
from droppath_audit.scripts.schedule import ScheduleScript

if TYPE_CHECKING:
    from droppath_audit.core.case import Case
    from droppath_audit.core.facts import Facts

__all__ = ["LiveScript", "ModelScript", "RecordedScript", "ScheduleScript", "script_for"]


def script_for(
    facts: Facts, at: Case, smallest: tuple[int, ...] = (1,)
) -> LiveScript | RecordedScript | ModelScript | ScheduleScript:
    """Return an empty script for a target that is run, for a recording, for a model, or for a schedule.

    Args:
        facts: What is known of the target.
        at: Where the check ran.
        smallest: Features of the smallest sample that the target takes.
    """
    if isinstance(facts.invocation, Reading):
        return RecordedScript(at, facts.invocation.lines, by_call=facts.invocation.by_call)
    if isinstance(facts.invocation, Building):
        return ModelScript(at, facts.invocation, spelling_of(facts.framework))
    if isinstance(facts.invocation, Scheduling):
        return ScheduleScript(at, facts.invocation, spelling_of(facts.framework))
    declared = None if facts.fixed_shape is None else facts.fixed_shape[1:]
    return LiveScript(at, facts.invocation, spelling_of(facts.framework), smallest, declared)

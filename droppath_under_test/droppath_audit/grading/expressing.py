"""Whether a fault shows where it was put: the checks that claim it, asked of what stands in the target's place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.core.verdict import Outcome
from droppath_audit.run.admitting import admitted
from droppath_audit.run.plan import Settings
from droppath_audit.selftest.examination import killing_result, results
from droppath_audit.targets.bound import BoundTarget

if TYPE_CHECKING:
    from droppath_audit.targets.loader import Loaded


def shown_by(
    loaded: Loaded, obj: Any, checks: tuple[str, ...], numbers: tuple[float, ...] = (), *, patient: bool = False
) -> str:
    """Return the first of some checks that fails an object at effort quick; empty where none does.

    Args:
        loaded: The target in whose place the object stands.
        obj: What is called as the target is.
        checks: Ids.
        numbers: Those of the code that runs there.
        patient: Whether to ask again at effort standard, where none fails it.
    """
    assert isinstance(loaded.target, BoundTarget)  # noqa: S101 - what has a place is no recording
    target = BoundTarget(obj, loaded.target.binding, loaded.target.framework)
    here = replace(loaded, target=target, facts=replace(loaded.facts, numbers=numbers), admitted=False)
    try:
        here = admitted(here)
    except UsageError:  # what raises at every call, say
        return ""
    for check in checks:
        if any(one.outcome is Outcome.FAIL for one in results(here, Settings("quick", 0, only=(check,)))):
            return check
    if not patient:
        return ""
    return next((check for check in checks if killing_result(here, check, seed=0) is not None), "")

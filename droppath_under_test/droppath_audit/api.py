"""The Python front: audit an object or a SPEC and get a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from droppath_audit.core.events import AuditFinished
from droppath_audit.run import engine
from droppath_audit.run.driving import InProcess
from droppath_audit.run.plan import Settings
from droppath_audit.stats.budget import DEFAULT_BUDGET
from droppath_audit.targets.loader import load, load_object, query_of

if TYPE_CHECKING:
    from droppath_audit.core.report import Report


def audit(
    obj_or_spec: Any,
    *,
    effort: str = "standard",
    devices: tuple[str, ...] = ("cpu",),
    seed: int = 0,
    budget: float = DEFAULT_BUDGET,
    strict: bool = False,
    only: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
    **dialect: Any,
) -> Report:
    """Audit an implementation of DropPath in this process.

    Args:
        obj_or_spec: A class, a ready-made layer, a function, a factory (with ``form="factory"``), or a SPEC as text.
        effort: ``quick``, ``standard`` or ``thorough``.
        devices: Devices to run on.
        seed: Root seed; the report depends on it alone.
        budget: Bound on the probability that a correct implementation fails.
        strict: Whether a broken SHOULD is a finding.
        only: Patterns of trials to run, as for ``--only``.
        skip: Patterns of trials to leave out.
        **dialect: Items of a SPEC: ``granularity``, ``scaling``, ``form``, ``prob``, ``training``, ``call``, …;
            ``init`` and ``arg`` take dictionaries.

    Returns:
        The report; ``report.raise_for_findings()`` raises if it has findings or ended early.

    Raises:
        UsageError: If the target cannot be loaded, its signature does not settle, or an argument is out of range.
    """
    settings = Settings(effort, seed, budget, strict, tuple(only), tuple(skip))
    items = {
        **{key: value for key, value in dialect.items() if key not in ("init", "arg")},
        **{f"init.{name}": value for name, value in dialect.get("init", {}).items()},
        **{f"arg.{name}": value for name, value in dialect.get("arg", {}).items()},
    }
    if isinstance(obj_or_spec, str):
        query = query_of(items)
        joint = "&" if "?" in obj_or_spec else "?"
        loaded = load(f"{obj_or_spec}{joint}{query}" if query else obj_or_spec, devices=tuple(devices))
    else:
        loaded = load_object(obj_or_spec, items, devices=tuple(devices))
    for event in engine.run(InProcess(loaded), settings):
        if isinstance(event, AuditFinished):
            return event.report
    raise AssertionError("an audit ends with a report")

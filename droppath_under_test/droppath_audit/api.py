"""The Python front: audit an object or a SPEC and get a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.core.events import AuditFinished
from droppath_audit.models.spec import items, with_items
from droppath_audit.models.target import in_hand
from droppath_audit.models.target import load as load_model
from droppath_audit.run import engine
from droppath_audit.run.driving import InProcess
from droppath_audit.run.plan import Settings
from droppath_audit.stats.budget import DEFAULT_BUDGET
from droppath_audit.targets.loader import load, load_object, query_of
from droppath_audit.targets.table import completed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    variants: tuple[str, ...] = ("eager",),
    benchmark: bool = False,
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
        variants: How it is run: ``eager``, ``compile``, ``export``, ``fx``, ``script``, ``vmap``.
        benchmark: Whether costs are measured as well (DP801, DP802, DP804).
        **dialect: Items of a SPEC: ``granularity``, ``scaling``, ``form``, ``prob``, ``training``, ``call``, …;
            ``init`` and ``arg`` take dictionaries.

    Returns:
        The report; ``report.raise_for_findings()`` raises if it has findings or ended early.

    Raises:
        UsageError: If the target cannot be loaded, its signature does not settle, or an argument is out of range.
    """
    settings = Settings(effort, seed, budget, strict, tuple(only), tuple(skip), tuple(variants), benchmark)
    items = {
        **{key: value for key, value in dialect.items() if key not in ("init", "arg")},
        **{f"init.{name}": value for name, value in dialect.get("init", {}).items()},
        **{f"arg.{name}": value for name, value in dialect.get("arg", {}).items()},
    }
    if isinstance(obj_or_spec, str):
        query = query_of(items)
        loaded = load(completed(obj_or_spec, [query] if query else []), devices=tuple(devices))
    else:
        loaded = load_object(obj_or_spec, items, devices=tuple(devices))
    return _report(InProcess(loaded), settings)


def audit_model(
    model: Any,
    inputs: Sequence[int] | Callable[[int], Any] | None = None,
    *,
    schedule: str = "",
    largest: float | None = None,
    layer: str = "",
    effort: str = "standard",
    device: str = "cpu",
    seed: int = 0,
    budget: float = DEFAULT_BUDGET,
    only: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
) -> Report:
    """Audit a whole model in this process: its rates, and what its layers do where they stand.

    Args:
        model: A module, of which a copy is audited, or a SPEC as for ``droppath-audit model``.
        inputs: Features of its input without the batch, such as ``(3, 32, 32)``; or a function that takes the size of
            a batch and returns the model's arguments: a tuple, a dictionary or the only one. None for the smallest of
            some shapes that it takes, or for what the SPEC says.
        schedule: Rule that its rates are to follow: ``linear``, ``ends-early``, ``paper``, ``constant``, ``stagewise``
            or ``none``; empty for any of them.
        largest: Largest drop_prob that was asked for, if that is known.
        layer: A regular expression: modules, by name or class, that drop paths beside those that are found.
        effort: ``quick``, ``standard`` or ``thorough``.
        device: Device to run on.
        seed: Root seed; the report depends on it alone.
        budget: Bound on the probability that a correct model fails.
        only: Patterns of trials to run, as for ``--only``.
        skip: Patterns of trials to leave out.

    Returns:
        The report; ``report.raise_for_findings()`` raises if it has findings or ended early.

    Raises:
        UsageError: If nothing in it drops paths and no rate was asked for, if it does not take the inputs, or if an
            argument is out of range.
    """
    settings = Settings(effort, seed, budget, False, tuple(only), tuple(skip))
    if isinstance(model, str):
        if callable(inputs):
            raise UsageError("A SPEC says by input=FILE.py:function what makes its inputs.")
        target = load_model(with_items(model, **items(schedule, largest, layer, inputs)), devices=(device,))
    else:
        target = in_hand(model, inputs, items(schedule, largest, layer), device=device)
    return _report(InProcess(target), settings)


def _report(collector: InProcess, settings: Settings) -> Report:
    for event in engine.run(collector, settings):
        if isinstance(event, AuditFinished):
            return event.report
    raise AssertionError("an audit ends with a report")

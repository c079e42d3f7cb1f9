"""Loading whatever is audited: a layer or a recording of one, a model, or a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.facts import MODEL, SCHEDULE

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.models.target import ModelTarget
    from droppath_audit.schedules.target import ScheduleTarget
    from droppath_audit.targets.loader import Loaded


def load(
    kind: str, spec: str, *, devices: tuple[str, ...] = ("cpu",), imports: tuple[str, ...] = ()
) -> Loaded | tuple[ModelTarget | ScheduleTarget, Facts]:
    """Load what a SPEC names.

    Args:
        kind: ``model`` or ``schedule``; anything else for a layer.
        spec: The SPEC.
        devices: Devices that must exist.
        imports: Modules to import first, in order.

    Raises:
        UsageError: If it cannot be loaded.
    """
    if kind == MODEL:
        from droppath_audit.models.target import load as load_model

        return load_model(spec, devices=devices, imports=imports)
    if kind == SCHEDULE:
        from droppath_audit.schedules.target import load as load_schedule

        return load_schedule(spec, devices=devices, imports=imports)
    from droppath_audit.targets.loader import load as load_layer

    return load_layer(spec, devices=devices, imports=imports)

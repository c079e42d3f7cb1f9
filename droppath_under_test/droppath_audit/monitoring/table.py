"""A monitor's counts as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.visible import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.monitoring.survival import ExpectedDepth, LayerCertificate, LayerCounts, Together

LONGEST = 48  # characters of a layer's name
HEAD = ("layer", "drop_prob", "kept of decisions", "share kept", "interval", "promised", "")


def table(
    rows: Sequence[LayerCounts],
    found: Sequence[LayerCertificate],
    depth: ExpectedDepth,
    all_layers: Together,
    unseen: Sequence[str],
) -> str:
    """Return a line for each layer and rate, one for all of them, one for the depth, and what was not counted."""
    lines = [HEAD, *(_line(row, one) for row, one in zip(rows, found, strict=True))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    told = [
        "  ".join(
            cell.ljust(width) if column in (0, len(HEAD) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    if not rows:
        told = ["nothing was counted"]
    else:
        promised = "unknown" if depth.promised is None else f"{depth.promised:.4f}"
        told.append(
            f"expected depth {depth.depth:.4f} [{depth.low:.4f}, {depth.high:.4f}] of {depth.layers:g}, "
            f"promised {promised}"
        )
        waiting = f"; {all_layers.waiting} wait for more decisions" if all_layers.waiting else ""
        told.append(
            f"all together: {all_layers.outcome}, G = {all_layers.g:.4g}, {all_layers.degrees_of_freedom} degrees of "
            f"freedom, p = {all_layers.p_value:.3g}{waiting}"
            if all_layers.degrees_of_freedom
            else f"all together: open{waiting}"
        )
    return "\n".join([*told, *(f"not counted: {clipped(one, 400)}" for one in unseen)])


def _line(row: LayerCounts, one: LayerCertificate) -> tuple[str, ...]:
    unit = " calls" if row.by_call else ""
    more = [one.reason] if one.reason else []
    more += [f"{row.undecided} undecided"] if row.undecided else []
    return (
        clipped(row.layer, LONGEST),
        "?" if row.drop_prob is None else f"{row.drop_prob:.6g}",
        f"{row.kept} of {row.decisions}{unit}",
        f"{row.kept / row.decisions:.4f}" if row.decisions else "-",
        f"[{one.low:.4f}, {one.high:.4f}]",
        "?" if row.drop_prob is None else f"{1.0 - row.drop_prob:.4f}",
        "; ".join([one.outcome, *more]),
    )

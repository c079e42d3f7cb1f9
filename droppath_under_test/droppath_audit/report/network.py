"""What the terminal says of a model beside its findings: the rates of its layers, and what they kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from droppath_audit.report.console import fitting

if TYPE_CHECKING:
    from rich.console import Console

    from droppath_audit.core.report import Report

Z = 3.29  # of an interval of 0.999
FEW = 12  # layers that are shown without being asked for
CELLS = 20  # of the bar of a keep probability of 1


def show_network(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Print the rule of the rates, the expected depth, and a line a layer; of many layers those at the ends."""
    evidence = {result.trial.check: result for result in report.results}
    for check, name in (("DP901", "rates"), ("DP902", "depth")):
        result = evidence.get(check)
        if result is not None and not result.bad and result.verdict.observed:
            said = result.verdict.brief or result.verdict.observed
            console.print(f"{name:<8} {said}", markup=False)
    rows = rates(report)
    if not rows:
        return
    console.print()
    shown = rows if verbose or len(rows) <= FEW else [*rows[: FEW // 2], None, *rows[-FEW // 2 :]]
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_row(*(Text(text, "dim") for text in ("  layer", "drop_prob", "kept", "±", "")))
    for row in shown:
        if row is None:
            table.add_row(Text(f"  … {len(rows) - FEW} more, which -v shows", "dim"))
            continue
        name, p, kept, half = row
        asked = "?" if p is None else f"{p:.4g}"
        bar = "" if kept is None else "#" * round(CELLS * kept)
        told = ("", "") if kept is None else (f"{kept:.4f}", f"{half:.2g}")
        table.add_row(f"  {name}", asked, *told, Text(bar, "dim"))
    console.print(table if fitting(table, console.width) else _narrow(shown))


def _narrow(rows: list[Any]) -> Table:
    table = Table.grid()
    table.add_column(overflow="fold")
    for row in rows:
        if row is not None:
            name, p, kept, _ = row
            table.add_row(
                f"{name}: {'?' if p is None else f'{p:.4g}'}" + ("" if kept is None else f", kept {kept:.4f}")
            )
    return table


def rates(report: Report) -> list[tuple[str, float | None, float | None, float]]:
    """Return each layer with the drop_prob that it holds, the share that it kept, and half the interval of that.

    The share is None where nothing was counted.
    """
    found: list[tuple[str, float | None, float | None, float]] = []
    evidence = {result.trial.check: result.evidence for result in report.results}
    counted = {layer["key"]: layer for layer in evidence.get("DP902", {}).get("layers", [])}
    for one in evidence.get("DP901", {}).get("rates", []):
        if one["name"] not in counted and not any(key.startswith(f"{one['name']} (call") for key in counted):
            found.append((one["name"], one["drop_prob"], None, 0.0))
            continue
        keys = [key for key in counted if key == one["name"] or key.startswith(f"{one['name']} (call")]
        found += [_counted(counted.pop(key)) for key in keys]
    return [*found, *(_counted(layer) for layer in counted.values())]


def _counted(layer: dict[str, Any]) -> tuple[str, float | None, float | None, float]:
    number = max(1, layer["decisions"])
    kept = layer["kept"] / number
    half = Z * math.sqrt(max(kept * (1.0 - kept), 1.0 / number) / number)
    return layer["key"], layer["drop_prob"], kept if layer["decisions"] else None, half

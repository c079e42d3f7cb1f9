"""What a run of certificates shows: its terms, its progress, and what was certified when it ends."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from droppath_audit.core import wire

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from droppath_audit.certification.ledger import Entry, Ledger, Standing

STYLES = {"pass": "green", "fail": "bold red", "error": "bold red", "open": "yellow", "not-applicable": "dim"}


def show_terms(console: Console, ledger: Ledger, heading: str) -> None:
    """Print what is to be certified, with which errors, and what is there already."""
    seeds = ", ".join(str(seed) for seed in ledger.seeds)
    console.print(Text(heading, style="bold"), soft_wrap=True)
    console.print(
        f"on       {ledger.identity['framework']} · {ledger.identity['dialect']} · {ledger.identity['device']}",
        markup=False,
    )
    console.print(
        f"terms    keep probability within {ledger.resolve:g}, finer near 0 and 1 · error of a fail "
        f"{ledger.alpha:.2g}, of a pass {ledger.beta:.2g}, in each cell · seed {seeds}",
        markup=False,
    )
    if any(cell.decisions for cell in ledger.cells):
        words = f"{settled(ledger)} of {len(ledger.cells)} cells settled · {drawn(ledger):,} decisions"
        console.print(f"so far   {words}")


def watch(console: Console, ledger: Ledger, cells: Iterable[Entry], device: str, seconds: float) -> None:
    """Run to the end, showing on a terminal the time that is left, the cell in hand and how far it has come."""
    progress = Progress(
        TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.fields[left]}"),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    started = time.monotonic()
    timed = math.isfinite(seconds)
    with progress if console.is_terminal else nullcontext():  # as in report.terminal
        task = progress.add_task("drawing", total=seconds if timed else len(ledger.cells), left="")
        for cell in cells:
            passed = time.monotonic() - started
            done = settled(ledger)
            left = f", {max(0.0, seconds - passed):.0f} s" if timed else ""
            progress.update(
                task,
                description=f"{cell.describe(device)}: within {_short(ledger.standing(cell).within)}",
                completed=min(passed, seconds) if timed else done,
                left=f"{done} of {len(ledger.cells)} settled{left}",
            )


def show_results(console: Console, ledger: Ledger, device: str, seconds: float) -> None:
    """Print a line per cell, and what all of them come to."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("  cell", "decisions", "kept", "in", "verdict", style="bold")
    standings = [ledger.standing(cell) for cell in ledger.cells]
    for cell, standing in zip(ledger.cells, standings, strict=True):
        low, high = standing.interval
        table.add_row(
            f"  {cell.describe(device)}",
            f"{cell.decisions:,}",
            f"{cell.kept / cell.decisions:.7g}" if cell.decisions else "–",
            f"[{low:.7g}, {high:.7g}]",
            Text(says(cell, standing), style=STYLES[standing.outcome]),
        )
    console.print()
    console.print(table, markup=False)
    console.print()
    count = {outcome: sum(standing.outcome == outcome for standing in standings) for outcome in STYLES}
    words = [f"{count['pass']} of {len(standings)} cells certified"]
    words += [f"{count[name]} {label}" for name, label in LABELS.items() if count[name]]
    still = [standing.within for standing in standings if standing.outcome == "open"]
    if still:
        words.append(f"those are within {_short(max(still))} so far")
    words += [f"{drawn(ledger):,} decisions", f"{seconds:.1f} s", f"exit {ledger.exit_status}"]
    console.print(f" {' · '.join(words)}", markup=False)
    if still:
        console.print(" More time settles what is open; with --resume FILE a later run continues.", markup=False)


LABELS = {"fail": "failed", "error": "errors", "open": "open", "not-applicable": "not applicable"}


def says(cell: Entry, standing: Standing) -> str:
    """Return the verdict on one cell in words."""
    promise = f"{cell.keep_prob:.7g}"
    if cell.other:
        return f"fail: {cell.other:,} outputs are neither dropped nor kept with one value"
    if standing.outcome == "open" and not cell.decisions:
        return "open: nothing drawn so far"
    return {
        "pass": f"within {standing.resolution:.2g} of {promise}",
        "fail": f"fail: not {promise}",
        "error": f"error: {cell.error}",
        "not-applicable": f"not applicable: {cell.not_applicable}",
        "open": f"open: so far within {_short(standing.within)} of {promise}",
    }[standing.outcome]


def document(ledger: Ledger, device: str, seconds: float, version: str) -> dict[str, Any]:
    """Return the results as plain data: the ledger's own, and what every cell's counts say."""
    data = wire.dump(ledger)
    for row, cell in zip(data["cells"], ledger.cells, strict=True):
        standing = ledger.standing(cell)
        row |= {
            "verdict": standing.outcome,
            "message": says(cell, standing),
            "resolution": standing.resolution,
            "interval": list(standing.interval),
            "within": standing.within,
            "p_value": standing.p_value,
        }
    return {**data, "version": version, "on": device, "seconds": seconds, "exit_status": ledger.exit_status}


def settled(ledger: Ledger) -> int:
    """Return how many cells need no further decisions."""
    return sum(not ledger.is_open(cell) for cell in ledger.cells)


def drawn(ledger: Ledger) -> int:
    """Return the decisions of all cells."""
    return sum(cell.decisions for cell in ledger.cells)


def _short(distance: float) -> str:
    return f"±{distance:.2g}"

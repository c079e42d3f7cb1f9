"""What a run of certificates shows: its terms, its progress, and what was certified when it ends."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from rich.progress import TextColumn
from rich.table import Table
from rich.text import Text

from droppath_audit.core import wire
from droppath_audit.core.visible import visible
from droppath_audit.report.console import foldable, progress_on

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from droppath_audit.certification.ledger import Entry, Ledger, Standing

STYLES = {"pass": "green", "fail": "bold red", "error": "bold red", "open": "yellow", "not-applicable": "dim"}


def show_terms(console: Console, ledger: Ledger, heading: str) -> None:
    """Print what is to be certified, with which errors, and what is there already."""
    seeds = ", ".join(str(seed) for seed in ledger.seeds)
    console.print(Text(visible(heading), style="bold"), soft_wrap=True)
    console.print(
        f"on       {ledger.identity['framework']} · {ledger.identity['dialect']} · {ledger.identity['device']}",
    )
    console.print(
        f"terms    keep probability within {ledger.resolve:g}, finer near 0 and 1 · error of a fail "
        f"{ledger.alpha:.2g}, of a pass {ledger.beta:.2g}, in each cell · seed {seeds}",
    )
    if any(cell.decisions for cell in ledger.cells):
        words = f"{settled(ledger)} of {len(ledger.cells)} cells settled · {drawn(ledger):,} decisions"
        console.print(f"so far   {words}")


def watch(console: Console, ledger: Ledger, cells: Iterable[Entry], device: str, seconds: float) -> None:
    """Run to the end, showing on a terminal the time that is left, the cell in hand and how far it has come."""
    started = time.monotonic()
    timed = math.isfinite(seconds)
    with progress_on(console, TextColumn("{task.fields[left]}")) as progress:
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


def show_results(
    console: Console, ledger: Ledger, device: str, seconds: float, *, ended: str = "", status: int | None = None
) -> None:
    """Print a line per cell, and what all of them come to.

    Args:
        console: Where.
        ledger: Counts.
        device: Device that was drawn on.
        seconds: Time that drawing took.
        ended: Why it ended early, such as a rank that was lost.
        status: Exit status; the ledger's own if None.
    """
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("  cell", no_wrap=True)
    table.add_column("decisions", no_wrap=True, justify="right")
    table.add_column("kept", no_wrap=True)
    table.add_column("in", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    standings = [ledger.standing(cell) for cell in ledger.cells]
    for cell, standing in zip(ledger.cells, standings, strict=True):
        low, high = standing.interval
        table.add_row(
            f"  {cell.describe(device)}",
            f"{cell.decisions:,}",
            f"{cell.kept / cell.decisions:.7g}" if cell.decisions else "–",
            f"[{low:.7g}, {high:.7g}]",
            Text(visible(says(cell, standing)), style=STYLES[standing.outcome]),
        )
    console.print()
    console.print(foldable(table, console.width))
    console.print()
    console.print(f" {conclusion(ledger)} · {seconds:.1f} s · exit {ledger.exit_status if status is None else status}")
    if ended:
        console.print(Text(f" Ended early: {visible(ended)}.", style="yellow"))
    if any(standing.outcome == "open" for standing in standings):
        console.print(" More time settles what is open; with --resume FILE a later run continues.")


def conclusion(ledger: Ledger) -> str:
    """Return what all cells come to, in a few words."""
    standings = [ledger.standing(cell) for cell in ledger.cells]
    count = {outcome: sum(standing.outcome == outcome for standing in standings) for outcome in STYLES}
    words = [f"{count['pass']} of {len(standings)} cells certified"]
    words += [f"{count[name]} {label}" for name, label in LABELS.items() if count[name]]
    still = [standing.within for standing in standings if standing.outcome == "open"]
    if still:
        words.append(f"those are within {_short(max(still))} so far")
    return " · ".join([*words, f"{drawn(ledger):,} decisions"])


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

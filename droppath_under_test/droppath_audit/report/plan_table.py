"""The plan, as ``--plan`` prints it: every trial, with what it can see and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from droppath_audit.core.facts import MODEL, SCHEDULE
from droppath_audit.core.visible import visible_texts
from droppath_audit.report.console import foldable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.trial import Trial

# For a guess at the whole: what a decision and a trial cost where the target is the reference.
DECISION_SECONDS, TRIAL_SECONDS = 10e-9, 0.02


def show_plan(console: Console, facts: Facts, trials: Sequence[Trial], effort: str, seed: int) -> None:
    """Print every trial with what it can see and what it costs."""
    facts, trials = visible_texts(facts), visible_texts(trials)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("trial", "level", "sees", "of", "decisions", "false alarm"):
        table.add_column(column, no_wrap=column == "trial", justify="right" if column == "decisions" else "left")
    for trial in trials:
        name, level = Text(trial.id), str(trial.level)
        if trial.reason:
            table.add_row(name, level, "", Text(f"not applicable: {trial.reason}"), "", "")
        elif trial.design is None:
            table.add_row(name, level, "exact", "", "", "never")
        else:
            design = trial.design
            table.add_row(
                name,
                level,
                f"±{design.resolves:.2g}",
                Text(f"{design.quantity}: {trial.case.detail}" if trial.case.detail else design.quantity),
                f"{design.decisions:,}",
                f"{trial.alpha:.1e}",
            )
    dialect = "" if facts.kind in (MODEL, SCHEDULE) else f" · {facts.dialect.describe()}"
    console.print(f"{facts.spec}    {facts.arguments}{dialect}", markup=False, soft_wrap=True)
    console.print(f"effort {effort} · seed {seed}")
    console.print(foldable(table, console.width))
    run = [trial for trial in trials if not trial.reason]
    statistical = [trial for trial in run if trial.design is not None]
    decisions = sum(trial.design.decisions for trial in statistical if trial.design is not None)
    console.print(
        f"{len(trials)} planned, {len(run)} to run, {len(statistical)} of them statistical "
        f"with about {decisions:,} mask decisions; nothing was run."
    )
    seconds = DECISION_SECONDS * decisions + TRIAL_SECONDS * len(run)
    console.print(f"That takes a target as fast as the reference about {seconds:.0f} s of one processor.")

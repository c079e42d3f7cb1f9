"""``droppath-audit law SPEC``: what a layer really drops, exactly, in each dtype."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING, Any

import click

from droppath_audit.auditing import REFERENCE, collector_for
from droppath_audit.commands import Command
from droppath_audit.report.writing import refuse_unwritable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.core.collected import Collector
    from droppath_audit.core.facts import Facts
    from droppath_audit.report.law import CellLaw

WIDTH = 150
EXAMPLES = """\b
Examples:
  droppath-audit law timm --dtype bfloat16
  droppath-audit law timm --schedule linear --max 0.1 --depth 12
  droppath-audit law timm --plot law.png
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.argument("spec", default=REFERENCE)
@click.option("--dtype", "dtypes", multiple=True, metavar="NAME", help="Dtype of x; repeatable.  [default: all four]")
@click.option(
    "--drop-prob",
    "drop_probs",
    multiple=True,
    type=float,
    metavar="P",
    help="Repeatable.  [default: the grid of DP103]",
)
@click.option("--plot", metavar="FILE", help="Draw effective against asked rate, from 1e-4 to 1 - 1e-4 (matplotlib).")
@click.option("--schedule", metavar="RULE", help="Print what each layer of a network drops: linear, paper …")
@click.option("--max", "max_drop_prob", type=float, metavar="P", help="Largest drop_prob of the schedule.")
@click.option("--depth", type=int, metavar="L", help="Number of layers of the schedule.")
@click.option("--device", default="cpu", show_default=True, metavar="NAME", help="Device to run on.")
@click.option("--import", "imports", multiple=True, metavar="MODULE", help="Import this module before the target.")
@click.option("--no-isolation", is_flag=True, help="Run the target in this process, for debuggers.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the target prints.")
def command(spec: str, **options: Any) -> int:
    """Print the exact law of the mask: every value that the generator can produce is fed to the layer.

    Nothing is sampled and nothing is judged; DP103 judges. Exit status 0, or 2 where no cell could be enumerated.
    """
    from droppath_audit.checks import catalogue
    from droppath_audit.core.visible import visible_texts
    from droppath_audit.report.console import console_of
    from droppath_audit.report.law import show_law, show_reasons, show_schedule
    from droppath_audit.targets.spec import parse

    parse(spec)
    layers = _layers(options["schedule"], options["max_drop_prob"], options["depth"])
    figure = _figure(options["plot"])
    console = console_of(WIDTH)
    with ExitStack() as stack:
        collector = collector_for(stack, spec, {**options, "devices": (options["device"],)})
        catalogue()  # imported while the worker loads the target
        facts, device = visible_texts(collector.facts), options["device"]
        dtypes = _dtypes(options["dtypes"], facts, device)
        probabilities = _probabilities(options["drop_probs"], layers)
        started = time.perf_counter()
        rows = _rows(collector, device, dtypes, [*dict.fromkeys([*probabilities, *layers])])
        seconds = time.perf_counter() - started
        console.print(f"{facts.spec}    {facts.arguments} · {facts.dialect.describe()}", soft_wrap=True)
        console.print(
            f"{facts.framework} {facts.framework_version} · {device} · {len(rows)} cells in {seconds:.2f} s\n"
        )
        if probabilities:
            show_law(console, [row for row in rows if row.drop_prob in probabilities])
            console.print()
        if layers:
            rule = f"{options['schedule']}, at most {options['max_drop_prob']:g}, {options['depth']} layers"
            show_schedule(console, rule, layers, rows)
            console.print()
        show_reasons(console, rows)
        if figure is not None:
            from droppath_audit.report.law_plot import draw, drop_probs

            title = f"{facts.spec}: exact law of the mask ({facts.framework} {facts.framework_version}, {device})"
            draw(options["plot"], title, _rows(collector, device, dtypes, drop_probs()), figure=figure)
            console.print(f"\nwrote {options['plot']}", soft_wrap=True)
    return 0 if any(row.law is not None for row in rows) else 2


def _rows(collector: Collector, device: str, dtypes: Sequence[str], drop_probs: Sequence[float]) -> list[CellLaw]:
    """Enumerate cells by running trials of DP103, whose evidence is the law."""
    from droppath_audit.checks import catalogue
    from droppath_audit.core.case import Cell
    from droppath_audit.core.trial import Trial
    from droppath_audit.core.visible import visible
    from droppath_audit.report.law import CellLaw

    check = catalogue()["DP103"]
    trials = [
        Trial(check.id, check.slug, check.level, Cell(device, dtype, p, dialect=collector.facts.dialect))
        for dtype in dtypes
        for p in drop_probs
    ]
    rows = []
    for (dtype, p), (_, found) in zip(product(dtypes, drop_probs), collector.collect(trials), strict=True):
        law = None if found.evidence is None else check.load(found.evidence)
        rows.append(CellLaw(dtype, p, law, visible(found.not_applicable or found.error)))
    return rows


def _layers(rule: str | None, max_drop_prob: float | None, depth: int | None) -> list[float]:
    from droppath_audit.core.errors import UsageError, nearest
    from droppath_reference.schedule import RULES

    if rule is None:
        if max_drop_prob is not None or depth is not None:
            raise UsageError(f"--max and --depth belong to a --schedule, one of {', '.join(RULES)}.")
        return []
    if rule not in RULES:
        raise UsageError(f"There is no schedule {rule!r}; schedules are {', '.join(RULES)}." + nearest(rule, RULES))
    if max_drop_prob is None or depth is None:
        raise UsageError(f"--schedule {rule} needs --max P and --depth L.")
    try:
        return RULES[rule](max_drop_prob, depth)
    except ValueError as error:
        raise UsageError(f"--schedule {rule}: {error}.") from error


def _figure(file: str | None) -> Any:
    """Return what draws, or None; asked before the target is loaded, whose work would be lost."""
    if file is None:
        return None
    from droppath_audit.report.law_plot import figure_class

    refuse_unwritable(file)
    return figure_class(file)


def _dtypes(asked: tuple[str, ...], facts: Facts, device: str) -> tuple[str, ...]:
    from droppath_audit.core.errors import UsageError, nearest
    from droppath_audit.core.grid import DTYPES
    from droppath_reference.law import FORMATS

    known = [dtype for dtype in facts.devices[device] if dtype in FORMATS]
    for dtype in asked:
        if dtype not in known:
            raise UsageError(
                f"There is no dtype {dtype!r} to enumerate on {device}; there are {', '.join(known)}."
                + nearest(dtype, known)
            )
    return asked or tuple(dtype for dtype in DTYPES if dtype in known)


def _probabilities(asked: tuple[float, ...], layers: Sequence[float]) -> tuple[float, ...]:
    """Return the drop probabilities of the table; those of a schedule stand in a table of their own."""
    from droppath_audit.core.errors import UsageError

    for drop_prob in asked:
        if not 0.0 <= drop_prob <= 1.0:
            raise UsageError(f"--drop-prob is a probability, in [0, 1], not {drop_prob:g}.")
    if asked or layers:
        return asked
    from droppath_audit.core.grid import WITH_EXTREMES

    return WITH_EXTREMES

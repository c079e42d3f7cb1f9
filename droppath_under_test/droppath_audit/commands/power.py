"""``droppath-audit power``: what a number of decisions resolves, what a resolution costs, and what every check sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from droppath_audit.commands import Command
from droppath_audit.core.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from droppath_audit.core.check import AnyCheck, Design

WIDTH = 160
LARGEST = 10**15  # decisions: two months at the full speed of a processor with a thousand cores
CHECK_OPTIONS = {"names": "--check", "efforts": "--effort", "granularity": "--granularity"}
CELL_OPTIONS = {"keep_probs": "--keep-prob", "drop_probs": "--drop-prob", "beta": "--beta"}
EXAMPLES = """\b
Examples:
  droppath-audit power                                 every statistical check at every effort
  droppath-audit power --check DP105                   one check, case by case
  droppath-audit power --decisions 1000000             from n to δ, over the audit's grid
  droppath-audit power --resolve 0.0005 --alpha 1e-9   from δ to n
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.option("--decisions", type=int, metavar="N", help="From n to δ: what N mask decisions of one cell resolve.")
@click.option("--resolve", type=float, metavar="D", help="From δ to n: the decisions by which D is resolved.")
@click.option("--keep-prob", "keep_probs", multiple=True, type=float, metavar="Q", help="Repeatable.")
@click.option(
    "--drop-prob", "drop_probs", multiple=True, type=float, metavar="P", help="Repeatable.  [default: the audit's grid]"
)
@click.option("--beta", type=float, metavar="P", help="Probability of missing what is resolved.  [default: 0.001]")
@click.option("--check", "names", multiple=True, metavar="CHECK", help="A check's id or name, or DP1xx; repeatable.")
@click.option("--effort", "efforts", multiple=True, metavar="NAME", help="Only this effort; repeatable.")
@click.option("--granularity", metavar="NAME", help="Of the target: sample, batch or element.  [default: sample]")
@click.option("--alpha", type=float, metavar="P", help="False-alarm probability of one test.  [default: see --budget]")
@click.option(
    "--budget", type=float, metavar="P", help="That of an audit; a test has its share of 1/16384.  [default: 1e-6]"
)
def command(**options: Any) -> None:
    """Plan: how small a discrepancy is seen, with which errors, and what that costs. Nothing is drawn."""
    from droppath_audit.report.console import console_of

    _require_one_question(options)
    alpha = _alpha(options["alpha"], options["budget"])
    console = console_of(WIDTH)
    if options["decisions"] is None and options["resolve"] is None:
        checks = _chosen_checks(options["names"])
        rows = _designs(checks, _chosen_efforts(options["efforts"]), options["granularity"] or "sample", alpha)
        show = _show_cases if options["names"] else _show_overview
        show(console, checks, rows)
        console.print(f"\nfalse alarm {alpha:.2g} a trial; a pass misses what is seen with probability 0.001 at most.")
    else:
        beta = _probability("--beta", options["beta"], default=None)
        keep_probs = _keep_probs(options["keep_probs"], options["drop_probs"])
        _show_cells(console, options["decisions"], options["resolve"], keep_probs, alpha, beta)


def _require_one_question(options: dict[str, Any]) -> None:
    """Raise if options belong to different questions."""

    def given(words: dict[str, str]) -> list[str]:
        return [word for name, word in words.items() if options[name] not in (None, ())]

    numbers = given({"decisions": "--decisions", "resolve": "--resolve"})
    cell, checks = given(CELL_OPTIONS), given(CHECK_OPTIONS)
    if len(numbers) == 2:
        raise UsageError("--decisions asks from n to δ, --resolve from δ to n; give one of them.")
    if numbers and checks:
        raise UsageError(
            f"{numbers[0]} asks about one cell, {checks[0]} about the checks of an audit; give one of them."
        )
    if cell and not numbers:
        raise UsageError(
            f"{cell[0]} belongs to --decisions N (from n to δ) or --resolve D (from δ to n); the checks have their own."
        )


def _probability(name: str, value: float | None, default: float | None) -> float:
    from droppath_audit.stats.budget import BETA

    if value is None:
        return BETA if default is None else default
    if not 0.0 < value < 1.0:
        raise UsageError(f"{name} is a probability between 0 and 1, not {value:g}.")
    return value


def _alpha(alpha: float | None, budget: float | None) -> float:
    from droppath_audit.stats.budget import DEFAULT_BUDGET, share

    if alpha is not None and budget is not None:
        raise UsageError("--alpha is the error of one test, --budget that of a whole audit; give one of them.")
    share_of_budget = share(_probability("--budget", budget, DEFAULT_BUDGET))
    return _probability("--alpha", alpha, share_of_budget)


def _keep_probs(keep_probs: Sequence[float], drop_probs: Sequence[float]) -> list[float]:
    from droppath_audit.core.grid import INTERIOR

    for name, values in (("--keep-prob", keep_probs), ("--drop-prob", drop_probs)):
        for value in values:
            if not 0.0 < value < 1.0:
                raise UsageError(
                    f"{name} lies between 0 and 1, not at {value:g}: there a single wrong decision is a proof, and "
                    "nothing needs a plan."
                )
    drop_probs = drop_probs or (() if keep_probs else INTERIOR)
    return list(dict.fromkeys([*keep_probs, *(1.0 - p for p in drop_probs)]))


def _show_cells(
    console: Console, decisions: int | None, resolve: float | None, keep_probs: list[float], alpha: float, beta: float
) -> None:
    """Print a line per keep probability: what every statistic resolves, or needs."""
    from rich.table import Table

    from droppath_audit.report.console import foldable
    from droppath_audit.stats.design import FLOAT32_MISS, NOTHING
    from droppath_audit.stats.planning import NOTES, STATISTICS

    if decisions is not None and not 1 <= decisions <= LARGEST:
        raise UsageError(f"--decisions is a whole number from 1 to {LARGEST:.0e}, not {decisions}.")
    largest = min(max(q, 1.0 - q) for q in keep_probs)
    if resolve is not None and not FLOAT32_MISS < resolve < largest:
        raise UsageError(
            f"--resolve lies above 2^-23 = {FLOAT32_MISS:.2g}, which one float32 draw can miss by, and below "
            f"{largest:g}, the largest discrepancy there is; not at {resolve:g}."
        )
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    for head in ("keep_prob", *(statistic.name for statistic in STATISTICS)):
        table.add_column(head, justify="right")
    for q in keep_probs:
        if decisions is not None:
            sizes = [statistic.detectable(decisions, q, alpha, beta) for statistic in STATISTICS]
            cells = [f"±{size:.3g}" if size < NOTHING else "nothing" for size in sizes]
        else:
            assert resolve is not None  # noqa: S101 - one of the two was given
            cells = [f"{statistic.samples_for(resolve, q, alpha, beta):,}" for statistic in STATISTICS]
        table.add_row(f"{q:.6g}", *cells)
    question = f"what {decisions:,} decisions resolve" if decisions else f"decisions that resolve ±{resolve:g}"
    console.print(f"{question}, in each cell; false alarm {alpha:.2g}, missed with probability {beta:g}\n")
    console.print(foldable(table, console.width))
    for note in NOTES:
        console.print(f"\n{note}")


def _chosen_checks(names: Sequence[str]) -> list[AnyCheck]:
    from droppath_audit.checks import catalogue
    from droppath_audit.core.patterns import matches

    known = catalogue()
    chosen = []
    for name in names:
        found = [check for check in known.values() if matches(name, (check.id, check.slug))]
        if not found:
            every = [word for check in known.values() for word in (check.id, check.slug)]
            raise UsageError(f"There is no check {name!r}; 'droppath-audit list' shows all." + nearest(name, every))
        chosen += found
    return list(dict.fromkeys(chosen)) if names else [check for check in known.values() if check.statistical]


def _chosen_efforts(names: Sequence[str]) -> list[str]:
    from droppath_audit.core.effort import EFFORTS

    for name in names:
        if name not in EFFORTS:
            raise UsageError(f"There is no effort {name!r}; efforts are {', '.join(EFFORTS)}." + nearest(name, EFFORTS))
    return list(dict.fromkeys(names)) or list(EFFORTS)


Planned = dict[tuple[str, str], list[tuple[str, "Design"]]]
"""By check's id and effort: the design of every statistical trial on the standard grid, and its drop_prob in words."""


def _designs(checks: Iterable[AnyCheck], efforts: Sequence[str], granularity: str, alpha: float) -> Planned:
    from dataclasses import replace

    from droppath_audit.core.dialect import Dialect
    from droppath_audit.core.effort import EFFORTS
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.grid import DTYPES

    dialect = Dialect(granularity=granularity)
    facts = Facts(
        spec="", kind="class", origin="", package="", arguments="", dialect=dialect,
        framework="", framework_version="", devices={"cpu": DTYPES},
    )  # fmt: skip
    planned: Planned = {}
    for check in checks:
        for effort in efforts:
            rows = planned.setdefault((check.id, effort), [])
            for bare in check.cases("cpu", EFFORTS[effort]):
                case = replace(bare, dialect=dialect)
                design = check.design(case, alpha) if check.statistical and not check.applicable(facts, case) else None
                if design is not None:
                    p = case.coordinates.get("drop_prob")
                    rows.append(("all together" if p is None else f"{p:g}", design))
    return planned


def _show_overview(console: Console, checks: Sequence[AnyCheck], planned: Planned) -> None:
    """Print a line per check: what its trials see at each effort, and the decisions of all of them."""
    from rich.table import Table

    from droppath_audit.report.console import foldable

    efforts = list(dict.fromkeys(effort for _, effort in planned))
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    for head in ("check", "sees", *(word for effort in efforts for word in (effort, "decisions"))):
        table.add_column(head, justify="right" if head == "decisions" else "left", no_wrap=head != "sees")
    for check in checks:
        rows = [planned[check.id, effort] for effort in efforts]
        if not all(rows):
            continue
        cells = []
        for designs in rows:
            cells += [_spread(design for _, design in designs), f"{sum(design.decisions for _, design in designs):,}"]
        table.add_row(f"{check.id} {check.slug}", rows[0][0][1].quantity, *cells)
    console.print(foldable(table, console.width))
    total = [
        f"{effort} {sum(design.decisions for key, rows in planned.items() if key[1] == effort for _, design in rows):,}"
        for effort in efforts
    ]
    console.print(f"\ndecisions of a whole audit of one device: {', '.join(total)}.")


def _show_cases(console: Console, checks: Sequence[AnyCheck], planned: Planned) -> None:
    """Print a line per effort and drop_prob of each check."""
    from rich.table import Table

    from droppath_audit.report.console import foldable

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    heads = ("check", "effort", "drop_prob", "trials", "resolves", "of", "decisions a trial")
    for head in heads:
        table.add_column(head, justify="right" if head.startswith(("decisions", "trials")) else "left")
    exact = []
    for check in checks:
        if not check.statistical:
            exact.append(f"{check.id} {check.slug}")
            continue
        for effort in dict.fromkeys(effort for _, effort in planned):
            rows = planned[check.id, effort]
            for where, design in dict.fromkeys(rows):
                trials = sum(row == (where, design) for row in rows)
                words = (where, str(trials), f"±{design.resolves:.2g}", design.quantity, f"{design.decisions:,}")
                table.add_row(f"{check.id} {check.slug}", effort, *words)
    if table.row_count:
        console.print(foldable(table, console.width))
    if exact:
        console.print(f"exact, a single counterexample fails them: {', '.join(exact)}")


def _spread(designs: Iterable[Design]) -> str:
    sizes = sorted({design.resolves for design in designs})
    low, high = f"{sizes[0]:.2g}", f"{sizes[-1]:.2g}"
    return f"±{low}" if low == high else f"±{low} to {high}"

"""The terminal report of a grade: what was seen of each kind of fault, what was not, and sound code rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from droppath_audit.core.graded import HIDDEN, MISSED, SEEN, SHARED, UNFIT
from droppath_audit.core.visible import visible_texts
from droppath_audit.report.console import foldable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from droppath_audit.core.graded import Fault, Grade

TOLD = 6  # tests that are named of many
UNGRADED = {
    UNFIT: "do not fit the target",
    HIDDEN: "do not show in its place",
    SHARED: "the target has the fault itself",
}


def show(console: Console, grade: Grade, *, at_least: float | None = None) -> None:
    """Print a grade.

    Args:
        console: Where to.
        grade: The grade.
        at_least: The percentage that is asked for; None where none is.
    """
    grade = visible_texts(grade)
    _heading(console, grade)
    if grade.faults:
        console.print()
        console.print(foldable(_families(grade), console.width))
        _missed(console, grade)
        _ungraded(console, grade)
    console.print()
    for line in sound(grade):
        console.print(Padding(Text(line), (0, 0, 0, 1)))
    console.print()
    console.print(f" {cost(grade)}")
    short = at_least is not None and (grade.percent is None or grade.percent < at_least)
    gate = f" · {at_least:g} % asked for" if at_least is not None else ""
    console.print(
        Text.assemble((f" {conclusion(grade)}", "bold red" if short else "bold"), f"{gate} · exit {int(short)}")
    )


def conclusion(grade: Grade) -> str:
    """Return the grade in a few words."""
    if grade.percent is None:
        return "no fault was graded"
    return f"the tests see {grade.graded - len(grade.missed)} of {grade.graded} faults ({grade.percent:.0f} %)"


def cost(grade: Grade) -> str:
    """Return what it took, in a few words."""
    return (
        f"{grade.tested.seconds:.1f} s a run of the tests · {grade.spent:.0f} s all runs · {grade.seconds:.0f} s in all"
    )


def sound(grade: Grade) -> list[str]:
    """Return sentences about sound code: how often it is rejected by chance, and which style is never taken."""
    lines = []
    rejected, runs = grade.by_chance
    if grade.interval is not None:
        low, high = grade.interval
        lines.append(
            f"Sound code is rejected in {rejected} of {runs} runs: {_percent(rejected / runs)}, between "
            f"{_percent(low)} and {_percent(high)} at {100 * grade.confidence:.0f} % confidence (Clopper-Pearson)."
        )
    else:
        lines.append("No sound code was run that the tests take.")
    if grade.itself.rejected:
        lines.append(f"The target itself is rejected in {grade.itself.rejected} of {grade.itself.runs} runs.")
    if grade.drawing:
        names = _some(grade.drawing)
        lines.append(f"Tests that draw by the run's seed, {len(grade.drawing)} of {grade.tested.passed}: {names}.")
    elif grade.itself.runs:
        lines.append("No test depends on the seed of the run: one run of each variant says all.")
    if grade.seeded:
        names = _some(grade.seeded)
        lines.append(f"Tests that draw after a seed that one of them sets, always the same: {names}.")
    lines += [
        f"Rejected always, {one.runs} of {one.runs}: {one.name} ({one.what.rstrip('.')}), by {_some(one.tests)}: "
        f"{one.said}"
        for one in grade.intolerant
    ]
    for fixed, how in ((False, "by chance"), (True, "under a seed that tests set, by chance or for their style")):
        ones = [one for one in grade.variants if one.rejected and not one.always and one.fixed is fixed]
        if ones:
            names = ", ".join(f"{one.name} ({one.rejected} of {one.runs})" for one in ones)
            tests = _some(dict.fromkeys(test for one in ones for test in one.tests))
            lines.append(f"Rejected {how}: {names}; by {tests}.")
    return lines


def families(grade: Grade) -> list[tuple[str, int, int]]:
    """Return each kind of fault with how many of it were seen, and graded; kinds in the order of their checks."""
    found: dict[str, list[int]] = {}
    for fault in sorted((one for one in grade.faults if one.check), key=lambda one: one.check):
        counts = found.setdefault(grade.checks[fault.check].family, [0, 0])
        counts[0] += fault.outcome == SEEN
        counts[1] += fault.outcome in (SEEN, MISSED)
    return [(family, seen, all_) for family, (seen, all_) in found.items() if all_]


def missed(grade: Grade) -> dict[str, list[Fault]]:
    """Return the faults that were let through under the check that sees them."""
    found: dict[str, list[Fault]] = {}
    for fault in sorted(grade.missed, key=lambda one: (one.check, one.name)):
        found.setdefault(fault.check, []).append(fault)
    return found


def _heading(console: Console, grade: Grade) -> None:
    tested = grade.tested
    console.print(
        Text.assemble((f"droppath-audit {grade.version} grade", "bold"), f"    {grade.target}"), soft_wrap=True
    )
    console.print(f"tests    {' '.join(grade.tests)}", soft_wrap=True)
    console.print(f"passed   {tested.passed} on the target at seed {tested.seed}, of which {tested.callers} call it")
    for seed, test in tested.failed_at.items():
        console.print(f"failed   on the target at seed {seed}: {test}")
    for test, said in tested.left_out.items():
        console.print(f"left out {test}: it passes on the target, and not on what stands in for it ({said})")
    if grade.aside:
        console.print(
            f"aside    {_some(grade.aside)}: some calls ask for what not every mutant does; the target answered those"
        )


def _families(grade: Grade) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(" kind of fault", no_wrap=True)
    for head in ("seen", "of", "%"):
        table.add_column(head, justify="right", no_wrap=True)
    for family, seen, all_ in families(grade):
        table.add_row(f" {family}", str(seen), str(all_), f"{100 * seen / all_:.0f}")
    return table


def _missed(console: Console, grade: Grade) -> None:
    if not grade.missed:
        return
    console.print()
    console.print(" Let through, under the check that sees it in the target's place:")
    for check, faults in missed(grade).items():
        console.print(Text.assemble((f" {check} {grade.checks[check].slug}", "bold")))
        for fault in faults:
            console.print(Padding(Text.assemble((fault.name, "bold"), f": {fault.what}"), (0, 0, 0, 4)))


def _ungraded(console: Console, grade: Grade) -> None:
    left = {outcome: grade.of(outcome) for outcome in UNGRADED}
    if any(left.values()):
        console.print()
        console.print(" Not graded:")
    for outcome, faults in left.items():
        if faults:
            reasons: dict[str, list[str]] = {}
            for fault in faults:
                reasons.setdefault(fault.reason, []).append(fault.name)
            console.print(f"  {len(faults)} {UNGRADED[outcome]}")
            for reason, names in reasons.items():
                console.print(Padding(Text(f"{reason}: {', '.join(names)}"), (0, 0, 0, 4)))


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - TOLD} more" if len(listed) > TOLD else ""
    return f"{', '.join(listed[:TOLD])}{more}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"

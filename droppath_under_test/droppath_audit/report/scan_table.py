"""The terminal report of a scan: a row for each group of equal definitions, and the commands to run next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from droppath_audit.core.report import FINDING, HOLDS, OPEN
from droppath_audit.core.visible import visible_texts
from droppath_audit.report.console import foldable

if TYPE_CHECKING:
    from rich.console import Console

    from droppath_audit.core.scanned import Group, Place, Scan

STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow", "not-driven": "yellow", "not-audited": "dim"}
REASON = 44  # columns that a reason has at least, or the row is folded
SHOWN = 3  # files that were skipped and are named without -v


def show(console: Console, scan: Scan, *, note: str = "", verbose: bool = False) -> None:
    """Print a scan.

    Args:
        console: Where to.
        scan: What was found.
        note: How the name of what was scanned was understood.
        verbose: Whether to list every place and every file that was skipped.
    """
    scan = visible_texts(scan)
    _heading(console, scan, note, verbose=verbose)
    if scan.groups:
        console.print()
        console.print(foldable(_table(scan, verbose=verbose), console.width, REASON))
        _lifted_ones(console, scan)
        _legend(console, scan)
        _commands(console, scan)
    console.print()
    console.print(_counts(scan))
    console.print(Text.assemble((f" {conclusion(scan)}", _style(scan)), f" · exit {scan.exit_status}"))


def conclusion(scan: Scan) -> str:
    """Return the verdict in a few words."""
    if scan.incomplete:
        return f"incomplete: {scan.incomplete}"
    if not scan.groups:
        return "no look-alike was found, so nothing was audited"
    if not scan.audited:
        return "listed, nothing was audited"
    failing, open_, left = (_number(scan, verdict) for verdict in ("fail", "inconclusive", "not-driven"))
    if scan.exit_status == HOLDS:
        return "every MUST holds in every definition"
    said = [
        f"{count} of {len(scan.groups)} {what}"
        for count, what in ((failing, "with findings"), (open_, "inconclusive"), (left, "could not be driven"))
        if count
    ]
    return ", ".join(said)


def _style(scan: Scan) -> str:
    return {HOLDS: "green", FINDING: "bold red", OPEN: "yellow"}.get(scan.exit_status, "yellow")


def _number(scan: Scan, verdict: str) -> int:
    return sum(group.verdict == verdict for group in scan.groups)


def _heading(console: Console, scan: Scan, note: str, *, verbose: bool) -> None:
    console.print(Text.assemble((f"droppath-audit {scan.version} scan", "bold"), f"    {scan.target}"), soft_wrap=True)
    console.print(f"in       {', '.join(scan.where)}", soft_wrap=True)
    if note:
        console.print(f"read     {note}")
    console.print(f"files    {scan.files} of Python, of which {scan.read} may hold a look-alike and were parsed")
    shown = scan.skipped if verbose else scan.skipped[:SHOWN]
    for skipped in shown:
        console.print(f"skipped  {skipped.file}: {skipped.reason}", soft_wrap=True)
    if len(scan.skipped) > len(shown):
        console.print(f"skipped  {len(scan.skipped) - len(shown)} more (-v shows them)")
    if scan.audited:
        console.print(f"audit    one of each group of equal definitions · effort {scan.effort} · seed {scan.seed}")


def _table(scan: Scan, *, verbose: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("definition", no_wrap=True)
    table.add_column("copies", no_wrap=True, justify="right")
    table.add_column("place", no_wrap=not verbose)
    table.add_column("verdict", overflow="fold")
    for group in scan.groups:
        first, *others = (_at(place, scan) for place in group.places)
        more = f" and {len(others)} more" if others else ""
        place = "\n".join([first, *others]) if verbose else f"{first}{more}"
        table.add_row(Text(group.first.name), Text(str(len(group.places))), Text(place), _verdict(group, scan))
    return table


def _at(place: Place, scan: Scan) -> str:
    """Return file and line, the file from the folder of its package on."""
    for where in scan.where if place.module else ():
        parent = Path(where).parent
        if Path(place.file).is_relative_to(parent):
            return f"{Path(place.file).relative_to(parent)}:{place.line}"
    return f"{place.file}:{place.line}"


def _verdict(group: Group, scan: Scan) -> Text:
    report, word = group.report, group.verdict
    if report is None:
        if group.refused:
            return Text.assemble(("cannot be driven", STYLES[word]), f": {group.refused}", _lifted(group))
        return Text("not audited" if scan.audited else f"found by {group.by}", style=STYLES[word])
    broken = sorted({result.trial.check for result in report.findings})
    open_ = sorted({result.trial.check for result in report.open})
    said = ", ".join(broken or open_)
    ended = f" ({report.ended_early})" if report.ended_early else ""
    return Text.assemble((word, STYLES[word]), f": {said}" if said else "", ended, _lifted(group))


def _lifted(group: Group) -> str:
    return "" if group.lifted is None else " · lifted"


def _lifted_ones(console: Console, scan: Scan) -> None:
    """Print which definitions were audited apart from their files, and why; of one reason all together."""
    reasons: dict[str, list[str]] = {}
    for group in scan.groups:
        if group.lifted is not None:
            without = f" (without {', '.join(group.lifted.left_out)})" if group.lifted.left_out else ""
            # What cannot be imported is said once, though every file says it of itself.
            why = group.lifted.why.replace(group.spec.rpartition(":")[0], "its file")
            reasons.setdefault(why, []).append(f"{group.first.name}{without}")
    if reasons:
        console.print()
        console.print("Lifted, that is audited apart from a file that cannot be imported:")
    for why, names in reasons.items():
        console.print(Padding(Text(f"{', '.join(names)}: {why}", overflow="fold"), (0, 0, 0, 2)))


def _legend(console: Console, scan: Scan) -> None:
    """Print what the checks are called that are named in the table."""
    slugs = {
        result.trial.check: result.trial.slug
        for group in scan.groups
        if group.report is not None
        for result in (*group.report.findings, *group.report.open)
    }
    if slugs:
        console.print()
        console.print(
            Text(" · ").join(Text(f"{check} {slug}".replace(" ", "\u00a0")) for check, slug in sorted(slugs.items()))
        )
        console.print("'droppath-audit explain ID' says what a check promises, why, and how to fix it.")


def _commands(console: Console, scan: Scan) -> None:
    """Print the commands to run next, unbroken, so that they can be copied."""
    rows = [
        (group, group.command or f"droppath-audit {_shell(group)} --effort {scan.effort}")
        for group in scan.groups
        if scan.audited and (group.command or (group.verdict in ("fail", "inconclusive") and _shell(group)))
    ]
    if rows:
        console.print()
        console.print("Run next:")
        for _, command in rows:
            console.print(f"  {command}", soft_wrap=True)
    if any(group.lifted is not None and not group.lifted.file for group in scan.groups):
        console.print()
        console.print(
            "To audit a lifted definition alone, keep it with --lifted FOLDER; --json has its source as well."
        )


def _shell(group: Group) -> str:
    """Return the SPEC of what was audited, for a shell; empty where it is gone."""
    import shlex

    if group.lifted is None:
        return shlex.quote(group.spec)
    return shlex.quote(group.report.facts.spec) if group.lifted.file and group.report is not None else ""


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _counts(scan: Scan) -> str:
    words = [f" {_counted(scan.copies, 'definition')}", _counted(len(scan.groups), "group")]
    if scan.audited:
        labels = (
            ("pass", "passed"), ("fail", "failed"), ("inconclusive", "inconclusive"), ("not-driven", "not driven"),
            ("not-audited", "not audited"),
        )  # fmt: skip
        words += [
            f"{_number(scan, name)} {label}"
            for name, label in labels
            if _number(scan, name) or name in ("pass", "fail")
        ]
    return " · ".join([*words, f"{scan.seconds:.1f} s"])

"""The page: every figure on it is computed from judgements, windows and curves, none is typed."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from droppath_audit.core.effort import EFFORTS
from droppath_audit.stats.budget import DEFAULT_BUDGET
from tools.comparison.detection import BIASES, CELL, RUNS, bias_of_curve, bias_seen, certificate
from tools.comparison.measure import by_judge, is_sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.comparison.measure import Judgement
    from tools.rivals.rule import Rule

INTRODUCTION = """# What existing tests see, and what this suite sees

Written by `python -m tools.power`; no figure here has another source. The rules of existing test suites are restated in
`tools/rivals/`, in our own words and code, and put to the same layers in the same run as this suite: {mutants} faulty
ones (of {known} in `droppath_audit.mutants`, each with one realistic fault) and {sound} sound ones.
"""

KILLS = """
## Faulty layers rejected

A rule is put to a layer where the suite it comes from has a test for that granularity, this suite to every layer, or at
a longer effort to as many as there was time for, drawn at random; *of* counts these layers.
*Rejected* means {repeats}.
This suite rejects where a MUST is broken; *SHOULD, INFO* counts the layers in which only a promise of that level was
found broken, which is reported (and under `--strict` a SHOULD rejects). Seconds are CPU time on one thread: the median
over all layers, and on the reference.

| rule | rejected | of | not put to | SHOULD, INFO | seconds, median | seconds, reference |
|---|---|---|---|---|---|---|
"""

SOUND = """
## Sound layers rejected

The probability that one run of a rule on fresh seeds rejects a sound layer, exact from the binomial distribution of the
counts that it accepts (several assertions of one rule taken as independent); for this suite the budget, which bounds
it. Beside it, how many of the runs on sound layers that were made for this page ended so.

| rule | rejects sound code | seen |
|---|---|---|
"""

DETECTION = """
## Bias of the keep probability

![Probability of being rejected against the bias of the keep probability](power.svg)

For a rule, the probability that one run of its suite rejects a layer whose keep probability is off by the same bias at
every drop_prob that the suite asks for. For this suite, the share of {runs} simulated runs in which DP102 fails one
cell (keep_prob {cell:g}, one dtype); an audit has {cells} such cells. *Seen* is the smallest bias that is rejected in
90 % of runs and more from there on; in brackets, what one statistical assertion alone sees.

| rule | decisions per assertion | seen, keeps too often | seen, drops too often |
|---|---|---|---|
"""

MATRIX = """
## Every faulty layer

`x` rejected, `.` accepted, `-` not put to it; for this suite `s` and `i` where nothing above a SHOULD or an INFO is
broken.
{key}

| layer | {heads} |
|---|{bars}|
"""

RULES = """
## The rules
"""


def page(rows: Sequence[Judgement], rules: tuple[Rule, ...], curves: dict[str, dict[int, list[float]]]) -> str:
    """Return the page.

    Args:
        rows: Every judge's judgement on every layer.
        rules: The rules of others.
        curves: This suite's detection probabilities by effort and direction.
    """
    from droppath_audit.mutants import mutants

    judges = [name for name, judged in by_judge(rows) if judged]
    return "".join(
        [
            INTRODUCTION.format(
                mutants=_count(rows, sound=False), known=len(mutants()), sound=_count(rows, sound=True)
            ),
            _kills(rows),
            _sound(rows, rules),
            _detection(rules, curves),
            _matrix(rows, judges),
            _rules(rules),
        ]
    )


def _count(rows: Sequence[Judgement], *, sound: bool) -> int:
    return len({row.layer for row in rows if is_sound(row.layer) is sound})


def _faulty(rows: Sequence[Judgement]) -> dict[str, list[Judgement]]:
    """Return the judgements of one judge by mutant."""
    found: dict[str, list[Judgement]] = {}
    for row in rows:
        if not is_sound(row.layer):
            found.setdefault(row.layer, []).append(row)
    return found


def _rejected(runs: Sequence[Judgement]) -> bool:
    """Return whether every run rejected: what chance rejected once it seldom rejects again."""
    return all(run.rejected in ("MUST", "yes") for run in runs)


def _kills(rows: Sequence[Judgement]) -> str:
    seeds = max(row.seed for row in rows) + 1
    how_often = f"at each of {seeds} seeds" if seeds > 1 else "at one seed, and some of it is chance (see below)"
    lines, mutants = [], _count(rows, sound=False)
    for name, judged in by_judge(rows):
        by_mutant = {mutant: runs for mutant, runs in _faulty(judged).items() if runs[0].rejected != "-"}
        lower = [runs[0].rejected for runs in by_mutant.values() if runs[0].rejected in ("SHOULD", "INFO")]
        lower_levels = f"{lower.count('SHOULD')}, {lower.count('INFO')}"
        put = [row for row in judged if row.rejected != "-"]
        if not put:
            continue
        reference = [row.cpu for row in put if row.layer == "sound: reference"]
        lines.append(
            f"| {_title(name)} | {sum(_rejected(runs) for runs in by_mutant.values())} | {len(by_mutant)} "
            f"| {mutants - len(by_mutant)} "
            f"| {lower_levels if name in EFFORTS else ''} "
            f"| {_seconds(median(row.cpu for row in put))} | {_seconds(median(reference)) if reference else ''} |\n"
        )
    return KILLS.format(repeats=how_often) + "".join(lines)


def _title(name: str) -> str:
    return f"**this suite, {name}**" if name in EFFORTS else name


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"


def _sound(rows: Sequence[Judgement], rules: tuple[Rule, ...]) -> str:
    powers = {rule.name: rule.power(0.0) for rule in rules}
    lines = []
    for name, judged in by_judge(rows):
        runs = [row for row in judged if is_sound(row.layer) and row.rejected != "-"]
        seen = f"{sum(row.rejected in ('MUST', 'yes') for row in runs)} of {len(runs)}" if runs else ""
        if judged and (name in EFFORTS or name in powers):
            exact = f"at most {DEFAULT_BUDGET:.0e}" if name in EFFORTS else _probability(powers[name])
            lines.append(f"| {_title(name)} | {exact} | {seen} |\n")
    return SOUND + "".join(lines)


def _probability(probability: float) -> str:
    if probability == 0.0:
        return "0"
    return f"{probability:.1%}" if probability >= 1e-3 else f"{probability:.1e}"


def _detection(rules: tuple[Rule, ...], curves: dict[str, dict[int, list[float]]]) -> str:
    from droppath_audit.core import grid

    lines = []
    for effort, by_sign in curves.items():
        rule = certificate(effort)
        seen = " | ".join(f"{bias_of_curve(by_sign[sign]):.2g}" for sign in (1, -1))
        lines.append(f"| {_title(effort)} | {rule.expected_decisions()} expected, at most {rule.cap} | {seen} |\n")
    for named in rules:
        if not named.windows:
            lines.append(f"| {named.name} | none | never | never |\n")
            continue
        sizes = sorted({window.decisions for window in named.windows})
        size = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        cells = " | ".join(f"{_bias(bias_seen(named.power, sign))} ({_alone(named, sign)})" for sign in (1, -1))
        lines.append(f"| {named.name} | {size} | {cells} |\n")
    number = len(grid.DTYPES) * len(grid.INTERIOR)
    return DETECTION.format(runs=RUNS, cell=CELL, cells=number) + "".join(lines)


def _bias(bias: float | None) -> str:
    if bias is None:
        return "never"
    return f"below {bias:.2g}" if bias <= BIASES[0] else f"{bias:.2g}"


def _alone(rule: Rule, sign: int) -> str:
    """Return the range of what the windows of a rule see alone."""
    seen = []
    for window in rule.windows:
        size = 1.0 - window.drop_prob
        seen.append(bias_seen(lambda bias, w=window, q=size: w.rejection(min(1.0, max(0.0, q + bias))), sign))  # type: ignore[misc]
    found = sorted(bias for bias in seen if bias is not None)
    if not found:
        return "never"
    return _bias(found[0]) if found[0] == found[-1] else f"{_bias(found[0])} to {_bias(found[-1])}"


def _matrix(rows: Sequence[Judgement], judges: Sequence[str]) -> str:
    by_cell: dict[tuple[str, str], list[Judgement]] = {}
    for row in rows:
        by_cell.setdefault((row.layer, row.judge), []).append(row)
    mutants = list(dict.fromkeys(row.layer for row in rows if not is_sound(row.layer)))
    marks = {name: {judge: _mark(by_cell.get((name, judge), [])) for judge in judges} for name in mutants}
    lines = [f"| {name} | {' | '.join(marks[name].values())} |\n" for name in mutants]
    # Fewer runs than all of them are chance, so they count for neither.
    seen = {name for name in mutants if any(marks[name][judge] in "xsi" for judge in judges if judge in EFFORTS)}
    others = {name for name in mutants if any(marks[name][judge] == "x" for judge in judges if judge not in EFFORTS)}
    ours = [name for name in mutants if name in seen - others]
    missed = [name for name in mutants if name in others - seen]
    key = f"{len(ours)} of {len(mutants)} are seen by this suite and rejected by none of the others"
    key += f"; {len(missed)} the other way round{': ' + ', '.join(missed) if missed else ''}."
    heads = " | ".join(_title(judge).strip("*") for judge in judges)
    return MATRIX.format(key=key, heads=heads, bars="|".join("---" for _ in judges)) + "".join(lines)


def _mark(runs: Sequence[Judgement]) -> str:
    if not runs or runs[0].rejected == "-":
        return "-"
    first = runs[0].rejected
    if _rejected(runs):
        return "x"
    return {"SHOULD": "s", "INFO": "i"}.get(first, ".")


def _rules(rules: tuple[Rule, ...]) -> str:
    lines = [
        f"\n**{rule.name}** ({rule.source}). {rule.asserts} Left out: {rule.left_out[0].lower()}{rule.left_out[1:]}\n"
        for rule in rules
    ]
    return RULES + "".join(lines)

"""The page, and what on it is not as it should be."""

from __future__ import annotations

from typing import Any

import droppath_audit
from droppath_audit.checks import catalogue
from droppath_audit.stats.exact import binomial_interval
from tools.calibrating.scratch import commit, versions
from tools.calibrating.uniformity import THRESHOLDS, RateTest, excesses, largest_excess

BUDGET = 0.01  # of the synthetic audits
TWICE = 0.02  # a rate at which their number must be seen to exceed the budget
LEVEL = 5e-4  # size of all tests of p-values in a part together; two parts have them
SHOWN = (0.5, 0.1, 0.01, 1e-3)  # thresholds with a column of their own
BUDGET_LEVEL = 0.01  # size of the test of the budget
TITLES = {"kills": "Kills", "audits": "False alarms", "synthetic": "The budget, end to end"}
INTRODUCTION = """# Calibration

Written by `python -m tools.calibrating`, which `tox -e calibration` runs: no figure here has another source. Its parts
are measured together, or one by one with `--parts`; each names the commit of the code that it measured. No verdict here
depends on time: trials run without the time limits of an audit."""


class Page:
    """The page, written while what it says is checked: a part is measured anew, or stays as it stands there.

    Args:
        measured: Answers of the parts that were measured.
        before: The page as it was.

    Attributes:
        wrong: What is not as it should be in parts that were measured, a line each; empty where all is well.
    """

    def __init__(self, measured: dict[str, Any], before: str = "") -> None:
        self.wrong: list[str] = []
        self._measured, self._wrong = measured, list[str]()
        kept = _parts_of(before)
        self._parts = {title: kept.get(title, [f"## {title}", "", "Not measured yet."]) for title in TITLES.values()}
        for part, title in TITLES.items():
            if part in measured["lost"]:
                self._parts[title] = self._part(part, title)

    def _part(self, part: str, title: str) -> list[str]:
        """Return the lines of a part that was measured."""
        self.lines, self._wrong = list[str](), list(self._measured["lost"][part])
        if len(self._measured["checks"]) < len(catalogue()):
            self._say(f"Of these checks alone: {', '.join(self._measured['checks'])}.")
        {"kills": self._kills, "audits": self._audits, "synthetic": self._synthetic}[part](self._measured)
        self.wrong += self._wrong
        used = ", ".join(f"{name} {version}" for name, version in versions().items())
        verdict = "Not as it should be:" if self._wrong else "Every figure is as it should be."
        return [
            f"## {title}",
            "",
            f"droppath-audit {droppath_audit.__version__} at commit {commit()}, {used}.",
            "",
            verdict,
            *([""] if self._wrong else []),
            *(f"- {line}" for line in self._wrong),
            *self.lines,
        ]

    def _say(self, *lines: str) -> None:
        self.lines += ["", *lines]

    def _audits(self, measured: dict[str, Any]) -> None:
        for effort, audits in measured["audits"].items():
            self._alarms(effort, audits)
        self._p_values("the reference, at effort quick", measured["audits"]["quick"]["the reference"])

    def _synthetic(self, measured: dict[str, Any]) -> None:
        self._budget(measured["synthetic"])
        self._p_values("the synthetic target", measured["synthetic"])

    def _kills(self, measured: dict[str, Any]) -> None:
        seeds, claims = measured["seeds"], measured["claims"]
        if measured["elsewhere"]:
            self._say(
                "What no audit of code as it is written on the CPU plans is asked of its mutants under one seed, for "
                f"the kill matrix or by `tests/devices`: {', '.join(measured['elsewhere'])}."
            )
        number = sum(map(len, claims.values()))
        rows, kept = [], 0
        for name, checks in claims.items():
            found = {check: sum(bool(one[check]) for one in measured["kills"][name]) for check in checks}
            kept += sum(found.values())
            rows.append(f"| `{name}` | {', '.join(f'{check} {count}' for check, count in found.items())} |")
            self._wrong += [f"{name}: {c} kills it under {n} of {seeds} seeds" for c, n in found.items() if n != seeds]
        lowest = binomial_interval(seeds, seeds, 0.1)[0]
        self._say(
            f"Every mutant, the checks that claim it, and under how many of the root seeds 0 to {seeds - 1} each of "
            f"them kills it, at effort standard: {kept} of {number * seeds} kills by {number} claims on {len(claims)} "
            f"mutants. All {seeds} of {seeds} bounds the rate of one claim from below by {lowest:.3f} (exact, 95 %).",
            "",
            "| mutant | kills by its claiming checks |",
            "|---|---|",
            *rows,
        )

    def _alarms(self, effort: str, audits: dict[str, list[dict[str, Any]]]) -> None:
        number = sum(map(len, audits.values()))
        if not number:
            return
        alarms = sum(bool(one["alarms"]) for found in audits.values() for one in found)
        for name, found in audits.items():
            self._wrong += [f"{name}: alarm {alarm}" for one in found for alarm in one["alarms"]]
            self._wrong += [f"{name}: {trial} is inconclusive" for one in found for trial in one["open"]]
        highest = binomial_interval(alarms, number, 0.1)[1]
        self._say(
            f"### At effort {effort}",
            "",
            f"{number} audits of correct code at effort {effort} and the default budget, each with a root seed of its "
            f"own, 0 to {number - 1}: {alarms} raised an alarm (a broken MUST). The rate lies below {highest:.2g} "
            "(exact, 95 %).",
            "",
            "| implementation | audits | alarms | inconclusive |",
            "|---|---|---|---|",
            *(
                f"| {name if name == 'the reference' else f'`{name}`'} | {len(found)} | "
                f"{sum(bool(one['alarms']) for one in found)} | {sum(bool(one['open']) for one in found)} |"
                for name, found in audits.items()
            ),
        )

    def _p_values(self, name: str, audits: list[dict[str, Any]]) -> None:
        by_check: dict[str, list[float]] = {}
        for audit in audits:
            for check, values in audit["p"].items():
                by_check.setdefault(check, []).extend(values)
        if not by_check:
            return
        collected = [("all checks", [p for values in by_check.values() for p in values]), *sorted(by_check.items())]
        tests = sum(1 + len(excesses(values)) for _, values in collected)
        level = LEVEL / tests
        rows = []
        for check, values in collected:
            excess, bound = largest_excess(values)
            found = excesses(values)
            worst = min(found, key=lambda one: one.p_value)
            cells = [f"{one.count} of {one.allowed:.4g}" for one in found if one.threshold in SHOWN]
            rows.append(
                f"| {check} | {len(values)} | {' | '.join(cells)} | {worst.p_value:.2g} at "
                f"{worst.threshold:g} | {excess:.4f} | {bound:.2g} |"
            )
            if min(bound, worst.p_value) <= level:
                self._wrong.append(f"{name}: p-values of {check} are smaller than they may be")
        thresholds = [f"≤ {threshold:g}" for threshold in SHOWN]
        self._say(
            f"### P-values of {name}",
            "",
            "A p-value of correct code may be larger than uniform (counts are discrete, and that of a certificate is "
            "the inverse of an e-value) and never smaller. For every statistical check: how many of its p-values lie "
            "at or below a threshold, of how many that may on average; the smallest of the exact binomial p-values of "
            f"such counts at {', '.join(f'{threshold:g}' for threshold in THRESHOLDS)}, and where it was found; the "
            "largest excess D⁺ of their distribution over the uniform one, and Massart's bound on "
            f"the probability of one as large. Size of all {tests} tests together: {LEVEL:g}, {level:.2g} each.",
            "",
            f"| check | p-values | {' | '.join(thresholds)} | smallest | D⁺ | bound |",
            f"|{'---|' * (5 + len(thresholds))}",
            *rows,
        )

    def _budget(self, audits: list[dict[str, Any]]) -> None:
        number = len(audits)
        if not number:
            return
        alarms = sum(bool(audit["alarms"]) for audit in audits)
        unanswered = sum(bool(audit["open"]) for audit in audits)
        trials = max(sum(map(len, audit["p"].values())) for audit in audits)
        split = BUDGET / trials
        tight = sum(
            bool(audit["alarms"]) or any(p <= split for values in audit["p"].values() for p in values)
            for audit in audits
        )
        test = RateTest(BUDGET, number, BUDGET_LEVEL)
        for count, what in ((alarms, "the shares of an audit"), (tight, f"shares of 1/{trials}")):
            if count >= test.critical:
                self._wrong.append(f"{count} of {number} synthetic audits alarm with {what} of a budget of {BUDGET:g}")
        self._wrong += [f"synthetic: {trial} is inconclusive" for audit in audits for trial in audit["open"]]
        self._say(
            f"{number} audits at effort quick with `--budget {BUDGET:g}` of a synthetic target, whose decisions are "
            "NumPy's and independent by construction; statistical checks alone, "
            f"{trials} trials with a p-value an audit at most; root seeds 0 to {number - 1}.",
            "",
            "| shares of the budget | audits | alarms | allowed on average |",
            "|---|---|---|---|",
            f"| those of an audit, budget/2^14 | {number} | {alarms} | {number * BUDGET:.4g} |",
            f"| budget/{trials}, the largest that as many trials could have | {number} | {tight} | "
            f"{number * BUDGET:.4g} |",
            "",
            f'"At most {BUDGET:g} of the audits alarm" would be rejected from {test.critical} alarms on (exact '
            f"binomial, size {BUDGET_LEVEL:g}); if {TWICE:g} of them did, with probability {test.power(TWICE):.3f}. "
            "The first row is what a user gets: the budget is divided by 2^14 whatever is selected, so that a trial "
            "alone judges as it does in the whole audit, and most of it is never spent. The second asks the same "
            f"p-values with nothing left over, where more than the budget could be seen. Inconclusive: {unanswered}.",
        )

    @property
    def text(self) -> str:
        """The page as text."""
        return "\n".join([INTRODUCTION, *(line for part in self._parts.values() for line in ("", *part))]) + "\n"


def _parts_of(page: str) -> dict[str, list[str]]:
    """Return the lines of every part of a page, by its title."""
    found: dict[str, list[str]] = {}
    for line in page.rstrip().splitlines():
        if line.startswith("## "):
            found[line.removeprefix("## ")] = []
        if found:
            next(reversed(found.values())).append(line)
    for lines in found.values():
        while not lines[-1]:
            lines.pop()
    return found

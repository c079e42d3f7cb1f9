"""Audits whose results are counted: how often a mutant is killed, how often correct code alarms.

Every answer is given check by check: a trial judges alone as it does among all, so that answers on some checks can be
joined with earlier ones on others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from droppath_audit.core.verdict import Outcome
from droppath_audit.selftest.examination import killing_result, results
from droppath_audit.selftest.processes import Lost, answers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from droppath_audit.core.result import Result
    from droppath_audit.targets.loader import Loaded

LIMIT = 600.0  # seconds that a mutant has under one seed


@dataclass(frozen=True)
class Kills:
    """A mutant under several root seeds.

    Attributes:
        spec: SPEC of the mutant.
        seeds: Root seeds.
        checks: Ids of the checks to ask.
    """

    spec: str
    seeds: Sequence[int]
    checks: tuple[str, ...]


@dataclass(frozen=True)
class _Kill:
    """What is asked in a process of its own: one seed, and the trial of each check that killed under another."""

    seed: int
    hints: Mapping[str, str]


def kills(job: Kills) -> dict[str, list[str]]:
    """Return, by check, the trial that kills the mutant at effort standard under each seed (empty: none).

    The mutant is loaded and admitted once; every seed has a fork of its own, so that nothing of one reaches another.

    Raises:
        RuntimeError: If a seed has no answer.
    """
    from droppath_audit.run.admitting import admitted
    from droppath_audit.targets.loader import load

    loaded, hints = admitted(load(job.spec)), dict[str, str]()
    found: dict[str, list[str]] = {check: [] for check in job.checks}
    asked = (_Kill(seed, dict(hints)) for seed in job.seeds)  # one by one, with what the seeds before have shown
    for one, answer in answers(partial(_killing, loaded, job.checks), asked, workers=1, limit=LIMIT, here=True):
        if isinstance(answer, Lost):
            raise RuntimeError(f"seed {one.seed}: {answer.reason}")
        for check, trial in answer.items():
            found[check].append(trial)
        hints |= {check: trial for check, trial in answer.items() if trial}
    return found


def _killing(loaded: Loaded, checks: tuple[str, ...], one: _Kill) -> dict[str, str]:
    found = {check: killing_result(loaded, check, seed=one.seed, first=one.hints.get(check, "")) for check in checks}
    return {check: "" if result is None else result.trial.id for check, result in found.items()}


@dataclass(frozen=True)
class Audit:
    """An audit.

    Attributes:
        spec: SPEC of what is audited.
        seed: Root seed.
        checks: Ids of the checks to ask.
        effort: Name of its effort.
    """

    spec: str
    seed: int
    checks: tuple[str, ...]
    effort: str = "quick"


def audited(job: Audit) -> dict[str, dict[str, Any]]:
    """Return, by check, what an audit says under a root seed."""
    from droppath_audit.run.plan import Settings
    from droppath_audit.targets.loader import load

    return summary(results(load(job.spec), Settings(job.effort, job.seed, only=job.checks)), job.checks)


@dataclass(frozen=True)
class SyntheticAudits:
    """Quick audits of the synthetic target.

    Attributes:
        seeds: Root seeds, one for each audit.
        budget: Of each audit.
        checks: Ids of the checks to ask.
    """

    seeds: Sequence[int]
    budget: float
    checks: tuple[str, ...]


def synthetic_audits(job: SyntheticAudits) -> dict[str, list[dict[str, Any]]]:
    """Return, by check, what each of the audits says."""
    from droppath_audit.run.plan import Settings
    from tools.calibrating.synthetic import synthetic

    loaded = synthetic()
    audits = [
        summary(results(loaded, Settings("quick", seed, job.budget, only=job.checks)), job.checks) for seed in job.seeds
    ]
    return {check: [audit[check] for audit in audits] for check in job.checks}


def statistical() -> tuple[str, ...]:
    """Return the ids of the checks whose trials take a share of the budget, in order."""
    from droppath_audit.checks import catalogue

    return tuple(check.id for check in catalogue().values() if check.statistical and not check.away)


def summary(found: Iterable[Result], checks: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return alarms (findings), inconclusive trials and p-values of statistical trials, by check, as plain data."""
    by_check: dict[str, dict[str, Any]] = {check: {"alarms": [], "open": [], "p": []} for check in checks}
    for result in found:
        answer = by_check[result.trial.check]
        if result.is_finding():
            answer["alarms"].append(f"{result.trial.id}: {result.verdict.observed}")
        if result.outcome is Outcome.INCONCLUSIVE:
            answer["open"].append(result.trial.id)
        if result.trial.design is not None and result.verdict.p_value is not None:
            answer["p"].append(float(f"{result.verdict.p_value:.6g}"))
    return by_check

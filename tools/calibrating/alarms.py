"""Audits whose results are counted: how often a mutant is killed, how often correct code alarms.

Every answer is given check by check: a trial judges alone as it does among all, so that answers on some checks can be
joined with earlier ones on others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from droppath_audit.core.verdict import Outcome
from droppath_audit.selftest.examination import killing_result, results

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from droppath_audit.core.result import Result


@dataclass(frozen=True)
class Kill:
    """A mutant under one root seed.

    Attributes:
        spec: SPEC of the mutant.
        seed: Root seed.
        checks: Ids of the checks to ask.
        hints: The trial of each check that killed it under another seed: the one to try first.
    """

    spec: str
    seed: int
    checks: tuple[str, ...]
    hints: Mapping[str, str] = field(default_factory=dict)


def kills(job: Kill) -> dict[str, str]:
    """Return, by check, the trial that kills the mutant at effort standard (empty: none)."""
    from droppath_audit.run.admitting import admitted
    from droppath_audit.targets.loader import load

    loaded = admitted(load(job.spec))
    found = {
        check: killing_result(loaded, check, seed=job.seed, first=job.hints.get(check, "")) for check in job.checks
    }
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

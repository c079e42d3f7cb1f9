"""Audits whose results are counted: how often a mutant is killed, how often correct code alarms."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from droppath_audit.core.verdict import Outcome
from droppath_audit.selftest.examination import killing_trial, results

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from droppath_audit.core.result import Result
    from droppath_audit.selftest.examination import Subject


@dataclass(frozen=True)
class Kill:
    """A mutant under one root seed.

    Attributes:
        subject: The mutant.
        seed: Root seed.
        hints: The trial of each check that killed it under another seed: the one to try first.
    """

    subject: Subject
    seed: int
    hints: Mapping[str, str] = field(default_factory=dict)


def kills(job: Kill) -> dict[str, Any]:
    """Return, for every claim, the trial that kills the mutant at effort standard (empty: none)."""
    from droppath_audit.targets.loader import load

    loaded = load(job.subject.spec)
    found = {
        check: killing_trial(loaded, check, seed=job.seed, first=job.hints.get(check, ""))
        for check in job.subject.claims
    }
    return {"kills": found, "seconds": time.process_time()}


def audited(job: tuple[str, int]) -> dict[str, Any]:
    """Return what a quick audit of a SPEC says under a root seed."""
    from droppath_audit.plan import Settings
    from droppath_audit.targets.loader import load

    spec, seed = job
    return {**summary(results(load(spec), Settings("quick", seed))), "seconds": time.process_time()}


def synthetic_audits(seeds: Iterable[int], *, budget: float) -> dict[str, Any]:
    """Return what quick audits of the synthetic target say, statistical checks alone, one for each root seed."""
    from droppath_audit.checks import catalogue
    from droppath_audit.plan import Settings
    from droppath_audit.selftest.synthetic import synthetic

    statistical = tuple(check.id for check in catalogue().values() if check.design is not None)
    loaded = synthetic()
    audits = [summary(results(loaded, Settings("quick", seed, budget, only=statistical))) for seed in seeds]
    return {"audits": audits, "seconds": time.process_time()}


def summary(found: Iterable[Result]) -> dict[str, Any]:
    """Return alarms (findings), inconclusive trials, and the p-values of statistical trials by check, as plain data."""
    alarms, unanswered, p_values = [], [], dict[str, list[float]]()
    for result in found:
        if result.is_finding():
            alarms.append(f"{result.trial.id}: {result.verdict.observed}")
        if result.outcome is Outcome.INCONCLUSIVE:
            unanswered.append(result.trial.id)
        if result.trial.design is not None and result.verdict.p_value is not None:
            p_values.setdefault(result.trial.check, []).append(float(f"{result.verdict.p_value:.6g}"))
    return {"alarms": alarms, "open": unanswered, "p": p_values}

"""The plan: every trial of an audit, in order, before anything is run."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from droppath_audit.checks import catalogue, of_kind
from droppath_audit.checks import check as check_of
from droppath_audit.core.case import EAGER, Case, DtypeCase
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.facts import MODEL, SCHEDULE
from droppath_audit.core.patterns import matches
from droppath_audit.core.recording import RECORDED
from droppath_audit.core.trial import Trial
from droppath_audit.stats.budget import DEFAULT_BUDGET, TRIALS_PER_AUDIT, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import AnyCase
    from droppath_audit.core.check import AnyCheck, Design
    from droppath_audit.core.facts import Facts


@dataclass(frozen=True)
class Settings:
    """What a user decides about an audit.

    Attributes:
        effort: Name of the effort.
        seed: Root seed.
        budget: Bound on the probability of any false alarm.
        strict: Whether a broken SHOULD is a finding.
        only: Patterns of trials to run; all where empty.
        skip: Patterns of trials to leave out.
        variants: How the target is run: ``eager`` and names of ``Facts.variants``.
        benchmark: Whether costs are measured as well.

    Raises:
        UsageError: If a value is out of range.
    """

    effort: str = "standard"
    seed: int = 0
    budget: float = DEFAULT_BUDGET
    strict: bool = False
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    variants: tuple[str, ...] = (EAGER,)
    benchmark: bool = False

    def __post_init__(self) -> None:
        if self.effort not in EFFORTS:
            raise UsageError(
                f"There is no effort {self.effort!r}; efforts are {', '.join(EFFORTS)}." + nearest(self.effort, EFFORTS)
            )
        if not 0.0 < self.budget < 1.0:
            raise UsageError(f"The budget is a probability between 0 and 1, not {self.budget:g}.")
        if self.seed < 0:
            raise UsageError(f"The seed is a whole number from 0 on, not {self.seed}.")


TAKEN = ("float32", "float64", "bfloat16", "float16")  # which is tried first in place of another


AWAY = 3  # times what a trial may sample where each call waits for a device, or for the Python that is one
LONGER = (6, 6, 3)  # times what a layer's trial may sample, by effort: a model does more for a decision


def prepare() -> None:
    """Import what planning and judging need, for whoever has a worker started that is loading the target meanwhile."""
    import scipy.stats  # noqa: F401

    catalogue()


def make(facts: Facts, settings: Settings) -> tuple[Trial, ...]:
    """Return every trial in order; those that do not apply carry the reason.

    Raises:
        UsageError: If a pattern of the selection matches nothing, or the audit has more statistical trials than the
            budget is divided into.
    """
    ways = _ways(facts, settings)
    if facts.kind in (MODEL, SCHEDULE):
        trials = tuple(_whole(facts, settings))
    else:
        trials = tuple(_all(facts, settings, ways) if facts.recording is None else _recorded(facts, settings))
    # Every one has its share, whether it is asked for or not; designs, which take time, those alone that are.
    held = Counter((trial.case.device, trial.case.variant) for trial in trials if _takes_a_share(trial))
    if max(held.values(), default=0) > TRIALS_PER_AUDIT:
        raise UsageError(
            f"This audit has more than {TRIALS_PER_AUDIT} statistical trials on one device, into which the budget is "
            "divided."
        )
    return tuple(_designed(trial, facts) for trial in _selected(trials, settings))


def _takes_a_share(trial: Trial) -> bool:
    return not trial.reason and check_of(trial.check).statistical


def _designed(trial: Trial, facts: Facts) -> Trial:
    """Return a trial with its design, where it has one, or the reason why it can resolve nothing."""
    if not _takes_a_share(trial):
        return trial
    design = check_of(trial.check).design(trial.case, trial.alpha)
    return (_as_large_as_it_is if facts.recording is None else _as_long_as_it_is)(trial, design)


def _ways(facts: Facts, settings: Settings) -> tuple[str, ...]:
    """Return the variants of the cases that are planned.

    Raises:
        UsageError: If the target has none of a name that is asked for.
    """
    known = {EAGER: (EAGER,), **facts.variants}
    for name in settings.variants:
        if name not in known:
            raise UsageError(
                f"There is no variant {name!r} of {facts.spec}, a target of {facts.framework}; there is "
                f"{', '.join(known)}." + nearest(name, known)
            )
    return tuple(dict.fromkeys(way for name in settings.variants for way in known[name]))


def _all(facts: Facts, settings: Settings, ways: tuple[str, ...]) -> Iterator[Trial]:
    for device in facts.devices:
        for way in ways:
            for check in _asked_for(settings):
                yield from _of_check(check, facts, settings, device, way)


def _asked_for(settings: Settings) -> Iterator[AnyCheck]:
    return (check for check in catalogue().values() if settings.benchmark or not check.benchmark)


def _of_check(check: AnyCheck, facts: Facts, settings: Settings, device: str, way: str) -> Iterator[Trial]:
    """Yield the trials of a check where the target runs in one way; what is left out stands there once, with why."""
    effort = EFFORTS[settings.effort]
    if device != "cpu":
        effort = replace(effort, seconds=AWAY * effort.seconds)
    planned = list(check.planned(facts, device, effort, settings.seed))
    cases = [case for case in planned if case.variant == way]
    if not cases and way != EAGER and all(case.variant == EAGER for case in planned):
        chosen = {case.slug for case in check.in_variants.cases(device, effort)} if check.in_variants else set()
        cases = [replace(case, variant=way) for case in planned if case.slug in chosen]
        if len(cases) < len(planned):
            said = f"in {len(planned) - len(cases)} of its {len(planned)} cases, " if cases else ""
            left = _trial(check, Case(device, variant=way, effort=effort), facts, settings)
            yield left.not_applicable(f"not run, {said}where the target is not run as it is written")
    for bare in cases if check.bound_to_dtype else _in_a_dtype_that_is_taken(cases, facts, device):
        trial = _applied(check, bare, facts, settings)
        dtype = trial.case.coordinates.get("dtype")
        if not trial.reason and dtype is not None:
            trial = trial.not_applicable(_why_not(str(dtype), facts, device, refused=not check.judges_dtypes))
        yield trial


def _whole(facts: Facts, settings: Settings) -> Iterator[Trial]:
    """Yield the trials of a model or of a schedule."""
    effort = EFFORTS[settings.effort]
    effort = replace(effort, seconds=effort.pick(*LONGER) * effort.seconds)
    for device in facts.devices:
        for check in of_kind(facts.kind).values():
            cases = check.planned(facts, device, effort, settings.seed)
            yield from (_applied(check, bare, facts, settings) for bare in cases)


def _why_not(dtype: str, facts: Facts, device: str, *, refused: bool = True) -> str:
    """Return why a dtype cannot be had of a target; of one that it refuses only where that is asked for as well."""
    if facts.dtypes and dtype not in facts.dtypes:
        return f"it is audited in {', '.join(facts.dtypes)} alone, by its SPEC or the real numbers that it holds"
    if dtype not in facts.devices[device]:
        return f"{facts.framework} has no {dtype} on {device}"
    return f"the target refuses {dtype} (see DP005)" if refused and dtype in facts.refused else ""


def _in_a_dtype_that_is_taken(cases: list[AnyCase], facts: Facts, device: str) -> list[AnyCase]:
    """Return the cases of a check; those of one that looks at a single dtype in another, where that cannot be had."""
    dtypes = {str(case.coordinates.get("dtype", "")) for case in cases}
    (first, *others) = sorted(dtypes) or [""]
    if others or not first or not _why_not(first, facts, device):
        return cases
    taken = [dtype for dtype in TAKEN if not _why_not(dtype, facts, device)]
    return [replace(case, dtype=taken[0]) if isinstance(case, DtypeCase) and taken else case for case in cases]


def _recorded(facts: Facts, settings: Settings) -> Iterator[Trial]:
    """Yield what a recording allows; a check that finds nothing in it stands there once, with the reason."""
    effort, blocks = EFFORTS[settings.effort], facts.recording or ()
    for check in _asked_for(settings):
        cases = [] if check.recorded is None else list(check.recorded.cases(blocks, effort))
        if not cases:
            trial = _trial(check, Case(RECORDED, effort=effort), facts, settings)
            yield trial.not_applicable(check.not_recorded if check.recorded is None else check.recorded.lacking)
        yield from (_applied(check, bare, facts, settings) for bare in cases)


def _trial(check: AnyCheck, bare: AnyCase, facts: Facts, settings: Settings) -> Trial:
    """Return a trial without its design."""
    case = replace(bare, dialect=facts.dialect, sample=_sample(facts), declared=_declared(facts))
    alpha = share(settings.budget) if check.statistical else 0.0
    return Trial(check.id, check.slug, check.level, case, settings.seed, alpha)


def _sample(facts: Facts) -> int:
    """Return the elements of the smallest sample that the target takes."""
    if facts.fixed_shape is None:
        return 1
    return max(1, math.prod(facts.fixed_shape[1:] if facts.smallest is None else facts.smallest))


def _declared(facts: Facts) -> int:
    """Return the elements of the SPEC's sample where they are more than the smallest sample's, otherwise 0."""
    declared = 0 if facts.fixed_shape is None else math.prod(facts.fixed_shape[1:])
    return declared if declared > _sample(facts) else 0


def _applied(check: AnyCheck, bare: AnyCase, facts: Facts, settings: Settings) -> Trial:
    """Return a trial without its design, with the reason if the check does not apply."""
    if facts.refuses_keep_prob_zero and not check.judges_refusal:
        # One check says that the refusal was not declared; for all others it is as if it had been.
        facts = replace(facts, dialect=replace(facts.dialect, keep_prob_zero="raises"))
    if facts.decides_per_call and not check.judges_granularity:
        facts = replace(facts, dialect=replace(facts.dialect, granularity="batch"))  # likewise
    trial = _trial(check, bare, facts, settings)
    lacking = [kind for kind in check.needs if kind.__name__ not in facts.capabilities]
    if lacking and facts.recording is None:
        return trial.not_applicable(f"{facts.framework} {lacking[0].lacking}")
    return trial.not_applicable(check.applicable(facts, trial.case))


def _as_large_as_it_is(trial: Trial, design: Design | None) -> Trial:
    """Return the trial with its design, or the reason why samples that the target takes are too large for it."""
    if design is None or not math.isinf(design.resolves):
        return replace(trial, design=design)
    return trial.not_applicable(
        f"the target takes no samples of fewer than {trial.case.sample:,} elements, and {design.decisions:,} decisions "
        f"on these resolve no {design.quantity} at all"
    )


def _as_long_as_it_is(trial: Trial, design: Design | None) -> Trial:
    """Return the trial with its design, or the reason why the recording is too short for it."""
    if design is None or not math.isinf(design.resolves):
        return replace(trial, design=design)
    return trial.not_applicable(
        f"too short: {design.decisions:,} recorded decisions resolve no {design.quantity} at all"
    )


def _selected(trials: tuple[Trial, ...], settings: Settings) -> tuple[Trial, ...]:
    for pattern in (*settings.only, *settings.skip):
        if not any(matches(pattern, trial.names) for trial in trials):
            names = {name for trial in trials for name in trial.names}
            raise UsageError(
                f"No trial of this audit matches {pattern!r}."
                + (_elsewhere(pattern) or nearest(pattern, names))
                + " --plan lists all of them."
            )
    chosen = [
        trial
        for trial in trials
        if (not settings.only or any(matches(pattern, trial.names) for pattern in settings.only))
        and not any(matches(pattern, trial.names) for pattern in settings.skip)
    ]
    if not chosen:
        raise UsageError("--only and --skip together leave no trial to run.")
    return tuple(chosen)


def _elsewhere(pattern: str) -> str:
    """Return how a check is asked for that no trial of an audit is of; empty where there is no such check."""
    found = [check for check in catalogue().values() if pattern in (check.id, check.slug)]
    if any(check.benchmark for check in found):
        return " It runs with --benchmark alone."
    if any(check.away for check in found):
        return " It runs on other devices than the CPU alone: see --device."
    return " It runs in other variants alone: see --variants." if found else ""

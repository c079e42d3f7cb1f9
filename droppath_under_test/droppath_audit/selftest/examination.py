"""One implementation against the whole catalogue: which checks kill it, and were those that claim it among them.

Trials run without the time limits of an audit, which would make verdicts depend on how busy the machine is: what is
found here depends on seeds alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from itertools import chain
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.result import SHOWN, first_of_each_check
from droppath_audit.core.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from droppath_audit.core.result import Result
    from droppath_audit.core.trial import Trial
    from droppath_audit.run.plan import Settings
    from droppath_audit.targets.loader import Loaded

REFERENCE = "droppath_reference:DropPath"
UNLIMITED = 1e6  # seconds that a trial may sample; the process has its own limit


@dataclass(frozen=True)
class Subject:
    """An implementation to examine.

    Attributes:
        name: Name of the mutant or the sound variant.
        spec: Its SPEC.
        claims: Ids of the checks that claim to kill it, in order.
        sound: Whether it is correct.
        variants: In which it is faulty, where it is right as it is written.
    """

    name: str
    spec: str
    claims: tuple[str, ...] = ()
    sound: bool = False
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """What the catalogue says of one subject; tuples of check ids are in order.

    Attributes:
        subject: Of whom.
        failed: Checks that fail it at effort quick, whatever their level.
        erred: Checks that end in an error there and fail in no trial: a kill, but not one that keeps a claim.
        standard: Claims kept at effort standard alone.
        alarms: Findings (a broken MUST), as ``check: what was observed in its first trial``.
        open: Checks with an inconclusive trial.
        shown: The first finding and the first warning of each check, with what became of its script once that was run.
        lost: Why there is no result; otherwise empty.
        seconds: Processor time.
    """

    subject: Subject
    failed: tuple[str, ...] = ()
    erred: tuple[str, ...] = ()
    standard: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    shown: tuple[Result, ...] = ()
    lost: str = ""
    seconds: float = 0.0

    @property
    def unkept(self) -> tuple[str, ...]:
        """Claims that are not kept."""
        return tuple(check for check in self.subject.claims if check not in self.failed + self.standard)

    @property
    def mute(self) -> tuple[Result, ...]:
        """Those whose script was run and does not show what was found."""
        return tuple(result for result in self.shown if result.snippet_state not in ("", SHOWN))

    @property
    def good(self) -> bool:
        """Whether the examination went as it should: claims kept, findings shown, no alarm from sound code."""
        return not (self.lost or self.unkept or self.mute or (self.subject.sound and (self.alarms or self.open)))

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {
            "spec": self.subject.spec,
            "claims": list(self.subject.claims),
            "failed": list(self.failed),
            "erred": list(self.erred),
            "failed_at_standard_only": list(self.standard),
            "claims_not_kept": list(self.unkept),
            "alarms": list(self.alarms),
            "inconclusive": list(self.open),
            "scripts": {result.trial.id: result.snippet_state for result in self.shown},
            "lost": self.lost,
            "seconds": self.seconds,
        }


def subjects() -> list[Subject]:
    """Return every mutant with the checks that claim it, then every sound variant, each sorted by name."""
    from droppath_audit.checks import catalogue
    from droppath_audit.mutants import mutants
    from droppath_audit.mutants.costs import mutants_of_cost
    from droppath_audit.mutants.variants import mutants_of_variants
    from droppath_audit.sound import sound_variants

    claims: dict[str, list[str]] = {}
    for check in catalogue().values():
        for name in check.mutants:
            claims.setdefault(name, []).append(check.id)
    plain = {**mutants(), **mutants_of_cost()}
    everyone = {**{name: (spec, ()) for name, spec in plain.items()}, **mutants_of_variants()}
    faulty = [
        Subject(name, spec, tuple(claims.get(name, ())), variants=variants)
        for name, (spec, variants) in sorted(everyone.items())
    ]
    return [*faulty, *(Subject(name, spec, sound=True) for name, spec in sorted(sound_variants().items()))]


def chosen(everyone: Sequence[Subject], only: Sequence[str]) -> list[Subject]:
    """Return the subjects that a pattern names; all of them without one.

    Args:
        everyone: Subjects.
        only: Names, in which * is any text.

    Raises:
        UsageError: If a pattern names none.
    """
    for pattern in only:
        if not any(fnmatch(subject.name, pattern) for subject in everyone):
            names = [subject.name for subject in everyone]
            raise UsageError(f"No mutant and no sound variant is called {pattern!r}." + nearest(pattern, names))
    return [one for one in everyone if not only or any(fnmatch(one.name, pattern) for pattern in only)]


def results(loaded: Loaded, settings: Settings, *, first: str = "") -> Iterator[Result]:
    """Yield the result of every applicable trial; nothing of it depends on time.

    Args:
        loaded: The target.
        settings: Effort, seed and selection.
        first: Id of a trial to begin with; no result depends on the order.
    """
    from droppath_audit.run.driving import InProcess
    from droppath_audit.run.engine import judge
    from droppath_audit.run.plan import make

    collector = InProcess(loaded)
    facts = collector.facts  # with what its calls have shown, as in every audit
    trials = [patient(trial) for trial in make(facts, settings) if not trial.reason]
    trials.sort(key=lambda trial: trial.id != first)
    for trial, collected in collector.collect(trials):
        yield judge(trial, collected, facts, settings)


def patient(trial: Trial) -> Trial:
    """Return the trial without a time limit."""
    return replace(trial, case=replace(trial.case, effort=replace(trial.case.effort, seconds=UNLIMITED)))


def examine(subject: Subject, *, seed: int) -> Row:
    """Audit a subject at effort quick; ask those claims that this leaves open again at effort standard.

    Raises:
        UsageError: If the subject cannot be loaded.
    """
    from droppath_audit.run.admitting import admitted
    from droppath_audit.run.plan import Settings
    from droppath_audit.targets.loader import load

    loaded = admitted(load(subject.spec))
    found: dict[Outcome, dict[str, None]] = {outcome: {} for outcome in Outcome}  # dictionaries keep the order
    alarms: dict[str, str] = {}
    bad: list[Result] = []
    costs = bool(subject.claims) and all("benchmark" in _apart(check, ()) for check in subject.claims)
    # What only costs too much, costs too much in every trial that has no time limit.
    asked = [] if costs else [results(loaded, Settings("quick", seed))]
    if apart := {check: _apart(check, subject.variants) for check in subject.claims if _apart(check, subject.variants)}:
        # There, what claims it is asked alone: code is compiled for every trial.
        asked += [results(loaded, Settings("quick", seed, only=(check,), **how)) for check, how in apart.items()]
    for result in chain.from_iterable(asked):
        found[result.outcome][result.trial.check] = None
        bad += [result] if result.bad else []
        if result.is_finding():
            alarms.setdefault(result.trial.check, f"{result.trial.id}: {result.verdict.observed}")
    failed = tuple(found[Outcome.FAIL])
    later = [check for check in subject.claims if check not in failed]
    killed = {
        check: kill
        for check in later
        if (kill := killing_result(loaded, check, seed=seed, variants=subject.variants)) is not None
    }
    return Row(
        subject,
        failed=failed,
        erred=tuple(check for check in found[Outcome.ERROR] if check not in failed),
        standard=tuple(killed),
        alarms=tuple(alarms.values()),
        open=tuple(found[Outcome.INCONCLUSIVE]),
        shown=tuple(one for one in first_of_each_check([*bad, *killed.values()]) if one.snippet),
        seconds=time.process_time(),
    )


def killing_result(
    loaded: Loaded, check: str, *, seed: int, first: str = "", variants: tuple[str, ...] = ()
) -> Result | None:
    """Return the first result of a check that fails the target at effort standard; None where none does."""
    from droppath_audit.run.plan import Settings

    settings = Settings("standard", seed, only=(check,), **_apart(check, variants))
    for result in results(loaded, settings, first=first):
        if result.outcome is Outcome.FAIL:
            return result
    return None


def _apart(check: str, variants: tuple[str, ...]) -> dict[str, Any]:
    """Return what an audit must be asked for to have a check, beyond what every audit has."""
    from droppath_audit.checks import catalogue

    benchmark = {"benchmark": True} if catalogue()[check].benchmark else {}
    return {**({"variants": variants} if variants else {}), **benchmark}


def marks(row: Row) -> Mapping[str, str]:
    """Return the mark of every check that has one for this row, by id, sorted.

    ``*`` a claim that is kept; ``~`` one that is kept at effort standard alone; ``?`` one that is not kept; ``+``
    another check that fails the subject; ``!`` one that ends in an error.
    """
    claims = row.subject.claims
    found = dict.fromkeys(row.erred, "!") | {check: "*" if check in claims else "+" for check in row.failed}
    found |= dict.fromkeys(row.standard, "~") | dict.fromkeys(row.unkept, "?")
    return dict(sorted(found.items()))

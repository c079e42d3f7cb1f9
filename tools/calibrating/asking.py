"""All questions of the calibration, and what their answers say together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from droppath_audit.checks import catalogue
from droppath_audit.run.plan import Settings, make
from droppath_audit.selftest.examination import REFERENCE, Subject, subjects
from droppath_audit.targets.loader import load
from tools.calibrating.alarms import (
    Audit,
    Kill,
    SyntheticAudits,
    audited,
    kills,
    statistical,
    synthetic_audits,
)
from tools.calibrating.page import BUDGET
from tools.calibrating.questions import Part, Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.calibrating.scratch import Scratch

CHUNK = 20  # synthetic audits a process
SHARE_OF_REFERENCE = 4  # one audit in so many is the reference's


@dataclass(frozen=True)
class Numbers:
    """How much is measured.

    Attributes:
        seeds: Root seeds under which every mutant is killed.
        quick: Quick audits of the reference and sound variants.
        standard: Standard audits of these.
        synthetic: Audits of the synthetic target.
    """

    seeds: int
    quick: int
    standard: int
    synthetic: int


def plain() -> set[str]:
    """Return the checks of an audit that asks for no other variant and no other device than the CPU."""
    return {trial.check for trial in make(load(REFERENCE).facts, Settings("quick"))}


def kill_question(one: Subject, seed: int, scratch: Scratch) -> Question:
    """Ask the checks that claim a mutant to kill it; first by the trials that did so under seeds before."""

    def key(of: int) -> str:
        return f"kills/{scratch.digests.subject(one)}/{of}"

    def job(checks: tuple[str, ...]) -> Kill:
        hints: dict[str, str] = {}
        for before in range(seed):
            hints |= {check: trial for check, trial in scratch.known(key(before), checks).items() if trial}
        return Kill(one.spec, seed, checks, hints)

    return Question(key(seed), one.claims, job)


def together(answer: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what all checks say of one audit: alarms, inconclusive trials, and p-values by check."""
    return {
        "alarms": [alarm for found in answer.values() for alarm in found["alarms"]],
        "open": [trial for found in answer.values() for trial in found["open"]],
        "p": {check: found["p"] for check, found in answer.items() if found["p"]},
    }


def audit_questions(
    sound: Sequence[Subject], effort: str, number: int, checks: tuple[str, ...], scratch: Scratch
) -> dict[str, list[Question]]:
    """Ask the checks to audit the first of the sound subjects in one audit of four, and the others in turn."""
    asked: dict[str, list[Question]] = {one.name: [] for one in sound}
    for seed in range(number):
        others = seed - seed // SHARE_OF_REFERENCE - 1
        one = sound[0 if seed % SHARE_OF_REFERENCE == 0 else 1 + others % (len(sound) - 1)]
        key = f"audit/{effort}/{scratch.digests.subject(one)}/{seed}"
        asked[one.name].append(Question(key, checks, partial(Audit, one.spec, seed, effort=effort)))
    return asked


def all_answers(numbers: Numbers, scratch: Scratch, workers: int, checks: tuple[str, ...]) -> dict[str, Any]:
    """Return all answers: kills by mutant and seed, audits by SPEC and effort, synthetic audits, and what was lost."""
    asked_by_all = plain()
    # What shows in other variants alone is compiled for every trial: one seed asks it, that of the kill matrix.
    claimable = {check for check in checks if check in asked_by_all or catalogue()[check].benchmark}
    everyone = [replace(one, claims=tuple(check for check in one.claims if check in claimable)) for one in subjects()]
    lost = list[str]()

    def answered(title: str, function: Any, asked: dict[str, list[Question]]) -> dict[str, list[dict[str, Any]]]:
        part = Part(title, scratch, workers)
        found = part.run(function, [question for questions in asked.values() for question in questions])
        lost.extend(part.lost)
        return {name: [found[one.key] for one in questions if one.key in found] for name, questions in asked.items()}

    claimed = [one for one in everyone if one.claims]
    by_mutant = answered(
        "kills",
        kills,
        {one.name: [kill_question(one, seed, scratch) for seed in range(numbers.seeds)] for one in claimed},
    )

    sound = [Subject("the reference", REFERENCE, sound=True), *(one for one in everyone if one.sound)]
    alike = tuple(check for check in checks if check in asked_by_all)
    by_effort = {
        effort: answered(f"{effort} audits", audited, audit_questions(sound, effort, number, alike, scratch))
        for effort, number in (("quick", numbers.quick), ("standard", numbers.standard))
    }

    drawing = tuple(check for check in statistical() if check in checks)
    chunks = [range(start, min(start + CHUNK, numbers.synthetic)) for start in range(0, numbers.synthetic, CHUNK)]
    drawn = answered(
        f"synthetic audits, {CHUNK} at a time",
        synthetic_audits,
        {
            "synthetic": [
                Question(f"synthetic/{chunk.start}-{chunk.stop}", drawing, partial(SyntheticAudits, chunk, BUDGET))
                for chunk in chunks
            ]
        },
    )["synthetic"]
    return {
        "checks": checks,
        "elsewhere": tuple(check for check in checks if check not in claimable),
        "seeds": numbers.seeds,
        "claims": {one.name: one.claims for one in claimed},
        "kills": by_mutant,
        "audits": {
            effort: {name: [together(answer) for answer in found] for name, found in by_variant.items()}
            for effort, by_variant in by_effort.items()
        },
        "synthetic": [
            together(dict(zip(answer, one, strict=True)))
            for answer in drawn
            for one in zip(*answer.values(), strict=True)
        ],
        "lost": lost,
    }

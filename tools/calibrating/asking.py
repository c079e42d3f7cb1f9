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
    Kills,
    SyntheticAudits,
    audited,
    kills,
    statistical,
    synthetic_audits,
)
from tools.calibrating.page import BUDGET
from tools.calibrating.questions import Part, Question

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from tools.calibrating.scratch import Scratch

CHUNK = 20  # synthetic audits a process
SEEDS = 5  # under which a process asks one mutant
PARTS = ("kills", "audits", "synthetic")
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


def kill_questions(one: Subject, number: int, scratch: Scratch) -> list[Question]:
    """Ask the checks that claim a mutant to kill it under each of so many seeds."""
    name = f"kills/{scratch.digests.subject(one)}"
    return [
        Question(f"{name}/{seeds.start}-{seeds.stop}", one.claims, partial(Kills, one.spec, seeds))
        for seeds in parts(number, SEEDS)
    ]


def parts(number: int, most: int) -> list[range]:
    """Return the numbers from 0 on in parts of at most so many."""
    return [range(start, min(start + most, number)) for start in range(0, number, most)]


def by_seed(answer: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return the answers of all checks under each seed."""
    return [dict(zip(answer, one, strict=True)) for one in zip(*answer.values(), strict=True)]


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


def all_answers(
    numbers: Numbers, scratch: Scratch, workers: int, checks: tuple[str, ...], wanted: Container[str] = PARTS
) -> dict[str, Any]:
    """Return all answers of the wanted parts.

    Kills are by mutant and seed, audits by effort and subject, synthetic audits in order; of every part, what was lost.
    """
    asked_by_all = plain()
    # What shows in other variants alone is compiled for every trial: one seed asks it, that of the kill matrix.
    claimable = {check for check in checks if check in asked_by_all or catalogue()[check].benchmark}
    everyone = [replace(one, claims=tuple(check for check in one.claims if check in claimable)) for one in subjects()]
    lost: dict[str, list[str]] = {}
    found: dict[str, Any] = {
        "checks": checks,
        "elsewhere": tuple(check for check in checks if check not in claimable),
        "seeds": numbers.seeds,
        "lost": lost,
    }

    def answered(part: str, title: str, function: Any, asked: dict[str, list[Question]]) -> dict[str, list[Any]]:
        running = Part(title, scratch, workers)
        there = running.run(function, [question for questions in asked.values() for question in questions])
        lost.setdefault(part, []).extend(running.lost)
        return {name: [there[one.key] for one in questions if one.key in there] for name, questions in asked.items()}

    if "kills" in wanted:
        claimed = [one for one in everyone if one.claims]
        asked = {one.name: kill_questions(one, numbers.seeds, scratch) for one in claimed}
        by_mutant = answered("kills", f"kills under {SEEDS} seeds at a time", kills, asked)
        found["claims"] = {one.name: one.claims for one in claimed}
        found["kills"] = {name: [one for some in answer for one in by_seed(some)] for name, answer in by_mutant.items()}
    if "audits" in wanted:
        sound = [Subject("the reference", REFERENCE, sound=True), *(one for one in everyone if one.sound)]
        alike = tuple(check for check in checks if check in asked_by_all)
        found["audits"] = {}
        for effort, number in (("quick", numbers.quick), ("standard", numbers.standard)):
            asked = audit_questions(sound, effort, number, alike, scratch)
            by_variant = answered("audits", f"{effort} audits", audited, asked)
            found["audits"][effort] = {name: [together(one) for one in some] for name, some in by_variant.items()}
    if "synthetic" in wanted:
        drawing = tuple(check for check in statistical() if check in checks)
        asked = {
            "synthetic": [
                Question(f"synthetic/{seeds.start}-{seeds.stop}", drawing, partial(SyntheticAudits, seeds, BUDGET))
                for seeds in parts(numbers.synthetic, CHUNK)
            ]
        }
        drawn = answered("synthetic", f"synthetic audits, {CHUNK} at a time", synthetic_audits, asked)["synthetic"]
        found["synthetic"] = [together(one) for some in drawn for one in by_seed(some)]
    return found

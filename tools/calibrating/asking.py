"""All questions of the calibration, and what their answers say together."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from droppath_audit.selftest.examination import REFERENCE, Subject, subjects
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
    from collections.abc import Mapping

    from tools.calibrating.scratch import Scratch

CHUNK = 20  # synthetic audits a process
SHARE_OF_REFERENCE = 4  # one quick audit in so many is the reference's


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


def all_answers(
    seeds: int, audits: int, synthetic: int, scratch: Scratch, workers: int, checks: tuple[str, ...]
) -> dict[str, Any]:
    """Return all answers: kills by mutant and seed, quick audits by SPEC, synthetic audits, and what was lost."""
    everyone = [replace(one, claims=tuple(check for check in one.claims if check in checks)) for one in subjects()]
    lost = list[str]()

    def answered(title: str, function: Any, asked: dict[str, list[Question]]) -> dict[str, list[dict[str, Any]]]:
        part = Part(title, scratch, workers)
        found = part.run(function, [question for questions in asked.values() for question in questions])
        lost.extend(part.lost)
        return {name: [found[one.key] for one in questions if one.key in found] for name, questions in asked.items()}

    claimed = [one for one in everyone if one.claims]
    by_mutant = answered(
        "kills", kills, {one.name: [kill_question(one, seed, scratch) for seed in range(seeds)] for one in claimed}
    )

    sound = [Subject("the reference", REFERENCE, sound=True), *(one for one in everyone if one.sound)]
    asked: dict[str, list[Question]] = {one.name: [] for one in sound}
    for number in range(audits):
        others = number - number // SHARE_OF_REFERENCE - 1
        one = sound[0 if number % SHARE_OF_REFERENCE == 0 else 1 + others % (len(sound) - 1)]
        key = f"audit/{scratch.digests.subject(one)}/{number}"
        asked[one.name].append(Question(key, checks, partial(Audit, one.spec, number)))
    by_variant = answered("quick audits", audited, asked)

    drawing = tuple(check for check in statistical() if check in checks)
    chunks = [range(start, min(start + CHUNK, synthetic)) for start in range(0, synthetic, CHUNK)]
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
        "seeds": seeds,
        "claims": {one.name: one.claims for one in claimed},
        "kills": by_mutant,
        "audits": {name: [together(answer) for answer in found] for name, found in by_variant.items()},
        "synthetic": [
            together(dict(zip(answer, one, strict=True)))
            for answer in drawn
            for one in zip(*answer.values(), strict=True)
        ],
        "lost": lost,
    }

"""Measure kills and false alarms and write ``docs/calibration.md``: ``tox -e calibration``.

Answers go to a scratch file as they come, named by the code and the versions that gave them: the shared code, the files
of the check and that of the subject. So an interrupted run continues where it stopped, a check that changes is asked
again and no other, and no answer comes from code that is no longer there. No figure on the page has another source.

``--only DP402 --page build/dp402.md`` asks one check alone, after a change of it, where earlier answers are gone.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibrating.page import BUDGET, Page
from calibrating.questions import Part, Question
from calibrating.scratch import Scratch

from droppath_audit.checks import catalogue
from droppath_audit.selftest.alarms import (
    Audit,
    Kill,
    SyntheticAudits,
    audited,
    kills,
    statistical,
    synthetic_audits,
)
from droppath_audit.selftest.examination import REFERENCE, Subject, subjects
from droppath_audit.selftest.processes import cores

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = Path(__file__).parent / "calibration.md"
SCRATCH = Path(__file__).parent.parent / "build" / "calibration"

CHUNK = 20  # synthetic audits a process
SHARE_OF_REFERENCE = 4  # one quick audit in so many is the reference's


def kill_question(one: Subject, seed: int, scratch: Scratch) -> Question:
    """Ask the checks that claim a mutant to kill it; first by the trials that did so under seeds before."""

    def key(of: int) -> str:
        return f"kills/{scratch.code.subject(one)}/{of}"

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


def measure(
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
        key = f"audit/{scratch.code.subject(one)}/{number}"
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


def positive(text: str) -> int:
    """Return a number of at least one.

    Raises:
        ValueError: If it is none.
    """
    if int(text) < 1:
        raise ValueError
    return int(text)


def main() -> int:
    """Measure, write the page, and return 1 where a figure is not as it should be."""
    parser = argparse.ArgumentParser(description="Measure kills and false alarms; write docs/calibration.md.")
    parser.add_argument("--seeds", type=positive, default=20, help="root seeds under which every mutant is killed")
    parser.add_argument(
        "--audits", type=positive, default=1000, help="quick audits of the reference and sound variants"
    )
    parser.add_argument("--synthetic", type=positive, default=2000, help="audits of the synthetic target")
    parser.add_argument("--jobs", type=positive, default=cores(), help="processes at a time")
    parser.add_argument("--scratch", type=Path, default=SCRATCH, help="folder for results of interrupted runs")
    parser.add_argument("--page", type=Path, default=PAGE, help="what to write")
    parser.add_argument("--only", nargs="+", choices=tuple(catalogue()), metavar="CHECK", help="ask these checks alone")
    options = parser.parse_args()
    if options.only and options.page == PAGE:
        parser.error("--only: the page is about all checks; name another file with --page")
    checks = tuple(check for check in catalogue() if check in (options.only or catalogue()))
    scratch = Scratch(options.scratch)
    measured = measure(options.seeds, options.audits, options.synthetic, scratch, options.jobs, checks)
    page = Page(measured)
    options.page.write_text(page.text, encoding="utf-8")
    sys.stderr.write(f"{options.page} is written\n")
    sys.stderr.writelines(f"wrong  {line}\n" for line in page.wrong)
    return int(bool(page.wrong))


if __name__ == "__main__":
    sys.exit(main())

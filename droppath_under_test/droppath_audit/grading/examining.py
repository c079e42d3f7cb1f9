"""The examination of a user's tests: the target first, then every mutant and every sound variant in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from droppath_audit.checks import catalogue
from droppath_audit.core import wire
from droppath_audit.core.errors import UsageError
from droppath_audit.core.graded import HIDDEN, MISSED, SEEN, SHARED, UNFIT, Described, Fault, OnTarget, Variant
from droppath_audit.grading.expressing import shown_by
from droppath_audit.grading.frame import Frame
from droppath_audit.grading.standing import stand_in
from droppath_audit.grading.substitute import Substitute
from droppath_audit.grading.testing import run_tests, seed_all
from droppath_audit.run.admitting import admitted
from droppath_audit.selftest.examination import chosen, subjects
from droppath_audit.selftest.processes import Lost, answers
from droppath_audit.targets.bound import BoundTarget
from droppath_audit.targets.importing import find
from droppath_audit.targets.loader import load
from droppath_audit.targets.spec import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pytest

    from droppath_audit.selftest.examination import Subject

TRIES = 3  # seeds at which the tests may pass on the target
LEAST, MOST = 5, 20  # runs of each sound variant, where nobody says how many
SOUND_SECONDS = 120.0  # that they may take together
PATIENCE, FIRST_LIMIT = 10.0, 600.0  # how much longer than on the target a run may take; limit of the first, in seconds
CHECK_SECONDS = 120.0
ITSELF = ""  # the name of the target in its own place
ON_THE_TARGET = "The tests do not pass on {}, so that nothing can be said of what they see:\n{}"


class Examination:
    """One examination.

    Args:
        session: The session of pytest, begun.
        request: ``spec``, ``jobs``, ``seeds``, ``only`` and ``timeout``, as the command has them.

    Raises:
        UsageError: If the target cannot be loaded, or nothing can be put in its place.
    """

    def __init__(self, session: pytest.Session, request: dict[str, Any]) -> None:
        self._session, self._jobs, self._seeds = session, request["jobs"], request["seeds"]
        spec = parse(request["spec"])
        self._loaded = admitted(load(spec.text))
        found = find(spec)
        target = self._loaded.target
        if not isinstance(target, BoundTarget) or target.obj is not found.obj:
            raise UsageError(f"Mutants cannot be put in the place of {spec.text}: it is not called as it stands.")
        self._spec, self._owner = spec.text, found.owner
        self._frame = Frame(target)
        self._subjects = {one.name: one for one in chosen(subjects(), tuple(request["only"]))}
        self._substitutes: dict[str, Substitute] = {}
        self._limit = self._asked_limit = request["timeout"]
        self._left_out: tuple[str, ...] = ()
        self._aside: set[str] = set()
        self._spent = 0.0

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what there is to tell.

        Raises:
            UsageError: If the tests do not pass on the target, or never call it.
        """
        tested = self._tested()
        self._left_out = tuple(tested.left_out)
        claimed = {check for one in self._subjects.values() for check in one.claims}
        described = {one.id: Described(one.slug, one.family, one.documentation.promise) for one in catalogue().values()}
        yield {"tested": wire.dump(tested)}
        yield {"checks": {check: wire.dump(described[check]) for check in sorted(claimed)}}
        refusing = {check.id for check in catalogue().values() if check.wants_refusals}
        for one in self._subjects.values():
            target = load(one.spec).target
            assert isinstance(target, BoundTarget)  # noqa: S101 - no mutant is a recording
            self._substitutes[one.name] = Substitute(one.name, target, refuses=bool(refusing & {*one.claims}))
        unfit = {name: self._frame.unfit(substitute) for name, substitute in self._substitutes.items()}
        for name, reason in unfit.items():
            if reason and self._subjects[name].sound:
                yield {"variant": wire.dump(Variant(name, self._what(name), reason=reason))}
            elif reason:
                yield {"fault": wire.dump(self._fault(name, UNFIT, reason))}
        able = [one for one in self._subjects.values() if not unfit[one.name]]
        yield from self._sound([one.name for one in able if one.sound])
        yield from self._faulty([one for one in able if not one.sound], tested)
        yield {"aside": sorted(self._aside), "spent": self._spent}

    def _tested(self) -> OnTarget:
        """Return how the tests do on the target itself, and on what only stands in for it."""
        failed_at: dict[int, str] = {}
        for seed in range(TRIES):
            plain = self._one(None, seed)
            if not plain["failed"]:
                break
            failed_at[seed] = next(iter(plain["failed"]))
        else:
            told = [f"  {test}\n      {said}" for test, said in plain["failed"].items()]
            raise UsageError(ON_THE_TARGET.format(self._spec, "\n".join(told)))
        if not plain["passed"]:
            raise UsageError(
                f"No test passed on {self._spec}: {'all were skipped' if plain['draws'] else 'there are none'}."
            )
        if not self._asked_limit:
            self._limit = PATIENCE * (1.0 + plain["seconds"])
        again = self._one(ITSELF, seed)
        if not again["callers"]:
            raise UsageError(
                f"The tests pass, and none of them calls {self._spec}. Name the target as the module has it from which "
                "the tests import it."
            )
        if not again["passed"]:
            said = "\n".join(f"  {test}\n      {why}" for test, why in again["failed"].items())
            raise UsageError(f"The tests pass on {self._spec}, and none on what stands in for it:\n{said}")
        callers = len({*again["passed"]} & {*again["callers"]})
        return OnTarget(len(again["passed"]), callers, seed, failed_at, again["failed"], plain["seconds"])

    def _one(self, name: str | None, seed: int) -> dict[str, Any]:
        ((_, answer),) = self._run([(name, seed, True)], self._asked_limit or FIRST_LIMIT)
        return answer

    def _run(
        self, jobs: Sequence[tuple[str | None, int, bool]], limit: float | None = None
    ) -> Iterator[tuple[tuple[str | None, int, bool], dict[str, Any]]]:
        """Yield what became of every run; of one that did not end as well."""
        for job, answer in answers(self._job, jobs, workers=self._jobs, limit=limit or self._limit, here=True):
            if isinstance(answer, Lost):
                if answer.traceback:  # not of a test, which pytest has caught
                    raise UsageError(f"A run of the tests {answer.reason}.", answer.traceback)
                answer = {
                    "passed": [],
                    "failed": {"": answer.reason},
                    "draws": {},
                    "callers": [],
                    "aside": [],
                    "seconds": 0.0,
                }
            self._aside |= {*answer["aside"]}
            self._spent += answer["seconds"]
            yield job, answer

    def _job(self, job: tuple[str | None, int, bool]) -> dict[str, Any]:
        name, seed, whole = job
        calls = None
        if name is not None:
            _, calls = stand_in(self._frame, self._owner, self._substitutes.get(name))
        seed_all(seed)
        return run_tests(self._session, calls, left_out=self._left_out, whole=whole)

    def _sound(self, names: list[str]) -> Iterator[dict[str, Any]]:
        """Run the sound variants, and the target itself, under several seeds."""
        names = [*names, ITSELF]
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        first = min(2, self._seeds or 2)
        yield {"step": "sound variants", "total": first * len(names)}
        yield from self._seeded(runs, range(first))
        drawing = sorted({test for name in names for test in _drawing(runs[name])})
        spent = sum(run["seconds"] for several in runs.values() for run in several)
        seeds = self._seeds or max(LEAST, min(MOST, int(SOUND_SECONDS * self._jobs * first / max(spent, 1e-9))))
        if not drawing and first > 1:  # the second run was the first once more
            runs = {name: several[:1] for name, several in runs.items()}
        elif seeds > first:
            yield {"step": "sound variants", "total": (seeds - first) * len(names)}
            yield from self._seeded(runs, range(first, seeds))
        drawing = sorted({*drawing, *(test for name in names for test in _drawing(runs[name]))})
        drew = {test for name in names for run in runs[name] for test, states in run["draws"].items() if any(states)}
        yield {"drawing": drawing, "seeded": sorted(drew - {*drawing})}
        for name in names:
            failed = [run["failed"] for run in runs[name] if run["failed"]]
            tests = tuple(dict.fromkeys(test for one in failed for test in one))
            said = next((said for one in failed for said in one.values()), "")
            fixed = bool(tests) and {*tests} <= drew - {*drawing}
            variant = Variant(name, self._what(name), len(runs[name]), len(failed), tests, said, fixed)
            yield {"itself" if name == ITSELF else "variant": wire.dump(variant)}

    def _seeded(self, runs: dict[str, list[dict[str, Any]]], seeds: Iterable[int]) -> Iterator[dict[str, Any]]:
        # No two of them have one seed: variants that draw alike would be rejected together.
        jobs = [(name, crc32(f"{name}/{seed}".encode()), True) for seed in seeds for name in runs]
        for (name, _, _), run in self._run(jobs):
            runs[name or ITSELF].append(run)
            yield {"done_one": name or self._spec}

    def _faulty(self, able: list[Subject], tested: OnTarget) -> Iterator[dict[str, Any]]:
        """Run the mutants; ask those that are let through whether they show at all."""
        yield {"step": "mutants", "total": len(able)}
        passed: list[Subject] = []
        by_name = {one.name: one for one in able}
        for (name, _, _), run in self._run([(one.name, tested.seed, False) for one in able]):
            yield {"done_one": name}
            if not run["failed"]:
                passed.append(by_name[name or ITSELF])
                continue
            test, said = next(iter(run["failed"].items()))
            yield {"fault": wire.dump(self._fault(name or ITSELF, SEEN, test=test, said=said))}
        claims = list(dict.fromkeys(check for one in passed for check in one.claims))
        yield {"step": "what of it shows", "total": len(claims) + len(passed)}
        own: set[str] = set()
        for (_, (check,)), found in self._asked([(ITSELF, (check,)) for check in claims]):
            own |= {check} if found else set()
            yield {"done_one": check}
        left = {one.name: tuple(check for check in one.claims if check not in own) for one in passed}
        for name in [name for name, checks in left.items() if not checks]:
            reason = f"the target itself fails {', '.join(self._subjects[name].claims)}"
            yield {"fault": wire.dump(self._fault(name, SHARED, reason)), "done_one": name}
        for (name, checks), found in self._asked([(name, checks) for name, checks in left.items() if checks]):
            fault = self._fault(name, HIDDEN, f"{', '.join(checks)} see{'s' * (len(checks) == 1)} nothing of it there")
            yield {"fault": wire.dump(self._fault(name, MISSED, shown_by=found) if found else fault), "done_one": name}

    def _asked(self, jobs: list[tuple[str, tuple[str, ...]]]) -> Iterator[tuple[tuple[str, tuple[str, ...]], str]]:
        """Yield for each name and its checks that which fails what stands in the target's place then."""
        for job, answer in answers(self._shown, jobs, workers=self._jobs, limit=CHECK_SECONDS, here=True):
            yield job, "" if isinstance(answer, Lost) else answer

    def _shown(self, job: tuple[str, tuple[str, ...]]) -> str:
        name, checks = job
        obj, _ = stand_in(self._frame, self._owner, self._substitutes.get(name))
        if name == ITSELF:
            return shown_by(self._loaded, obj, checks)
        return shown_by(self._loaded, obj, checks, load(self._subjects[name].spec).facts.numbers, patient=True)

    def _what(self, name: str) -> str:
        return "" if name == ITSELF else self._substitutes[name].what

    def _fault(
        self, name: str, outcome: str, reason: str = "", test: str = "", said: str = "", shown_by: str = ""
    ) -> Fault:
        return Fault(name, self._what(name), self._subjects[name].claims, outcome, reason, test, said, shown_by)


def _drawing(runs: Sequence[dict[str, Any]]) -> set[str]:
    """Return the tests that have left some generator in another state under another seed, and have drawn from it."""
    found = set()
    for test, first in runs[0]["draws"].items():
        for other in runs[1:]:
            pairs = zip(first, other["draws"].get(test, first), strict=True)
            if any(one and two and one != two for one, two in pairs):
                found.add(test)
    return found

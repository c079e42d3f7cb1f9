"""Explaining: findings are gathered under the mistakes that make them, each at a line of the code under test.

The scripts of findings run again, under observation and apart from the auditor (``run.witnessing``): one for each way
in which a check is broken. What none of them explains stands at the definition of the target.
"""

from __future__ import annotations

import re
import selectors
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.causes import VAGUE
from droppath_audit.causes.kinds import raising
from droppath_audit.causes.kinds.scaling import AS_IT_IS
from droppath_audit.causes.order import OF_FAMILY, OF_X
from droppath_audit.checks import check as check_of
from droppath_audit.core.case import EAGER
from droppath_audit.core.cause import DEFINITION, Cause, Place
from droppath_audit.core.invocation import Invocation
from droppath_audit.core.level import Level
from droppath_audit.run.apart import Apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.interruption import Interruption
    from droppath_audit.core.result import Result

SECONDS = 60.0  # of wall time, for all scripts of an audit
SCRIPT_SECONDS = 8.0  # after which what was seen has to do
MOST = 64  # scripts of an audit
MOST_OF_A_CHECK = 12
GENERATORS = ("seeding", "other_generator", "remembered")
GRADIENTS = ("detaching", "backward")
_TOLD = (
    (re.compile(r"\bwritten to\b|\bhas other values\b"), ("raising", "writing")),
    (re.compile(r"\w+\[[\d, ]*\] on \w"), ("raising", "departing")),  # a dtype, a shape and a device
    (AS_IT_IS, ("raising", "scaling")),
)
"""Kinds that are asked before those of the check, where what was observed is told in these words."""
_SUGGESTED = ((re.compile(r"\bseeds?\b|as many before"), GENERATORS), (re.compile("gradient"), GRADIENTS))
"""Kinds that are asked after those of the check, and before those of its family."""
_NUMBER = re.compile(r"\d[\d.,e+-]*|nan|inf")
_ORDER = (Level.MUST, Level.SHOULD, Level.INFO)


@dataclass(frozen=True)
class Found:
    """What the process says of one script."""

    kind: str
    place: Place
    sentence: str
    fix: str
    mistake: str = ""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Found | None:
        """Return what a message tells; None where it tells nothing of the kind."""
        try:
            around = tuple((int(number), str(text)) for number, text in message["around"])
            line = int(message["line"])
            text = next((text.strip() for number, text in around if number == line), "")
            place = Place(str(message["file"]), line, str(message["function"]), text, around)
            kind, sentence, fix, mistake = (str(message[key]) for key in ("kind", "sentence", "fix", "mistake"))
            return cls(kind, place, sentence, fix, mistake)
        except (KeyError, TypeError, ValueError):
            return None


class Explaining:
    """Explains the findings of one audit.

    Args:
        jobs: How many processes run scripts.
        seconds: Of wall time, for all of them.
        interruption: What ends it early.
    """

    def __init__(self, *, jobs: int = 1, seconds: float = SECONDS, interruption: Interruption | None = None) -> None:
        self._jobs, self._seconds, self._interruption = max(1, jobs), seconds, interruption

    def causes(self, results: Sequence[Result], facts: Facts) -> tuple[Cause, ...]:
        """Return the mistakes that explain what is broken, the gravest first."""
        chosen = list(_chosen(results).values())
        found: dict[str, Found] = {}
        if chosen and isinstance(facts.invocation, Invocation):
            found = self._found(chosen[:MOST], facts, facts.invocation)
        return gathered(results, facts, found)

    def _found(self, chosen: Sequence[Result], facts: Facts, invocation: Invocation) -> dict[str, Found]:
        """Return what explains results, by their trials' ids."""
        found: dict[str, Found] = {}
        deadline, running = time.monotonic() + self._seconds, list[_Witness]()
        jobs = min(self._jobs, len(chosen))
        try:
            for number in range(jobs):
                running.append(_Witness(chosen[number::jobs], facts, invocation))
        except OSError:  # what no process can be had for stands at the definition
            pass
        try:
            while running and time.monotonic() < deadline and not self._told():
                with selectors.DefaultSelector() as selector:
                    for one in running:
                        selector.register(one.apart.socket, selectors.EVENT_READ)
                    selector.select(0.25)
                for one in list(running):
                    found |= one.answers()
                    if one.done:
                        running.remove(one)
                        one.apart.close()
        finally:
            for one in running:
                one.apart.close()
        return found

    def _told(self) -> bool:
        return self._interruption is not None and bool(self._interruption.told)


class _Witness:
    """A process that runs scripts of some results."""

    def __init__(self, results: Sequence[Result], facts: Facts, invocation: Invocation) -> None:
        self._results, self.done, self.apart = results, False, Apart("run.witnessing")
        self.apart.send(
            **called(facts, invocation),
            framework=facts.framework,
            path=self.apart.path,
            scripts=[
                {
                    "text": result.snippet,
                    "kinds": list(kinds_of(result.trial.check, result.verdict.observed, block=bool(facts.factory))),
                    "asked": asked(result, facts),
                }
                for result in results
            ],
        )

    def answers(self) -> dict[str, Found]:
        """Return what has come since it was asked last."""
        found = {}
        for message in self.apart.available():
            self.done = self.done or bool(message.get("done"))
            number, one = message.get("number"), Found.of(message)
            if one is not None and isinstance(number, int) and 0 <= number < len(self._results):
                found[self._results[number].trial.id] = one
        self.done = self.done or self.apart.ended
        return found


def kinds_of(check: str, message: str = "", *, block: bool = False) -> tuple[str, ...]:
    """Return the kinds of mistake that are asked, in order, where a check is broken, and says so in these words.

    Args:
        check: Its id.
        message: What was observed.
        block: Whether the code that is watched is a block's, which x is never given to.
    """
    told, suggested = (
        [kind for words, kinds in table if words.search(message) for kind in kinds] for table in (_TOLD, _SUGGESTED)
    )
    kinds = dict.fromkeys((*told, *check_of(check).causes, *suggested, *OF_FAMILY[check[2]]))
    return tuple(kind for kind in kinds if not (block and kind in OF_X))


def asked(result: Result, facts: Facts) -> dict[str, Any]:
    """Return what kinds have to know of a result: the fields of ``causes.story.Asked``."""
    return {
        "check": result.trial.check,
        "message": result.verdict.observed,
        "granularity": facts.dialect.granularity,
        "scaling": facts.dialect.scaling,
        "refusing": check_of(result.trial.check).wants_refusals,
        "mask": isinstance(facts.invocation, Invocation) and facts.invocation.output == "mask",
    }


def called(facts: Facts, invocation: Invocation) -> dict[str, Any]:
    """Return where a target is defined, and what its arguments are called."""
    arguments = (*invocation.init, *invocation.call)
    roles = {one.role: one.keyword for one in arguments if one.role in ("p", "training") and one.keyword}
    order = [role for one in invocation.call for role in (one.roles or (one.role,)) if role in ("x", "r")]
    return {
        "origin": facts.origin.rpartition(":")[0],
        "factory": facts.factory.rpartition(":")[0],
        "roles": {**roles, "attribute": invocation.attribute},
        "keep": invocation.keep,
        "inverted": invocation.inverted,
        "second": order[:1] == ["r"],
        "seconds": SCRIPT_SECONDS,
    }


def _way(result: Result) -> tuple[str, Level, str]:
    """Return in which way a promise is broken, whatever the numbers are."""
    return result.trial.check, result.level, _NUMBER.sub("#", result.verdict.observed)[:80]


def _head(result: Result) -> tuple[str, Level, str]:
    """Return in which way a promise is broken, wherever that is: without the configuration that a message ends with."""
    check, level, _ = _way(result)
    return check, level, _NUMBER.sub("#", result.verdict.observed).partition(": x of ")[0]


def _chosen(results: Iterable[Result]) -> dict[tuple[str, Level, str], Result]:
    """Return of each way in which a check is broken the first result, the gravest first; of many ways some."""
    found: dict[tuple[str, Level, str], Result] = {}
    for result in results:
        way = _way(result)
        several = sum(check == way[0] for check, _, _ in found)
        # What compiled or captured code does, no line that is observed while it runs can tell.
        eager = result.trial.case.variant == EAGER
        if result.bad and result.snippet and eager and way not in found and several < MOST_OF_A_CHECK:
            found[way] = result
    return dict(sorted(found.items(), key=lambda one: _ORDER.index(one[0][1])))


def gathered(results: Sequence[Result], facts: Facts, found: Mapping[str, Found]) -> tuple[Cause, ...]:
    """Return the mistakes that explain what is broken, the gravest first, then those that explain most.

    Args:
        results: Of the audit.
        facts: Of the target.
        found: What explains results, by their trials' ids; others that are broken in the same way have the same.
    """
    ways = {_way(result): found[result.trial.id] for result in results if result.trial.id in found}
    heads = {_head(result): found[result.trial.id] for result in results if result.trial.id in found}
    raised = {_NUMBER.sub("#", f"raised {one.sentence.removeprefix(raising.SAID)}"): one
              for one in found.values() if one.sentence.startswith(raising.SAID)}  # fmt: skip
    explained = {
        result.trial.id: found.get(result.trial.id)
        or _told(result)
        or ways.get(_way(result))
        or heads.get(_head(result))
        or next((one for said, one in raised.items() if said in _NUMBER.sub("#", result.verdict.observed)), None)
        or _at_definition(result, facts)
        for result in results
        if result.bad
    }
    mistakes: dict[tuple[str, int], dict[str, str]] = {}
    for result in results:
        if result.bad and (one := explained[result.trial.id]).kind not in (*VAGUE, DEFINITION):
            families = mistakes.setdefault((one.place.file, one.place.line), {})
            families.setdefault(result.trial.check[2], _mistake(one))
    groups: dict[tuple[str, str, int], list[Result]] = {}
    for result in results:
        if not result.bad:
            continue
        one = explained[result.trial.id]
        if one.kind == DEFINITION:  # what no line was found for is told check by check
            apart = f"{result.trial.check} {result.level}"
        elif one.kind in VAGUE:  # it belongs to a mistake that was found for the family of the check, or to the first
            there = mistakes.get((one.place.file, one.place.line), {})
            apart = there.get(result.trial.check[2], next(iter(there.values()), ""))
        else:
            apart = _mistake(one)
        groups.setdefault((apart, one.place.file, one.place.line), []).append(result)
    causes = [_cause(group, explained) for group in groups.values()]
    return tuple(sorted(causes, key=lambda one: (_ORDER.index(one.level), one.kind in VAGUE, -len(one.checks))))


def _mistake(one: Found) -> str:
    """Return what is the same for findings of one mistake in a line."""
    return one.mistake or one.kind


def _cause(group: Sequence[Result], explained: Mapping[str, Found]) -> Cause:
    """Return the cause of results, which stand in the order of the plan."""
    level = min((result.level for result in group), key=_ORDER.index)
    heavy = [result for result in group if result.level is level]
    # A kind that knows no mistake may have come to a place that another kind has named.
    telling = min(heavy, key=lambda one: (explained[one.trial.id].kind in VAGUE, _broad(one)))
    trials, one = tuple(result.trial.id for result in group), explained[telling.trial.id]
    return Cause(one.kind, one.place, one.sentence, one.fix, level, trials, telling.trial.id)


def _broad(result: Result) -> bool:
    return check_of(result.trial.check).broad


def _told(result: Result) -> Found | None:
    """Return what the check itself has seen of the line."""
    return (
        None
        if result.place is None
        else Found(result.trial.slug, result.place, result.verdict.observed.partition("; ")[0], result.fix)
    )


def _at_definition(result: Result, facts: Facts) -> Found:
    file, _, line = facts.origin.rpartition(":")
    place = Place(file, int(line)) if file and line.isdecimal() else Place()
    # Whatever promise was asked for, an exception says nothing of how it is broken.
    fix = raising.FIX if result.verdict.observed.startswith("raised ") else result.fix
    return Found(DEFINITION, place, result.verdict.observed, fix)

"""DP603 examined-code: the audit has executed every branch of the target's own code.

What it checks
    The target's functions, and those of its package that they name, are observed while it is called: in the rows of
    DP114's covering array, then in every rank, dtype, layout and context by itself, at numbers that stand in the code,
    on empty, integer, special and subclassed x, with bad probabilities, copied, pickled, switched, changed, at effort
    thorough checkpointed. Each way of each condition is to be taken. What was reached by none of the rows is judged
    there, as DP114 judges (MUST). Branches that only raise or warn, handlers of exceptions, code for scripting,
    compiling and other devices, and what depends on options that the SPEC leaves alone are told and no finding.
    Compiled code is observed as it is written. Before Python 3.12, branches are arcs between lines: those of one line
    are not seen.
Why it matters
    What no call has executed, no check has judged: an audit that passes says nothing of it.
How to fix
    Delete code that nothing reaches. Otherwise give what reaches it in the SPEC, or test that branch by hand.
Seen in
    Fast paths for sparse or quantised tensors that nobody has ever taken.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from droppath_audit.core.case import RowsCase
from droppath_audit.core.check import Check
from droppath_audit.core.configuration import Configuration
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Compiling, has
from droppath_audit.probes.conditions import Conditions, Way
from droppath_audit.probes.excuses import OPTION
from droppath_audit.probes.observing import SEES_BRANCHES, observed
from droppath_audit.space.asking import Asking, Found
from droppath_audit.space.examining import Examining
from droppath_audit.space.judging import broken, exactly_broken
from droppath_audit.space.planning import planned
from droppath_audit.space.showing import placed, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import CodeType

    from droppath_audit.core.case import AnyCase
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.conditions import Observable
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.probes.observing import Ran
    from droppath_audit.scripts import LiveScript

SHARE = 0.4  # of a trial's time, which a target without anything open does not begin to use
MOST_JUDGED = 16
MOST_TOLD = 6


@dataclass(frozen=True)
class Never:
    """A way that was not taken, and where its condition was first decided, if that was in a configuration."""

    way: Way
    at: Configuration | None


@dataclass(frozen=True)
class Seen:
    """What ran.

    Attributes:
        taken: Ways that were taken, of those in functions that were entered.
        ways: All of these.
        branches: Whether branches were seen, rather than steps between lines.
        never: What should have been reached.
        excused: What was not, and need not be.
        never_called: Functions that were not entered.
        found: What is broken in configurations that reach what no planned one does.
        stopped: Whether time ran out before all was tried.
    """

    taken: int
    ways: int
    branches: bool
    never: tuple[Never, ...]
    excused: tuple[Way, ...]
    never_called: tuple[str, ...]
    found: tuple[Found, ...] = ()
    stopped: bool = False


class ExaminedCode(Check[Seen, RowsCase]):
    level = Level.SHOULD
    driven = "its code must be watched while it runs"
    mutants = ("leaves_sparse_ones_alone",)

    def cases(self, device: str, effort: Effort) -> Iterator[AnyCase]:
        """Yield a case without rows, for whoever asks without a target, from which they follow."""
        yield RowsCase(device, effort=effort)

    def planned(self, facts: Facts, device: str, effort: Effort, seed: int) -> Iterator[AnyCase]:
        """Yield one case with all rows."""
        yield RowsCase(device, effort=effort, rows=planned(facts, device, effort, seed))

    def collect(self, probe: LiveProbe[RowsCase]) -> Seen:
        """Call until everything was reached, or nothing else is left to try; judge what the rows do not reach."""
        code = probe.target.own_code()
        conditions, examining = Conditions(code.functions, code.options), Examining(probe, code.numbers)
        compiling, turn = has(probe.framework, Compiling), probe.clock.part(SHARE)
        beyond: list[Configuration] = []
        with nullcontext() if compiling is None else compiling.eagerly():
            with observed(conditions.codes) as ran:
                watch = _Watch(conditions, ran)
                for at in examining.plain():
                    examining.call(at)
                    watch.gains(at)
                for action in examining.actions():
                    examining.do(action)
                watch.gains(None)
                for at in sorted(probe.at.rows, key=lambda row: row.elements):
                    if not watch.open or turn.over():
                        break
                    examining.call(at)
                    watch.gains(at)
                for at in examining.others():
                    if not watch.open or turn.over():
                        break
                    examining.call(at)
                    if watch.gains(at) and _among(probe.at.rows, at):
                        beyond.append(at)
                for action in examining.dear_actions():
                    if watch.open and not turn.over():
                        examining.do(action)
                        watch.gains(None)
            found = tuple(_broken(probe, beyond[:MOST_JUDGED]))
        return watch.seen(found, stopped=probe.clock.stopped)

    def judge(self, seen: Seen, at: RowsCase, alpha: float) -> Verdict:
        """Fail on what is broken where only this check looks, and on what was never reached."""
        return replace(_judged(seen), brief=f"{seen.taken} of {seen.ways} branches examined")

    def show(self, seen: Seen, at: RowsCase, script: LiveScript) -> None:
        """Make the call that is broken, or watch what the first condition comes to in a call that decides it."""
        if seen.found:
            show(seen.found[0], script)
            return
        first = seen.never[0]
        script.spend()
        script.imports("import linecache", "import sys")
        (_watches if first.way.condition else _looks_for)(first.way, script)
        script.add("sys.settrace(trace)")
        place = first.at or Configuration(script.smallest)
        with placed(script, place):
            script.run(place.drop_prob)
            if script.invocation.mode_at != "always":
                script.switch(place.drop_prob, training=False)
                script.run(place.drop_prob, training=False)
        script.add("sys.settrace(None)")
        if first.way.condition:
            says = f"`{first.way.condition}` was {not first.way.wanted} each time"
            script.add(f"assert values != {{{not first.way.wanted}}}, {says!r}")
        else:
            script.add("assert not never(), never()")


class _Watch:
    """Knows what was reached so far."""

    def __init__(self, conditions: Conditions, ran: Mapping[CodeType, Ran]) -> None:
        self._conditions, self._ran = conditions, ran
        self._left = list(conditions.ways)
        self._decided: dict[int, Configuration | None] = {}

    @property
    def open(self) -> tuple[Observable, ...]:
        """What should be reached and was not, where the condition was decided: the outermost of what is nested."""
        return tuple(one for one in self._left if one.way.excuse is None and id(one) in self._decided)

    def gains(self, at: Configuration | None) -> bool:
        """Note what was reached in a configuration; return whether anything was that had to be."""
        for one in self._left:
            if id(one) not in self._decided and one.decided(self._ran):
                self._decided[id(one)] = at
        taken = [one for one in self._left if one.taken(self._ran)]
        self._left = [one for one in self._left if one not in taken]
        return any(one.way.excuse is None for one in taken)

    def seen(self, found: tuple[Found, ...], *, stopped: bool) -> Seen:
        """Return what was seen.

        Raises:
            NotApplicable: If none of the code was entered.
        """
        self.gains(None)
        entered = {code for code, one in self._ran.items() if one.lines}
        if not entered:
            raise NotApplicable("no call of it runs code in Python")
        left = [one for one in self._left if one.code in entered]
        ways = sum(one.code in entered for one in self._conditions.ways)
        never = sorted(self.open, key=lambda one: one.way.excuse is not None)
        excused = tuple(one.way for one in left if one.way.excuse is not None and id(one) in self._decided)
        names = tuple(name for code, name in self._conditions.names.items() if code not in entered)
        return Seen(
            ways - len(left), ways, SEES_BRANCHES, tuple(Never(one.way, self._decided[id(one)]) for one in never),
            excused, names, found, stopped and bool(never),
        )  # fmt: skip


def _among(rows: Sequence[Configuration], at: Configuration) -> bool:
    """Return whether a configuration is one of classes that are planned: what a SPEC leaves out is not judged."""
    return all(
        any(getattr(row, name) == getattr(at, name) for row in rows) for name in ("dtype", "layout", "surrounding")
    )


def _broken(probe: LiveProbe[RowsCase], beyond: Sequence[Configuration]) -> Iterator[Found]:
    """Yield what is broken in configurations, each in the plainest one that shows it."""
    asking = Asking(probe, int(probe.rng.integers(2**31)))  # type: ignore[arg-type]
    for at in beyond:
        with suppress(NotApplicable, TargetRaised):
            found = asking.found(asking.in_time(at))
            # What raises is for others to judge.
            if found.violation.kind != "raised" and exactly_broken(found):
                yield asking.plainest(found, exactly_broken)


def _judged(seen: Seen) -> Verdict:
    for one in seen.found:
        promised, observed, _ = broken(one, 0.0)
        where = f"{one.at.describe()}, which runs code that no planned configuration does"
        return Verdict.failed(f"{observed}: {where}", promised=promised, level=Level.MUST)
    if not seen.never:
        return Verdict.passed(_told(seen))
    told = "; ".join(_where(never.way) for never in seen.never[:MOST_TOLD])
    more = f"; {len(seen.never) - MOST_TOLD} further ones" if len(seen.never) > MOST_TOLD else ""
    if seen.stopped:
        return Verdict.inconclusive(f"time ran out before all was tried: {told}{more}; {_told(seen)}")
    return Verdict.failed(f"{told}{more}; {_told(seen)}")


def _where(way: Way) -> str:
    return f"{way.file}: {way.describe()}"


def _told(seen: Seen) -> str:
    """Return how much was examined, and what was left out for which reason."""
    how = "branches" if seen.branches else "branches (arcs between lines)"
    said = [f"{seen.taken} of {seen.ways} {how} examined"]
    options = dict.fromkeys(name for way in seen.excused if way.excuse for name in way.excuse.names)
    if options:
        said.append(f"not asked for: {', '.join(options)} (give other values in the SPEC)")
    others = sum(way.excuse is not None and way.excuse.kind != OPTION for way in seen.excused)
    if others:
        said.append(f"{others} that only raise or warn, or serve scripting or other devices")
    if seen.never_called:
        names = ", ".join(name.rpartition(".")[2] for name in seen.never_called[:MOST_TOLD])
        more = f" and {len(seen.never_called) - MOST_TOLD} others" if len(seen.never_called) > MOST_TOLD else ""
        said.append(f"never called: {names}{more}")
    return "; ".join(said)


def _watches(way: Way, script: LiveScript) -> None:
    """Bind ``trace`` to what notes in ``values`` what the condition comes to."""
    script.add("values = set()")
    with script.under("def trace(frame, event, argument):"):
        script.add("line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()")
        with script.under(f"if event == 'line' and line == {way.text[0]!r}:"):
            script.add(f"values.add(bool(eval({way.condition!r}, frame.f_globals, frame.f_locals)))")
        script.add("return trace")


def _looks_for(way: Way, script: LiveScript) -> None:
    """Bind ``trace`` to what notes which lines ran, and ``never`` to what returns those of the way that did not."""
    script.add("ran, there = set(), set()")
    with script.under("def trace(frame, event, argument):"):
        script.add(
            "file = frame.f_code.co_filename",
            "there.update((file, line) for *_, line in frame.f_code.co_lines() if line)",
            "ran.add((file, frame.f_lineno))",
            "return trace",
        )
    with script.under("def told(file, line):"):
        script.add(f"return tuple(text.strip() for text in linecache.getlines(file)[line - {len(way.text)} : line])")
    with script.under("def never():"):
        script.add(f"return [place for place in there - ran if told(*place) == {way.text!r}]")

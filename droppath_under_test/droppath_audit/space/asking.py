"""What is seen of a target in one configuration: its values, its gradients, and which number decides which sample."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, log2
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.configuration import FLOAT, NEW, NO_SURROUNDING, Configuration
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.exact.decided import Decided
from droppath_audit.exact.deciding import LARGE, decide
from droppath_audit.frameworks.capabilities import Autograd, Taped, has
from droppath_audit.fuzz.oracle import WRITTEN, Asked, Violation, gradient_violations, output_violations
from droppath_audit.probes.dependence import Proposal, Table, most_suspicious, paired, table
from droppath_audit.probes.pace import samples_in_time
from droppath_audit.space.configured import Configured, has_graph
from droppath_audit.stats.certificate import resolution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from droppath_audit.core.case import ConfigurationCase, ConstantCase
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.tape import Tape
    from droppath_audit.probes.live import LiveProbe

FINEST = 5e-4  # of a keep probability that is known exactly, what it may be off by away from the ends
MISS = Fraction(1, 2**23)
COUNTED = 2**13  # decisions that are counted where the generator is not known
COUNTED_CALLS = 2**11  # in which they are, at most
MOST = 2**23  # elements of all calls in which they are counted
PAIRED = 64  # samples of a call of which every pair is looked at, rather than those a lag apart
MANY = 1000  # samples from which on a loop over them may take too long
CALLS = 4  # times as many calls as the time is for that others measure
CERTAIN = 64  # bits: independent decisions repeat by chance once in 2 to their number
SMALL = 2**14  # elements of x for which a layer is made again to be asked under another seed
REPEATED = 64  # calls at most, and as many again, in which that many bits are looked for
PLAINER = 12  # things that are made as usual, one after the other


@dataclass(frozen=True)
class Found:
    """What was seen at one drop_prob of a configuration.

    Attributes:
        at: The configuration, or the plainest one that shows the same fault.
        violation: What a call broke, with the kind of it; empty texts where nothing.
        training: Whether that call was one in training.
        repeats: Calls after which as many again made the same decisions; 0 where they did not.
        unseeded: Calls of a new layer whose decisions are the same under another seed; 0 where they are not.
        unrepeated: Calls of a new layer whose decisions are others under the same seed, where those for the usual x
            are not; 0 where they are the same.
        decided: What chosen numbers showed.
        other_draws: Whether another drop_prob draws numbers here, where this one draws none.
        kept: Of the decisions that were counted.
        decisions: Counted, where chosen numbers said nothing.
        proposal: Two of these that looked dependent in half of the calls, and
        table: how often both were kept in the other half.
        refused: What the target, or its framework, refuses of the configuration, where it was left out.
    """

    at: Configuration
    violation: Violation = field(default_factory=lambda: Violation("", ""))
    training: bool = True
    repeats: int = 0
    unseeded: int = 0
    unrepeated: int = 0
    decided: Decided = field(default_factory=Decided)
    other_draws: bool = False
    kept: int = 0
    decisions: int = 0
    proposal: Proposal | None = None
    table: Table = (0, 0, 0, 0)
    refused: str = ""

    def alike(self, other: Found) -> bool:
        """Return whether both show the same kind of fault."""
        mine, others = (
            (
                one.violation.kind,
                one.repeats > 0,
                one.unseeded > 0,
                one.unrepeated > 0,
                one.decided.dependent,
                one.decided.silent,
            )
            for one in (self, other)
        )
        return mine == others


def tolerance(drop_prob: float) -> Fraction:
    """Return by how much a keep probability may be off: what a certificate resolves, or a rounding to float32."""
    return MISS if drop_prob in (0.0, 1.0) else max(MISS, Fraction(resolution(drop_prob, FINEST)))


class Asking:
    """Asks a target about configurations, from one seed.

    Args:
        probe: Of the trial.
        seed: Of the framework's generators, of x and of the numbers that are chosen.
    """

    def __init__(self, probe: LiveProbe[ConfigurationCase] | LiveProbe[ConstantCase], seed: int) -> None:
        self._probe, self._seed = probe, seed
        self._framework, self._device = probe.framework, probe.at.device
        self._brief = probe.at.effort.pick(True, False, False)

    def in_time(self, at: Configuration) -> Configuration:
        """Return the configuration, with fewer samples where a loop over so many would take longer than a trial."""
        if at.batch < MANY:
            return at
        most = samples_in_time(self._probe.target, lambda samples: (samples, *at.features), "float32", self._probe.at)
        return replace(at, batch=min(at.batch, most // CALLS or 1)) if most else at

    def found(self, at: Configuration) -> Found:
        """Return what is seen in a configuration, or in the nearest one that is not refused.

        A dtype, strides or a context that a framework has for some of its operations alone is no promise.
        """
        return self._nearest(at, self._found)

    def law(self, at: Configuration) -> Found:
        """Return what chosen numbers show there, or what is counted where they show nothing."""
        return self._nearest(at, self._law)

    def plainest(self, one: Found, wrong: Callable[[Found], bool]) -> Found:
        """Return the same fault in the plainest configuration that shows it.

        Args:
            one: What shows it now.
            wrong: Whether something is broken of what was found, without counting.
        """
        for _ in range(PLAINER):
            for at in one.at.plainer():
                with suppress(NotApplicable, TargetRaised):
                    other = self._found(at, counting=False)
                    if one.alike(other) and wrong(other):
                        one = replace(other, refused=one.refused)
                        break
            else:
                return one
        return one

    def _nearest(self, at: Configuration, ask: Callable[[Configuration], Found]) -> Found:
        first: TargetRaised | None = None
        for nearest in _less_and_less(at):
            try:
                return replace(ask(nearest), refused="" if first is None else str(first))
            except TargetRaised as error:
                first = first or error
        return Found(at, Violation("raised", f"raised {first}"))

    def _law(self, at: Configuration) -> Found:
        rng = np.random.default_rng(self._seed)
        configured = Configured(self._probe.target, self._device, at, rng)
        one = Found(at, decided=self._decided(configured, at, rng, brief=True))
        said = one.decided.known or one.decided.dependent or one.decided.silent
        return one if said else self._counted(one)

    def _found(self, at: Configuration, *, counting: bool = True) -> Found:
        rng = np.random.default_rng(self._seed)
        configured = Configured(self._probe.target, self._device, at, rng)
        violation, training = self._violation(configured, at)
        if violation is not None:
            return Found(at, violation, training)
        # Before any number is chosen for it, which some layers would keep.
        if calls := self._telling(at):
            if self._repeats(configured, calls):
                return Found(at, repeats=calls)
            if at.elements <= SMALL:
                unseeded, unrepeated = self._seeded(at, calls)
                if unseeded:
                    return Found(at, unseeded=calls)
                # What no seed fixes anywhere is found elsewhere.
                if unrepeated and self._repeats_usually(at.drop_prob):
                    return Found(at, unrepeated=calls)
        decided = self._decided(configured, at, rng)
        one = Found(at, decided=decided)
        # At the ends every call was looked at already.
        inside = 0.0 < at.drop_prob < 1.0 and not (decided.known or decided.dependent)
        return self._counted(one) if counting and inside else one

    def _violation(self, configured: Configured, at: Configuration) -> tuple[Violation | None, bool]:
        """Return what a call in training, one in evaluation or a backward pass breaks, and whether in training."""
        target, asked = self._probe.target, configured
        for training in self._probe.modes:
            self._framework.seed(self._seed)
            y = asked.call(training=training)
            given = Asked(asked.x, asked.values, asked.before)
            found = output_violations(target, given, y, at.drop_prob, training=training)
            if found:
                return found[0], training
            if self._recorded(configured, at, y):
                return Violation("graph", "the output is part of a graph, though no gradients are recorded"), training
        if has_graph(target, at):
            with configured.context():
                found = gradient_violations(target, configured.layer, configured.x, at.drop_prob, self._seed)
            if found:
                return found[0], True
        return None, True

    def _recorded(self, configured: Configured, at: Configuration, y: Tensor) -> bool:
        """Return whether a call that is made where nothing is recorded, of a tracked x, has switched that on."""
        autograd = has(self._framework, Autograd) if at.tracked and not has_graph(self._probe.target, at) else None
        # What returns x, or a view of it, returns what was tracked before.
        if autograd is None or np.array_equal(self._framework.bits(y), configured.before):
            return False
        return autograd.tracked(y)

    def _telling(self, at: Configuration) -> int:
        """Return in how many calls independent decisions are never those of as many others; 0 where too many are."""
        p, units = at.drop_prob, at.decisions(self._probe.target.dialect.granularity)
        same = p * p + (1.0 - p) ** 2
        if not 0.0 < same < 1.0 or not units:
            return 0
        calls = ceil(CERTAIN / (-log2(same) * units))
        if calls > REPEATED or 2 * calls * at.elements > max(MOST, 2 * at.elements):
            return 0
        return calls

    def _repeats(self, configured: Configured, calls: int) -> bool:
        """Return whether so many calls make the decisions of as many before.

        What seeds a generator anew in every call decides as each of its calls should, and always alike.
        """
        self._framework.seed(self._seed)
        first, second = ([configured.kept() for _ in range(calls)] for _ in range(2))
        return all(map(np.array_equal, first, second))

    def _seeded(self, at: Configuration, calls: int) -> tuple[bool, bool]:
        """Return whether new layers make the same decisions under two seeds, and others under the same seed."""
        made = []
        for seed in (self._seed, self._seed + 1, self._seed):
            self._framework.seed(seed)
            configured = self._configured(replace(at, age=NEW, calls=0))
            made.append([configured.kept() for _ in range(calls)])
        first, other, again = made
        return all(map(np.array_equal, first, other)), not all(map(np.array_equal, first, again))

    def _repeats_usually(self, drop_prob: float) -> bool:
        """Return whether the framework's seed fixes the decisions for the usual x."""
        usual = Configuration(drop_prob=drop_prob)
        calls = self._telling(usual) if self._probe.target.takes(usual.shape) else 0
        return calls > 0 and not self._seeded(usual, calls)[1]

    def _decided(
        self, configured: Configured, at: Configuration, rng: np.random.Generator, *, brief: bool = False
    ) -> Decided:
        if has(self._framework, Taped) is None:
            return Decided(why_not=f"{self._framework.name} does not show its draws")
        try:
            tape = self._probe.ask(Taped).tape()
        except NotApplicable as error:
            return Decided(why_not=str(error))
        keep_prob, brief = 1 - Fraction(at.drop_prob), brief or self._brief or at.elements > LARGE
        decided = decide(configured.kept, tape, keep_prob, tolerance(at.drop_prob), rng, brief=brief)
        if decided.silent and self._draws_at_first(tape, at):
            return replace(decided, silent=False, why_not="numbers are drawn in some calls alone, and kept for others")
        return decided

    def _configured(self, at: Configuration) -> Configured:
        """Return the target in a configuration, made anew."""
        return Configured(self._probe.target, self._device, at, np.random.default_rng(self._seed))

    def _draws_at_first(self, tape: Tape, at: Configuration) -> bool:
        """Return whether the first call of a layer draws, in this configuration."""
        configured = self._configured(replace(at, age=NEW, calls=0))
        with tape.record(values=False) as draws:
            configured.call()
        return bool(draws)

    def _counted(self, one: Found) -> Found:
        """Return what is counted in some calls: how much is kept, and of two decisions how often both are.

        Of a layer that was given no chosen numbers: some keep numbers for later calls.
        """
        configured = self._configured(one.at)
        self._framework.seed(self._seed)
        masks: list[npt.NDArray[np.bool_]] = []
        kept = decisions = 0
        for _ in range(max(1, min(COUNTED_CALLS, MOST // max(1, one.at.elements)))):
            masks.append(mask := configured.kept())
            # Else later calls would be counted of what the first one left of x.
            if len(masks) == 1 and not np.array_equal(self._framework.bits(configured.x), configured.before):
                return replace(one, violation=WRITTEN)
            kept, decisions = kept + int(np.count_nonzero(mask)), decisions + mask.size
            if len(masks) > 1 and decisions >= COUNTED:
                break
        counted = replace(one, kept=kept, decisions=decisions)
        half, units = len(masks) // 2, masks[0].size
        if half == 0 or units < 2 or any(mask.size != units for mask in masks):
            return counted
        # Searched in one half and tested in the other, so that nothing is corrected for.
        searched, tested = np.array(masks[:half]), np.array(masks[half:])
        proposal = most_suspicious(searched, *[searched] * (units <= PAIRED))
        return replace(counted, proposal=proposal, table=table(*paired(tested, proposal)))


def _less_and_less(at: Configuration) -> Iterator[Configuration]:
    """Yield a configuration, then without its kind of number, context, strides and complex numbers, one by one."""
    yield at
    if at.number != FLOAT:
        at = replace(at, number=FLOAT)
        yield at
    if at.surrounding != NO_SURROUNDING:
        at = replace(at, surrounding=NO_SURROUNDING)
        yield at
    if at.layout != "contiguous":
        at = replace(at, layout="contiguous")
        yield at
    if at.dtype.startswith("complex"):
        yield replace(at, dtype="float32")

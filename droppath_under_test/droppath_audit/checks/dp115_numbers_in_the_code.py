"""DP115 numbers-in-the-code: around every number in the target's own code, law, values and gradients hold.

What it checks
    Numbers are read from the code of the target and of what it calls in its own package: literals, powers and shifts,
    defaults, constants of modules and classes. A whole number c is tried as number of samples, of elements, of bytes,
    as length of an axis and as number of calls, at c - 1, c and c + 1; a number between 0 and 1 as drop_prob and as
    keep_prob, one float step and 1 % on either side. In each of these calls the law is asked exactly, as DP114 does;
    values, evaluation and gradients are compared with what is promised, bit by bit. Of a target's code 24 numbers are
    tried at most, and tensors of up to 2^22 elements.
Why it matters
    A number in the code is where code changes its mind: a chunk, a limit of a kernel, a rate that counts as none. No
    other check knows where that is.
How to fix
    The message names the plainest call that still fails; look for the comparison with the number.
Seen in
    Layers that work in chunks and lose the remainder; layers that take another path for one width of a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from droppath_audit.core.case import ConstantCase
from droppath_audit.core.check import Check, Design
from droppath_audit.core.configuration import Configuration
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.clock import Stopwatch
from droppath_audit.space.asking import COUNTED, Asking, Found
from droppath_audit.space.constants import around, tried
from droppath_audit.space.judging import TESTS, broken, exactly_broken
from droppath_audit.space.showing import show
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import detectable_binomial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import AnyCase
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

SECONDS = 15.0  # for all calls around a number, which is half of what a trial may take: a usual target needs one
MOST = 40  # calls around one number, by which its share of α is divided


@dataclass(frozen=True)
class Seen:
    """What was seen around the number, up to the first call that is wrong, and how many calls there was no time for."""

    found: tuple[Found, ...]
    left: int = 0


class NumbersInTheCode(Check[Seen, ConstantCase]):
    driven = "it must be called in configurations that no recording holds"
    broad = True
    mutants = (
        "loses_the_last_of_777",
        "heads_of_192_decide_once",
        "three_tenths_count_as_off",
        "StopsDroppingAfterSixHundred",
        "halves_above_a_megabyte",
    )

    def cases(self, device: str, effort: Effort) -> Iterator[AnyCase]:
        """Yield the case of one number, for whoever asks without a target, in whose code the numbers are."""
        yield ConstantCase(device, effort=effort, constant=1000.0, configurations=(Configuration(),))

    def planned(self, facts: Facts, device: str, effort: Effort, seed: int) -> Iterator[AnyCase]:
        """Yield a case for every number in this target's code, or the one without where there is none."""
        taken = [name for name in facts.dtypes or facts.devices[device] if name not in facts.refused]
        dtype = next((name for name in ("float32", *taken) if name in taken), "")
        rng = np.random.default_rng([seed, crc32(b"DP115")])  # the same on every device
        constants = tried(facts) if dtype else ()
        if not constants:
            yield ConstantCase(device, effort=effort)
        for constant in constants:
            configurations = tuple(around(constant, facts, dtype, rng))[:MOST]
            yield ConstantCase(device, effort=effort, constant=constant, configurations=configurations)

    def applicable(self, facts: Facts, at: ConstantCase) -> str:
        """Return that there is nothing to try, where that is so."""
        return "" if at.configurations else "no number in its code could be a size, a number of calls or a probability"

    def design(self, at: ConstantCase, alpha: float) -> Design:
        """Say what counting resolves where the generator is not known."""
        return Design(
            detectable_binomial(COUNTED, 0.5, alpha / (MOST * TESTS), BETA), "keep probability, if counted", COUNTED
        )

    def collect(self, probe: LiveProbe[ConstantCase]) -> Seen:
        """Ask in every configuration, until one is wrong."""
        asking = Asking(probe, int(probe.rng.integers(2**31)))
        found: list[Found] = []
        watch, most, refused = Stopwatch(), len(probe.at.configurations), NotApplicable("no configuration is left")
        for number, wanted in enumerate(probe.at.configurations):
            if watch.seconds > SECONDS:
                probe.clock.stopped = True
                return Seen(tuple(found), most - number)
            try:
                one = asking.found(asking.in_time(wanted))
                if exactly_broken(one):
                    return Seen((*found, asking.plainest(one, exactly_broken)))
                found.append(one)
            except NotApplicable as error:  # a shape that the target does not take
                refused = error
        if not found:
            raise refused
        return Seen(tuple(found))

    def judge(self, seen: Seen, at: ConstantCase, alpha: float) -> Verdict:
        """Fail on what is exact at once, and on counts by an exact test each."""
        for one in seen.found:
            promised, observed, p_value = broken(one, alpha, MOST)
            if observed:
                return Verdict.failed(f"{observed}: {one.at.describe()}", promised=promised, p_value=p_value)
        counted = sum(one.decisions for one in seen.found)
        how = f", {counted} decisions counted" if counted else ""
        if seen.left:
            done = f"time ran out after {len(seen.found)} calls around {at.told}, with {seen.left} left"
            return Verdict.inconclusive(f"{done}: they are right{how}")
        return Verdict.passed(f"{len(seen.found)} calls around {at.told} are right{how}")

    def show(self, seen: Seen, at: ConstantCase, script: LiveScript) -> None:
        """Make the call, and compare or count."""
        show(next((one for one in seen.found if broken(one, 1e-6)[1]), seen.found[0]), script)

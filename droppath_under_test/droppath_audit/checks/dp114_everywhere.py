"""DP114 everywhere: the law of the mask, the values and the gradients hold in every configuration of a call.

What it checks
    A covering array of configurations: rank and sizes of a sample, batch, number of elements, strides, dtype (complex
    as well), drop_prob, whether x is tracked, the context of the call, how the layer came to train, and what it was
    used for before. Any two classes of any two factors meet in some row, any three at effort thorough; the values are
    drawn afresh for every seed. In each row the law is asked exactly: the one draw of a call is given numbers of our
    choice, which shows between which two neighbouring numbers the threshold lies, and that no number decides two
    samples. Where the generator is not known, decisions are counted. Real draws must not make the same decisions again
    in the next calls, and must follow the framework's seed. Values, evaluation and gradients are compared with
    what is promised, bit by bit.
Why it matters
    Layers have paths: for feature maps and tokens, for strided tensors, for large and for odd batches, for tracked
    tensors, for half precision. A fault on one of them is invisible on all others.
How to fix
    The message names the plainest configuration that still fails; look for the branch of the code that it takes.
Seen in
    Layers that draw in the dtype of x for one rank alone; masks of chunks that are used again; rules that draw half the
    numbers and mirror them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from droppath_audit.core.case import ConfigurationCase
from droppath_audit.core.check import Check, Design
from droppath_audit.core.configuration import FLOAT, NEW, OFTEN
from droppath_audit.core.verdict import Verdict
from droppath_audit.exact.deciding import LARGE
from droppath_audit.space.asking import COUNTED, COUNTED_CALLS, Asking, Found
from droppath_audit.space.judging import TESTS, broken, exactly_broken
from droppath_audit.space.planning import planned
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

INSIDE = (0.1, 0.9)  # where numbers must be drawn
TELLING = (5e-4, 0.9995)  # drop_probs whose own law tells what this one's would
TWICE = 2  # drop_probs of a trial at which decisions may be counted


@dataclass(frozen=True)
class Seen:
    """What was seen at each drop_prob of the row."""

    found: tuple[Found, ...]


class Everywhere(Check[Seen, ConfigurationCase]):
    driven = "it must be called in configurations that no recording holds"
    broad = True
    causes = ("changing", "departing")
    mutants = (
        "maps_drawn_in_their_dtype",
        "tokens_spare_the_first",
        "strided_batch_is_one_decision",
        "mirrors_batches_of_hundreds",
        "mask_of_a_chunk_again",
        "evaluation_loses_the_remainder",
        "tracked_draws_in_its_dtype",
        "unscaled_under_no_grad",
        "complex_parts_decide_apart",
        "small_rates_count_as_off",
        "antithetic_at_high_rates",
        "autocast_halves_the_rate",
        "default_dtype_decides_the_rate",
        "takes_floats_alone",
        "UnpicklesWithoutFactor",
        "WarmsUp",
        "OneDecisionOnceABatchShrinks",
        "maps_begin_their_generator_again",
        "MapsHaveTheirOwnGenerator",
        "maps_share_a_generator",
        "records_under_no_grad",
        "redraws_a_tracked_batch_of_many",
        "keeps_the_factor_of_its_first_dtype",
    )

    def cases(self, device: str, effort: Effort) -> Iterator[AnyCase]:
        """Yield a row of the plainest configuration, for whoever asks without a target, from which the rows follow."""
        yield ConfigurationCase(device, effort=effort)

    def planned(self, facts: Facts, device: str, effort: Effort, seed: int) -> Iterator[AnyCase]:
        """Yield the rows of a covering array for this target."""
        for number, configuration in enumerate(planned(facts, device, effort, seed)):
            yield ConfigurationCase(device, effort=effort, number=number, configuration=configuration)

    def design(self, at: ConfigurationCase, alpha: float) -> Design:
        """Say what counting resolves where the generator is not known."""
        q = 1.0 - at.configuration.drop_prob
        decisions = min(COUNTED, COUNTED_CALLS * (1 if at.per_call else at.configuration.batch))
        resolves = detectable_binomial(decisions, q, alpha / (TWICE * TESTS), BETA) if 0.0 < q < 1.0 else 1.0 / COUNTED
        return Design(resolves, "keep probability, if counted", decisions)

    def collect(self, probe: LiveProbe[ConfigurationCase]) -> Seen:
        """Ask at the drop_prob of the row and, where that is small or large, for the law of the mask at another one."""
        asking, wanted = Asking(probe, int(probe.rng.integers(2**31))), probe.at.configuration
        at = asking.in_time(wanted)
        found = asking.found(at)
        if at.batch < wanted.batch:
            found = replace(found, refused=f"more than {at.batch} samples take too long")
        if exactly_broken(found):
            return Seen((asking.plainest(found, exactly_broken),))
        if at.elements > LARGE and 0.0 < found.at.drop_prob < 1.0 and not found.decided.silent:
            return Seen((found,))  # calls are dear, and one drop_prob has shown the law
        if found.decided.known and TELLING[0] <= found.at.drop_prob <= TELLING[1]:
            return Seen((found,))
        young = replace(found.at, age=NEW if found.at.age == OFTEN else found.at.age, number=FLOAT)
        other = asking.law(replace(young, drop_prob=float(probe.rng.uniform(*INSIDE))))
        if exactly_broken(other):
            other = asking.plainest(other, exactly_broken)
        return Seen((replace(found, other_draws=found.decided.silent and not other.decided.silent), other))

    def judge(self, seen: Seen, at: ConfigurationCase, alpha: float) -> Verdict:
        """Fail on what is exact at once, and on counts by an exact test."""
        for one in seen.found:
            promised, observed, p_value = broken(one, alpha, len(seen.found))
            if observed:
                return Verdict.failed(f"{observed}: {one.at.describe()}", promised=promised, p_value=p_value)
        counted = sum(one.decisions for one in seen.found)
        how = f"{counted} decisions counted" if counted else "exactly"
        left_out = next((f"; {one.refused}, so not all of it" for one in seen.found if one.refused), "")
        return Verdict.passed(f"{at.configuration.describe()}: {how}{left_out}")

    def show(self, seen: Seen, at: ConfigurationCase, script: LiveScript) -> None:
        """Make the call, and compare or count."""
        one = next((one for one in seen.found if broken(one, 1e-6)[1]), seen.found[0])
        show(one, script)

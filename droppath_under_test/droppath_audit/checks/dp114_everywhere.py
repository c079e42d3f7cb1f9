"""DP114 everywhere: the law of the mask, the values and the gradients hold in every configuration of a call.

What it checks
    A covering array of configurations: rank and sizes of a sample, batch, number of elements, strides, dtype (complex
    as well), drop_prob, whether x is tracked, the context of the call, how the layer came to train, and what it was
    used for before. Any two classes of any two factors meet in some row, any three at effort thorough; the values are
    drawn afresh for every seed. In each row the law is asked exactly: the one draw of a call is given numbers of our
    choice, which shows between which two neighbouring numbers the threshold lies, and that no number decides two
    samples. Where the generator is not known, decisions are counted. Values, evaluation and gradients are compared with
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
from fractions import Fraction
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from droppath_audit.core.case import ConfigurationCase
from droppath_audit.core.check import Check, Design
from droppath_audit.core.configuration import FLOAT, NEW, OFTEN
from droppath_audit.core.verdict import Verdict
from droppath_audit.exact.deciding import LARGE
from droppath_audit.space.asking import COUNTED, Asking, Found, tolerance
from droppath_audit.space.covering import covering
from droppath_audit.space.factors import ASKED, factors_of
from droppath_audit.space.showing import show
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import detectable_binomial
from droppath_audit.stats.exact import binomial_test

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import AnyCase
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

INSIDE = (0.1, 0.9)  # where numbers must be drawn


@dataclass(frozen=True)
class Seen:
    """What was seen at each drop_prob of the row."""

    found: tuple[Found, ...]


class Everywhere(Check[Seen, ConfigurationCase]):
    driven = "it must be called in configurations that no recording holds"
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
    )

    def cases(self, device: str, effort: Effort) -> Iterator[AnyCase]:
        """Yield a row of the plainest configuration, for whoever asks without a target, from which the rows follow."""
        yield ConfigurationCase(device, effort=effort)

    def planned(self, facts: Facts, device: str, effort: Effort, seed: int) -> Iterator[AnyCase]:
        """Yield the rows of a covering array for this target."""
        dtypes = tuple(
            dtype
            for dtype in facts.dtypes or ASKED
            if dtype in ASKED and dtype in facts.devices[device] and dtype not in facts.refused
        )
        if not dtypes:
            return
        rng = np.random.default_rng([seed, crc32(b"DP114")])  # the same on every device
        factors = factors_of(facts, dtypes)
        rows, _ = covering(factors.classes, factors.allowed, rng, strength=effort.pick(2, 2, 3), frugal=("elements",))
        for number, row in enumerate(rows):
            configuration = factors.drawn(row, rng)
            yield ConfigurationCase(device, effort=effort, number=number, configuration=configuration)

    def design(self, at: ConfigurationCase, alpha: float) -> Design:
        """Say what counting resolves where the generator is not known."""
        q = 1.0 - at.configuration.drop_prob
        resolves = detectable_binomial(COUNTED, q, alpha, BETA) if 0.0 < q < 1.0 else 1.0 / COUNTED
        return Design(resolves, "keep probability, if counted", COUNTED)

    def collect(self, probe: LiveProbe[ConfigurationCase]) -> Seen:
        """Ask at the drop_prob of the row, and for the law of the mask at another one."""
        asking, wanted = Asking(probe, int(probe.rng.integers(2**31))), probe.at.configuration
        at = asking.in_time(wanted)
        found = asking.found(at)
        if at.batch < wanted.batch:
            found = replace(found, refused=f"more than {at.batch} samples take too long")
        if found.violation.kind or found.decided.together:
            found = asking.plainest(found)
        if found.violation.kind:
            return Seen((found,))
        if at.elements > LARGE and 0.0 < found.at.drop_prob < 1.0 and not found.decided.silent:
            return Seen((found,))  # calls are dear, and one drop_prob has shown the law
        young = replace(found.at, age=NEW if found.at.age == OFTEN else found.at.age, number=FLOAT)
        other = asking.law(replace(young, drop_prob=float(probe.rng.uniform(*INSIDE))))
        return Seen((replace(found, other_draws=found.decided.silent and not other.decided.silent), other))

    def judge(self, seen: Seen, at: ConfigurationCase, alpha: float) -> Verdict:
        """Fail on what is exact at once, and on counts by an exact test."""
        for one in seen.found:
            promised, observed, p_value = _broken(one, alpha)
            if observed:
                return Verdict.failed(f"{observed}: {one.at.describe()}", promised=promised, p_value=p_value)
        counted = sum(one.decisions for one in seen.found)
        how = f"{counted} decisions counted" if counted else "exactly"
        left_out = next((f"; {one.refused}, so not all of it" for one in seen.found if one.refused), "")
        return Verdict.passed(f"{at.configuration.describe()}: {how}{left_out}")

    def show(self, seen: Seen, at: ConfigurationCase, script: LiveScript) -> None:
        """Make the call, and compare or count."""
        one = next((one for one in seen.found if _broken(one, 1e-6)[1]), seen.found[0])
        show(one, script)


def _broken(one: Found, size: float) -> tuple[str, str, float | None]:
    """Return what is promised, what was seen of it, in words, and p; two empty texts where it holds."""
    p, decided = one.at.drop_prob, one.decided
    q = 1 - Fraction(p)
    if one.violation.kind:
        return "every deterministic promise", one.violation.text, None
    if decided.together:
        which, how = " and ".join(map(str, decided.together)), ", in opposite ways" if decided.opposed else ""
        return (
            "a random number of its own for each decision",
            f"one random number makes decisions {which}{how} ({decided.draw})",
            None,
        )
    if decided.known:
        off = tolerance(p)
        if decided.low > q + off or decided.high < q - off or (q in (0, 1) and decided.low != q):
            low, high = float(decided.low), float(decided.high)
            kept = f"keeps {low:.9g} exactly" if low == high else f"keeps between {low:.9g} and {high:.9g}"
            return f"keep_prob {float(q):.9g}", f"{kept} ({decided.draw})", None
        return "", "", None
    if one.other_draws and 0.0 < p < 1.0:
        return "a random decision", "no random number is drawn, and at another drop_prob one is", None
    if one.decisions and 0.0 < p < 1.0 and (p_value := binomial_test(one.kept, one.decisions, 1.0 - p)) < size:
        return f"keep_prob {1.0 - p:.6g}", f"kept {one.kept} of {one.decisions} decisions", p_value
    return "", "", None

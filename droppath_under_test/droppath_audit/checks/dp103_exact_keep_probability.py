"""DP103 exact-keep-probability: by enumeration of the generator, the keep probability is what was asked for.

What it checks
    The one draw that decides is fed every value which the generator can produce, each with its exact weight, so the
    keep probability is a fraction and no estimate. Off by more than 2^-23 it breaks a SHOULD; off by more than DP102
    resolves, a MUST. Mask values other than 0 and 1 weigh alike and are named. 16-bit draws and Bernoulli calls are
    fed whole; thresholds of wider draws are bisected, after a probe that the outcome rises or falls throughout.
Why it matters
    What sampling sees as many standard deviations, or not at all, is a fact here: a layer that drops 1.3 % more
    than asked in half precision, never below some probability, or doubles one sample in 256.
How to fix
    Draw the decision in float32 or wider whatever the dtype of x, or with bernoulli_ on a Python number; compare by
    rand < keep_prob rather than by the floor of a sum.
Seen in
    floor(keep_prob + rand) in bfloat16: at drop_prob = 0.001 it never drops and doubles 1/256 of the samples, at 0.1
    it drops 0.1013184, at 0.999 it never keeps. torch.bernoulli of a bfloat16 tensor keeps 0.8984375 for 0.9.
"""

from __future__ import annotations

from fractions import Fraction
from math import isinf, prod
from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check
from droppath_audit.core.grid import WITH_EXTREMES, Cells
from droppath_audit.core.level import Level
from droppath_audit.core.mask_law import MaskLaw
from droppath_audit.core.verdict import SWAPPED, Verdict
from droppath_audit.exact.enumeration import enumerate_mask, hull_of_one
from droppath_audit.frameworks.capabilities import Taped
from droppath_audit.probes.certifying import certificate_for
from droppath_reference.law import multiplier

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

MISS = Fraction(1, 2**23)  # what one float32 draw may be off by
SIGMAS = 12.0  # of the deviation, in a script that samples
FED = 2**24  # uniform numbers that a script feeds, where as many drawn ones would not show the deviation
MOST_DECISIONS, MOST_CALLS = 2**30, 2**17  # of a script that samples; calls where each is one decision
ANY_ALPHA = 1e-9  # the resolution of a certificate does not depend on it


class ExactKeepProbability(Check[MaskLaw, Cell]):
    where = Cells(WITH_EXTREMES)
    in_variants = Cells((0.1, 0.9), ("float32", "bfloat16", "float16"))
    driven = "its generator must be replaced by every value that it can produce"
    needs = (Taped,)
    mutants = (
        "floor_mask",
        "keeps_what_it_should_drop",
        "compares_in_the_dtype_of_x",
        "loses_the_upper_end",
        "drops_at_equality",
        "eight_bit_threshold",
        "sixteen_bit_threshold",
        "rounded_to_255",
        "bernoulli_of_the_dtype_of_x",
        "floor_of_a_shifted_uniform",
        "two_valued_mask",
    )

    def collect(self, probe: LiveProbe[Cell]) -> MaskLaw:
        """Enumerate the mask."""
        return enumerate_mask(probe).law(probe.at)

    def judge(self, seen: MaskLaw, at: Cell, alpha: float) -> Verdict:
        """Weigh the larger of two exact numbers: the deviation, and the share of masks other than 0 and 1."""
        off, observed = max(abs(_deviation(seen, at)), seen.other_share), _describe(seen, at)
        if off <= MISS:
            return Verdict.passed(observed)
        resolution = max(MISS, Fraction(certificate_for(at, ANY_ALPHA).resolution))
        weight = Level.MUST if off > resolution else Level.SHOULD
        asked = 1 - Fraction(at.drop_prob)
        swapped = abs(1 - seen.keep_prob - asked) <= MISS < abs(seen.keep_prob - asked)
        return Verdict.failed(
            observed,
            promised=f"keep_prob {float(asked):.9g} within 2^-23, no mask but 0 and 1"
            + ("" if weight is Level.MUST else f"; off by less than {float(resolution):.2g} it is a SHOULD"),
            level=weight,
            hint=SWAPPED if swapped else "",
        )

    def show(self, seen: MaskLaw, at: Cell, script: LiveScript) -> None:
        """Show values that no mask of 0 and 1 gives, sample where that shows the deviation, or feed uniform numbers."""
        p, off, other = at.drop_prob, float(abs(_deviation(seen, at))), float(seen.other_share)
        decisions = round(max(p * (1.0 - p), off) * (SIGMAS / max(off, 1e-12)) ** 2)
        one_each = seen.unit != "call" and prod(script.smallest) == 1
        if other > max(off, 2.0**-20):
            _show_values(script, at, round(20.0 / other))
        elif one_each and decisions > FED and seen.draw.startswith(("rand in", "rand_like in")):
            _feed(script, at)
        else:
            script.share(p, min(decisions, MOST_CALLS if at.per_call else MOST_DECISIONS))


def _show_values(script: LiveScript, at: Cell, decisions: int) -> None:
    """Fail where a kept one has a value that no rounding explains."""
    low, high = hull_of_one(at)
    if isinf(high):
        script.imports("from math import inf")
    script.values(at.drop_prob, min(decisions, MOST_CALLS if at.per_call else MOST_DECISIONS))
    script.add(f"assert all({low!r} <= value <= {high!r} for value in values)")


def _feed(script: LiveScript, at: Cell) -> None:
    """Give the draw of as many decisions every multiple of 2^-24 once; fail where too many or too few are kept."""
    script.layer(at.drop_prob)
    script.ones(script.shape(FED))
    script.add(*script.spell.feed(f"np.arange({FED}) / {FED}"))
    with script.under("with feed:"):
        script.run(at.drop_prob)
    script.add(
        f"kept = ({script.array('y')} != 0).mean()",
        f"print('kept', kept, 'of all that the generator gives, where', {at.keep_prob!r}, 'was asked for')",
        f"assert abs(kept - {at.keep_prob!r}) <= 2**-23",
    )


def _deviation(law: MaskLaw, at: Cell) -> Fraction:
    """Return by how much the exact keep probability exceeds the one asked for."""
    return law.keep_prob - (1 - Fraction(at.drop_prob))


def _exactly(fraction: Fraction) -> str:
    return str(fraction) if fraction.denominator == 1 else f"{fraction} = {float(fraction):.9g}"


def _describe(law: MaskLaw, at: Cell) -> str:
    """Return the law in words and exact numbers."""
    dropped, asked = 1 - law.keep_prob, Fraction(at.drop_prob)
    relative = f", {float(dropped / asked):.7g} times what was asked" if asked else ""
    text = (
        f"keeps {_exactly(law.keep_prob)}, off by {float(_deviation(law, at)):+.3g}; "
        f"drops {float(dropped):.9g}{relative}; mean output {float(law.mean):.7g} of x"
    )
    if law.other_values:
        values = _other_values(law, at)
        # What is broken comes first: where the rate is right, its deviation only leads astray.
        text = f"{values}; {text}" if law.other_share > abs(_deviation(law, at)) else f"{text}; {values}"
    return f"{text} ({law.draw}; {law.generator})"


def _other_values(law: MaskLaw, at: Cell) -> str:
    factor = multiplier(at.drop_prob, at.dialect.scaling) if at.drop_prob < 1.0 else 1.0
    shown = ", ".join(f"{value / factor:.4g}" for value, _ in law.others[:3])
    more = ", …" if law.other_values > 3 else ""
    text = f"{float(law.other_share):.6g} of the masks are neither 0 nor 1 but {shown}{more}"
    unscaled = factor != 1.0 and law.other_values == 1 and float(law.others[0][0]) == 1.0
    return f"{text}: what is kept came back as it is" if unscaled else text

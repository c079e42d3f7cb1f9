"""What of a configuration is broken: what is exact at once, and counts by an exact test."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from droppath_audit.space.asking import tolerance
from droppath_audit.stats.exact import binomial_test

if TYPE_CHECKING:
    from droppath_audit.space.asking import Found


def broken(one: Found, size: float) -> tuple[str, str, float | None]:
    """Return what is promised, what was seen of it, in words, and p; two empty texts where it holds.

    Args:
        one: What was seen.
        size: Of the test of what was counted; 0 where that is not judged.
    """
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

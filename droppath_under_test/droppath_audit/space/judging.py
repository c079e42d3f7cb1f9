"""What is broken of what was found in one configuration."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from droppath_audit.probes.dependence import correlation
from droppath_audit.space.asking import tolerance
from droppath_audit.stats.exact import binomial_test, hypergeometric_test

if TYPE_CHECKING:
    from droppath_audit.space.asking import Found


TESTS = 2  # of what is counted: its share, and whether two decisions hang together


def exactly_broken(one: Found) -> bool:
    """Return whether something is broken that does not rest on what was counted."""
    return bool(broken(one, 0.0)[1])


def broken(one: Found, size: float, others: int = 1) -> tuple[str, str, float | None]:
    """Return what is promised, what was seen of it, in words, and p; two empty texts where it holds.

    Args:
        one: What was found.
        size: Of all tests together; 0 where what was counted is not judged.
        others: Things found that are judged together, this one among them; p is corrected for their number.
    """
    p, decided = one.at.drop_prob, one.decided
    q = 1 - Fraction(p)
    if one.violation.kind:
        return "every deterministic promise", one.violation.text, None
    if one.repeats:
        before = (
            "a call makes the decisions of the call"
            if one.repeats == 1
            else f"{one.repeats} calls make those of as many"
        )
        return "decisions made anew in each call", f"{before} before", None
    if one.unseeded:
        found = "new layers make the same decisions under two seeds of the framework"
        return "decisions that follow the framework's seed", found, None
    if one.unrepeated:
        found = (
            "new layers make other decisions under the same seed of the framework, which they do not for the usual x"
        )
        return "decisions that follow the framework's seed", found, None
    if decided.together:
        which, how = " and ".join(map(str, decided.together)), ", in opposite ways" if decided.opposed else ""
        return (
            "a random number of its own for each decision",
            f"one random number makes decisions {which}{how} ({decided.draw})",
            None,
        )
    if decided.stuck is not None:
        found = f"no random number changes decision {decided.stuck}, and others follow theirs ({decided.draw})"
        return "a random number of its own for each decision", found, None
    if decided.again is not None:
        found = (
            "a call draws again where all its random numbers are at one end, and not where a single one of them, "
            f"whichever it is, is at the other ({decided.draw})"
        )
        return "a random number of its own for each decision", found, None
    if decided.known:
        off = tolerance(p)
        if decided.low > q + off or decided.high < q - off or (q in (0, 1) and decided.low != q):
            low, high = float(decided.low), float(decided.high)
            kept = f"keeps {low:.9g} exactly" if low == high else f"keeps between {low:.9g} and {high:.9g}"
            return f"keep_prob {float(q):.9g}", f"{kept} ({decided.draw})", None
        return "", "", None
    if one.other_draws and 0.0 < p < 1.0:
        return "a random decision", "no random number is drawn, and at another drop_prob one is", None
    if not one.decisions or not 0.0 < p < 1.0:
        return "", "", None
    p_value = min(1.0, TESTS * others * binomial_test(one.kept, one.decisions, 1.0 - p))
    if p_value < size:
        return f"keep_prob {1.0 - p:.6g}", f"kept {one.kept} of {one.decisions} decisions", p_value
    p_value = min(1.0, TESTS * others * hypergeometric_test(*one.table)) if one.proposal is not None else 1.0
    if one.proposal is None or p_value >= size:
        return "", "", None
    found = f"{one.proposal.describe()}: correlation {correlation(one.table):+.4f} in {sum(one.table)} fresh pairs"
    return "independent decisions", found, p_value

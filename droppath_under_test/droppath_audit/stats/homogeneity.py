"""Whether several groups keep the same share, whatever that share is.

A wrong keep probability changes every group alike and is no business of these tests: all of them are conditional on,
or estimate, the share that was observed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from droppath_audit.stats.chi_square import MINIMUM_EXPECTED, ChiSquare
from droppath_audit.stats.design import detectable_chi_square, detectable_hypergeometric
from droppath_audit.stats.exact import hypergeometric_test

if TYPE_CHECKING:
    from collections.abc import Sequence


def one_against_rest(kept: Sequence[int], decisions: Sequence[int], index: int) -> float:
    """Return the exact two-sided p-value of one group against all the others together, given the number kept.

    Args:
        kept: Number kept in each group.
        decisions: Decisions in each group, fixed in advance.
        index: Which group.

    Raises:
        ValueError: If a count is impossible.
    """
    one, n = kept[index], decisions[index]
    rest, m = sum(kept) - one, sum(decisions) - n
    return hypergeometric_test(one, n - one, rest, m - rest)


def neighbours(decisions: Sequence[int], share: float) -> list[range]:
    """Return which neighbouring groups are added up until each expects ``MINIMUM_EXPECTED`` kept and as many dropped.

    Args:
        decisions: Decisions in each group.
        share: Share that is kept of all.
    """
    needed = MINIMUM_EXPECTED * (1.0 - 1e-12) / (min(share, 1.0 - share) or 1e-300)
    found, start, size = [], 0, 0
    for index, number in enumerate(decisions):
        if size >= needed:
            found.append(range(start, index))
            start, size = index, 0
        size += number
    if found and size < needed:
        start = found.pop().start
    return [*found, range(start, len(decisions))]


def all_alike(kept: Sequence[int], decisions: Sequence[int]) -> ChiSquare | None:
    """Return the likelihood-ratio statistic of equal shares, with Pearson's beside it.

    Neighbouring groups are added up until each expects ``MINIMUM_EXPECTED`` kept and as many dropped; which ones
    depends on their sizes and the share observed over all of them. Degrees of freedom are groups - 1.

    Args:
        kept: Number kept in each group.
        decisions: Decisions in each group, fixed in advance.

    Returns:
        The statistic, or None where fewer than two groups are left (all kept or all dropped among them).

    Raises:
        ValueError: If the lengths differ or a count is impossible.
    """
    import numpy as np

    if len(kept) != len(decisions) or any(not 0 <= k <= n for k, n in zip(kept, decisions, strict=True)):
        raise ValueError(f"these are no counts: {list(kept)} kept of {list(decisions)}")
    total = sum(decisions)
    share = sum(kept) / total if total else 0.0
    groups = neighbours(decisions, share)
    if len(groups) < 2:
        return None
    k_, n_ = (
        np.array([sum(counts[group.start : group.stop]) for group in groups], dtype=np.float64)
        for counts in (kept, decisions)
    )
    observed, expected = np.stack([k_, n_ - k_]), np.stack([n_ * share, n_ * (1.0 - share)])
    return ChiSquare.of(observed, expected, len(groups) - 1)


def detectable_all_alike(decisions: int, groups: int, keep_prob: float, alpha: float, beta: float) -> float:
    """Return the difference of one group's keep probability from that of the others which ``all_alike`` sees.

    With one of K groups of n decisions off by d the effect is w² = d² (K - 1)/(K pq) per decision of the group.

    Args:
        decisions: Decisions of each group.
        groups: K, at least 2.
        keep_prob: q, inside (0, 1).
        alpha: Level.
        beta: Probability of missing the difference.
    """
    effect = detectable_chi_square(decisions, groups - 1, alpha, beta)
    return effect * math.sqrt(keep_prob * (1.0 - keep_prob) * groups / (groups - 1))


def detectable_one_against_rest(decisions: int, rest: int, keep_prob: float, alpha: float, beta: float) -> float:
    """Return the difference of keep probabilities that ``one_against_rest`` sees.

    A group of n against a rest of m is worth two equal groups of their harmonic mean 2nm/(n + m); between those a
    correlation φ is a difference of 2φ √(pq) (see ``design.samples_for_hypergeometric``).

    Args:
        decisions: Decisions of the group.
        rest: Decisions of all the others.
        keep_prob: q, inside (0, 1).
        alpha: Level.
        beta: Probability of missing the difference.
    """
    pairs = int(4.0 * decisions * rest / (decisions + rest))
    correlation = detectable_hypergeometric(pairs, keep_prob, alpha, beta)
    return min(1.0, 2.0 * correlation * math.sqrt(keep_prob * (1.0 - keep_prob)))

"""Recordings: whether groups of decisions kept the same share, and what their sizes resolve of that."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from droppath_audit.sampling.recorded import mask_lines, script
from droppath_audit.stats.design import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.core.case import Case
    from droppath_audit.core.code import Code

CHANCE = 1e-9  # of a script's limit, with correct code; a trial's share of the budget is smaller


def group_resolved(decisions: int, rest: int, keep_prob: float, alpha: float) -> float:
    """Return the difference between a group and the rest that one exact test sees, inf where that is nothing.

    The twin in use is an approximation; half of β covers what it lacks for unequal groups (enumerated in
    ``tests/unit/stats/test_recorded_lengths.py``).

    Args:
        decisions: Decisions of the group.
        rest: Decisions of all the others.
        keep_prob: q, inside (0, 1).
        alpha: Level.
    """
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_hypergeometric
    from droppath_audit.stats.homogeneity import detectable_one_against_rest

    if min(decisions, rest) < 1:
        return math.inf
    pairs = int(4.0 * decisions * rest / (decisions + rest))
    if detectable_hypergeometric(pairs, keep_prob, alpha, BETA / 2.0) >= NOTHING:
        return math.inf
    found = detectable_one_against_rest(decisions, rest, keep_prob, alpha, BETA / 2.0)
    return found if found < max(keep_prob, 1.0 - keep_prob) else math.inf


def groups_script(
    case: Case, code: Code, group: Sequence[str], groups: int, names: str, *, before: Sequence[str] = ()
) -> str:
    """Return a script that fails where groups of recorded decisions kept different shares.

    Args:
        case: What the script looks at.
        code: How the file is read.
        group: Lines for every block that bind ``group`` to the number of each decision's group, -1 for none, of the
            shape of ``kept``, (calls, decisions).
        groups: Number of groups, none of which is empty.
        names: What the shares printed are of.
        before: Lines that come first.
    """
    from scipy.stats import chi2

    each = [
        *mask_lines(case, group=group),
        "kept, group = kept[group >= 0], group[group >= 0]",
        f"counts += [np.bincount(group, kept, {groups}), np.bincount(group, minlength={groups})]",
    ]
    after = [
        "kept, decisions = counts",
        f"print({f'kept of {names}:'!r}, kept / decisions)",
        "share = kept.sum() / decisions.sum()",
        "seen = np.array([kept, decisions - kept])",
        "expected = np.array([decisions * share, decisions * (1 - share)])",
        "deviance = 2 * (seen * np.log(np.maximum(seen, 1) / expected)).sum()  # the likelihood-ratio statistic G",
        f"assert deviance < {chi2.isf(CHANCE, groups - 1):.1f}  # one chance in 10^9",
    ]
    return script(case, code, each, after, before=[*before, f"counts = np.zeros((2, {groups}))"])

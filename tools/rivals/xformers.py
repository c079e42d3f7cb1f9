"""xFormers' test of the dropout in its attention kernels, put to the mask of a layer."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from tools.rivals.rule import Rule, Window, require

if TYPE_CHECKING:
    from tools.rivals.harness import Harness

TRIALS, LEVEL, SEEDS = 1000, 1e-6, 2
DROP_PROBS = (0.3, 0.7)
SIZES = tuple(batch * queries * keys for batch, queries, keys in product((1, 2), (2, 33), (3, 15, 32, 33, 65)))


@cache
def _window(drop_prob: float, decisions: int, times: int) -> Window:
    def accepts(kept: int) -> bool:
        from scipy.stats import binomtest

        return float(binomtest(kept, decisions, 1.0 - drop_prob).pvalue) > LEVEL

    return Window(drop_prob, decisions, accepts, times)


def _total(drop_prob: float, size: int) -> Window:
    return _window(drop_prob, TRIALS * size, SEEDS * SIZES.count(size))


def _position(drop_prob: float) -> Window:
    return _window(drop_prob, TRIALS, SEEDS * sum(SIZES))


def _check(harness: Harness) -> None:
    for seed, drop_prob, size in product(range(SEEDS), DROP_PROBS, SIZES):
        layer, x = harness.layer(drop_prob), harness.ones(size, 1)
        harness.framework.seed(SEEDS * harness.seed + seed)
        first = harness.trained(layer, x)
        harness.framework.seed(SEEDS * harness.seed + seed)
        require(np.allclose(first, harness.trained(layer, x)), "the same seed gives the same output")
        kept = np.zeros(size, dtype=np.int64)
        for _ in range(TRIALS):
            kept += harness.trained(layer, harness.ones(size, 1)).reshape(-1) != 0
        total = int(kept.sum())
        require(_total(drop_prob, size).accepts(total), f"p > 1e-6 for {total} kept of {TRIALS * size}")
        low, high = _position(drop_prob).bounds
        require(((kept >= low) & (kept <= high)).all(), f"p > 1e-6 at every one of {size} positions")


RULES = (
    Rule(
        name="xformers",
        source="facebookresearch/xformers, tests/test_mem_eff_attention.py, test_dropout",
        asserts="For two seeds, drop_prob 0.3 and 0.7 and twenty sizes from 6 to 4290, over 1000 draws each: all "
        "decisions together, and those of every position, pass an exact binomial test at level 1e-6; the same seed "
        "gives the same output.",
        left_out="The comparison with attention under the same mask, for which a layer alone has no counterpart. The "
        "suite needs CUDA; its rule is run on the CPU here.",
        granularities=("sample", "element"),
        check=_check,
        windows=(
            *(_position(drop_prob) for drop_prob in DROP_PROBS),
            *(_total(drop_prob, size) for drop_prob in DROP_PROBS for size in sorted(set(SIZES))),
        ),
    ),
)

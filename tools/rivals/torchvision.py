"""torchvision's tests of StochasticDepth, for its two modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.rivals.rule import Rule, Window, require

if TYPE_CHECKING:
    from droppath_audit.frameworks.target import Layer
    from tools.rivals.harness import Harness

SEEDS, DROP_PROBS, BATCH, TRIALS, LEVEL = 10, (0.2, 0.5, 0.8), 5, 250, 0.01


def _window(drop_prob: float, decisions: int) -> Window:
    def accepts(kept: int) -> bool:
        from scipy.stats import binomtest

        return float(binomtest(decisions - kept, decisions, drop_prob).pvalue) > LEVEL

    return Window(drop_prob, decisions, accepts, times=SEEDS)


ROWS = tuple(_window(drop_prob, TRIALS * BATCH) for drop_prob in DROP_PROBS)
BATCHES = tuple(_window(drop_prob, TRIALS) for drop_prob in DROP_PROBS)


def _kept_rows(harness: Harness, layer: Layer) -> np.ndarray:
    """Return for every trial how many of the five samples do not add up to zero."""
    x = harness.ones(BATCH, 3, 4, 4)
    sums = [harness.trained(layer, x).sum(axis=(1, 2, 3)) for _ in range(TRIALS)]
    return np.array([np.count_nonzero(total) for total in sums])


def _limits(harness: Harness) -> None:
    for drop_prob, expected in ((0.0, 1.0), (1.0, 0.0)):
        if drop_prob == 1.0 and harness.refuses_zero:
            continue
        x = harness.ones(BATCH, 3, 4, 4)
        y = harness.trained(harness.layer(drop_prob), x)
        require(np.array_equal(y, np.full((BATCH, 3, 4, 4), expected)), f"drop_prob = {drop_prob:g} returns {expected}")


def _check_rows(harness: Harness) -> None:
    for seed in range(SEEDS):
        harness.framework.seed(SEEDS * harness.seed + seed)
        for window in ROWS:
            kept = int(_kept_rows(harness, harness.layer(window.drop_prob)).sum())
            require(window.accepts(kept), f"p > 0.01 for {kept} rows kept at drop_prob {window.drop_prob}")
        _limits(harness)


def _check_batches(harness: Harness) -> None:
    for seed in range(SEEDS):
        harness.framework.seed(SEEDS * harness.seed + seed)
        for window in BATCHES:
            kept = int(np.count_nonzero(_kept_rows(harness, harness.layer(window.drop_prob))))
            require(window.accepts(kept), f"p > 0.01 for {kept} batches kept at drop_prob {window.drop_prob}")
        _limits(harness)


_SOURCE = "pytorch/vision, test/test_ops.py, TestStochasticDepth"
_ASSERTS = (
    "At drop_prob 0.2, 0.5 and 0.8, for each of ten seeds, the {what} that are zero in 250 calls on five samples pass "
    "an exact binomial test at level 0.01, {count} decisions each; at drop_prob 0 the output is x, at 1 it is zero."
)
_LEFT_OUT = "That torch.fx can trace it."

RULES = (
    Rule(
        name="torchvision row",
        source=_SOURCE,
        asserts=_ASSERTS.format(what="samples", count=TRIALS * BATCH),
        left_out=_LEFT_OUT,
        granularities=("sample", "element"),
        check=_check_rows,
        windows=ROWS,
    ),
    Rule(
        name="torchvision batch",
        source=_SOURCE,
        asserts=_ASSERTS.format(what="batches", count=TRIALS),
        left_out=_LEFT_OUT,
        granularities=("batch",),
        check=_check_batches,
        windows=BATCHES,
    ),
)

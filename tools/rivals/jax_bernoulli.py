"""JAX's test of random.bernoulli, put to the mask of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.rivals.rule import Rule, Window, require

if TYPE_CHECKING:
    from tools.rivals.harness import Harness

DRAWS, LEVEL = 10_000, 0.01


def _window(keep_prob: float) -> Window:
    def accepts(kept: int) -> bool:
        from scipy.stats import chisquare

        expected = [DRAWS * (1.0 - keep_prob), DRAWS * keep_prob]
        return float(chisquare([DRAWS - kept, kept], expected).pvalue) > LEVEL

    return Window(1.0 - keep_prob, DRAWS, accepts)


WINDOWS = tuple(_window(keep_prob) for keep_prob in (0.1, 0.5, 0.9))


def _check(harness: Harness) -> None:
    for window in WINDOWS:
        y = harness.trained(harness.layer(window.drop_prob), harness.ones(DRAWS, 1))
        kept = int((y != 0).sum())
        require(window.accepts(kept), f"chi-square has p > 0.01 for {kept} kept at drop_prob {window.drop_prob:g}")


RULES = (
    Rule(
        name="JAX bernoulli",
        source="jax-ml/jax, tests/random_lax_test.py, testBernoulli and _CheckChiSquared",
        asserts="At probabilities 0.1, 0.5 and 0.9 the counts of 10 000 draws pass Pearson's chi-square test at level "
        "0.01.",
        left_out="The same draws again, compiled; float64, which is off by default.",
        granularities=("sample", "element"),
        check=_check,
        windows=WINDOWS,
    ),
)

"""Flax's tests of its Dropout, put to a layer that drops samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tools.rivals.rule import Rule, Window, require

if TYPE_CHECKING:
    from tools.rivals.harness import Harness

CALLS, PER_CALL, SIGMAS = 10, 10_000, 4.0


def _window(drop_prob: float) -> Window:
    decisions = CALLS * PER_CALL
    half = SIGMAS * math.sqrt(drop_prob * (1.0 - drop_prob) / decisions)
    return Window(drop_prob, decisions, lambda kept: abs(kept / decisions - (1.0 - drop_prob)) < half)


WINDOWS = tuple(_window(tenths / 10) for tenths in range(1, 10))


def _two_calls(harness: Harness) -> None:
    layer, x = harness.layer(0.5), harness.ones(400, 1)
    require((harness.trained(layer, x) != harness.trained(layer, x)).any(), "two calls differ in training")
    first, second = harness.evaluated(layer, x), harness.evaluated(layer, x)
    require(first is None or second is None or np.array_equal(first, second), "two calls agree in evaluation")


def _limits(harness: Harness) -> None:
    require(np.array_equal(harness.trained(harness.layer(0.0), harness.ones(400, 1)), np.ones((400, 1))), "p = 0 is x")
    if harness.refuses_zero:
        return
    layer, x = harness.layer(1.0), harness.ones(400, 1)
    require(np.array_equal(harness.trained(layer, x), np.zeros((400, 1))), "p = 1 is zero")
    gradient = harness.gradient(layer, x).gradient
    require(gradient is None or not np.isnan(harness.values(gradient)).any(), "the gradient at p = 1 is no NaN")


def _check(harness: Harness) -> None:
    _two_calls(harness)
    for window in WINDOWS:
        layer = harness.layer(window.drop_prob)
        kept = sum(int((harness.trained(layer, harness.ones(PER_CALL, 1)) > 0).sum()) for _ in range(CALLS))
        require(window.accepts(kept), f"{kept} kept are within 4 sigma at drop_prob {window.drop_prob:g}")
    _limits(harness)


RULES = (
    Rule(
        name="flax dropout",
        source="google/flax, tests/linen/linen_test.py, StochasticTest",
        asserts="At drop_prob 0.1, 0.2 … 0.9 the share kept of 100 000 is within 4 standard deviations; two calls "
        "differ in training and agree in evaluation; at drop_prob 0 the output is x, at 1 it is zero and its gradient "
        "no NaN.",
        left_out="broadcast_dims, which is how Flax says what one decision covers.",
        granularities=("sample", "element"),
        check=_check,
        windows=WINDOWS,
    ),
)

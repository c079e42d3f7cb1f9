"""MMCV's test of its DropPath."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable
from tools.rivals.rule import Rule, require

if TYPE_CHECKING:
    from tools.rivals.harness import Harness


def _check(harness: Harness) -> None:
    def same(drop_prob: float, *, training: bool) -> bool:
        x = harness.tensor(harness.rng.random((2, 3, 4, 5)))
        y = harness.layer(drop_prob)(x, training=training)
        # A residual form adds to its shortcut, and an evaluation that scales returns a product: never x itself.
        if harness.dialect.form == "residual" or (harness.dialect.scaling == "eval" and not training):
            scale = 1.0 if training else harness.evaluation_scale(drop_prob)
            return bool(np.allclose(harness.values(y), scale * harness.values(x)))
        return y is x

    require(same(0.0, training=True), "drop_prob = 0 returns x itself")
    with suppress(NotApplicable):  # a target without evaluation
        require(same(0.1, training=False), "evaluation returns x itself")
    if harness.dialect.form == "branch":
        require(not same(0.1, training=True), "training does not return x itself")


RULES = (
    Rule(
        name="mmcv",
        source="open-mmlab/mmcv, tests/test_cnn/test_transformer.py, test_drop_path",
        asserts="At drop_prob 0 and in evaluation the layer returns the very object it was given, and at drop_prob "
        "0.1 in training another one.",
        left_out="Nothing.",
        granularities=("sample", "batch", "element"),
        check=_check,
    ),
)

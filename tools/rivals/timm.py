"""timm's tests of its DropPath."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.rivals.rule import Rule, Window, require

if TYPE_CHECKING:
    from tools.rivals.harness import Harness

SOME_DROPPED = Window(0.5, 32, lambda kept: kept < 32)


def _check(harness: Harness) -> None:
    x = harness.ones(4, 8, 16, 16)
    require(np.allclose(harness.trained(harness.layer(0.0), x), 1.0), "drop_prob = 0 changes nothing")
    half = harness.layer(0.5)
    for shape in ((4, 8, 16, 16), (32, 8, 4, 4)):
        y = harness.evaluated(half, harness.ones(*shape))
        expected = harness.evaluation_scale(0.5)
        require(y is None or np.allclose(y, expected), "evaluation changes nothing")
    first = harness.trained(harness.layer(0.2), harness.ones(100, 8, 4, 4))[:, 0, 0, 0]
    kept = first[first != 0]
    require(np.allclose(kept, harness.scale(0.2), rtol=1e-5, atol=1e-5), "kept samples are scaled by 1/keep_prob")
    y = harness.trained(half, harness.ones(32, 8, 4, 4))
    dropped = 32 - int((y.reshape(32, -1) != 0).all(axis=1).sum())
    require(SOME_DROPPED.accepts(32 - dropped), "one of 32 samples holds a zero")
    text = harness.text(harness.layer(0.123))
    require(text is None or "0.123" in text, "the text of the layer shows drop_prob")


RULES = (
    Rule(
        name="timm",
        source="huggingface/pytorch-image-models, tests/test_layers_drop.py at fff7ec5",
        asserts="At drop_prob 0 and in evaluation the output is close to x; of 100 samples at drop_prob 0.2 the first "
        "element of every kept one is close to 1/keep_prob; of 32 samples at drop_prob 0.5 at least one holds a zero; "
        "the text of the layer shows its probability.",
        left_out="Nothing.",
        granularities=("sample", "element"),
        check=_check,
        windows=(SOME_DROPPED,),
    ),
)

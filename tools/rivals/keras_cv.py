"""KerasCV's tests of its DropPath."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.rivals.rule import Rule, Window, require

if TYPE_CHECKING:
    from tools.rivals.harness import Harness

SHAPE, CALLS = (16, 14, 14, 256), 200
DECISIONS = SHAPE[0] * CALLS
STRICT = Window(0.5, DECISIONS, lambda kept: 0.49 * DECISIONS <= kept <= 0.51 * DECISIONS)


def _nonzero(harness: Harness, tensor: object) -> int:
    return int(np.prod(SHAPE)) - harness.framework.count([tensor], 1.0).dropped


def _check(harness: Harness) -> None:
    def inputs() -> object:
        # Never zero, where the suite's uniform numbers are zero once in millions.
        return harness.tensor(1.0 - harness.rng.random(SHAPE, dtype=np.float32))

    x = inputs()
    y = harness.evaluated(harness.layer(0.5), x)
    expected = harness.values(x) * harness.evaluation_scale(0.5)
    require(y is None or np.allclose(y, expected, rtol=1e-6, atol=1e-6), "evaluation changes nothing")
    x = inputs()
    y = harness.trained(harness.layer(0.0), x)
    require(np.allclose(y, harness.values(x), rtol=1e-6, atol=1e-6), "drop_prob = 0 changes nothing")
    x = inputs()
    before, after = _nonzero(harness, x), _nonzero(harness, harness.layer(0.2)(x, training=True))
    require(before >= after, "there are no fewer zeros than before")
    layer, x = harness.layer(0.5), inputs()
    share = sum(_nonzero(harness, layer(x, training=True)) for _ in range(CALLS)) / (CALLS * int(np.prod(SHAPE)))
    # The suite counts elements; a sample has 50 176, so that the share is one of samples where samples are dropped.
    require(0.49 <= share <= 0.51, f"between 49 % and 51 % are kept, not {share:.2%}")


RULES = (
    Rule(
        name="KerasCV DropPath",
        source="keras-team/keras-cv, keras_cv/layers/regularization/drop_path_test.py at 000bfa3",
        asserts="In evaluation and at drop_prob 0 the output is close to x; at drop_prob 0.2 there are no fewer zeros "
        "than before; of 3200 samples at drop_prob 0.5 between 49 % and 51 % are kept.",
        left_out="Nothing.",
        granularities=("sample", "element"),
        check=_check,
        windows=(STRICT,),
    ),
)

"""PyTorch's tests of nn.Dropout and nn.Dropout2d, put to a layer that drops samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.rivals.rule import Rule, Window, require

if TYPE_CHECKING:
    from tools.rivals.harness import Harness

DROP_PROB, FEATURES, TOLERANCE = 0.2, 1000, 0.05
CALLS = {"float32": 2, "bfloat16": 2}
# The input is keep_prob, so a kept element is 1 and the mean is the share that was kept.
MEAN = Window(DROP_PROB, FEATURES, lambda kept: abs(kept - 800) < 50, times=sum(CALLS.values()))


def _mean(harness: Harness, dtype: str) -> None:
    x = harness.tensor(np.full((FEATURES, 1), 1.0 - DROP_PROB), dtype)
    unit = harness.scale(DROP_PROB) * (1.0 - DROP_PROB)
    layer = harness.layer(DROP_PROB)
    passed = harness.gradient(layer, x)
    require(passed.gradient is not None, "the output has a gradient")
    for name, tensor in (("output", passed.output), ("gradient", passed.gradient)):
        mean = float(harness.values(tensor).mean()) / unit
        require(abs(mean - 0.8) < TOLERANCE, f"the mean of the {name} is within 0.05 of the input's")
    y = harness.evaluated(layer, x)
    expected = harness.values(x) * harness.evaluation_scale(DROP_PROB)
    require(y is None or np.allclose(y, expected, rtol=1.6e-2 if dtype == "bfloat16" else 1.3e-6), "evaluation is x")
    harness.text(layer)


def _layouts(harness: Harness) -> None:
    for drop_prob in (0.0, 1e-10):
        for layout in ("sliced", "channels_last"):
            x = harness.laid_out(np.ones((2, 3, 3, 3)), layout)
            y = harness.trained(harness.layer(drop_prob), x)
            require(np.allclose(y, 1.0, rtol=1.3e-6, atol=1e-5), f"drop_prob = {drop_prob:g} returns x of any layout")


def _whole_channels(harness: Harness) -> None:
    if harness.dialect.granularity == "element":
        return
    y = harness.trained(harness.layer(0.5), harness.ones(10, 4, 2, 2))
    counts = np.count_nonzero(y, axis=(2, 3))
    require(np.isin(counts, (0, 4)).all(), "a channel is dropped as a whole or not at all")


def _check(harness: Harness) -> None:
    for dtype, calls in CALLS.items():
        for _ in range(calls):
            _mean(harness, dtype)
    _layouts(harness)
    _whole_channels(harness)
    empty = harness.trained(harness.layer(0.5), harness.ones(0))
    require(empty.shape == (0,), "an empty tensor keeps its shape")


RULES = (
    Rule(
        name="torch nn.Dropout",
        source="pytorch/pytorch, test/nn/test_dropout.py at 09d3a86",
        asserts="At drop_prob 0.2 the mean of 1000 outputs, and of their gradients, is within 0.05 of the input's 0.8, "
        "twice in float32 and twice in bfloat16; evaluation returns x; at drop_prob 0 and 1e-10 tensors of other "
        "layouts come back as they are; channels are dropped as a whole; an empty tensor keeps its shape.",
        left_out="The in-place mode (another call stands for it), layouts of the output, what elements that share a "
        "sample decide, an error for a bad probability, the comparison of two CUDA kernels.",
        granularities=("sample", "element"),
        check=_check,
        windows=(MEAN,),
    ),
)

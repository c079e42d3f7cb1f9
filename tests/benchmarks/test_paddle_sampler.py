"""The sampler against the speed at which a paddle target makes decisions, in one run, interleaved.

The promise: at (65536, 1) an audit's counting takes no more than half as long again as the target's own forward pass.
"""

from __future__ import annotations

import statistics
import time
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # paddle's import misses a compiler cache, aloud
    paddle = pytest.importorskip("paddle")

from droppath_audit.core.case import Cell
from droppath_audit.core.effort import EFFORTS
from droppath_audit.probes.counting import BATCH, Sampler
from droppath_audit.samples.paddle_tutorial import DropPath
from droppath_audit.targets.loader import load

CALLS = 20  # of BATCH decisions: long against the timer, short against the machine's moods
ROUNDS = 15


def forward(dtype: str) -> float:
    layer, x = DropPath(0.1), paddle.ones([BATCH, 1], dtype=dtype)
    layer.train()
    started = time.perf_counter()
    for _ in range(CALLS):
        layer(x)
    return time.perf_counter() - started


def sampled(sampler: Sampler) -> float:
    started = time.perf_counter()
    sampler.draw(sampler.counts.decisions + CALLS * BATCH)
    return time.perf_counter() - started


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_counting_takes_no_more_than_half_as_long_again_as_the_forward_pass(benchmark, dtype):
    cell = Cell("cpu", dtype, 0.1, effort=EFFORTS["thorough"])
    target = load("droppath_audit.samples.paddle_tutorial:DropPath").target
    sampler = Sampler(target.framework, target.make(0.1), cell, dtype, (1,))
    sampled(sampler), forward(dtype)
    pairs = [(forward(dtype), sampled(sampler)) for _ in range(ROUNDS)]
    ratio = statistics.median(ours / own for own, ours in pairs)
    nanoseconds = 1e9 * statistics.median(ours for _, ours in pairs) / (CALLS * BATCH)
    benchmark.extra_info["times the forward pass"] = round(ratio, 3)
    benchmark.extra_info["ns a decision"] = round(nanoseconds, 2)
    benchmark.pedantic(sampled, (sampler,), rounds=3)
    assert ratio <= 1.5

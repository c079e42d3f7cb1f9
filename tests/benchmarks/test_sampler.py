"""The sampler against the speed at which the target itself makes decisions, in one run, interleaved.

The promise: at (65536, 1) counting leaves at least 85 % of the target's own speed.
"""

from __future__ import annotations

import statistics
import time

import pytest
import torch

from droppath_audit.core.case import Cell
from droppath_audit.core.effort import EFFORTS
from droppath_audit.probes.counting import BATCH, Sampler
from droppath_audit.targets.loader import load
from droppath_reference import DropPath

CALLS = 40  # of BATCH decisions: long against the timer, short against the machine's moods
ROUNDS = 15
DTYPES = ("float64", "float32", "float16", "bfloat16")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the worker
    yield
    torch.set_num_threads(threads)


def sampler_for(dtype: str) -> Sampler:
    cell, target = Cell("cpu", dtype, 0.1, effort=EFFORTS["thorough"]), load("droppath_reference:DropPath").target
    return Sampler(target.framework, target.make(0.1), cell, dtype, (1,))


def forward(dtype: str) -> float:
    layer, x = DropPath(0.1).train(), torch.ones((BATCH, 1), dtype=getattr(torch, dtype))
    started = time.perf_counter()
    for _ in range(CALLS):
        layer(x)
    return time.perf_counter() - started


def sampled(sampler: Sampler) -> float:
    started = time.perf_counter()
    sampler.draw(sampler.counts.decisions + CALLS * BATCH)
    return time.perf_counter() - started


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_sampler_keeps_the_targets_own_speed(benchmark, dtype):
    sampler = sampler_for(dtype)
    sampled(sampler), forward(dtype)
    pairs = [(forward(dtype), sampled(sampler)) for _ in range(ROUNDS)]
    share = statistics.median(own / ours for own, ours in pairs)
    benchmark.extra_info["share of the target's own speed"] = round(share, 3)
    benchmark.extra_info["ns a decision"] = round(
        1e9 * statistics.median(ours for _, ours in pairs) / (CALLS * BATCH), 2
    )
    benchmark.pedantic(sampled, (sampler,), rounds=3)
    assert share >= 0.85

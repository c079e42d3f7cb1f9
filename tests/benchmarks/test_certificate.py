"""What a certificate costs: beyond the target's own forward passes, and beyond what no test can undercut.

The promises: at most 15 % over the forward passes of as many decisions; draws within 1.5 of the
information-theoretic bound on correct code, within 1.25 at the edge; fewer than a test whose number is fixed in
advance. ``docs/statistics.md`` holds the figures; both come from ``tools.figures``.
"""

from __future__ import annotations

import pytest
import torch

from tools.figures import CELLS, cost, overhead

RUNS = 1000


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("keep_prob", "resolution"), [(0.5, 5e-4), (0.9, 5e-4), (0.998, 1e-4)])
def test_a_certificate_against_the_forward_passes_it_needs(benchmark, keep_prob, resolution):
    ratio = benchmark.pedantic(overhead, (keep_prob, resolution), rounds=1)
    benchmark.extra_info["time over the target's own forward"] = round(ratio, 3)
    assert ratio <= 1.15


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_draws_against_the_information_bound_an_exact_test_and_dkw(benchmark, cell):
    row = benchmark.pedantic(cost, (*cell, RUNS), rounds=1)
    benchmark.extra_info["draws over the bound, correct"] = round(row.correct.mean / row.correct_bound, 3)
    benchmark.extra_info["draws over the bound, edge"] = round(row.edge.mean / row.edge_bound, 3)
    # Four standard errors of the simulated mean, below 5 % of it.
    assert row.correct.mean - 4.0 * row.correct.error <= 1.5 * row.correct_bound
    assert row.edge.mean - 4.0 * row.edge.error <= 1.25 * row.edge_bound
    assert row.correct.mean + 4.0 * row.correct.error > row.correct_bound
    assert row.edge.mean + 4.0 * row.edge.error > row.edge_bound
    assert row.edge.mean + 4.0 * row.edge.error < row.exact < row.dkw

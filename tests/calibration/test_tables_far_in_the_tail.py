"""True size of Pearson's X² and of the likelihood ratio G at alpha = 1e-9 and at the alpha in use, 6.1e-11.

Shows why G judges and cells expect 100: Pearson's statistic rejects correct code 8.5, 6.7, 1050 and 200 000
times as often as it says in the four situations of the published comparison, G with pooled cells at most 1.2
times. How: two cells and 2x2 tables by enumeration; histograms and patterns by importance sampling (each cell
but the largest drawn from a negative binomial of the right mean and inflated variance, weighted back to the
multinomial), with the standard error of each estimate; a simulation at 1e-2 beside. Situations whose batch
count was not published are the nearest natural ones: 65 536 batches of 8 for the histogram, 2^20 patterns, a
margin of 100 of 2500 in the 2x2 table. The last depends on the table: 512 times for 40 of 400.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln, xlogy
from scipy.stats import binom, chi2, hypergeom

from droppath_audit.stats.budget import DEFAULT_BUDGET, share
from droppath_audit.stats.chi_square import frequency_table, goodness_of_fit, pool, sparse_tail

ALPHA = share(DEFAULT_BUDGET)
QUOTED = 1e-9


def two_cell_size(decisions: int, keep_prob: float, alpha: float, statistic: str) -> float:
    """Return the exact size of a frequency table with one cell."""
    kept = np.arange(decisions + 1)
    mean = decisions * keep_prob
    if statistic == "pearson":
        values = (kept - mean) ** 2 / (mean * (1.0 - keep_prob))
    else:
        dropped = decisions - kept
        values = 2.0 * (xlogy(kept, kept / mean) + xlogy(dropped, dropped / (decisions - mean)))
    return float(binom.pmf(kept, decisions, keep_prob)[values >= chi2.isf(alpha, 1)].sum())


def histogram_size(
    cells: np.ndarray, entries: int, alpha: float, statistic: str, samples: int = 100_000
) -> tuple[float, float]:
    """Return (size, standard error) of a goodness-of-fit statistic for known cell probabilities."""
    rng = np.random.default_rng(np.random.SeedSequence(0))
    critical = chi2.isf(alpha, len(cells) - 1)
    inflation = max(2.0, critical / (len(cells) - 1))
    largest = int(np.argmax(cells))
    counts, log_weight = np.empty((samples, len(cells))), np.zeros(samples)
    for index in set(range(len(cells))) - {largest}:
        shape = entries * cells[index] / (inflation - 1.0)
        drawn = rng.negative_binomial(shape, 1.0 / inflation, samples)
        counts[:, index] = drawn
        log_weight -= gammaln(drawn + shape) - gammaln(shape) - gammaln(drawn + 1)
        log_weight -= drawn * np.log1p(-1.0 / inflation) - shape * np.log(inflation)
    counts[:, largest] = entries - (np.delete(counts, largest, axis=1)).sum(axis=1)
    possible = counts[:, largest] >= 0
    counts, log_weight = counts[possible], log_weight[possible]
    log_weight += gammaln(entries + 1) - gammaln(counts + 1).sum(axis=1) + (counts * np.log(cells)).sum(axis=1)
    mean = entries * cells
    if statistic == "pearson":
        values = ((counts - mean) ** 2 / mean).sum(axis=1)
    else:
        values = 2.0 * xlogy(counts, counts / mean).sum(axis=1)
    contribution = np.exp(log_weight) * (values >= critical)
    spread = np.sqrt(np.sum(contribution**2)) / samples
    return float(contribution.sum() / samples), float(spread)


def count_histogram(batch: int, keep_prob: float, batches: int, minimum: float) -> np.ndarray:
    expected = batches * binom.pmf(np.arange(batch + 1), batch, keep_prob)
    return pool(expected, expected, minimum)[1] / batches


def test_pearson_on_two_cells_with_131_expected_rejects_8_5_times_too_often():
    assert two_cell_size(65_536, 0.002, QUOTED, "pearson") == pytest.approx(8.5e-9, rel=0.05 / 8.5)


@pytest.mark.parametrize("alpha", [QUOTED, ALPHA])
@pytest.mark.parametrize(("decisions", "keep_prob"), [(1000, 0.1), (50_000, 0.002), (2000, 0.5), (65_536, 0.998)])
def test_g_on_two_cells_holds_its_level_within_a_fifth(decisions, keep_prob, alpha):
    assert 0.5 * alpha < two_cell_size(decisions, keep_prob, alpha, "g") < 1.2 * alpha


def test_pearson_on_a_histogram_pooled_at_5_rejects_6_7_times_too_often():
    size, error = histogram_size(count_histogram(8, 0.9, 65_536, 5.0), 65_536, QUOTED, "pearson", 300_000)
    assert abs(size - 6.7e-9) < 0.05e-9 + 4.0 * error
    assert error < 0.1 * size


@pytest.mark.parametrize("alpha", [QUOTED, ALPHA])
@pytest.mark.parametrize(
    ("batch", "keep_prob", "batches"),
    [(8, 0.9, 65_536), (64, 0.9, 20_000), (64, 0.5, 4096), (1000, 0.7, 4096)],
)
def test_g_on_a_pooled_histogram_holds_its_level_within_a_fifth(batch, keep_prob, batches, alpha):
    cells = count_histogram(batch, keep_prob, batches, 100.0)
    size, error = histogram_size(cells, batches, alpha, "g")
    assert error < 0.04 * alpha
    assert 0.8 * alpha < size < 1.2 * alpha


def test_pearson_on_unpooled_patterns_of_eight_rejects_200_000_times_too_often():
    # The rarest patterns (7 or 8 dropped) decide; they are drawn more often and weighted back.
    dropped = np.array([pattern.bit_count() for pattern in range(256)])
    truth = 0.9 ** (8 - dropped) * 0.1**dropped
    proposal = truth * np.select([dropped == 8, dropped == 7], [100.0, 5.0], 1.0)
    common = dropped < 7
    proposal[common] *= (1.0 - proposal[~common].sum()) / proposal[common].sum()
    entries, samples = 2**20, 20_000
    rng = np.random.default_rng(np.random.SeedSequence(0))
    counts = rng.multinomial(entries, proposal, size=samples)
    mean = entries * truth
    values = ((counts - mean) ** 2 / mean).sum(axis=1)
    contribution = np.exp(counts @ np.log(truth / proposal)) * (values >= chi2.isf(QUOTED, 255))
    size, error = contribution.mean(), contribution.std() / samples**0.5
    assert error < 0.1 * size
    assert abs(size - 2e-4) < 0.5e-4 + 4.0 * error


def test_pearson_on_a_two_by_two_table_with_4_expected_rejects_a_thousand_times_too_often():
    total, margin = 2500, 100
    both = np.arange(margin + 1)
    mean = margin**2 / total
    values = (both - mean) ** 2 * (1 / mean + 2 / (margin - mean) + 1 / (total - 2 * margin + mean))
    size = hypergeom.pmf(both, total, margin, margin)[values >= chi2.isf(QUOTED, 1)].sum()
    assert size == pytest.approx(1050 * QUOTED, rel=0.05)


@pytest.mark.parametrize(("draws", "cells"), [(3, 2), (30, 2), (8, 4), (20, 4), (40, 3)])
def test_the_sparse_bound_holds_for_every_multinomial(draws, cells):
    probabilities = np.arange(1, cells + 1) ** 3.0
    probabilities /= probabilities.sum()
    grids = np.meshgrid(*[np.arange(draws + 1)] * (cells - 1))
    counts = np.stack([grid.ravel() for grid in grids], axis=1)
    counts = counts[counts.sum(axis=1) <= draws]
    counts = np.column_stack([counts, draws - counts.sum(axis=1)])
    log_mass = gammaln(draws + 1) - gammaln(counts + 1).sum(axis=1) + xlogy(counts, probabilities).sum(axis=1)
    values = 2.0 * xlogy(counts, counts / (draws * probabilities)).sum(axis=1)
    order = np.argsort(values)[::-1]
    tails = np.cumsum(np.exp(log_mass[order]))
    bounds = np.array([sparse_tail(value * (1.0 - 1e-12), cells) for value in values[order]])
    assert (tails <= bounds + 1e-12).all()
    assert (bounds < 1.0).any()


@pytest.mark.calibration
def test_at_one_percent_simulated_histograms_fail_as_often_as_promised():
    # 4000 histograms: standard error 0.0016 at 1 %, four of them allowed, and 0.001 for discreteness.
    rng = np.random.default_rng(np.random.SeedSequence(0))
    expected = 20_000 * binom.pmf(np.arange(65), 64, 0.9)
    failures = 0
    for _ in range(4000):
        observed = rng.multinomial(20_000, expected / 20_000)
        failures += goodness_of_fit(observed, expected).p_value <= 0.01
    assert abs(failures / 4000 - 0.01) < 0.001 + 4.0 * (0.01 * 0.99 / 4000) ** 0.5


@pytest.mark.calibration
def test_at_one_percent_simulated_frequency_tables_fail_as_often_as_promised():
    rng = np.random.default_rng(np.random.SeedSequence(0))
    keep_prob = (0.1, 0.5, 0.9, 0.998)
    failures = 0
    for _ in range(2000):
        kept = [int(rng.binomial(2**20, q)) for q in keep_prob]
        failures += frequency_table(kept, [2**20] * 4, keep_prob).p_value <= 0.01
    assert abs(failures / 2000 - 0.01) < 0.0005 + 4.0 * (0.01 * 0.99 / 2000) ** 0.5

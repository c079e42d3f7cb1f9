from __future__ import annotations

import math

import numpy as np
import pytest

from droppath_audit.stats.certificate import Certificate, detectable
from droppath_audit.stats.design import (
    NOTHING,
    certificate_detectable,
    certificate_samples,
    dkw_detectable,
    dkw_samples_needed,
)
from droppath_audit.stats.planning import STATISTICS


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda statistic: statistic.name)
@pytest.mark.parametrize("keep_prob", [0.9, 0.5, 0.02])
def test_the_twins_of_every_statistic_are_inverse_to_each_other(statistic, keep_prob):
    for size in (0.01, 0.001):
        decisions = statistic.samples_needed(size, keep_prob, 1e-9, 1e-3)
        assert statistic.detectable(decisions, keep_prob, 1e-9, 1e-3) == pytest.approx(size, rel=1e-3)
        assert statistic.detectable(decisions // 2, keep_prob, 1e-9, 1e-3) > size


def test_certificates_resolve_nothing_with_too_few_decisions():
    assert certificate_detectable(1, 0.5, 1e-9, 1e-3) == NOTHING
    assert detectable(1, 0.5, 1e-9) == NOTHING


def test_what_is_detectable_is_settled_by_that_many_decisions():
    size = certificate_detectable(100_000, 0.9, 1e-9, 1e-3)
    assert certificate_samples(size, 0.9, 1e-9, 1e-3) <= 100_000
    assert Certificate(0.9, detectable(100_000, 0.9, 1e-9), 1e-9).expected_decisions() <= 100_000


def test_dkw_is_the_inequality_with_massarts_constant():
    n = dkw_samples_needed(0.01, 1e-9, 1e-3)
    reaches = [math.sqrt(math.log(2.0 / error) / (2.0 * n)) for error in (1e-9, 1e-3)]
    assert sum(reaches) <= 0.01 < sum(reaches) * math.sqrt(n / (n - 1)) + 1e-9
    assert dkw_detectable(n, 1e-9, 1e-3) <= 0.01 < dkw_detectable(n - 1, 1e-9, 1e-3)
    assert dkw_detectable(1, 1e-9, 1e-3) == NOTHING
    with pytest.raises(ValueError, match="positive"):
        dkw_samples_needed(0.0, 0.1, 0.1)


def test_dkw_keeps_its_errors_where_the_variance_is_largest():
    # 20 000 runs; four standard errors of a frequency at the bound are allowed. The bound itself is far from tight.
    alpha, beta, runs = 0.05, 0.05, 20_000
    n = dkw_samples_needed(0.05, alpha, beta)
    reach = math.sqrt(math.log(2.0 / alpha) / (2.0 * n))
    rng = np.random.default_rng(np.random.SeedSequence(0))
    allowed = 4.0 * math.sqrt(0.05 * 0.95 / runs)
    assert np.mean(abs(rng.binomial(n, 0.5, runs) / n - 0.5) > reach) <= alpha + allowed
    assert np.mean(abs(rng.binomial(n, 0.55, runs) / n - 0.5) <= reach) <= beta + allowed

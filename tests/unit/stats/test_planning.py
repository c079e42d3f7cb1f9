from __future__ import annotations

import math

import pytest
from scipy.stats import chi2, ncx2

from droppath_audit.core.grid import DROP_PROBS
from droppath_audit.stats.certificate import Certificate, detectable_on_correct_code
from droppath_audit.stats.design import (
    NOTHING,
    detectable_certificate,
    samples_for_certificate,
)
from droppath_audit.stats.planning import NOTES, STATISTICS


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda statistic: statistic.name)
@pytest.mark.parametrize("keep_prob", [0.9, 0.5, 0.02])
def test_the_twins_of_every_statistic_are_inverse_to_each_other(statistic, keep_prob):
    for size in (0.01, 0.001):
        decisions = statistic.samples_for(size, keep_prob, 1e-9, 1e-3)
        assert statistic.detectable(decisions, keep_prob, 1e-9, 1e-3) == pytest.approx(size, rel=1e-3)
        assert statistic.detectable(decisions // 2, keep_prob, 1e-9, 1e-3) > size


def test_certificates_resolve_nothing_with_too_few_decisions():
    assert detectable_certificate(1, 0.5, 1e-9, 1e-3) == NOTHING
    assert detectable_on_correct_code(1, 0.5, 1e-9) == NOTHING


def test_what_is_detectable_is_settled_by_that_many_decisions():
    size = detectable_certificate(100_000, 0.9, 1e-9, 1e-3)
    assert samples_for_certificate(size, 0.9, 1e-9, 1e-3) <= 100_000
    assert Certificate(0.9, detectable_on_correct_code(100_000, 0.9, 1e-9), 1e-9).expected_decisions() <= 100_000


def test_a_row_of_the_plan_is_headed_by_these_names():
    assert [statistic.name for statistic in STATISTICS] == [
        "certificate, correct code",
        "certificate, at most",
        "exact binomial",
        "frequency table",
        "DKW",
        "correlation of pairs",
    ]


def test_the_notes_say_what_the_columns_mean():
    assert NOTES == (
        "The certificate passes correct code after about the first number of decisions, and ends at the second "
        "whatever it sees; the others look once, at a number fixed in advance.",
        "frequency table: one cell alone is wrong, in a chi-square (G) table of 6. DKW: knows no variance. "
        "correlation of pairs: of the two decisions of a disjoint pair.",
    )


def test_a_certificate_is_planned_with_the_errors_that_are_asked_for():
    (plan,) = (statistic for statistic in STATISTICS if statistic.name == "certificate, correct code")
    twin = Certificate(0.5, 0.01, 1e-9, 0.02)
    assert plan.samples_for(0.01, 0.5, 1e-9, 0.02) == twin.expected_decisions()
    assert twin.expected_decisions() < Certificate(0.5, 0.01, 1e-9).expected_decisions()


@pytest.mark.parametrize("keep_prob", [0.5, 0.9, 0.02])
def test_one_wrong_cell_of_the_frequency_table_over_the_grid_is_seen_with_the_power_promised(keep_prob):
    # The table has a degree of freedom for each keep probability of the grid that leaves something to chance. One that
    # is δ off adds δ²/(pq) for every decision to the noncentrality.
    (table,) = (statistic for statistic in STATISTICS if statistic.name.startswith("frequency"))
    cells = sum(0.0 < p < 1.0 for p in DROP_PROBS)
    for n in (1000, 10**6):
        noncentrality = n * table.detectable(n, keep_prob, 1e-9, 1e-3) ** 2 / (keep_prob * (1.0 - keep_prob))
        assert ncx2.cdf(chi2.isf(1e-9, cells), cells, noncentrality) == pytest.approx(1e-3, rel=1e-6)
    needed = table.samples_for(0.01, keep_prob, 1e-9, 1e-3)
    assert needed == math.ceil(noncentrality * keep_prob * (1.0 - keep_prob) / 0.01**2)


def test_an_odd_decision_has_no_partner_to_correlate_with():
    (pairs,) = (statistic for statistic in STATISTICS if statistic.name.endswith("pairs"))
    assert pairs.detectable(1001, 0.5, 1e-9, 1e-3) == pairs.detectable(1000, 0.5, 1e-9, 1e-3)
    assert pairs.detectable(1002, 0.5, 1e-9, 1e-3) < pairs.detectable(1001, 0.5, 1e-9, 1e-3)
    assert pairs.detectable(1, 0.5, 1e-9, 1e-3) == NOTHING

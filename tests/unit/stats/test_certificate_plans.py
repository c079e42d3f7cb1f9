"""What a certificate is expected to take, and the resolution for which that many decisions serve."""

from __future__ import annotations

import math

import pytest
from scipy.integrate import quad
from scipy.stats import norm

from droppath_audit.stats.bisection import first_real
from droppath_audit.stats.certificate import Certificate, detectable_on_correct_code

ALPHA, BETA, MISS = 6.1e-11, 1e-3, 2.0**-23


def time_until_pass(beta: float, edges: int) -> float:
    """Return the expected t at which t/2 - |W(t)| stays at -log(0.9 beta) or more, by integration of its violation.

    Of the time of violation after the first passage, which lasts 2 at one edge, nothing is counted. With one edge the
    first passage of t/2 - W(t) through b takes 2b by Wald's identity.
    """
    needed = -math.log(0.9 * beta)
    if edges == 1:
        return 2.0 * needed
    # In units of s = √t, so that the integrand has no root at its lower end, below which violation is certain.
    violation, _ = quad(
        lambda s: 2.0 * norm.sf(s / 2.0 - needed / s) * 2.0 * s, math.sqrt(2.0 * needed), math.inf, epsrel=1e-12
    )
    return 2.0 * needed + violation - 2.0


@pytest.mark.parametrize("beta", [BETA, 0.05])
@pytest.mark.parametrize(
    ("keep_prob", "resolution", "edges"),
    [
        (0.5, 0.01, [0.49, 0.51]),
        (0.1, 0.01, [0.09, 0.11]),
        (0.9, 0.01, [0.89, 0.91]),
        (0.002, 1e-4, [0.0019, 0.0021]),
        (1.0 - 1e-5, 5e-5, [1.0 - 6e-5]),
        (0.25, 0.25, [0.5]),
        (0.75, 0.25, [0.5]),
    ],
)
def test_correct_code_takes_what_brownian_motion_takes_to_the_edge_that_is_harder_to_tell(
    beta, keep_prob, resolution, edges, relative_entropy
):
    hardest = min(relative_entropy(keep_prob, edge) for edge in edges)
    expected = time_until_pass(beta, len(edges)) / (2.0 * hardest)
    found = Certificate(keep_prob, resolution, ALPHA, beta).expected_decisions()
    assert found == math.ceil(expected)
    # The integral's error does not decide how it is rounded.
    assert math.ceil(expected * (1.0 - 1e-10)) == math.ceil(expected * (1.0 + 1e-10))


@pytest.mark.parametrize("keep_prob", [0.0, 1.0])
def test_without_randomness_correct_code_takes_the_cap(keep_prob):
    assert Certificate(keep_prob, 0.02, ALPHA).expected_decisions() == math.ceil(math.log(BETA) / math.log(0.98))


@pytest.mark.parametrize("keep_prob", [0.002, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("decisions", [2, 7, 50, 10**6])
def test_a_detectable_resolution_takes_all_of_the_decisions_and_a_finer_one_more(keep_prob, decisions):
    found = detectable_on_correct_code(decisions, keep_prob, ALPHA, BETA)
    assert 2.0 * MISS < found < max(keep_prob, 1.0 - keep_prob)
    assert Certificate(keep_prob, found, ALPHA, BETA).expected_decisions() == decisions
    finer = found * (1.0 - 1e-14)
    assert Certificate(keep_prob, finer, ALPHA, BETA).expected_decisions() > decisions


def test_one_decision_detects_nothing_where_the_promise_is_one_half():
    assert detectable_on_correct_code(1, 0.5, ALPHA, BETA) == 1.0


def test_no_number_of_decisions_detects_less_than_twice_what_a_draw_can_miss_by():
    decisions = Certificate(0.5, 2.1 * MISS, ALPHA).expected_decisions()
    assert detectable_on_correct_code(decisions, 0.5, ALPHA) == pytest.approx(2.1 * MISS, rel=1e-12)
    assert detectable_on_correct_code(100 * decisions, 0.5, ALPHA) == pytest.approx(2.0 * MISS, rel=1e-12)


def test_a_resolution_a_billionth_short_of_the_largest_is_still_found():
    # An edge this close to 0 is told by one decision, or not, by a beta that is chosen for it.
    size = 0.5 * (1.0 - 1.5e-9)
    beta = first_real(lambda beta: Certificate(0.5, size, ALPHA, beta).expected_decisions() <= 1, 1e-6, 0.5)
    assert Certificate(0.5, size, ALPHA, beta * (1.0 - 1e-12)).expected_decisions() > 1
    assert detectable_on_correct_code(1, 0.5, ALPHA, beta) == pytest.approx(size, rel=1e-11)

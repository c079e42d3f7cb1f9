"""A certificate at its limits: verdicts that hang by one decision or one bit, and edges that touch 0 and 1."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droppath_audit.stats.certificate import Certificate
from droppath_audit.stats.exact import binomial_test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALPHA, BETA = 6.1e-11, 1e-3


def neighbours(x: float, many: int = 1000) -> Iterator[float]:
    """Yield the doubles around ``x``."""
    for _ in range(many):
        x = math.nextafter(x, 0.0)
    for _ in range(2 * many):
        yield x
        x = math.nextafter(x, 1.0)


def tuned(start: float, meets: Callable[[float], bool]) -> tuple[float, float]:
    """Return the doubles that meet a condition, the smallest and the largest, next to ``start``."""
    found = [x for x in neighbours(start) if meets(x)]
    return found[0], found[-1]


def test_an_e_value_that_reaches_its_threshold_exactly_is_a_fail():
    kept, decisions = 5600, 10_000
    reached = Certificate(0.5, 0.01, 0.5).log_e_value(kept, decisions)
    smallest, largest = tuned(math.exp(-reached) / 0.9, lambda alpha: -math.log(0.9 * alpha) == reached)
    for alpha in (smallest, largest):
        assert Certificate(0.5, 0.01, alpha).outcome(kept, decisions) == "fail"
    assert Certificate(0.5, 0.01, math.nextafter(smallest, 0.0)).outcome(kept, decisions) == "open"


def test_likelihood_ratios_that_reach_their_threshold_exactly_are_a_pass():
    # At q = 1/4 and δ = 1/4 the one edge is 1/2, with a ratio of (2q)^k (2 - 2q)^(n - k).
    kept, decisions = 100, 400
    rule = Certificate(0.25, 0.25, ALPHA)
    reached = kept * math.log(0.5) + (decisions - kept) * math.log(1.5)
    assert rule.outcome(kept, decisions) == "pass"
    smallest, largest = tuned(math.exp(-reached) / 0.9, lambda beta: -math.log(0.9 * beta) == reached)
    verdicts = [
        Certificate(0.25, 0.25, ALPHA, beta).outcome(kept, decisions)
        for beta in (math.nextafter(smallest, 0.0), smallest, largest)
    ]
    assert verdicts == ["open", "pass", "pass"]


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_p_value_that_equals_its_level_at_the_cap_is_a_fail(sign):
    # Counts halfway between promise and edge settle neither of the sequential rules. Not every p-value is a tenth of
    # some double, so the counts are looked for.
    decisions = 2000
    for deviation in range(100, 150):
        kept = decisions // 2 + sign * deviation
        p_value = binomial_test(kept, decisions, 0.5 + sign * 2.0**-23)
        levels = [alpha for alpha in neighbours(10.0 * p_value, 4) if 0.1 * alpha == p_value]
        if levels:
            break
    below, *reached = (Certificate(0.5, deviation / 1000, a, 0.4) for a in (math.nextafter(levels[0], 0.0), *levels))
    assert below.cap < decisions
    assert below.outcome(kept, decisions) == "pass"
    assert {rule.outcome(kept, decisions) for rule in reached} == {"fail"}
    assert all(rule.p_value(kept, decisions) > rule.alpha for rule in reached)


@pytest.mark.parametrize("sign", [-1, 1])
def test_what_one_float32_draw_can_miss_by_is_no_failure_at_the_cap_on_either_side(sign):
    rule = Certificate(0.5, 1e-6, ALPHA)
    spread = 0.5 * rule.cap**0.5
    verdicts = []
    for deviations in (6.8, 7.1):
        kept = round(rule.cap * (0.5 + sign * 2.0**-23) + sign * deviations * spread)
        verdicts.append(rule.outcome(kept, rule.cap))
    assert verdicts == ["pass", "fail"]


@pytest.mark.parametrize(("keep_prob", "kept_of"), [(0.25, lambda n: 0), (0.75, lambda n: n)])
def test_an_edge_at_0_or_1_asks_for_no_evidence(keep_prob, kept_of):
    # The other edge is 1/2: n right decisions have a likelihood ratio of 1.5^n.
    rule = Certificate(keep_prob, 0.25, ALPHA)
    outcomes = [rule.outcome(kept_of(n), n) for n in range(1, 40)]
    assert outcomes.index("pass") + 1 == math.ceil(-math.log(0.9 * BETA) / math.log(1.5))
    assert "fail" not in outcomes


@pytest.mark.parametrize("keep_prob", [0.0, 1.0])
def test_without_randomness_right_decisions_pass_without_a_cap_as_with_one(keep_prob):
    for capped in (False, True):
        rule = Certificate(keep_prob, 0.02, ALPHA, capped=capped)
        assert [rule.outcome(round(keep_prob * n), n) for n in (rule.cap - 1, rule.cap, rule.cap + 1)] == [
            "open",
            "pass",
            "pass",
        ]
        assert rule.settled(round(keep_prob * rule.cap), rule.cap)


@pytest.mark.parametrize("least", [10, 1000, 65_536])
@pytest.mark.parametrize("beyond", [-1e-12, 1.5e-9])
def test_the_allowance_for_rounding_is_a_billionth_of_the_decisions(least, beyond):
    # The resolution that least · (1 + beyond) right decisions certify: one more is needed, if that is no rounding.
    resolution = -math.expm1(math.log(BETA) / (least * (1.0 + beyond)))
    cap = Certificate(1.0, resolution, ALPHA, BETA).cap
    assert cap == (least if beyond < 0.0 else least + 1)
    if least == 10:
        right = 1 - Fraction(resolution)
        assert right**cap <= Fraction(BETA) * (1 + Fraction(1, 10**10))
        assert Fraction(BETA) < right ** (cap - 1)


@given(st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.integers(0, 10**4), st.floats(0.0, 1.0))
def test_a_p_value_is_one_over_the_e_value_and_at_most_1(keep_prob, decisions, fraction):
    kept = round(fraction * decisions)
    rule = Certificate(keep_prob, 0.02, ALPHA)
    log_e = rule.log_e_value(kept, decisions)
    assert rule.p_value(kept, decisions) == (1.0 if log_e <= 0.0 else math.exp(-log_e))


def test_impossible_counts_are_refused_at_the_cap_as_well():
    rule = Certificate(0.5, 0.05, ALPHA)
    for count in ((rule.cap + 1, rule.cap), (-1, rule.cap)):
        with pytest.raises(ValueError, match=f"{count[0]} kept of"):
            rule.settled(*count)


@given(st.integers(1, 300), st.integers(0, 300))
def test_an_interval_ends_at_0_and_1_only_where_nothing_was_kept_or_dropped(kept, dropped):
    # Where something was, the likelihood vanishes at the end.
    low, high = Certificate(0.5, 0.01, ALPHA).interval(kept, kept + dropped)
    assert low > 0.0
    assert (high == 1.0) == (dropped == 0)
    assert Certificate(0.5, 0.01, ALPHA).interval(dropped, kept + dropped) == pytest.approx(
        (1.0 - high, 1.0 - low), rel=1e-9, abs=1e-12
    )

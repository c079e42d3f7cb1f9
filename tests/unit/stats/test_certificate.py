from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, share
from droppath_audit.stats.certificate import CERTAIN_DECISIONS, Certificate, resolution

ALPHA = share(DEFAULT_BUDGET)
GRID = [0.0, 1e-7, 0.002, 0.1, 0.5, 0.9, 0.998, 1.0 - 1e-7, 1.0]


def certificate(keep_prob: float, alpha: float = ALPHA) -> Certificate:
    return Certificate(keep_prob, resolution(1.0 - keep_prob, 5e-4), alpha)


@st.composite
def counts(draw, largest=10**7):
    decisions = draw(st.integers(0, largest))
    return draw(st.integers(0, decisions)), decisions


@pytest.mark.parametrize(
    ("drop_prob", "finest", "expected"),
    [
        (0.5, 5e-4, 5e-4),
        (0.1, 5e-3, 5e-3),
        (0.02, 5e-3, 1e-3),
        (0.002, 5e-4, 1e-4),
        (1e-7, 5e-4, 5e-5),
        (0.9, 5e-2, 5e-3),
    ],
)
def test_the_resolution_of_a_cell(drop_prob, finest, expected):
    assert resolution(drop_prob, finest) == pytest.approx(expected)
    assert resolution(1.0 - drop_prob, finest) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("drop_prob", [0.0, 1.0])
def test_without_randomness_65_536_right_decisions_resolve_1_1e_4(drop_prob):
    found = resolution(drop_prob, 5e-4)
    assert found == pytest.approx(1.1e-4, rel=0.05)
    assert (1.0 - found) ** CERTAIN_DECISIONS == pytest.approx(BETA)


@pytest.mark.parametrize(
    ("q", "step", "inside"),
    [
        (Fraction(3, 4), Fraction(1, 32), 5 + 3),
        (Fraction(1, 4), Fraction(1, 32), 3 + 5),
        (Fraction(1, 2), Fraction(1, 64), 5 + 5),  # the furthest on both sides are 0 and 1 themselves
    ],
)
def test_the_e_value_is_the_average_of_exact_likelihood_ratios(q, step, inside):
    kept, decisions = 17, 20
    miss = Fraction(1, 2**23)
    ratios = []
    for sign in (-1, 1):
        start = q + sign * miss
        for power in range(6):
            g = q + sign * step * 2**power
            if 0 < g < 1:
                ratios.append((g / start) ** kept * ((1 - g) / (1 - start)) ** (decisions - kept))
    assert len(ratios) == inside
    e_value = float(sum(ratios) / len(ratios))
    assert Certificate(float(q), float(step), ALPHA).log_e_value(kept, decisions) == pytest.approx(math.log(e_value))


@pytest.mark.parametrize("keep_prob", [0.002, 0.1, 0.5, 0.9])
def test_fail_is_established_exactly_where_the_e_value_reaches_its_threshold(keep_prob):
    rule = certificate(keep_prob)
    decisions = 10**6
    above = range(int(keep_prob * decisions), decisions)
    first = next(kept for kept in above if rule.outcome(kept, decisions) == "fail")
    threshold = math.log(1.0 / (0.9 * ALPHA))
    assert rule.log_e_value(first - 1, decisions) < threshold <= rule.log_e_value(first, decisions)
    assert rule.settled(first, decisions)
    assert not rule.settled(first - 1, decisions)


def test_pass_wants_both_likelihood_ratios():
    rule = Certificate(0.5, 0.01, ALPHA)
    needed = math.log(1.0 / (0.9 * BETA))

    def least(kept: int, decisions: int) -> float:
        dropped = decisions - kept
        return min(kept * math.log(0.5 / g) + dropped * math.log(0.5 / (1.0 - g)) for g in (0.49, 0.51))

    for decisions in (30_000, 40_000, 60_000):
        for kept in range(decisions // 2 - 400, decisions // 2 + 400, 7):
            assert (rule.outcome(kept, decisions) == "pass") == (least(kept, decisions) >= needed)


def test_an_edge_that_no_keep_probability_can_pass_asks_for_no_evidence():
    rule = Certificate(1.0 - 1e-5, 5e-5, ALPHA)
    # log(1/(0.9 beta)) over log(q/(q - δ)): 140 220 decisions without a drop settle the lower edge.
    needed = math.ceil(math.log(1.0 / (0.9 * BETA)) / math.log((1.0 - 1e-5) / (1.0 - 6e-5)))
    assert rule.outcome(needed, needed) == "pass"
    assert rule.outcome(needed - 1, needed - 1) == "open"


def test_at_the_cap_the_exact_test_decides_and_beyond_it_too():
    rule = Certificate(0.5, 0.05, ALPHA)
    deviations = range(0, 400)
    for decisions in (rule.cap, rule.cap + 63):
        outcomes = [rule.outcome(decisions // 2 + d, decisions) for d in deviations]
        first = outcomes.index("fail")
        assert set(outcomes[:first]) == {"pass"}
        assert set(outcomes[first:]) == {"fail"}
        # At z(0.05 alpha) = 6.9 standard deviations, or where the sequential FAIL comes first.
        assert 6.4 < 2.0 * first / decisions**0.5 < 7.0
        assert all(rule.settled(decisions // 2 + d, decisions) for d in deviations)
    assert rule.outcome((rule.cap - 1) // 2 + first - 40, rule.cap - 1) == "open"


@pytest.mark.parametrize("keep_prob", [0.0, 1.0])
def test_without_randomness_a_coarser_resolution_takes_fewer_decisions(keep_prob):
    rule = Certificate(keep_prob, 0.02, ALPHA)
    assert (1.0 - rule.resolution) ** rule.cap <= BETA < (1.0 - rule.resolution) ** (rule.cap - 1)


def test_what_one_float32_draw_can_miss_by_is_no_failure_at_the_cap():
    # At this resolution 2^-23 is 1.6 standard deviations at the cap. Exactly q + 2^-23 with 6.8 standard
    # deviations on top is beyond 6.9 seen from q, but not from the nearest keep probability that must pass.
    rule = Certificate(0.5, 1e-6, ALPHA)
    spread = 0.5 * rule.cap**0.5
    assert rule.cap * 2.0**-23 / spread > 0.5
    kept = round(rule.cap * (0.5 + 2.0**-23) + 6.8 * spread)
    assert (kept - 0.5 * rule.cap) / spread > 7.2
    assert rule.outcome(kept, rule.cap) == "pass"
    assert rule.outcome(kept + round(0.3 * spread), rule.cap) == "fail"


@pytest.mark.parametrize("keep_prob", [0.0, 1.0])
def test_without_randomness_one_wrong_decision_is_a_proof(keep_prob):
    rule = Certificate(keep_prob, resolution(keep_prob, 5e-4), ALPHA)

    def right(decisions: int, wrong: int = 0) -> int:
        return decisions - wrong if keep_prob else wrong

    assert rule.cap == rule.expected_decisions() == 65_536
    assert rule.outcome(right(65_535), 65_535) == "open"
    assert not rule.settled(right(65_535), 65_535)
    assert rule.outcome(right(65_536), 65_536) == "pass"
    assert rule.settled(right(65_536), 65_536)
    for decisions in (1, 1000, 65_536, 10**6):
        assert rule.outcome(right(decisions, 1), decisions) == "fail"
        assert rule.settled(right(decisions, 1), decisions)
        assert rule.log_e_value(right(decisions, 1), decisions) == math.inf
        assert rule.p_value(right(decisions, 1), decisions) == 0.0
    assert rule.p_value(right(1000), 1000) == 1.0


def test_without_randomness_the_interval_is_one_sided_until_a_wrong_decision():
    low, high = certificate(1.0).interval(65_536, 65_536)
    assert low**65_536 == pytest.approx(ALPHA / 2.0, rel=1e-6)
    assert high == 1.0
    assert certificate(0.0).interval(0, 65_536) == (0.0, pytest.approx(1.0 - low, rel=1e-9))
    low, high = certificate(1.0).interval(65_530, 65_536)
    assert low < 65_530 / 65_536 < high < 1.0


@given(st.sampled_from(GRID), counts())
def test_an_interval_contains_the_estimate(keep_prob, count):
    kept, decisions = count
    low, high = certificate(keep_prob).interval(kept, decisions)
    assert 0.0 <= low <= high <= 1.0
    if decisions:
        assert low <= kept / decisions <= high


@given(counts(10**4), st.floats(1e-300, 0.5))
def test_the_ends_of_an_interval_are_where_the_mixture_reaches_one_over_alpha(count, alpha):
    kept, decisions = count
    rule = Certificate(0.5, 0.01, alpha)

    def log_mixture_ratio(g: float) -> float:
        mixture = math.lgamma(kept + 0.5) + math.lgamma(decisions - kept + 0.5) - math.lgamma(decisions + 1)
        likelihood = kept * math.log(g) + (decisions - kept) * math.log1p(-g)
        return mixture - math.log(math.pi) - likelihood

    for end in rule.interval(kept, decisions):
        if 1e-6 < end < 1.0 - 1e-6:
            assert log_mixture_ratio(end) == pytest.approx(-math.log(alpha), abs=1e-5)


@settings(max_examples=50)
@given(counts(10**5), st.floats(1e-12, 0.1), st.floats(1e-12, 0.1))
def test_a_smaller_error_widens_the_interval(count, one, other):
    small, large = sorted((one, other))
    inner = Certificate(0.5, 0.01, large).interval(*count)
    outer = Certificate(0.5, 0.01, small).interval(*count)
    assert outer[0] <= inner[0] <= inner[1] <= outer[1]


@given(st.sampled_from(GRID), counts())
def test_settled_means_that_the_outcome_is_not_open(keep_prob, count):
    rule = certificate(keep_prob)
    assert rule.settled(*count) == (rule.outcome(*count) != "open")


@given(st.sampled_from([0.1, 0.5, 0.9]), counts(10**6))
def test_kept_and_dropped_are_treated_alike(keep_prob, count):
    kept, decisions = count
    one, other = Certificate(keep_prob, 5e-4, ALPHA), Certificate(1.0 - keep_prob, 5e-4, ALPHA)
    assert one.log_e_value(kept, decisions) == pytest.approx(
        other.log_e_value(decisions - kept, decisions), rel=1e-6, abs=1e-6
    )
    assert one.cap == pytest.approx(other.cap, abs=2)


def test_before_any_decision_nothing_is_known():
    rule = certificate(0.9)
    assert rule.log_e_value(0, 0) == 0.0
    assert rule.p_value(0, 0) == 1.0
    assert rule.outcome(0, 0) == "open"
    assert rule.interval(0, 0) == (0.0, 1.0)


def test_tiny_keep_probabilities_are_computed_without_cancellation():
    rule = certificate(1e-7)
    # One kept of 1000: every ratio is (g/q')(1-g)^999/(1-q')^999, with q' = 1e-7 + 2^-23.
    start = Fraction(1e-7) + Fraction(1, 2**23)
    step = Fraction(rule.resolution)
    ratios = []
    for power in range(6):
        g = Fraction(1e-7) + step * 2**power
        ratios.append(g / start * ((1 - g) / (1 - start)) ** 999)
    assert rule.log_e_value(1, 1000) == pytest.approx(math.log(float(sum(ratios) / 6)), rel=1e-9)


@pytest.mark.parametrize("method", ["log_e_value", "p_value", "settled", "outcome", "interval"])
@pytest.mark.parametrize("count", [(11, 10), (-1, 10), (0, -1)])
def test_impossible_counts_are_refused(method, count):
    with pytest.raises(ValueError, match=f"{count[0]} kept of {count[1]} decisions"):
        getattr(certificate(0.9), method)(*count)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.5, 0.01, ALPHA), r"\[0, 1\], not 1\.5"),
        ((float("nan"), 0.01, ALPHA), "not nan"),
        ((0.5, 0.01, 0.0), "alpha .* not 0"),
        ((0.5, 0.01, ALPHA, 1.0), "beta .* not 1"),
        ((0.5, 0.5, ALPHA), r"not at 0\.5"),
        ((0.5, 1e-8, ALPHA), "not at 1e-08"),
        ((0.5, 2.0**-23, ALPHA), r"not at 1\.19"),
    ],
)
def test_impossible_certificates_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Certificate(*arguments)


@pytest.mark.parametrize(("drop_prob", "finest"), [(-0.1, 5e-4), (1.1, 5e-4), (0.5, 0.0), (0.5, 1.0)])
def test_impossible_resolutions_are_refused(drop_prob, finest):
    with pytest.raises(ValueError, match=r"lies in|inside"):
        resolution(drop_prob, finest)

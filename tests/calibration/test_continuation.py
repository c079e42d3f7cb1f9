"""Error rates of certificates that are stopped, continued and merged, exactly.

Shows that pausing wherever one likes changes nothing; that the sum of two runs, each of which ended where its owner
liked its counts best, fails a correct target with probability at most alpha and passes one at the edge with
probability at most beta; and that what is said of open cells is wrong with probability at most beta, over all looks
together. How: dynamic programming over (decisions, kept), as in ``test_certificate_exactly``, through the stopping rule
of a chunk and the standing of a ledger themselves. Probabilities are exact up to rounding; the levels are large, so
that an error of the rule would show.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import binom

from droppath_audit.certification.ledger import IDENTITY, Entry, Ledger
from droppath_audit.probes.certifying import Continued
from droppath_audit.stats.certificate import SEQUENTIAL_SHARE, Certificate
from droppath_audit.stats.design import CAP_SHARE
from droppath_audit.stats.exact import binomial_test

if TYPE_CHECKING:
    from collections.abc import Callable

MISS = 2.0**-23
LOOK = 50
NOTHING = 1e-12  # mass of one state that is left out; there are some thousands


def stepped(states: dict[int, float], step: np.ndarray) -> dict[int, float]:
    """Return the distribution of the count after one more look."""
    after: dict[int, float] = defaultdict(float)
    for kept, mass in states.items():
        for more, probability in enumerate(step):
            after[kept + more] += mass * probability
    return {kept: mass for kept, mass in after.items() if mass > NOTHING}


def in_chunks(certificate: Certificate, truth: float, sizes: Callable[[int], int]) -> tuple[dict[str, float], int]:
    """Return the probabilities of the outcomes of a run in chunks of these sizes, and the most decisions it takes."""
    result, largest = {"fail": 0.0, "pass": 0.0}, 0
    waiting = {(0, 0): 1.0}  # (decisions, kept) between chunks
    number = 0
    while waiting:
        between: dict[tuple[int, int], float] = defaultdict(float)
        by_decisions: dict[int, dict[int, float]] = defaultdict(dict)
        for (decisions, kept), mass in waiting.items():
            by_decisions[decisions][kept] = mass
        for decisions, states in by_decisions.items():
            chunks = {kept: Continued(certificate, kept, decisions, sizes(number)) for kept in states}
            for kept, chunk in chunks.items():
                inside, drawn = {0: states[kept]}, 0
                while inside:
                    look = min(LOOK, chunk.cap - drawn)
                    inside = stepped(inside, binom.pmf(np.arange(look + 1), look, truth))
                    drawn += look
                    for more in [more for more in inside if chunk.settled(more, drawn)]:
                        between[decisions + drawn, kept + more] += inside.pop(more)
        waiting = {}
        for (decisions, kept), mass in between.items():
            largest = max(largest, decisions)
            outcome = certificate.outcome(kept, decisions)
            if outcome == "open":
                waiting[decisions, kept] = mass
            else:
                result[outcome] += mass
        number += 1
    return result, largest


COARSE = Certificate(0.5, 0.15, 0.02, 0.02)


@pytest.mark.parametrize(
    "sizes", [lambda _: 10**9, lambda _: LOOK, lambda number: 100 << number], ids=["1", "50", "2^k"]
)
@pytest.mark.parametrize("truth", [0.5 - MISS, 0.5 + MISS, 0.35, 0.65, 0.575])
def test_chunks_change_neither_error_nor_the_cap(truth, sizes):
    found, largest = in_chunks(COARSE, truth, sizes)
    whole, _ = in_chunks(COARSE, truth, lambda _: 10**9)
    assert found == pytest.approx(whole, abs=1e-6)
    assert found["fail"] + found["pass"] == pytest.approx(1.0, abs=1e-6)
    assert largest <= COARSE.cap
    if abs(truth - 0.5) <= MISS:
        assert COARSE.alpha / 100.0 < found["fail"] <= COARSE.alpha
    if abs(truth - 0.5) == pytest.approx(0.15):
        assert COARSE.beta / 20.0 < found["pass"] <= COARSE.beta


def ended_where_it_suits(truth: float, suits: Callable[[int, int], bool], looks: int) -> dict[tuple[int, int], float]:
    """Return the distribution of (decisions, kept) of a run that its owner ends where the counts suit."""
    step = binom.pmf(np.arange(LOOK + 1), LOOK, truth)
    running, ended = {0: 1.0}, defaultdict(float)
    for look in range(1, looks + 1):
        running = stepped(running, step)
        for kept in [kept for kept in running if look == looks or suits(kept, LOOK * look)]:
            ended[LOOK * look, kept] += running.pop(kept)
    return ended


def merged_outcomes(certificate: Certificate, truth: float, suits: Callable[[int, int], bool]) -> dict[str, float]:
    """Return how often the sum of two such runs ends each way, when it is continued until it suits once more."""
    step = binom.pmf(np.arange(LOOK + 1), LOOK, truth)
    one = ended_where_it_suits(truth, suits, 6)
    states: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for (n, kept), mass in one.items():
        for (m, more), probability in one.items():
            states[n + m][kept + more] += mass * probability
    result: dict[str, float] = defaultdict(float)
    for start, counts in states.items():
        inside, decisions = {kept: mass for kept, mass in counts.items() if mass > NOTHING}, start
        for _ in range(20):
            for kept in list(inside):
                outcome = certificate.outcome(kept, decisions)
                if outcome != "open":
                    result[outcome] += inside.pop(kept)
            inside = stepped(inside, step)
            decisions += LOOK
    return result


SUM = Certificate(0.5, 0.15, 0.02, 0.02, capped=False)
SUITS = {
    "few are kept": lambda kept, decisions: kept < 0.5 * decisions - 0.5 * decisions**0.5,
    "the fraction is right": lambda kept, decisions: abs(kept - 0.5 * decisions) < 0.1 * decisions**0.5,
    "never": lambda kept, decisions: False,
}


@pytest.mark.parametrize("suits", SUITS)
def test_a_sum_of_runs_that_ended_at_will_keeps_both_errors(suits):
    assert merged_outcomes(SUM, 0.5, SUITS[suits])["fail"] <= SEQUENTIAL_SHARE * SUM.alpha
    for edge in (0.35, 0.65):
        assert merged_outcomes(SUM, edge, SUITS[suits])["pass"] <= SEQUENTIAL_SHARE * SUM.beta


def test_an_exact_test_where_it_suits_would_spend_more_than_its_share():
    # What ``capped=False`` is for: the exact test belongs to one number fixed in advance, not to whichever suits.
    step = binom.pmf(np.arange(LOOK + 1), LOOK, 0.5)
    running, rejected = {0: 1.0}, 0.0
    for look in range(1, 41):
        running = stepped(running, step)
        for kept in list(running):
            if binomial_test(kept, LOOK * look, 0.5) <= CAP_SHARE * SUM.alpha:
                rejected += running.pop(kept)
    assert rejected > 5.0 * CAP_SHARE * SUM.alpha


@pytest.mark.calibration
@pytest.mark.parametrize("distance", [0.06, 0.1])
def test_what_is_said_of_open_cells_is_wrong_at_some_look_with_probability_at_most_beta(distance):
    beta, keep_prob = 0.02, 0.5
    book = Ledger(dict.fromkeys(IDENTITY, ""), 0.02, 1e-6, beta, (0,), [Entry("", 1.0 - keep_prob)])
    truth = keep_prob + distance
    step = binom.pmf(np.arange(LOOK + 1), LOOK, truth)
    running, wrong = {0: 1.0}, 0.0
    for look in range(1, 41):
        running = stepped(running, step)
        for kept in list(running):
            if book.standing(Entry("", 1.0 - keep_prob, LOOK * look, kept)).within < distance:
                wrong += running.pop(kept)
    assert beta / 1000.0 < wrong <= beta

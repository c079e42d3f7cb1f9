"""The certificate: a sequential, anytime-valid verdict on one keep probability, from its two counts alone.

With k kept of n decisions, L(g) = g^k (1-g)^(n-k), promise q and resolution δ:

* FAIL once the average over g in {q ± δ·2^j, j = 0 … 5, inside (0, 1)} of L(g)/L(q ± 2^-23), the sign towards
  g, reaches 1/(0.9 alpha). Each ratio is a nonnegative supermartingale for every keep probability within
  2^-23 of q (what one float32 draw can miss by), so by Ville's inequality this happens to a correct target
  with probability at most 0.9 alpha, however often one looks.
* PASS once, at one look, L(q)/L(q+δ) and L(q)/L(q-δ) both reach 1/(0.9 beta). Where the keep probability is q
  + δ or more, the first ratio alone is a supermartingale; where it is q - δ or less, the second: one crossing
  bounds a false pass, at most 0.9 beta.
* An edge q ± δ outside (0, 1) asks for no evidence: no keep probability is further than δ from q on that
  side. Alternatives outside (0, 1) are left out of the average for the same reason.
* At the cap one exact binomial test with 0.1 alpha decides, against the keep probability within 2^-23 of q
  that suits the counts best (against q alone its level would grow with the cap: to 0.24 alpha at δ = 1e-5).
  Its power at both edges is at least 1 - 0.1 beta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from droppath_audit.stats.bisection import first_real
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import CAP_SHARE, FLOAT32_MISS, NOTHING, divergence, samples_for_certificate
from droppath_audit.stats.exact import binomial_test

SEQUENTIAL_SHARE = 1.0 - CAP_SHARE
CERTAIN_DECISIONS = 2**16
"""Decisions after which a keep probability of 0 or 1 is certified."""


def resolution(drop_prob: float, finest: float) -> float:
    """Return δ of a cell: min(finest, max(min(p, q), 1e-3)/20).

    For drop_prob 0 and 1 it is what ``CERTAIN_DECISIONS`` right decisions certify with error ``BETA``,
    1 - beta^(1/65536) = 1.05e-4, whatever ``finest``.

    Args:
        drop_prob: p, in [0, 1].
        finest: The effort's resolution D, positive.

    Raises:
        ValueError: If ``drop_prob`` or ``finest`` is out of range.
    """
    if not 0.0 <= drop_prob <= 1.0:
        raise ValueError(f"a drop probability lies in [0, 1], not {drop_prob}")
    if not 0.0 < finest < 1.0:
        raise ValueError(f"a resolution is a discrepancy inside (0, 1), not {finest}")
    if drop_prob in (0.0, 1.0):
        return -math.expm1(math.log(BETA) / CERTAIN_DECISIONS)
    return min(finest, max(min(drop_prob, 1.0 - drop_prob), 1e-3) / 20.0)


@dataclass(frozen=True)
class _Ratio:
    """Two numbers per decision that add up to the logarithm of a likelihood ratio."""

    kept: float
    dropped: float

    def log(self, kept: int, decisions: int) -> float:
        return kept * self.kept + (decisions - kept) * self.dropped


def _ratio(start: float, step: float) -> _Ratio:
    """Return the likelihood ratio L(start + step)/L(start)."""
    return _Ratio(math.log1p(step / start), math.log1p(-step / (1.0 - start)))


@dataclass(frozen=True)
class Certificate:
    """Rule of decision for one keep probability.

    A keep_prob of 0 or 1 needs no test: one wrong decision is a proof, and log(beta)/log(1 - resolution) right
    ones pass (65,536 at the resolution that ``resolution`` gives these cells).

    Looks may come at any numbers of decisions, and counts may be merged over processes, ranks and runs. The
    test at the cap alone wants a number of decisions that does not depend on what was seen. Batches need not
    be truncated for it: they may overshoot the cap, as long as their sizes are independent of the outcomes,
    because the test is then made at a number fixed in advance, and its power only grows beyond the cap.

    Attributes:
        keep_prob: The promised q, in [0, 1].
        resolution: δ; a pass means within δ of q.
        alpha: Probability at most of a FAIL for a keep probability within 2^-23 of q.
        beta: Probability at most of a PASS for a keep probability δ or more away.
        capped: Whether the exact test decides at the cap. Not for the sum of runs that each ended where it
            pleased somebody: no number was fixed in advance. The sequential rules, which are valid at any number,
            then decide alone, and they do in the end for every keep probability but q ± δ/2.

    Raises:
        ValueError: If a number is out of range.
    """

    keep_prob: float
    resolution: float
    alpha: float
    beta: float = BETA
    capped: bool = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.keep_prob <= 1.0:
            raise ValueError(f"a keep probability lies in [0, 1], not {self.keep_prob}")
        for name, error in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0.0 < error < 1.0:
                raise ValueError(f"{name} is a probability inside (0, 1), not {error}")
        if not FLOAT32_MISS < self.resolution < max(self.keep_prob, 1.0 - self.keep_prob):
            raise ValueError(
                f"the resolution at keep_prob {self.keep_prob} lies between 2^-23 and "
                f"{max(self.keep_prob, 1.0 - self.keep_prob)}, not at {self.resolution}"
            )

    @property
    def _certain(self) -> bool:
        return self.keep_prob in (0.0, 1.0)

    @cached_property
    def _alternatives(self) -> tuple[_Ratio, ...]:
        """L(g)/L(q ± 2^-23) for the alternatives inside (0, 1)."""
        ratios = []
        for sign in (-1.0, 1.0):
            start = self.keep_prob + sign * FLOAT32_MISS
            for power in range(6):
                step = self.resolution * 2.0**power
                if 0.0 < self.keep_prob + sign * step < 1.0:
                    ratios.append(_ratio(start, sign * (step - FLOAT32_MISS)))
        return tuple(ratios)

    @cached_property
    def _edges(self) -> tuple[_Ratio, ...]:
        """L(q ± δ)/L(q) for the edges inside (0, 1)."""
        steps = (-self.resolution, self.resolution)
        return tuple(_ratio(self.keep_prob, step) for step in steps if 0.0 < self.keep_prob + step < 1.0)

    @cached_property
    def cap(self) -> int:
        """n_cap: the decisions, fixed in advance, at which sampling ends whatever was seen."""
        if self._certain:
            # β = (1 - δ)^n; the allowance keeps rounding from adding a decision.
            return math.ceil(math.log(self.beta) / math.log1p(-self.resolution) * (1.0 - 1e-9))
        return samples_for_certificate(self.resolution, self.keep_prob, self.alpha, self.beta)

    def _wrong(self, kept: int, decisions: int) -> int:
        return kept if self.keep_prob == 0.0 else decisions - kept

    def log_e_value(self, kept: int, decisions: int) -> float:
        """Return the logarithm of the e-value against the promise.

        The e-value of a correct target exceeds 1/a at any look with probability at most a.

        Args:
            kept: Number kept, 0 to ``decisions``.
            decisions: Number of decisions so far.

        Raises:
            ValueError: If the counts are impossible.
        """
        _require_counts(kept, decisions)
        if self._certain:
            return math.inf if self._wrong(kept, decisions) else 0.0
        logs = [ratio.log(kept, decisions) for ratio in self._alternatives]
        largest = max(logs)
        return largest + math.log(sum(math.exp(log - largest) for log in logs) / len(logs))

    def p_value(self, kept: int, decisions: int) -> float:
        """Return min(1, 1/e), a p-value at every look."""
        return math.exp(min(0.0, -self.log_e_value(kept, decisions)))

    def _fails(self, kept: int, decisions: int) -> bool:
        return self.log_e_value(kept, decisions) >= -math.log(SEQUENTIAL_SHARE * self.alpha)

    def _passes(self, kept: int, decisions: int) -> bool:
        if self._certain:
            return decisions >= self.cap
        needed = -math.log(SEQUENTIAL_SHARE * self.beta)
        return all(-edge.log(kept, decisions) >= needed for edge in self._edges)

    def settled(self, kept: int, decisions: int) -> bool:
        """Return whether further decisions are pointless: FAIL or PASS is established, or the cap is reached.

        Raises:
            ValueError: If the counts are impossible.
        """
        _require_counts(kept, decisions)
        ended = self.capped and decisions >= self.cap
        return ended or self._passes(kept, decisions) or self._fails(kept, decisions)

    def outcome(self, kept: int, decisions: int) -> Literal["fail", "pass", "open"]:
        """Return ``fail`` (not q), ``pass`` (within δ of q) or ``open`` (more decisions are needed).

        Raises:
            ValueError: If the counts are impossible.
        """
        if self._fails(kept, decisions):
            return "fail"
        if self._passes(kept, decisions):
            return "pass"
        if decisions < self.cap or not self.capped:
            return "open"
        low, high = max(self.keep_prob - FLOAT32_MISS, 0.0), min(self.keep_prob + FLOAT32_MISS, 1.0)
        closest = min(max(kept / decisions, low), high)
        rejected = binomial_test(kept, decisions, closest) <= CAP_SHARE * self.alpha
        return "fail" if rejected else "pass"

    def interval(self, kept: int, decisions: int) -> tuple[float, float]:
        """Return a confidence interval for the keep probability that holds at every look.

        It misses with probability at most ``alpha``. All g at which the likelihood, averaged over a Beta(1/2,
        1/2) prior, is less than L(g)/alpha: the beta-binomial mixture (Robbins 1970, Annals of Mathematical
        Statistics 41, 1397-1409, with the prior of Krichevsky and Trofimov 1981). Contains kept/decisions. At
        keep_prob 0 and 1, as long as every decision is right, the one-sided exact bound g^n = alpha/2
        (equally valid at every look); after a wrong one the mixture at the other alpha/2.

        Args:
            kept: Number kept, 0 to ``decisions``.
            decisions: Number of decisions so far.

        Raises:
            ValueError: If the counts are impossible.
        """
        _require_counts(kept, decisions)
        if decisions == 0:
            return 0.0, 1.0
        log_alpha = math.log(self.alpha)
        if self._certain:
            log_alpha = math.log(self.alpha / 2.0)
            if not self._wrong(kept, decisions):
                bound = math.exp(log_alpha / decisions)
                return (bound, 1.0) if self.keep_prob == 1.0 else (0.0, -math.expm1(log_alpha / decisions))
        estimate = kept / decisions
        # decisions · KL(estimate, g) = log L(estimate)/L(g) may reach log L(estimate)/mixture - log alpha.
        reach = (_log_best(kept, decisions) - _log_mixture(kept, decisions) - log_alpha) / decisions
        low = first_real(lambda g: divergence(estimate, g) <= reach, 0.0, estimate) if kept else 0.0
        high = first_real(lambda g: divergence(estimate, g) <= reach, 1.0, estimate) if kept < decisions else 1.0
        return low, high

    def expected_decisions(self) -> int:
        """Return about how many decisions a correct target takes to PASS; for planning.

        In units of information t = nδ²/(pq) the log-likelihood ratios become t/2 ± W(t) with a Brownian
        motion W, and PASS comes at the first t with t/2 - |W(t)| = b = -log(0.9 beta). The expected time
        during which that inequality is violated has a closed form, 2b + 2 + 4√(b/π) + 2 e^b erfc(√b); after
        PASS a violation lasts 2 on average (one edge alone), so that much is taken off. With one edge only
        the first passage takes 2b. The harder edge's 1/(2 KL) stands for pq/δ², which keeps the figure right
        near 0 and 1. Looks add about half a batch.
        """
        if self._certain:
            return self.cap
        needed = -math.log(SEQUENTIAL_SHARE * self.beta)
        edges = [self.keep_prob - self.resolution, self.keep_prob + self.resolution]
        inside = [edge for edge in edges if 0.0 < edge < 1.0]
        time = 2.0 * needed
        if len(inside) == 2:
            time += 4.0 * math.sqrt(needed / math.pi) + 2.0 * math.exp(needed) * math.erfc(math.sqrt(needed))
        hardest = min(divergence(self.keep_prob, edge) for edge in inside)
        return min(self.cap, math.ceil(time / (2.0 * hardest)))


def detectable_on_correct_code(decisions: int, keep_prob: float, alpha: float, beta: float = BETA) -> float:
    """Return the resolution at which a correct target passes after about this many decisions; for planning.

    The inverse of ``Certificate.expected_decisions``, while ``design.detectable_certificate`` is that of the cap.
    ``NOTHING`` where the number is too small for any.

    Raises:
        ValueError: If ``keep_prob`` is not inside (0, 1).
    """
    largest = max(keep_prob, 1.0 - keep_prob) * (1.0 - 1e-9)

    def enough(size: float) -> bool:
        return Certificate(keep_prob, size, alpha, beta).expected_decisions() <= decisions

    found = first_real(enough, 2.0 * FLOAT32_MISS, largest)
    return found if found < largest else NOTHING


def _require_counts(kept: int, decisions: int) -> None:
    if not 0 <= kept <= decisions:
        raise ValueError(f"{kept} kept of {decisions} decisions is not a count")


def _log_best(kept: int, decisions: int) -> float:
    """Return log L(kept/decisions)."""
    dropped = decisions - kept
    return sum(count * math.log(count / decisions) for count in (kept, dropped) if count)


def _log_mixture(kept: int, decisions: int) -> float:
    """Return the logarithm of the likelihood averaged over a Beta(1/2, 1/2) prior."""
    return (
        math.lgamma(kept + 0.5) + math.lgamma(decisions - kept + 0.5) - math.lgamma(decisions + 1.0) - math.log(math.pi)
    )

"""Write ``docs/statistics.md``: ``python docs/statistics.py``. ``tests/calibration`` fails while it is stale.

The draws come from seeded simulations of the certificate itself and are the same on every machine; the cost is measured
here and now, and the page says where. No figure on the page has another source.
"""

from __future__ import annotations

import math
import platform
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from droppath_audit.stats.bisection import first_integer
from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, share
from droppath_audit.stats.certificate import Certificate
from droppath_audit.stats.design import binomial_samples_needed, divergence, dkw_samples_needed

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parent / "statistics.md"
ALPHA = share(DEFAULT_BUDGET)
# keep_prob, resolution, decisions a look (one batch of an audit, less where that would be coarse), simulated runs.
CELLS = (
    (0.5, 5e-4, 65_536, 4000),
    (0.9, 5e-4, 65_536, 4000),
    (0.1, 5e-4, 65_536, 4000),
    (0.998, 1e-4, 65_536, 4000),
    (0.002, 1e-4, 65_536, 4000),
    (0.9, 2e-3, 4096, 4000),
    (0.9, 5e-3, 1024, 4000),
)
DTYPES = ("float64", "float32", "float16", "bfloat16")
ROUNDS = 15

INTRODUCTION = """# Statistics in figures

Written by `python docs/statistics.py`: no figure here has another source.

## What a certificate costs

Decisions until a certificate of one keep probability is settled, with false alarms of {alpha:.2g} (the share of one trial
in a budget of {budget:g}) and false passes of {beta:g}. *Correct* code keeps with probability q exactly; *edge* is the side
of q ± δ on which more are needed. Means of {runs:,} simulated runs, the standard error of each below {worst:.1%}; the
certificate is looked at after every batch, and half a batch of each figure is what the looks add.

- **bound**: what no sequential test with these errors can undercut on average (Wald 1945): d(α, 1-β)/KL(q, q±δ) on correct
  code, d(β, 1-α)/KL(q±δ, q) at the edge, with d the divergence of two Bernoulli distributions, and the harder side.
- **fixed**: decisions of an exact binomial test with the same errors, whose number is fixed in advance.
- **DKW**: the same for a test by the inequality of Dvoretzky, Kiefer and Wolfowitz, which knows no variance.
- **time**: of counting and judging until the certificate is settled, over that of the bare layer's own forward passes
  for as many decisions, float32 on CPU; the best of {rounds} interleaved rounds of each.
"""


class Draws(NamedTuple):
    """Mean number of decisions, and its standard error."""

    mean: float
    error: float


def thresholds(certificate: Certificate, decisions: int) -> tuple[int, int, int, int]:
    """Return the counts at which a look settles: fail up to the first, pass from the second to the third, fail from the
    fourth on.

    In the number kept, the e-value falls down to the promise and rises beyond it, and so do the distances from the
    edges: bisection finds each count with a few calls of the certificate's own rule.
    """
    expected = round(decisions * certificate.keep_prob)
    settled = {"fail": certificate._fails, "pass": certificate._passes}

    def last(rule: str, towards: int) -> int:
        """Return how far from the expected count, in one direction, ``rule`` begins (fail) or ends (pass) to hold."""
        reach = expected if towards < 0 else decisions - expected
        holds = settled[rule]

        def beyond(distance: int) -> bool:
            outside = distance > reach
            at = holds(expected + towards * min(distance, reach), decisions)
            return outside or (at if rule == "fail" else not at)

        return 0 if beyond(0) else first_integer(beyond, 1)

    low_pass, high_pass = last("pass", -1), last("pass", 1)
    return (
        expected - last("fail", -1),
        expected - low_pass + 1,
        expected + high_pass - 1,
        expected + last("fail", 1),
    )


def draws(certificate: Certificate, keep_prob: float, look: int, runs: int, seed: int = 0) -> Draws:
    """Simulate ``runs`` targets of this keep probability until the certificate is settled."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    kept, decisions, stopped = np.zeros(runs, dtype=np.int64), 0, []
    while kept.size:
        wanted = min(look, certificate.cap - decisions)
        kept = kept + rng.binomial(wanted, keep_prob, kept.size)
        decisions += wanted
        low, first, last, high = thresholds(certificate, decisions)
        settled = (kept <= low) | ((kept >= first) & (kept <= last)) | (kept >= high) | (decisions >= certificate.cap)
        stopped += [decisions] * int(settled.sum())
        kept = kept[~settled]
    return Draws(float(np.mean(stopped)), float(np.std(stopped)) / math.sqrt(runs))

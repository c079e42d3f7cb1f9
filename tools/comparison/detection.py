"""How often a bias of the keep probability is noticed: exactly for others' rules, by simulation for this suite."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.effort import EFFORTS
from droppath_audit.probes.counting import BATCH
from droppath_audit.stats.budget import DEFAULT_BUDGET, share
from droppath_audit.stats.certificate import SEQUENTIAL_SHARE, Certificate, resolution
from droppath_audit.stats.design import FLOAT32_MISS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

BIASES = tuple(float(bias) for bias in np.geomspace(3e-5, 1e-1, 36))
LARGEST = 0.5
CELL = 0.9  # keep_prob of the cell for which this suite's own curves are drawn
RUNS = 400


def certificate(effort: str, keep_prob: float = CELL) -> Certificate:
    """Return the certificate of DP102 for one cell of an audit at the default budget."""
    return Certificate(keep_prob, resolution(1.0 - keep_prob, EFFORTS[effort].resolution), share(DEFAULT_BUDGET))


class VectorisedCertificate:
    """The rule of ``Certificate``, restated for many counts at once; a test holds it to the original.

    Args:
        rule: The certificate.
    """

    def __init__(self, rule: Certificate) -> None:
        q, delta = rule.keep_prob, rule.resolution
        steps = [sign * delta * 2.0**power for sign in (-1.0, 1.0) for power in range(6)]
        starts = [(q + math.copysign(FLOAT32_MISS, step), step) for step in steps if 0.0 < q + step < 1.0]
        self._alternatives = [_logs(start, step - math.copysign(FLOAT32_MISS, step)) for start, step in starts]
        self._edges = [_logs(q, step) for step in (-delta, delta) if 0.0 < q + step < 1.0]
        self._fail = -math.log(SEQUENTIAL_SHARE * rule.alpha)
        self._pass = -math.log(SEQUENTIAL_SHARE * rule.beta)

    def fails(self, kept: npt.NDArray[np.int64], decisions: int) -> npt.NDArray[np.bool_]:
        """Return where the counts establish that the keep probability is not the promised one."""
        logs = np.stack([kept * k + (decisions - kept) * d for k, d in self._alternatives])
        return np.asarray(np.logaddexp.reduce(logs, axis=0) - math.log(len(logs)) >= self._fail)

    def passes(self, kept: npt.NDArray[np.int64], decisions: int) -> npt.NDArray[np.bool_]:
        """Return where they establish that it lies within the resolution."""
        logs = np.stack([kept * k + (decisions - kept) * d for k, d in self._edges])
        return np.asarray((-logs >= self._pass).all(axis=0))


def _logs(start: float, step: float) -> tuple[float, float]:
    return math.log1p(step / start), math.log1p(-step / (1.0 - start))


def certificate_power(effort: str, bias: float, runs: int = RUNS) -> float:
    """Return the share of simulated runs in which DP102 fails a cell whose keep probability is off by ``bias``.

    Counts are drawn as an audit draws them, a batch of 65 536 at a time, until the certificate is settled or its cap is
    reached. The seed depends on the arguments alone.
    """
    rule = certificate(effort)
    vectorised = VectorisedCertificate(rule)
    rng = np.random.default_rng([zlib.crc32(effort.encode()), zlib.crc32(repr(bias).encode())])
    kept = np.zeros(runs, dtype=np.int64)
    decisions = failed = 0
    keep_prob = min(1.0, max(0.0, rule.keep_prob + bias))
    while len(kept):
        draws = min(BATCH, rule.cap - decisions)
        decisions += draws
        kept = kept + rng.binomial(draws, keep_prob, len(kept))
        if decisions >= rule.cap:
            return (failed + sum(rule.outcome(int(count), decisions) == "fail" for count in kept)) / runs
        fails = vectorised.fails(kept, decisions)
        failed += int(fails.sum())
        kept = kept[~(fails | vectorised.passes(kept, decisions))]
    return failed / runs


def certificate_curves(efforts: Sequence[str]) -> dict[str, dict[int, list[float]]]:
    """Return detection probabilities over ``BIASES`` by effort and by direction, +1 for keeping too often."""
    return {
        effort: {sign: [certificate_power(effort, sign * bias) for bias in BIASES] for sign in (1, -1)}
        for effort in efforts
    }


def bias_seen(power: Callable[[float], float], sign: int, wanted: float = 0.9) -> float | None:
    """Return the smallest bias from which on a rule rejects in ``wanted`` of its runs; None where it never does.

    Args:
        power: Probability of rejecting at a signed bias.
        sign: +1 for keeping too often, -1 for dropping too often.
        wanted: Probability asked for.
    """
    grid = np.geomspace(BIASES[0], LARGEST, 140)
    seen = [power(sign * float(bias)) >= wanted for bias in grid]
    if not seen[-1]:
        return None
    first = len(seen) - seen[::-1].index(False) if False in seen else 0
    if first == 0:
        return float(grid[0])
    low, high = float(grid[first - 1]), float(grid[first])
    for _ in range(20):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if power(sign * middle) >= wanted else (middle, high)
    return high


def bias_of_curve(curve: Sequence[float], wanted: float = 0.9) -> float:
    """Return the bias at which a curve over ``BIASES`` crosses ``wanted`` for good; logarithmic between points."""
    last = max((index for index, power in enumerate(curve) if power < wanted), default=-1)
    if last < 0:
        return BIASES[0]
    share_between = (wanted - curve[last]) / (curve[last + 1] - curve[last])
    return float(BIASES[last] * (BIASES[last + 1] / BIASES[last]) ** share_between)

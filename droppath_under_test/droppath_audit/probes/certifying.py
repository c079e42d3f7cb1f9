"""The certificate of one cell: which one, and what it will cost; and of a cell that is drawn chunk by chunk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Design
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.certificate import Certificate, resolution
from droppath_audit.stats.design import NOTHING, detectable_certificate, detectable_hypergeometric
from droppath_audit.stats.homogeneity import detectable_one_against_rest

if TYPE_CHECKING:
    from droppath_audit.core.trial import Trial

LARGEST_KEEP_PROB = 1.0 - 2.0**-53  # a keep_prob of exactly 1 has no certificate that allows a float32 draw its miss


def certificate_for(cell: Cell, alpha: float, *, coarser: float = 1.0) -> Certificate:
    """Return the certificate for the keep probability at a cell and its effort.

    For a recording, at the resolution that its length affords where that is coarser; its counts then settle it.

    Args:
        cell: Where.
        alpha: Level.
        coarser: How many times the effort's resolution is enough, for what DP102 certifies anyway.
    """
    if cell.per_call:
        finest = coarser * cell.effort.call_resolution
    else:
        finest = coarser * resolution(cell.drop_prob, cell.effort.resolution)
    return Certificate(_keep_prob(cell.drop_prob), max(finest, _affordable(cell, alpha)), alpha)


def _keep_prob(drop_prob: float) -> float:
    """Return 1 - p; where that rounds to 1 and p is not 0, a float32 draw is allowed its miss nevertheless."""
    return 1.0 - drop_prob if drop_prob == 0.0 else min(1.0 - drop_prob, LARGEST_KEEP_PROB)


def _affordable(cell: Cell, alpha: float) -> float:
    """Return the finest resolution that a recording's decisions settle, or those that large samples afford.

    0 for any other target, which can be asked for more.
    """
    decisions = cell.decisions if cell.blocks else cell.affords
    if decisions is None:
        return 0.0
    if cell.drop_prob in (0.0, 1.0):
        return -math.expm1(math.log(BETA) / max(1, decisions))
    return detectable_certificate(decisions, _keep_prob(cell.drop_prob), alpha, BETA)


def certificate_design(cell: Cell, alpha: float, *, coarser: float = 1.0) -> Design:
    """Return what that certificate resolves and the decisions it expects to draw; inf where it can resolve nothing."""
    if _affordable(cell, alpha) >= NOTHING:
        return Design(math.inf, "keep probability", cell.decisions if cell.blocks else cell.affords or 0)
    certificate = certificate_for(cell, alpha, coarser=coarser)
    decisions = cell.decisions if cell.blocks else certificate.expected_decisions()
    return Design(certificate.resolution, "keep probability", decisions)


@dataclass(frozen=True)
class Continued:
    """Stopping of a chunk: its size is reached, or the counts of all chunks together settle the certificate.

    Attributes:
        certificate: The certificate of the cell.
        kept: Decisions kept before this chunk.
        decisions: Decisions before this chunk.
        size: Decisions of this chunk at most.
        apart: Whether its size alone ends it.
    """

    certificate: Certificate
    kept: int
    decisions: int
    size: int
    apart: bool = False

    @property
    def cap(self) -> int:
        """Decisions of this chunk at most; never beyond the number at which the exact test decides."""
        return min(self.size, self.certificate.cap - self.decisions) if self.certificate.capped else self.size

    def settled(self, kept: int, decisions: int) -> bool:
        """Return whether further decisions of this chunk are pointless."""
        if self.apart or decisions >= self.cap:
            return decisions >= self.cap
        return self.certificate.settled(self.kept + kept, self.decisions + decisions)


def chunk_stopping(trial: Trial) -> Continued:
    """Return when a trial that is a chunk of a certificate has drawn enough.

    Raises:
        ValueError: If it is none, or not at a cell.
    """
    chunk, cell = trial.chunk, trial.case
    if chunk is None or not isinstance(cell, Cell):
        raise ValueError(f"{trial.id} is no chunk of a certificate")
    certificate = Certificate(cell.keep_prob, chunk.resolution, trial.alpha, chunk.beta, capped=chunk.capped)
    return Continued(certificate, chunk.kept, chunk.decisions, chunk.size, chunk.apart)


def resolved(discrepancy: float) -> float:
    """Return what a planning twin found, inf where that is nothing."""
    return math.inf if discrepancy >= NOTHING else discrepancy


def group_resolved(decisions: int, rest: int, keep_prob: float, alpha: float) -> float:
    """Return the difference between a recorded group and the rest that one exact test sees, inf where that is nothing.

    The twin in use is an approximation; half of β covers what it lacks for unequal groups (enumerated in
    ``tests/unit/stats/test_recorded_lengths.py``).

    Args:
        decisions: Decisions of the group.
        rest: Decisions of all the others.
        keep_prob: q, inside (0, 1).
        alpha: Level.
    """
    if min(decisions, rest) < 1:
        return math.inf
    pairs = int(4.0 * decisions * rest / (decisions + rest))
    if detectable_hypergeometric(pairs, keep_prob, alpha, BETA / 2.0) >= NOTHING:
        return math.inf
    found = detectable_one_against_rest(decisions, rest, keep_prob, alpha, BETA / 2.0)
    return found if found < max(keep_prob, 1.0 - keep_prob) else math.inf

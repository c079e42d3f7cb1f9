"""The certificate of one cell: which one, and what it will cost; and of a cell that is drawn chunk by chunk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.check import Design
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.certificate import Certificate, resolution
from droppath_audit.stats.design import NOTHING, detectable_certificate

if TYPE_CHECKING:
    from droppath_audit.core.case import Case
    from droppath_audit.core.chunk import Chunk

LARGEST_KEEP_PROB = 1.0 - 2.0**-53  # a keep_prob of exactly 1 has no certificate that allows a float32 draw its miss


def certificate_for(case: Case, alpha: float) -> Certificate:
    """Return the certificate for the keep probability at the case's cell and effort.

    For a recording, at the resolution that its length affords where that is coarser; its counts then settle it.
    """
    if case.drop_prob is None:
        raise ValueError(f"a certificate belongs to one drop_prob; {case.slug} has none")
    if case.dialect.granularity == "batch":
        finest = case.effort.call_resolution
    else:
        finest = resolution(case.drop_prob, case.effort.resolution)
    return Certificate(_keep_prob(case.drop_prob), max(finest, _affordable(case, alpha)), alpha)


def _keep_prob(drop_prob: float) -> float:
    """Return 1 - p; where that rounds to 1 and p is not 0, a float32 draw is allowed its miss nevertheless."""
    return 1.0 - drop_prob if drop_prob == 0.0 else min(1.0 - drop_prob, LARGEST_KEEP_PROB)


def _affordable(case: Case, alpha: float) -> float:
    """Return the finest resolution that a recording's decisions settle; 0 for a target, which can be asked for more."""
    if not case.blocks:
        return 0.0
    if case.drop_prob in (0.0, 1.0):
        return -math.expm1(math.log(BETA) / max(1, case.decisions))
    assert case.drop_prob is not None  # noqa: S101
    return detectable_certificate(case.decisions, _keep_prob(case.drop_prob), alpha, BETA)


def certificate_design(case: Case, alpha: float) -> Design:
    """Return what that certificate resolves and the decisions it expects to draw; inf where it can resolve nothing."""
    if case.blocks and _affordable(case, alpha) >= NOTHING:
        return Design(math.inf, "keep probability", case.decisions)
    certificate = certificate_for(case, alpha)
    decisions = case.decisions if case.blocks else certificate.expected_decisions()
    return Design(certificate.resolution, "keep probability", decisions)


@dataclass(frozen=True)
class Continued:
    """Stopping of a chunk: its size is reached, or the counts of all chunks together settle the certificate.

    Attributes:
        certificate: The certificate of the cell.
        kept: Decisions kept before this chunk.
        decisions: Decisions before this chunk.
        size: Decisions of this chunk at most.
    """

    certificate: Certificate
    kept: int
    decisions: int
    size: int

    @property
    def cap(self) -> int:
        """Decisions of this chunk at most; never beyond the number at which the exact test decides."""
        return min(self.size, self.certificate.cap - self.decisions) if self.certificate.capped else self.size

    def settled(self, kept: int, decisions: int) -> bool:
        """Return whether further decisions of this chunk are pointless."""
        return decisions >= self.cap or self.certificate.settled(self.kept + kept, self.decisions + decisions)


def chunk_stopping(chunk: Chunk) -> Continued:
    """Return when a chunk has drawn enough."""
    assert chunk.case.drop_prob is not None  # noqa: S101 - a cell has one
    certificate = Certificate(
        1.0 - chunk.case.drop_prob, chunk.resolution, chunk.alpha, chunk.beta, capped=chunk.capped
    )
    return Continued(certificate, chunk.kept, chunk.decisions, chunk.size)

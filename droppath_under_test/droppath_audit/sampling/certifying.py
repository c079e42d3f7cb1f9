"""The certificate of one cell: which one, and what it will cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from droppath_audit.core.check import Design
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.certificate import Certificate, resolution
from droppath_audit.stats.design import NOTHING, certificate_detectable

if TYPE_CHECKING:
    from droppath_audit.core.case import Case

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
    return certificate_detectable(case.decisions, _keep_prob(case.drop_prob), alpha, BETA)


def certificate_design(case: Case, alpha: float) -> Design:
    """Return what that certificate resolves and the decisions it expects to draw; inf where it can resolve nothing."""
    if case.blocks and _affordable(case, alpha) >= NOTHING:
        return Design(math.inf, "keep probability", case.decisions)
    certificate = certificate_for(case, alpha)
    decisions = case.decisions if case.blocks else certificate.expected_decisions()
    return Design(certificate.resolution, "keep probability", decisions)

"""The certificate of one cell: which one, and what it will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.check import Design
from droppath_audit.stats.certificate import Certificate, resolution

if TYPE_CHECKING:
    from droppath_audit.core.case import Case


def certificate_for(case: Case, alpha: float) -> Certificate:
    """Return the certificate for the keep probability at the case's cell and effort."""
    if case.drop_prob is None:
        raise ValueError(f"a certificate belongs to one drop_prob; {case.slug} has none")
    if case.dialect.granularity == "batch":
        finest = case.effort.call_resolution
    else:
        finest = resolution(case.drop_prob, case.effort.resolution)
    return Certificate(1.0 - case.drop_prob, finest, alpha)


def certificate_design(case: Case, alpha: float) -> Design:
    """Return what that certificate resolves and the decisions it expects to draw."""
    certificate = certificate_for(case, alpha)
    return Design(certificate.resolution, "keep probability", certificate.expected_decisions())

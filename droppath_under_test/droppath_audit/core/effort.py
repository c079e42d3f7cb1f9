"""Efforts: how small a discrepancy an audit resolves, and how long it may look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

COMPILING_SECONDS = 60.0  # beyond an effort's, for a trial in which code is compiled anew


@dataclass(frozen=True)
class Effort:
    """One level of effort.

    Attributes:
        name: ``quick``, ``standard`` or ``thorough``.
        resolution: Discrepancy of a keep probability that the audit resolves, for decisions per sample or element.
        call_resolution: The same where one call yields one decision (granularity ``batch``).
        seconds: Time after which one trial stops sampling; what it has by then is inconclusive at worst.
        counted: Elements of x that a trial may count decisions on, of a target that takes large samples alone.
        examined: Elements of large samples whose values a trial may look at, one by one.
    """

    name: str
    resolution: float
    call_resolution: float
    seconds: float
    counted: int = 2**27
    examined: int = 2**22

    def pick(self, quick: T, standard: T, thorough: T) -> T:
        """Return the argument that belongs to this effort; a check's own sizes stay in the check's file."""
        return {"quick": quick, "standard": standard, "thorough": thorough}[self.name]


EFFORTS = {
    effort.name: effort
    for effort in (
        Effort("quick", resolution=0.005, call_resolution=0.05, seconds=5.0, counted=2**24, examined=2**20),
        Effort("standard", resolution=0.0005, call_resolution=0.02, seconds=15.0),
        Effort("thorough", resolution=0.0001, call_resolution=0.01, seconds=120.0, counted=2**30, examined=2**25),
    )
}

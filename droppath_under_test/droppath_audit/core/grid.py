"""The standard grid of dtypes and drop probabilities, and the cases on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from droppath_audit.core.case import AnyCase, AspectCase, Case, Cell, DtypeCase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.effort import Effort

DTYPES = ("float64", "float32", "float16", "bfloat16")

# Asymmetric around 1/2, where a swap of keep and drop would be invisible.
DROP_PROBS = (0.0, 0.002, 0.1, 0.3, 0.5, 0.9, 0.998, 1.0)
INTERIOR = DROP_PROBS[1:-1]
WITH_EXTREMES = tuple(sorted((*DROP_PROBS, 1e-7, 0.001, 0.999, 1.0 - 1e-7)))


class Places(Protocol):
    """Where a check runs on one device of a target."""

    def cases(self, device: str, effort: Effort) -> Iterator[AnyCase]:
        """Yield the cases."""


@dataclass(frozen=True)
class Once:
    """One case, which says nothing but the device."""

    def cases(self, device: str, effort: Effort) -> Iterator[Case]:
        """Yield it."""
        yield Case(device, effort=effort)


@dataclass(frozen=True)
class Dtypes:
    """A case for each dtype."""

    dtypes: tuple[str, ...] = DTYPES

    def cases(self, device: str, effort: Effort) -> Iterator[DtypeCase]:
        """Yield them."""
        return (DtypeCase(device, dtype, effort=effort) for dtype in self.dtypes)


@dataclass(frozen=True)
class Cells:
    """A case for each dtype and drop_prob."""

    drop_probs: tuple[float, ...] = DROP_PROBS
    dtypes: tuple[str, ...] = DTYPES

    def cases(self, device: str, effort: Effort) -> Iterator[Cell]:
        """Yield them."""
        return (Cell(device, dtype, p, effort=effort) for dtype in self.dtypes for p in self.drop_probs)


@dataclass(frozen=True)
class InVariants:
    """A case in float32 for each of several ways to run the target, and none where it runs as it is written.

    Attributes:
        variants: Names of the ways.
    """

    variants: tuple[str, ...]

    def cases(self, device: str, effort: Effort) -> Iterator[DtypeCase]:
        """Yield them."""
        return (DtypeCase(device, "float32", variant=variant, effort=effort) for variant in self.variants)


@dataclass(frozen=True)
class Aspects:
    """A case for each of several things that are asked."""

    names: tuple[str, ...]

    def cases(self, device: str, effort: Effort) -> Iterator[AspectCase]:
        """Yield them."""
        return (AspectCase(device, aspect=name, effort=effort) for name in self.names)


@dataclass(frozen=True)
class Joined:
    """The cases of several places, in their order."""

    parts: tuple[Places, ...]

    def cases(self, device: str, effort: Effort) -> Iterator[AnyCase]:
        """Yield them."""
        return (case for part in self.parts for case in part.cases(device, effort))

"""Case: the point of the matrix at which a check runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.core.dialect import CANONICAL, Dialect
from droppath_audit.core.effort import EFFORTS, Effort

if TYPE_CHECKING:
    from droppath_audit.core.recording import BlockFacts

EAGER = "eager"


@dataclass(frozen=True)
class Case:
    """Where, and on what, a check runs.

    Attributes:
        device: Device name, such as ``cpu`` or ``cuda:0``.
        dtype: Name of the dtype of x, or None where the check itself walks over dtypes.
        drop_prob: The drop probability p, or None where the check fixes it or walks over several.
        variant: How the target is executed; ``eager`` is the default and then absent from ids.
        dialect: What the target declares.
        effort: How small a discrepancy is looked for.
        blocks: What a recording holds for this case; empty for a target that is run.
    """

    device: str = "cpu"
    dtype: str | None = None
    drop_prob: float | None = None
    variant: str = EAGER
    dialect: Dialect = CANONICAL
    effort: Effort = EFFORTS["standard"]
    blocks: tuple[BlockFacts, ...] = ()

    @property
    def decisions(self) -> int:
        """Mask decisions that a recording holds for this case."""
        return sum(block.decisions for block in self.blocks)

    @property
    def slug(self) -> str:
        """The case as it stands in a trial's id, such as ``cpu-bfloat16-p0.1``."""
        parts = [self.device]
        if self.dtype is not None:
            parts.append(self.dtype)
        if self.drop_prob is not None:
            parts.append(f"p{_shortest(self.drop_prob)}")
        if self.variant != EAGER:
            parts.append(self.variant)
        return "-".join(parts)

    def describe(self) -> str:
        """Return the case for a reader, such as ``cpu, bfloat16, drop_prob 0.1``."""
        parts = [self.device]
        if self.dtype is not None:
            parts.append(self.dtype)
        if self.drop_prob is not None:
            parts.append(f"drop_prob {_shortest(self.drop_prob)}")
        if self.variant != EAGER:
            parts.append(self.variant)
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return device, dtype, drop_prob and variant; dialect and effort belong to the whole report."""
        return {
            "device": self.device,
            "dtype": self.dtype,
            "drop_prob": self.drop_prob,
            "variant": self.variant,
        }


def _shortest(number: float) -> str:
    """Return the shortest usual text that reads back as this number."""
    return min((text for text in (f"{number:g}", repr(number)) if float(text) == number), key=len)

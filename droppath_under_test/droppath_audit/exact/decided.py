"""What chosen numbers showed of the draws that decide."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Decided:
    """What chosen numbers showed.

    Attributes:
        draw: The call that decides, in words; empty where there is none.
        why_not: Why chosen numbers say nothing of the law here; empty where they do.
        silent: Whether nothing was drawn at all.
        low: The keep probability is not below this, where it is known.
        high: And not above this.
        together: Two samples (elements, where these are decided alone) that one number decides.
        opposed: Whether it decides them in opposite ways.
        stuck: A decision that no number changes, where others follow theirs.
        again: The end of the draw at which, where all numbers are, the call draws again, though one at the other end
            prevents that, whichever it is; None where there is none.
        highest: The highest number of the draw.
        witness: A number in [0, 1) that decides wrongly, where there is one.
        wanted: Whether it should keep.
        upward: Whether the decision that it makes is kept by large numbers; None where all numbers are to decide alike.
        coarse: Whether the draw has so few numbers that several states round to each.
    """

    draw: str = ""
    why_not: str = ""
    silent: bool = False
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(1)
    together: tuple[int, ...] = ()
    opposed: bool = False
    stuck: int | None = None
    again: float | None = None
    highest: float = 1.0
    witness: float | None = None
    wanted: bool = False
    upward: bool | None = None
    coarse: bool = False

    @property
    def known(self) -> bool:
        """Whether it says between which numbers the keep probability lies."""
        return not self.why_not and not self.dependent

    @property
    def dependent(self) -> bool:
        """Whether not every decision follows a number of its own."""
        return bool(self.together) or self.stuck is not None or self.again is not None

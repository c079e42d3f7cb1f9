"""The exact law of one mask decision, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

NO_DRAW = "in this thread the target draws nothing from the generators of"  # and the framework's name


@dataclass(frozen=True)
class MaskLaw:
    """What enumeration of the generator found out about a cell, in fractions of its equally likely states.

    Attributes:
        draw: The call that decides, such as ``rand in bfloat16``.
        generator: Whose model applies, such as ``MT19937, 24 bits``.
        unit: What one random number decides: a ``sample``, an ``element``, or a whole ``call``.
        whole: Whether every value was fed; otherwise thresholds were bisected.
        states: Number of equally likely states.
        keep_prob: Probability that the output is not zero.
        mean: Mean output for x = 1, the rounding of the scale included.
        kept_values: What a legitimately kept x = 1 becomes, ascending.
        others: Outputs that are neither 0 nor legitimately kept, each with its states; at most eight, the rarest left
            out.
        other_states: States of all such outputs.
        other_values: Number of such outputs.
        numbers_per_sample: Random numbers consumed for each sample.
    """

    draw: str
    generator: str
    unit: str
    whole: bool
    states: int
    keep_prob: Fraction
    mean: Fraction
    kept_values: tuple[float, ...]
    others: tuple[tuple[float, int], ...]
    other_states: int
    other_values: int
    numbers_per_sample: Fraction

    @property
    def other_share(self) -> Fraction:
        """Share of the states whose output is neither 0 nor legitimately kept."""
        return Fraction(self.other_states, self.states)

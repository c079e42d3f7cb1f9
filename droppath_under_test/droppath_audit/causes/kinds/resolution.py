"""The deciding numbers have too few digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import DIGITS
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story

FIX = "Draw in float32 or wider whatever x is, or with bernoulli_ of a Python number."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that draws in half precision, or rounds to it what was drawn, before it decides."""
    for call in story.interior():
        for operation in call.operations:
            made = operation.returned[0] if operation.returned else None
            if made is None or made.dtype not in DIGITS or not made.draws or made.of_x:
                continue
            if operation.random and "bernoulli" not in operation.name:
                return Found(operation.spot, _said(f"{operation.name} draws in {made.dtype}", made.dtype), FIX)
            # A number that it was given is compared as such, whatever the tensor is that is filled.
            told = operation.given and not operation.numbers
            if operation.random and told and operation.given[-1].dtype in DIGITS:
                return Found(operation.spot, f"the probability of {operation.name} is rounded to {made.dtype}", FIX)
            wide = [one for one in operation.given if one.draws and one.dtype in ("float32", "float64")]
            if wide and not operation.random and _rounds(operation.factors):
                return Found(operation.spot, _said(f"what was drawn is rounded to {made.dtype}", made.dtype), FIX)
    return None


def _said(what: str, dtype: str) -> str:
    return f"{what}, in which {2 ** DIGITS[dtype]:,} numbers stand for all from 0 to 1: most rates are rounded"


def _rounds(factors: tuple[float, float] | None) -> bool:
    """Return whether what is converted are numbers: decisions come out as they are."""
    return factors not in (None, (1.0, 1.0))

"""Kept samples are not multiplied by what was promised."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import NUMBER, close, coarse, first_seen, meeting
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Call, Operation, Story

ALL_BUT_ONE = 1.0 - 1e-6  # a rate above which a factory looks at what a block makes of a dropped branch
ROUNDING = {"bfloat16": 2.0**-7, "float16": 2.0**-10}
AS_IT_IS = re.compile(
    r"\ba factor of 1(?![.\d])|\bcame back as it is\b|wrong gradient, such as (\S+) for a cotangent of \1(?![.\d])"
)
FIX = "Divide what is kept by keep_prob, once, as a number in double precision."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that multiplies by another factor, or at which x meets the mask where none is multiplied by."""
    made = [call for call in story.calls if call.constructs]
    for call in story.plain():
        p = call.drop_prob
        within = call.block_drop_prob or 0.0
        if 0.0 < within < ALL_BUT_ONE and call.training is not False and AS_IT_IS.search(asked.message):
            # What else a block computes multiplies as well, so no line of it tells.
            return Found(call.spot, f"what is kept is never multiplied by {1.0 / (1.0 - within):.6g}", FIX)
        evaluates = asked.scaling == "eval" and call.training is False
        if p is None or not (call.interior or evaluates) or not 0.0 < p < 1.0:
            continue
        if not asked.mask and call.x is not None and call.returned is not None and call.returned.shape != call.x.shape:
            continue  # of what is another tensor no factor is known
        keep_prob = 1.0 - p
        wanted = {"inverted": 1.0 / keep_prob, "none": 1.0}.get(asked.scaling, keep_prob if evaluates else 1.0)
        tolerance = 4 * ROUNDING.get(call.x.dtype if call.x is not None else "", 2.0**-22)
        multiplying = [one for one in call.operations if one.factors is not None and _multiplies(one)]
        measured = [(one, one.factors) for one in _of_one_sample(multiplying, call) if one.factors is not None]
        # What x is multiplied by holds what the mask was multiplied by before.
        factors = [(one, by) for one, by in measured if one.of_x] or measured
        at = meeting(call)
        if at is not None and at.factors is None:
            continue  # all samples are dropped, or nobody looked
        uneven = next((one for one, (low, high) in factors if high - low > tolerance * abs(high)), None)
        if uneven is not None and any(coarse(one) for one in call.operations):
            continue  # a sum of few digits makes masks of 2 where it is rounded up
        if uneven is not None:
            return _found(uneven, call, made, wanted, "multiplies kept samples by different factors")
        total = prod(high for _, (_, high) in factors)
        if abs(total / wanted - 1.0) <= 2 * tolerance:
            continue
        scaled = [(one, high) for one, (_, high) in measured if abs(high - 1.0) > tolerance]
        for one, factor in scaled:
            if abs(factor / wanted - 1.0) > tolerance:
                return _found(one, call, made, wanted, f"multiplies by {factor:.6g}, where {wanted:.6g} was promised")
        if len(scaled) > 1:
            return _found(scaled[1][0], call, made, wanted, "multiplies once more")
        # By a tensor, too, x is divided for this alone.
        last = next((one for one, _ in reversed(factors) if one.numbers or one.name.rstrip("_") == "div"), None)
        if not scaled and last is not None:
            return _found(last, call, made, wanted, f"multiplies by 1, where {wanted:.6g} was promised")
        if not scaled and at is not None:
            return Found(at.spot, f"x meets the mask, and is never multiplied by {wanted:.6g}", FIX)
        if not measured and AS_IT_IS.search(asked.message):
            # A condition decides, and no mask: of the function it is known that nothing in it multiplies.
            return Found(call.spot, f"what is kept is never multiplied by {wanted:.6g}", FIX)
    return None


def _of_one_sample(operations: list[Operation], call: Call) -> list[Operation]:
    """Return the operations that one sample meets: where x comes in parts, each line does its work for every part."""
    batch = call.x.shape[:1] if call.x is not None else ()
    if all(one.shape[:1] == batch for operation in operations for one in operation.given if one.of_x):
        return operations
    return list({(operation.spot, operation.name): operation for operation in operations}.values())


def _multiplies(operation: Operation) -> bool:
    return operation.name.rstrip("_") in ("mul", "div", "where", "masked_fill", "true_divide", "multiply", "reciprocal",
                                          "pow", "addcmul", "native_dropout")  # fmt: skip


def _found(operation: Operation, call: Call, made: list[Call], wanted: float, what: str) -> Found:
    used = [*operation.numbers, *(one.number for one in operation.given if one.number is not None)]
    odd = [number for number in used if not close(number, wanted) and not close(number, 1.0 / wanted)]
    number = first_seen(call, made, odd[0]) if odd else None
    spot = operation.spot if number is None else number.spot
    return Found(spot, f"{operation.name} {what}", FIX, mistake=NUMBER if number is not None else "")

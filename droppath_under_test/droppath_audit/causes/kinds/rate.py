"""The rate that decides is another than what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import NUMBER, close, first_seen
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Operation, Story

COMPARING = ("lt", "le", "gt", "ge", "add", "sub", "rsub", "add_", "sub_", "lt_", "ge_", "gt_", "le_")
FIX = "Compare with keep_prob = 1 - drop_prob itself, as it was asked for."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line at which the number first appears with which what was drawn is compared."""
    made = [call for call in story.calls if call.constructs]
    for call in story.plain():
        p = call.drop_prob if call.drop_prob is not None else call.block_drop_prob
        if p is None or call.training is False:
            continue
        for operation in call.operations:
            for used in _thresholds(operation):
                right = close(used, p) or close(used, 1.0 - p)
                if right or (used in (0.0, 0.5, 1.0) and 0.0 < p < 1.0 and _rounds(operation)):
                    continue
                number = first_seen(call, made, used)
                spot = operation.spot if number is None else number.spot
                name = f"{number.name} = " if number is not None and number.name else ""
                return Found(
                    spot,
                    f"{operation.name} decides by {used:.6g}, where drop_prob = {p:.6g} was asked for: "
                    f"{name}{used if number is None else number.value:.6g} here",
                    FIX,
                    mistake=NUMBER if number is not None else "",
                )
    return None


def _rounds(operation: Operation) -> bool:
    return operation.name.rstrip("_") in ("add", "sub", "rsub")


def _thresholds(operation: Operation) -> list[float]:
    """Return the numbers with which an operation decides."""
    if operation.random:
        if "bernoulli" not in operation.name and "dropout" not in operation.name:
            return []
        given = operation.given[operation.name.endswith("_") :]  # what is drawn into holds no rate
        held = [one.number for one in given if one.number is not None]
        return [*(number for number in operation.numbers if 0.0 <= number <= 1.0), *held][:1]
    if operation.name not in COMPARING or not operation.draws or operation.of_x:
        return []
    numbers = [*operation.numbers, *(one.number for one in operation.given if one.number is not None)]
    return numbers[:1]

"""NaN, or an infinity, arises where there was none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Call, Operation, Story

ALONE = "Give keep_prob = 0 a case of its own, and select dropped samples with torch.where."
SELECT = "Select dropped samples with torch.where: what is infinite or NaN does not become zero by a product."


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that divides by zero, or makes NaN of what is none, or infinities of finite numbers."""
    found = (_in(call) for call in story.calls if not call.constructs)
    return next((one for one in found if one is not None), None)


def _in(call: Call) -> Found | None:
    computed = [one for one in call.operations if one.returned and not one.random and "empty" not in one.name]
    # Where x itself is not finite, what was made of it is so, too.
    finite = call.x is None or call.x.finite is not False
    infinite = [one for one in computed if finite and _infinite(one)]
    divided = next((one for one in infinite if _divides(one) and _by_zero(one)), None)
    if divided is not None:
        zeros = {tensor.key for tensor in divided.given if tensor.number == 0.0}
        zero = next((one for one in computed if one.returned[0].key in zeros and one.spot != divided.spot), None)
        if zero is not None:
            return Found(zero.spot, f"{zero.name} makes 0 here, by which x is divided later", ALONE)
        return _found(divided, "infinities here, by dividing by zero")
    returned = call.returned
    nan = next((one for one in computed if one.returned[0].nans > _most_nans(one)), None)
    if nan is not None and (returned is None or returned.nans):
        return _found(nan, "NaN here, and was given none")
    dropped = call.drop_prob == 1.0 and call.training is not False
    first = next((one for one in computed if one.of_x), None)
    if dropped and returned is not None and returned.nans and first is not None:
        return _found(first, "NaN here of NaN, where all is to be dropped")
    if infinite and returned is not None and returned.finite is False:
        return _found(infinite[0], "infinities here, of finite numbers")
    return None


def _infinite(operation: Operation) -> bool:
    """Return whether what an operation returned is not finite, and all of it that came from elsewhere was."""
    alone = not operation.of_x and not operation.draws
    return operation.returned[0].finite is False and (alone or all(one.finite is not False for one in operation.given))


def _most_nans(operation: Operation) -> int:
    return max((tensor.nans for tensor in operation.given), default=0)


def _divides(operation: Operation) -> bool:
    return "div" in operation.name or "reciprocal" in operation.name


def _by_zero(operation: Operation) -> bool:
    return 0.0 in operation.numbers or any(one.number == 0.0 for one in operation.given)


def _found(operation: Operation, what: str) -> Found:
    fix = ALONE if _divides(operation) else SELECT
    return Found(operation.spot, f"{operation.name} makes {what}", fix)

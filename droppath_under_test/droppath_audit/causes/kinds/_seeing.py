"""What several kinds ask of a story."""

from __future__ import annotations

import linecache
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from droppath_audit.causes.story import Call, Foreign, Number, Operation, Spot

_CONDITION = re.compile(r"(el)?if\b|while\b|match\b|case\b")
NUMBER = "number"
"""The mistake of a line at which a wrong number first appears."""
CLOSE = 1e-6
"""How near two rates are that single precision may round to each other."""


def drawing(calls: Iterable[Call]) -> Iterator[tuple[Call, Operation]]:
    """Yield the operations that ask a generator, with the call in which each does.

    Where a call makes layers and draws beside that, what their constructors draw are weights.
    """
    for call in calls:
        drawn = [operation for operation in call.operations if operation.random]
        beside = [] if call.constructs else [one for one in drawn if not any(map(_constructs, one.stack))]
        yield from ((call, operation) for operation in beside or drawn)


def _constructs(spot: Spot) -> bool:
    return spot.function.rpartition(".")[2] == "__init__"


DIGITS = {"bfloat16": 8, "float16": 11, "uint8": 8, "int8": 7, "float8_e4m3fn": 4, "float8_e5m2": 3}
"""Binary digits of dtypes in which too few numbers stand for those from 0 to 1."""


def coarse(operation: Operation) -> bool:
    """Return whether an operation draws in such a dtype."""
    return operation.random and any(made.dtype in DIGITS for made in operation.returned)


OWNERS = ("numpy.random", "random.Random", "random.SystemRandom", "posix", "nt", "time", "_hashlib", "secrets")
NAMES = {
    "urandom", "getrandom", "time", "time_ns", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns",
    "token_bytes", "randbits", "randbelow",
}  # fmt: skip


def asks_another(foreign: Foreign) -> bool:
    """Return whether a function asks a generator, or a clock, that the framework does not seed."""
    if foreign.owner.startswith("numpy.random") or foreign.owner in ("random.Random", "random.SystemRandom", "random"):
        return foreign.name not in ("getstate", "get_state", "setstate", "set_state", "seed")
    return foreign.name in NAMES and foreign.owner in OWNERS


def close(one: float, other: float) -> bool:
    """Return whether two rates are the same, up to the rounding of single precision."""
    return abs(one - other) <= CLOSE


def first_seen(call: Call, made: Iterable[Call], value: float) -> Number | None:
    """Return where a number that is used in a call comes from; None where it appears nowhere.

    That is the attribute that holds it, where the layer was made with it, or else the first line of the call at which
    it appears, or what it lacks of 1, or a number of which either is the reciprocal.
    """
    for one in made:
        for number in one.numbers:
            if number.name.startswith("self.") and close(number.value, value):
                return number
    numbers = [number for one in (call, *made) for number in one.numbers]
    kin = [value, 1.0 - value, *([1.0 / value, 1.0 - 1.0 / value] if value else [])]
    return next((one for one in numbers if any(close(one.value, other) for other in kin)), None)


def meeting(call: Call) -> Operation | None:
    """Return the first operation in which x meets what was drawn."""
    for operation in call.operations:
        of_x = any(seen.of_x for seen in operation.given)
        drawn = any(seen.draws and not seen.of_x for seen in operation.given)
        if of_x and drawn and not operation.random and operation.returned:
            return operation
    return None


def condition(call: Call) -> Spot | None:
    """Return the condition that led to the line that returned, or that line where none stands just before it."""
    led = (spot for spot in call.last[1:] if _CONDITION.match(source(spot)))
    return next(led, call.last[0]) if call.last else None


def source(spot: Spot) -> str:
    """Return the text of a line, without the blanks around it."""
    return linecache.getline(spot.file, spot.line).strip()

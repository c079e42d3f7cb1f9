"""The SPEC of a model: what builds it, with what it is called, and what was asked of its rates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.targets.spec import items_apart, parse
from droppath_audit.targets.table import completed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.targets.spec import Spec

RULES = ("linear", "ends-early", "paper", "constant", "stagewise", "none")
"""Rules of rates that can be declared; ``none`` promises no rule."""
ITEMS = ("input", "schedule", "max", "layer")
_FACTORY = re.compile(r"(.+\.py|[\w.]+):[\w.]+")
_SHAPE = re.compile(r"B(,[0-9]{1,9})+")


@dataclass(frozen=True)
class ModelSpec:
    """A parsed SPEC of a model.

    Attributes:
        text: As it was given, with every item.
        target: What builds the model, with the arguments that it is given.
        shape: Features of an input, without the batch; None where nobody said.
        factory: What makes inputs, as ``FILE.py:function`` or ``module:function``; empty where nothing does.
        schedule: The rule that the rates are to follow; empty where none was declared.
        largest: The largest drop_prob that was asked for; None where nobody said.
        layer: Names of modules, or of their classes, that drop paths beside those that are found.
    """

    text: str
    target: Spec
    shape: tuple[int, ...] | None = None
    factory: str = ""
    schedule: str = ""
    largest: float | None = None
    layer: str = ""


def with_items(text: str, **items: str | None) -> str:
    """Return a SPEC with further items; those that are None are left out."""
    said = (f"{key}={quote(value, safe=':,./()|[]*+^$')}" for key, value in items.items() if value is not None)
    return completed(text, said)


def items(
    schedule: str = "", largest: float | None = None, layer: str = "", shape: Sequence[int] | None = None
) -> dict[str, str | None]:
    """Return what is asked of a model as items; None for what nobody asks."""
    return {
        "input": None if shape is None else ",".join(["B", *map(str, shape)]),
        "schedule": schedule or None,
        "max": None if largest is None else repr(largest),
        "layer": layer or None,
    }


def parse_model(text: str) -> ModelSpec:
    """Parse the SPEC of a model.

    Raises:
        UsageError: If it is none, or an item has no such value.
    """
    rest, own = items_apart(text, ITEMS)
    parsed = parse(rest)
    if parsed.is_recording:
        raise UsageError(f"{parsed.module} is a recording, and no model is built by it.")
    shape, factory = _input(own.get("input", ""))
    return ModelSpec(
        text.strip(), parsed, shape, factory, rule_named(own.get("schedule", "")), _largest(own.get("max")), _layer(own)
    )


def _input(value: str) -> tuple[tuple[int, ...] | None, str]:
    if not value:
        return None, ""
    if _SHAPE.fullmatch(value):
        return tuple(int(size) for size in value.split(",")[1:]), ""
    if _FACTORY.fullmatch(value):
        return None, value
    raise UsageError(
        f"input={value} is not understood; write B for the batch, then sizes (input=B,3,32,32), or what makes inputs: "
        "FILE.py:function, which is given the size of a batch and returns the model's arguments."
    )


def rule_named(value: str) -> str:
    """Return the name of a rule; empty where none is named.

    Raises:
        UsageError: If there is no such rule.
    """
    if value and value not in RULES:
        raise UsageError(f"There is no schedule {value!r}; schedules are {', '.join(RULES)}." + nearest(value, RULES))
    return value


def _largest(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        found = float(value)
    except ValueError:
        found = -1.0
    if not 0.0 <= found <= 1.0:
        raise UsageError(f"max={value} is no drop probability; it is a number from 0 to 1.")
    return found


def _layer(own: dict[str, str]) -> str:
    try:
        re.compile(own.get("layer", ""))
    except re.error as error:
        raise UsageError(f"layer={own['layer']} is no regular expression: {error}.") from None
    return own.get("layer", "")

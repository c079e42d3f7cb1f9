"""Which operations of torch ask a generator, by their tags and by what they are given."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODES = ("train", "training")  # in evaluation what has one draws nothing
RATES = ("dropout_p", "dropout")  # at a rate of 0 neither attention nor a recurrent layer does


def draws(op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call of an operation asks a generator.

    Those that may are tagged; of these, attention and the like draw only where they drop something.

    Args:
        op: The operation, as a dispatch mode is given it.
        args: Its arguments by position.
        kwargs: Those by name.
    """
    if not is_tagged(op):
        return False
    given = named(op, args, kwargs)
    idle = any(given.get(name) is False for name in MODES)
    return not (idle or any(given.get(name) == 0.0 for name in RATES if isinstance(given.get(name), (int, float))))


@cache
def is_tagged(op: Any) -> bool:
    """Return whether an operation may ask a generator."""
    return torch.Tag.nondeterministic_seeded in op.tags


def named(op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by their names, defaults included."""
    parameters = op._schema.arguments
    defaults = {one.name: one.default_value for one in parameters if one.has_default_value()}
    return {**defaults, **dict(zip((one.name for one in parameters), args, strict=False)), **kwargs}

"""What a call returns: the tensor in it that is audited, and the tensors beside that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.output import NUMBER, is_number

if TYPE_CHECKING:
    from droppath_audit.frameworks.base import Framework, Tensor


def tensors_in(output: Any, kind: type) -> list[tuple[int | str, Any]]:
    """Return the tensors of a tuple, list or mapping, or of an object's attributes, each with where it is.

    Args:
        output: What a call returned.
        kind: The type of a tensor.

    Returns:
        Pairs of what ``output=`` says and the tensor, in order; none of a tensor itself.
    """
    if isinstance(output, kind):
        return []
    if isinstance(output, Mapping):
        held: list[tuple[int | str, Any]] = [(key, value) for key, value in output.items() if isinstance(key, str)]
    elif isinstance(output, (tuple, list)):
        held = list(enumerate(output))
    else:
        held = [(f".{name}", value) for name, value in getattr(output, "__dict__", {}).items()]
    return [(where, value) for where, value in held if isinstance(value, kind)]


def chosen(output: Any, where: int | str | None, x: Tensor, framework: Framework) -> Any:
    """Return the tensor that is audited.

    Args:
        output: What a call returned.
        where: What ``output=`` says: an index or a key, ``.NAME`` for an attribute, ``mask`` for a mask by which x is
            to be multiplied; ``NUMBER`` where a number stands for a tensor full of it; None where the output is the
            tensor.
        x: What the target was given.
        framework: Operations on it.
    """
    if where is None:
        return output
    if where == NUMBER:
        return _full(float(output), x, framework) if is_number(output) else output
    if where == "mask":
        return framework.multiply(x, output)
    if isinstance(where, str) and where.startswith("."):
        return getattr(output, where[1:])
    return output[where]


def _full(number: float, x: Tensor, framework: Framework) -> Tensor:
    """Return a tensor like x, full of a number: what a sum with it sees."""
    if number == 0.0:
        return framework.zeros_like(x)
    info = framework.info(x)
    return framework.tensor(np.full(info.shape, number), info.dtype, info.device)

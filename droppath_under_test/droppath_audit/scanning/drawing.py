"""Calls that draw random numbers, and what one decision of each covers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from droppath_audit.scanning.extents import ELEMENT, ONE, UNKNOWN
from droppath_audit.scanning.meetings import INPUT, LAW, SUBSET
from droppath_audit.scanning.reading import last, root_of
from droppath_audit.targets import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from droppath_audit.scanning.extents import Extents
    from droppath_audit.scanning.meetings import Tags
    from droppath_audit.scanning.reading import Source

MOST_OF_A_LAW = 2  # arguments of ``bernoulli`` that is given no shape


class DrawingCalls:
    """Tells calls that draw, in one function.

    Args:
        source: Its file.
        extents: Reads shapes in it.
        values: What its names are made of.
        own: What it calls its object; empty for a function.
        tags: Returns what an expression is made of.
    """

    def __init__(
        self, source: Source, extents: Extents, values: Mapping[str, Tags], own: str, tags: Callable[[ast.expr], Tags]
    ) -> None:
        self._source, self._extents, self._values, self._own, self._tags = source, extents, values, own, tags

    def kind(self, node: ast.Call, held: Tags) -> str:
        """Return what a decision of a call covers; empty where it draws nothing.

        Args:
            node: The call.
            held: What the object is made of, of which a method is called.
        """
        name = last(node.func)
        receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
        if receiver is not None and "init" in ast.unparse(receiver).split("."):
            return ""
        of_tensor = receiver is not None and not self._is_module(receiver)
        if name in ("rand", "random_sample"):
            return self._extents.of_call(node, _keys(node))
        if name == "random" and self._source.dotted(node.func) in ("random.random", "numpy.random.random"):
            return self._extents.of_call(node)
        if name == "rand_like" and node.args:
            return self._of_tensor(node.args[0])
        plain = name.rstrip("_")
        if plain in ("bernoulli", "uniform") and of_tensor and receiver is not None:
            return self._of_tensor(receiver)
        if plain == "bernoulli":
            return self._of_law(node)
        if plain == "uniform" and (receiver is not None or name in self._source.origins):
            return self._extents.of_call(node, 2 if len(node.args) > 2 else _keys(node))  # low, high
        if plain == "binomial":
            return self._extents.of_call(node, 2)
        if name in ("randperm", "permutation"):
            return SUBSET
        return self._extents.of_call(node) if name in ("sample", "rsample") and LAW in held else ""

    def _is_module(self, receiver: ast.expr) -> bool:
        """Return whether a receiver is a module, such as ``torch`` or ``np.random``, and not a tensor."""
        root = root_of(receiver)
        return bool(root) and root != self._own and root not in self._values and not isinstance(receiver, ast.Call)

    def _of_law(self, node: ast.Call) -> str:
        """Return what a decision of ``bernoulli`` covers: it takes probabilities, or a key, one of them and a shape."""
        skip = _keys(node)
        if skip or len(node.args) > MOST_OF_A_LAW:
            return self._extents.of_call(node, skip + 1)
        if not node.args:
            return UNKNOWN
        first = node.args[0]
        found = self._of_tensor(first)
        scalar = isinstance(first, (ast.Name, ast.Attribute, ast.BinOp)) and INPUT not in self._tags(first)
        return ONE if found == UNKNOWN and scalar else found

    def _of_tensor(self, node: ast.expr) -> str:
        found = self._extents.of_tensor(node)
        return ELEMENT if found == UNKNOWN and isinstance(node, ast.Name) and INPUT in self._tags(node) else found


def _keys(node: ast.Call) -> int:
    """Return how many arguments come before the shape: a random key, where a function takes one."""
    first = node.args[0] if node.args else None
    return int(first is not None and bool(set(words.words(last(first))) & {"key", "rng", "seed"}))

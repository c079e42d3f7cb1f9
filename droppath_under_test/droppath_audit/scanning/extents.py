"""How many axes of a drawn tensor are longer than one, as its shape is written: what one decision covers."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.scanning.reading import last

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ONE, SAMPLE, SHARED, ELEMENT, UNKNOWN = "one", "sample", "shared", "element", "unknown"
DEPTH = 5  # names that stand for names
# What makes a tensor of a shape: its arguments are sizes, or one of them is the shape.
MAKERS = {
    "rand", "random_sample", "zeros", "ones", "empty", "full", "new_zeros", "new_ones", "new_empty", "new_full", "new",
    "Tensor", "FloatTensor", "expand", "view", "reshape", "tile", "repeat",
}  # fmt: skip
ALIKE = {"rand_like", "zeros_like", "ones_like", "empty_like", "full_like"}
SEQUENCES = {"tuple", "list", "Size", "TensorShape", "as_list"}
COUNTS = {"size", "len", "int", "max", "amax", "item", "numel", "sum"}
SHAPES = ("size", "shape")  # keywords of what draws


@dataclass(frozen=True)
class Extent:
    """Axes of a shape.

    Attributes:
        long: How many may be longer than one.
        ones: How many are one.
        whole: Whether it is the shape of another tensor, from which some may have been set to one.
    """

    long: int = 0
    ones: int = 0
    whole: bool = False

    def __add__(self, other: Extent) -> Extent:
        return Extent(self.long + other.long, self.ones + other.ones, self.whole or other.whole)

    @property
    def kind(self) -> str:
        """What one decision covers: all of the batch (``one``), a sample, what shared axes leave, an element."""
        if self.whole or self.long > 1:
            return SHARED if self.ones else ELEMENT
        return SAMPLE if self.long else ONE


class Extents:
    """Reads shapes in one function.

    Args:
        made: Expressions that were assigned to each name, in order.
        shortened: Names of shapes of which an axis was set to one.
    """

    def __init__(self, made: Mapping[str, Sequence[ast.expr]], shortened: set[str]) -> None:
        self._made, self._shortened = made, shortened

    def of_call(self, call: ast.Call, skip: int = 0) -> str:
        """Return what a decision covers where a call is given the shape, after so many other arguments."""
        given = [keyword.value for keyword in call.keywords if keyword.arg in SHAPES]
        arguments = given or call.args[skip:]
        if not arguments:
            return ONE
        found = self._shape(arguments, 0)
        return UNKNOWN if found is None else found.kind

    def of_tensor(self, node: ast.expr) -> str:
        """Return what a decision covers where one is made for each element of a tensor."""
        found = self._tensor(node, 0)
        return UNKNOWN if found is None else found.kind

    def _shape(self, arguments: Sequence[ast.expr], depth: int) -> Extent | None:
        if len(arguments) == 1:
            return self._sequence(arguments[0], depth)
        total = Extent()
        for argument in arguments:
            total += self._entry(argument, depth)
        return total

    def _entry(self, node: ast.expr, depth: int) -> Extent:
        """Return the extent of one entry of a shape."""
        if isinstance(node, ast.Starred):
            return self._sequence(node.value, depth) or Extent(long=1)
        if isinstance(node, ast.Constant):
            return Extent(ones=1) if node.value == 1 else Extent(long=1)
        return Extent(long=1)

    def _sequence(self, node: ast.expr, depth: int) -> Extent | None:
        """Return the extent of a shape, or of a single size; None where nothing is known."""
        if depth > DEPTH:
            return None
        if isinstance(node, (ast.Tuple, ast.List)):
            total = Extent()
            for element in node.elts:
                total += self._entry(element, depth)
            return total
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._sequence(node.left, depth + 1), self._sequence(node.right, depth + 1)
            known = [side for side in (left, right) if side is not None]
            is_shape = any(
                isinstance(part, (ast.Tuple, ast.List)) or (isinstance(part, ast.expr) and self._is_shape(part))
                for part in ast.walk(node)
            )
            return sum(known, Extent()) if is_shape and known else Extent(long=1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            lists = [side for side in (node.left, node.right) if isinstance(side, (ast.Tuple, ast.List))]
            return self._sequence(lists[0], depth + 1) if lists else Extent(long=1)
        if isinstance(node, ast.Subscript) and self._is_shape(node.value):
            return self._part(node)
        if self._is_shape(node):
            return Extent(long=2, whole=True)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            return self._entry(node.elt, depth)
        if isinstance(node, ast.Call) and last(node.func) in SEQUENCES and node.args:
            return self._sequence(node.args[0], depth + 1)
        if isinstance(node, ast.Name):
            return self._named(node, depth)
        if isinstance(node, ast.Constant):
            return Extent(ones=1) if node.value == 1 else Extent(long=1)
        if isinstance(node, ast.Call):
            return Extent(long=1) if last(node.func) in COUNTS else None
        return Extent(long=1) if isinstance(node, (ast.Subscript, ast.Attribute)) else None

    def _named(self, node: ast.Name, depth: int) -> Extent | None:
        found = [self._sequence(made, depth + 1) for made in self._made.get(node.id, ())]
        known = [extent for extent in found if extent is not None]
        if not known:
            return (
                None
                if any(word in node.id.lower() for word in ("shape", "size")) and "batch" not in node.id
                else Extent(long=1)
            )
        best = max(known, key=lambda extent: extent.ones)
        return best + Extent(ones=1) if node.id in self._shortened else best

    def _is_shape(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr == "shape"
        if isinstance(node, ast.Call):
            return last(node.func) in ("size", "shape", "get_shape") and len(node.args) <= (
                0 if last(node.func) == "size" else 1
            )
        return isinstance(node, ast.Name) and any(self._is_shape(made) for made in self._made.get(node.id, ()))

    def _part(self, node: ast.Subscript) -> Extent:
        """Return the extent of an entry or a slice of another tensor's shape."""
        if not isinstance(node.slice, ast.Slice):
            return Extent(long=1)
        first, last = node.slice.lower, node.slice.upper
        if first is None and isinstance(last, ast.Constant) and last.value == 1:
            return Extent(long=1)
        return Extent(long=2)

    def _tensor(self, node: ast.expr, depth: int) -> Extent | None:
        if depth > DEPTH:
            return None
        if isinstance(node, ast.Name):
            found = [self._tensor(made, depth + 1) for made in self._made.get(node.id, ())]
            known = [extent for extent in found if extent is not None]
            return max(known, key=lambda extent: extent.ones) if known else None
        if isinstance(node, ast.Subscript):
            return self._indexed(node, depth)
        if isinstance(node, ast.IfExp):
            found = [self._tensor(side, depth + 1) for side in (node.body, node.orelse)]
            known = [extent for extent in found if extent is not None]
            return max(known, key=lambda extent: extent.ones) if known else None
        if isinstance(node, ast.Call):
            name = last(node.func)
            if name in MAKERS:
                shape = node.args[:1] if name in ("full", "new_full") else node.args
                shape = [keyword.value for keyword in node.keywords if keyword.arg in SHAPES] or shape
                return self._shape(shape, depth + 1) if shape else Extent()
            if name in ALIKE and node.args:
                return self._tensor(node.args[0], depth + 1) or Extent(long=2, whole=True)
            if name in ("tensor", "to_tensor"):
                return Extent()
            if isinstance(node.func, ast.Attribute):
                return self._tensor(node.func.value, depth + 1)
        return None

    def _indexed(self, node: ast.Subscript, depth: int) -> Extent | None:
        if not isinstance(node.slice, (ast.Tuple, ast.Slice)):
            return self._tensor(node.value, depth + 1)
        long = ones = 0
        for part in node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]:
            if isinstance(part, ast.Slice):
                narrow = isinstance(part.upper, ast.Constant) and part.upper.value == 1
                long, ones = long + (not narrow), ones + narrow
            elif isinstance(part, ast.Constant) and part.value is None:
                ones += 1
        return Extent(long, ones)

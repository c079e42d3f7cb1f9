"""What is computed from the outputs of sites: where each is added first, and to what.

Every operation of a forward pass is seen below autograd, with the storages that it reads and writes. A *value* is what
a storage holds between two writes; it descends from the values that it was computed from. A branch begins at a value of
the trunk, and ends where what it computed is added to that value, its ancestor, or to what else was computed from that:
a shortcut may have a projection of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from droppath_audit.frameworks.networks import Joining, Merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.core.cause import Place
    from droppath_audit.frameworks.torch.passages import Told

ADDING = {"add", "add_", "sub", "sub_", "rsub", "addcmul", "addcmul_", "lerp", "lerp_", "cat", "stack", "index_add",
          "index_add_", "_foreach_add", "scatter_add", "where"}  # fmt: skip
"""Operations in which one operand goes on whatever becomes of the other; the last of them choose between two."""
JOINING = {"cat", "stack"}
"""Of them those that put operands side by side: what was computed from an output is no longer that output there."""
SCALING = {"mul", "mul_", "div", "div_", "view", "_unsafe_view", "reshape", "permute", "transpose", "clone", "_to_copy",
           "contiguous", "expand", "native_dropout", "squeeze", "unsqueeze", "alias", "detach", "neg"}  # fmt: skip
"""Operations after which an output of zeros is one still, and is still the same branch's."""


@dataclass
class _Open:
    """The output of a site on its way.

    Attributes:
        key: Of the passage.
        place: The line that called the site.
        given: The site's input, as a bit.
        ancestors: Values that the site's input was computed from, itself included, as bits.
        output: The site's output as it was returned; None where it added by itself.
        descendants: Values computed from the output, itself included, as bits.
        near: Those of them that are the output, scaled or arranged otherwise.
        ended: What became of it, once that is known.
    """

    key: str
    place: Place
    given: int
    ancestors: int
    output: torch.Tensor | None
    descendants: int
    near: int = 0
    ended: Joining | None = None


class Joinings(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows one forward pass.

    Args:
        inputs: Tensors that the model is given; what descends from them are activations.
    """

    def __init__(self, inputs: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._held: list[torch.Tensor] = list(inputs)  # so that no storage is used again
        self._value: dict[int, int] = {}  # of a storage, as the number of a bit
        self._ancestors: list[int] = []  # of a value, itself included; none of what is no activation
        self._opens: list[_Open] = []
        for one in inputs:
            self._write(one, ())
            self._ancestors[-1] = 1 << (len(self._ancestors) - 1)

    def ancestors(self, tensor: torch.Tensor | None) -> int:
        """Return the values that a tensor's was computed from, itself included, as bits."""
        number = None if tensor is None else self._value.get(_storage(tensor))
        return 0 if number is None else self._ancestors[number]

    def value(self, tensor: torch.Tensor | None) -> int:
        """Return the value of a tensor as a bit; 0 where nobody has seen it computed."""
        return 0 if tensor is None else self._bit(tensor)

    def passed(self, key: str, place: Place, told: Told, output: torch.Tensor, *, added: bool) -> None:
        """Note the call of a site.

        Args:
            key: Of the passage.
            place: The line that called it.
            told: What it was given.
            output: What it returned.
            added: Whether it adds to its shortcut by itself.
        """
        ancestors = told.ancestors
        for one in self._opens:
            if one.ended is None and not added and told.value & one.near:
                one.ended = Joining(one.key, one.place, "twice", key)
        opened = _Open(key, place, told.value, ancestors, output, 0)
        if added:
            right = told.shortcut is None or bool(self._bit(told.shortcut) & ancestors)
            opened.ended = Joining(key, place, "shortcut" if right else "trunk")
        elif self._bit(output) & ancestors:
            return  # it returned what it was given
        opened.descendants = opened.near = self._bit(output)
        self._opens.append(opened)

    def found(self) -> tuple[Joining, ...]:
        """Return what became of every output, once the pass is over."""
        return tuple(one.ended or Joining(one.key, one.place, "alone") for one in self._opens)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and note what it reads and writes."""
        kwargs = kwargs or {}
        read = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        name = func._schema.name.partition("::")[2]
        waiting = self._merging(read, beside=name in JOINING) if name in ADDING else []
        # Before the sum, which may overwrite either of its operands.
        sums = [(one, merged, other.clone(), _gone(one, other)) for one, merged, other in waiting]
        before = [self._bit(one) for one in read]
        result = func(*args, **kwargs)
        written = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        mutable = func._schema.is_mutable
        for one in written:
            storage = _storage(one)
            if mutable or storage not in self._value or storage not in {_storage(other) for other in read}:
                self._write(one, before, scaled=name in SCALING)
        for opened, merged, other, gone in sums:
            opened.ended = Joining(opened.key, opened.place, merged, returned=_returned(gone, written, other))
        return result

    def _merging(self, read: Sequence[torch.Tensor], *, beside: bool) -> list[tuple[_Open, Merged, torch.Tensor]]:
        """Return the outputs that an addition ends, how, and the other operand."""
        found: list[tuple[_Open, Merged, torch.Tensor]] = []
        for opened in self._opens:
            if opened.ended is not None:
                continue
            mine = [one for one in read if self.ancestors(one) & opened.descendants]
            others = [one for one in read if not self.ancestors(one) & opened.descendants]
            shortcut = next((one for one in others if self._goes_past(opened, one)), None)
            if beside and not any(self._bit(one) & opened.near for one in mine):
                continue
            if mine and shortcut is not None:
                found.append((opened, "shortcut", shortcut))
            elif len({self._bit(one) for one in mine}) > 1:
                found.append((opened, "alone", mine[0]))
        return found

    def _goes_past(self, opened: _Open, other: torch.Tensor) -> bool:
        """Return whether an operand is what a branch began with, or was computed from that beside the branch.

        What was computed from the values that the site may drop is the branch, and the site stands on the shortcut.
        """
        if self._bit(other) & opened.ancestors:
            return True
        beside = self.ancestors(other)
        alike = opened.output is not None and opened.output.numel() == other.numel()
        return alike and bool(beside & opened.ancestors) and not beside & opened.given

    def _write(self, tensor: torch.Tensor, before: Sequence[int], *, scaled: bool = False) -> None:
        """Note that a storage holds a new value, computed from what was read."""
        number, found = len(self._ancestors), 0
        for bit in before:
            if bit:
                found |= self._ancestors[bit.bit_length() - 1]
        self._held.append(tensor)
        self._value[_storage(tensor)] = number
        self._ancestors.append(found | (1 << number) if found else 0)
        for opened in self._opens:
            if found & opened.descendants:
                opened.descendants |= 1 << number
            if scaled and any(bit & opened.near for bit in before):
                opened.near |= 1 << number

    def _bit(self, tensor: torch.Tensor) -> int:
        """Return the value of a tensor as a bit; 0 where nobody has seen it computed."""
        number = self._value.get(_storage(tensor))
        return 0 if number is None else 1 << number


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _gone(opened: _Open, other: torch.Tensor) -> torch.Tensor | None:
    """Return which samples of an output were dropped whole; None where they are not those of what it is added to."""
    output = opened.output
    if output is None or not output.ndim or output.shape[:1] != other.shape[:1]:
        return None
    return (output.reshape(len(output), -1) == 0).all(1)


def _returned(gone: torch.Tensor | None, written: Sequence[torch.Tensor], other: torch.Tensor) -> bool | None:
    """Return whether the sum is the other operand for those samples that were dropped whole; None where none was."""
    if gone is None or not written or written[0].shape != other.shape or not bool(gone.any()):
        return None
    return bool((written[0][gone] == other[gone]).all())

"""Blocks of torch modules."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from droppath_audit.frameworks.blocks import Blocks
from droppath_audit.frameworks.torch import block_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class TorchBlocks(Blocks):
    """Factories of layers that drop as a whole module does."""

    def block_imports(self) -> tuple[str, ...]:
        """Return the lines that a factory begins with."""
        return ("import functools", "import math", "import random", "", "import torch")

    def block_source(self) -> str:
        """Return the source of ``block_factor``, below its imports."""
        text = inspect.getsource(block_factor)
        return text[text.index("NEARLY = ") :]

    def block_names(self) -> Mapping[str, Any]:
        """Return what ``block_factor`` defines."""
        return vars(block_factor)

    def own_parts(self, block: Any) -> tuple[str, ...]:
        """Return the names of the modules inside whose classes come from elsewhere than torch."""
        return tuple(name for name, part in block.named_modules() if name and _is_own(part))

    def shape_keeping_parts(self, block: Any, call: Callable[[], Any]) -> Mapping[str, tuple[None, ...]]:
        """Return those of torch's classes of which every call returned a tensor as large as the first it was given."""
        seen: dict[str, set[int]] = {}  # how many things stand beside it; -1 where the shape is another
        held = [
            part.register_forward_hook(_noting(seen.setdefault(name, set())), with_kwargs=True)
            for name, part in block.named_children()
            if next(part.parameters(), None) is not None
            and "norm" not in type(part).__name__.lower()
            and not any(map(_is_own, part.modules()))
        ]
        try:
            call()
        finally:
            for handle in held:
                handle.remove()
        beside = {name: found.pop() for name, found in seen.items() if len(found) == 1}
        return {name: (None,) * count for name, count in beside.items() if count >= 0}

    def block_dtypes(self) -> tuple[str, ...]:
        """Return float64, and float32 for a block that computes in no other."""
        return ("torch.float64", "torch.float32")

    def given_beside(self, size: int) -> tuple[str, ...]:
        """Return what may be a mask, an embedding, a map, a memory, or a time."""
        return ("None", f"z.new_zeros(len(z), {size})", "torch.zeros_like(z)", "z.new_zeros(len(z))")


def _is_own(part: Any) -> bool:
    """Return whether a module's class is not torch's."""
    return type(part).__module__.partition(".")[0] != "torch"


def _noting(seen: set[int]) -> Callable[..., None]:
    """Return a hook that notes how many things stand beside a tensor as large as the first that a part was given."""

    def note(_: Any, given: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        first = next(iter((*given, *named.values())), None)
        parts = output if isinstance(output, tuple) and output else (output,)
        shapes = [one.shape for one in (first, parts[0]) if isinstance(one, torch.Tensor)]
        seen.add(len(parts) - 1 if len(shapes) == 2 and shapes[0] == shapes[1] else -1)

    return note

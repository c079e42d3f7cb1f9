"""Blocks of torch modules."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.blocks import Blocks
from droppath_audit.frameworks.torch import block_factor

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        inside = ((name, type(part).__module__.partition(".")[0]) for name, part in block.named_modules() if name)
        return tuple(name for name, package in inside if package != "torch")

    def block_dtypes(self) -> tuple[str, ...]:
        """Return float64, and float32 for a block that computes in no other."""
        return ("torch.float64", "torch.float32")

    def given_beside(self, size: int) -> tuple[str, ...]:
        """Return what may be a mask, an embedding, a map, a memory, or a time."""
        return ("None", f"z.new_zeros(len(z), {size})", "torch.zeros_like(z)", "z.new_zeros(len(z))")

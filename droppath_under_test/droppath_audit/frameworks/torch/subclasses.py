"""Subclasses of torch's tensors."""

from __future__ import annotations

from typing import Any

import torch

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.manners import Subclasses

ASKED = ("shape", "dtype", "device", "requires_grad")
"""Attributes that others than the target ask for as well."""


class Own(torch.Tensor):
    """A tensor of a class of its own, which counts the operations that see it."""

    operations = 0

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count, and do what every subclass does."""
        Own.operations += getattr(getattr(func, "__self__", None), "__name__", "") not in ASKED
        return super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]

    def as_subclass(self, cls: Any) -> Any:
        """Count, which torch does not let a function of the class do, and return another view."""
        Own.operations += 1
        return super().as_subclass(cls)


class TorchSubclasses(Subclasses):
    """What is given in the place of plain tensors."""

    def own(self, x: torch.Tensor) -> torch.Tensor:
        """Return a view of another class."""
        if type(x) is not torch.Tensor:
            raise NotApplicable(f"tensors there are of the class {type(x).__name__} already")
        found = x.as_subclass(Own)
        Own.operations = 0
        return found

    def noticed(self, x: torch.Tensor) -> bool:
        """Return whether any operation was counted since."""
        return Own.operations > 0

    def alike(self, x: torch.Tensor, y: torch.Tensor) -> bool:
        """Compare the types."""
        return type(x) is type(y)

"""Transforms of functions: ``torch.func``."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.manners import Transforms
from droppath_audit.frameworks.theirs import first_line, theirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REFUSED = ("RuntimeError", "NotImplementedError")
"""As what torch refuses an operation in a transform."""


class TorchTransforms(Transforms):
    """What ``torch.func`` does with calls."""

    def mapped(self, call: Callable[[Any], Any], x: torch.Tensor) -> torch.Tensor:
        """Map over the first axis, with different randomness."""
        with _refusing("vmap"):
            return torch.func.vmap(call, randomness="different")(x)  # type: ignore[no-any-return]

    def with_gradient(
        self, call: Callable[[Any], Any], x: torch.Tensor, cotangent: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Differentiate the weighed sum of the output."""

        def weighed(branch: torch.Tensor) -> Any:
            output = call(branch)
            return (output * cotangent).sum(), output

        with _refusing("grad"):
            gradient, output = torch.func.grad(weighed, has_aux=True)(x)
        return output, gradient

    def with_tangent(
        self, call: Callable[[Any], Any], x: torch.Tensor, tangent: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Push a tangent through."""
        with _refusing("jvp"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch scripts its own decompositions at first
            found = torch.func.jvp(call, (x,), (tangent,))
        return found[0], found[1]

    def functional(self, layer: Any, x: torch.Tensor) -> torch.Tensor:
        """Call the module with its own parameters and buffers."""
        held = {**dict(layer.named_parameters()), **dict(layer.named_buffers())}
        with _refusing("functional_call"), theirs():
            return torch.func.functional_call(layer, held, (x,))  # type: ignore[no-any-return]


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Raise NotApplicable for what torch refuses inside."""
    try:
        yield
    except TargetRaised as error:
        if error.kind in REFUSED:
            raise NotApplicable(f"torch refuses {what} of it: {error.text.partition('. ')[0]}") from error
        raise
    except RuntimeError as error:  # of the call's own operations: the branch that the audit hands over
        raise NotApplicable(f"torch refuses {what} of the call: {first_line(error).partition('. ')[0]}") from error

"""Gradients of torch layers, once, twice, and with activation checkpointing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.capabilities import (
    Autograd,
    Checkpointing,
    Gradient,
    SecondDerivatives,
    SecondOrder,
)
from droppath_audit.frameworks.manners import RetainedGraphs
from droppath_audit.frameworks.theirs import first_line, reraise, theirs
from droppath_audit.frameworks.torch import devices
from droppath_audit.frameworks.torch.generators import TorchGenerators

if TYPE_CHECKING:
    from droppath_audit.frameworks.target import Layer


NO_SECOND = "does not currently support double backward"
UNREACHED = "the graph does not reach x"
REENTRANT = (
    "torch.utils.checkpoint is incompatible with .grad()"  # so says torch of what checkpoints itself, re-entrantly
)


class TorchAutograd(TorchGenerators, Autograd, SecondOrder, Checkpointing, RetainedGraphs):
    """Forward and backward passes."""

    checkpoints = ("use_reentrant=True", "use_reentrant=False")

    def gradient(self, layer: Layer, x: torch.Tensor, cotangent: torch.Tensor) -> Gradient:
        """Run forward and backward; x is not a leaf, as inside a network."""
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            output = layer(leaf.clone(), training=True)
            if not isinstance(output, torch.Tensor) or not output.requires_grad:
                return Gradient(output, None, "the output does not require a gradient")
            if _reentrant(output):
                return _accumulated(output, cotangent, leaf)
            with theirs():
                gradients: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
                    *_weighed(output, cotangent, leaf), allow_unused=True
                )
        return Gradient(output.detach(), gradients[0], "" if gradients[0] is not None else UNREACHED)

    def backward_twice(
        self, layer: Layer, x: torch.Tensor, cotangent: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Run forward once and backward twice, with ``retain_graph=True``."""
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            output = layer(leaf.clone(), training=True)
            if not isinstance(output, torch.Tensor) or not output.requires_grad or _reentrant(output):
                return None
            weighed = _weighed(output, cotangent, leaf)
            found: list[torch.Tensor | None] = []
            for _ in range(2):
                with theirs():
                    found += torch.autograd.grad(*weighed, retain_graph=True, allow_unused=True)
                found[-1] = None if found[-1] is None else found[-1].clone()  # which a second pass may write to
        first, second = found
        return None if first is None or second is None else (first, second)

    def tracked(self, x: torch.Tensor) -> bool:
        """Return whether a gradient of x is asked for."""
        return x.requires_grad

    def tracking(self, x: torch.Tensor) -> torch.Tensor:
        """Return x inside of a graph."""
        return x.detach().requires_grad_().clone()

    def gradcheck(self, layer: Layer, x: torch.Tensor, seed: int) -> str:
        """Run torch's gradcheck with the mask of ``seed``."""
        from torch.autograd.gradcheck import GradcheckError

        def replayed(leaf: torch.Tensor) -> Any:
            self.seed(seed)
            return layer(leaf.clone(), training=True)

        try:
            with torch.enable_grad():
                torch.autograd.gradcheck(replayed, (x.detach().clone().requires_grad_(),))
        except GradcheckError as error:
            return first_line(error)
        except (KeyboardInterrupt, TargetRaised):
            raise
        except BaseException as error:
            if REENTRANT in str(error):
                raise NotApplicable(f"torch has no gradcheck of this: {first_line(error)}") from error
            reraise(error)
        return ""

    def second_order(
        self, layer: Layer, x: torch.Tensor, cotangent: torch.Tensor, direction: torch.Tensor
    ) -> SecondDerivatives:
        """Differentiate the gradient of ``layer`` once more."""
        with torch.enable_grad():
            leaf, weight = (tensor.detach().clone().requires_grad_() for tensor in (x, cotangent))
            output = layer(leaf.clone(), training=True)
            if not isinstance(output, torch.Tensor) or not output.requires_grad:
                return SecondDerivatives(output, None, None, "the output does not require a gradient")
            try:
                with theirs():
                    # Neither is a leaf, as inside a network: writing to a gradient in place is allowed there.
                    gradients: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
                        *_weighed(output, weight.clone(), leaf), create_graph=True, allow_unused=True
                    )
            except TargetRaised as error:
                if REENTRANT in error.text:
                    raise NotApplicable(f"torch has no second derivative of this: {error.text}") from error
                raise
            first = gradients[0]
            if first is None:
                return SecondDerivatives(output.detach(), None, None, UNREACHED)
            if not first.requires_grad:
                return SecondDerivatives(output.detach(), None, None, "the gradient is not part of a graph")
            try:
                with theirs():
                    by_x, by_cotangent = torch.autograd.grad(
                        *_weighed(first, direction, leaf, weight), allow_unused=True
                    )
            except TargetRaised as error:
                if NO_SECOND in error.text:  # so says torch of whatever was compiled
                    raise NotApplicable(f"torch has no second derivative of compiled code: {error.text}") from error
                raise
        return SecondDerivatives(output.detach(), by_x, by_cotangent, "")

    def checkpointed(self, layer: Layer, x: torch.Tensor, cotangent: torch.Tensor, how: str) -> Gradient:
        """Run forward, forget, recompute and run backward.

        Raises:
            NotApplicable: If torch does not restore the generator of x's device for the recomputation.
        """
        if not devices.kept_by_checkpoints(x.device):
            raise NotApplicable(f"torch's checkpointing does not restore the generator of {x.device.type}")
        from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

        # Undecorated: the decorator imports the compiler, which takes a second, to say that it is not to be used.
        bare = getattr(checkpoint, "__wrapped__", checkpoint)
        taken = self._keys.taken

        def run(branch: torch.Tensor) -> Any:
            self._keys.taken = taken  # a recomputation is given the keys of the first run, as its arguments are kept
            return layer(branch, training=True)

        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            # To the end: what stops a recomputation early is an exception, raised inside the target.
            with theirs(), set_checkpoint_early_stop(False):
                output = bare(run, leaf.clone(), use_reentrant=how.endswith("True"))
            if not isinstance(output, torch.Tensor) or not output.requires_grad:
                return Gradient(output, None, "the output does not require a gradient")
            return _accumulated(output, cotangent, leaf)


def _accumulated(output: torch.Tensor, cotangent: torch.Tensor, leaf: torch.Tensor) -> Gradient:
    """Return what a backward pass leaves in a leaf: re-entrant checkpointing refuses ``torch.autograd.grad``."""
    with theirs():
        output.backward(cotangent)  # type: ignore[no-untyped-call]
    return Gradient(output.detach(), leaf.grad, "" if leaf.grad is not None else UNREACHED)


def _reentrant(output: torch.Tensor) -> bool:
    """Return whether a part of the graph is computed anew by re-entrant checkpointing."""
    nodes, seen = [output.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        if node.name() == "CheckpointFunctionBackward":
            return True
        seen.add(node)
        nodes += [before for before, _ in node.next_functions]
    return False


def _weighed(
    output: torch.Tensor, cotangent: torch.Tensor, *leaves: torch.Tensor
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], torch.Tensor | None]:
    """Return what to differentiate, by what, and the gradient to begin with, so that ``output`` receives a cotangent.

    Torch imports SymPy to look at the shape of a gradient that it is given, a third of a second in every process. A
    scalar needs none; what a hook returns takes the place of its gradient, as it is.
    """
    if (output.shape, output.dtype) != (cotangent.shape, cotangent.dtype):
        return output, leaves, cotangent  # which torch refuses in its own words
    output.register_hook(lambda _: cotangent)  # type: ignore[no-untyped-call]
    return (output.real if output.is_complex() else output).sum(), leaves, None

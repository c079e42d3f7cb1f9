"""Gradients of paddle layers, once, twice, and with activation checkpointing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import paddle

from droppath_audit.frameworks.base import Framework
from droppath_audit.frameworks.capabilities import (
    Autograd,
    Checkpointing,
    Gradient,
    SecondDerivatives,
    SecondOrder,
)
from droppath_audit.frameworks.theirs import theirs

if TYPE_CHECKING:
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer

STEP = 1e-6  # of finite differences in float64
AGREEMENT = 1e-3  # relative, of gradients with finite differences of that step
UNREACHED = "the graph does not reach x"


class PaddleAutograd(Framework, Autograd, SecondOrder, Checkpointing):
    """Forward and backward passes."""

    checkpoints = ("use_reentrant=True", "use_reentrant=False")

    def gradient(self, layer: Layer, x: Tensor, cotangent: Tensor) -> Gradient:
        """Run forward and backward; x is not a leaf, as inside a network."""
        with paddle.enable_grad():
            leaf = x.detach().clone()
            leaf.stop_gradient = False
            output = layer(leaf.clone(), training=True)
            if not isinstance(output, paddle.Tensor) or output.stop_gradient:
                return Gradient(output, None, "the output does not require a gradient")
            with theirs():
                (gradient,) = paddle.grad([output], [leaf], [cotangent], allow_unused=True)
        if gradient is None:
            return Gradient(output.detach(), None, UNREACHED)
        return Gradient(output.detach(), gradient, "")

    def tracked(self, x: Tensor) -> bool:
        """Return whether a gradient of x is asked for."""
        return not x.stop_gradient

    def tracking(self, x: Tensor) -> Tensor:
        """Return x inside of a graph."""
        leaf = x.detach()
        leaf.stop_gradient = False
        return leaf.clone()

    def gradcheck(self, layer: Layer, x: Tensor, seed: int) -> str:
        """Compare the gradient with central differences, element by element, with the mask of ``seed``.

        Paddle has no gradcheck. The sum of the output is differentiated, so that one backward pass gives all.
        """
        values = self.numpy(x)
        self.seed(seed)
        found = self.gradient(layer, x, self.ones(values.shape, "float64", "cpu").to(x.place))
        if found.gradient is None:
            return found.reason
        gradient, device = self.numpy(found.gradient).reshape(-1), self.info(x).device
        for index in range(values.size):
            total = []
            for step in (STEP, -STEP):
                moved = values.copy()
                moved.flat[index] += step
                self.seed(seed)
                total.append(float(self.numpy(layer(self.tensor(moved, "float64", device), training=True)).sum()))
            difference = (total[0] - total[1]) / (2.0 * STEP)
            if not abs(gradient[index] - difference) <= AGREEMENT * (1.0 + abs(difference)):
                return f"element {index} has the gradient {gradient[index]:.6g}, its finite difference {difference:.6g}"
        return ""

    def second_order(self, layer: Layer, x: Tensor, cotangent: Tensor, direction: Tensor) -> SecondDerivatives:
        """Differentiate the gradient of ``layer`` once more."""
        with paddle.enable_grad():
            leaf, weight = (tensor.detach().clone() for tensor in (x, cotangent))
            leaf.stop_gradient = weight.stop_gradient = False
            output = layer(leaf.clone(), training=True)
            if not isinstance(output, paddle.Tensor) or output.stop_gradient:
                return SecondDerivatives(output, None, None, "the output does not require a gradient")
            with theirs():
                (first,) = paddle.grad([output], [leaf], [weight], create_graph=True, allow_unused=True)
            if first is None or first.stop_gradient:
                reason = UNREACHED if first is None else "the gradient is not part of a graph"
                return SecondDerivatives(output.detach(), None, None, reason)
            with theirs():
                by_x, by_cotangent = paddle.grad([first], [leaf, weight], [direction], allow_unused=True)
        return SecondDerivatives(output.detach(), by_x, by_cotangent, "")

    def checkpointed(self, layer: Layer, x: Tensor, cotangent: Tensor, how: str) -> Gradient:
        """Run forward, forget, recompute and run backward."""
        recompute = import_module("paddle.distributed.fleet.utils").recompute
        with paddle.enable_grad():
            leaf = x.detach().clone()
            leaf.stop_gradient = False
            with theirs():
                output = recompute(
                    lambda branch: layer(branch, training=True), leaf.clone(), use_reentrant=how.endswith("True")
                )
            if not isinstance(output, paddle.Tensor) or output.stop_gradient:
                return Gradient(output, None, "the output does not require a gradient")
            with theirs():
                output.backward(cotangent)
        return Gradient(output.detach(), leaf.grad, "" if leaf.grad is not None else UNREACHED)

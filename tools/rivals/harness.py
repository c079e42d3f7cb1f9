"""A target as a rule sees it: batches in, NumPy arrays out, and what the declared dialect makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Autograd, Layouts, ask

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.capabilities import Gradient
    from droppath_audit.frameworks.target import Layer, Target


class Harness:
    """One target under one rule.

    Args:
        target: The target.
        seed: Seed of the random inputs.
    """

    def __init__(self, target: Target, seed: int) -> None:
        self.target = target
        self.framework = target.framework
        self.dialect = target.dialect
        self.seed = seed
        self.rng = np.random.default_rng(seed)

    @property
    def refuses_zero(self) -> bool:
        """Whether the target declares to refuse keep_prob = 0."""
        return self.dialect.keep_prob_zero == "raises"

    def layer(self, drop_prob: float) -> Layer:
        """Return a fresh layer."""
        return self.target.make(drop_prob)

    def ones(self, *shape: int, dtype: str = "float32") -> Tensor:
        """Return a tensor of ones."""
        return self.framework.ones(shape, dtype, "cpu")

    def tensor(self, values: npt.NDArray[Any], dtype: str = "float32") -> Tensor:
        """Return a contiguous tensor of these values."""
        return self.framework.tensor(values, dtype, "cpu")

    def laid_out(self, values: npt.NDArray[Any], layout: str) -> Tensor:
        """Return a float32 tensor of these values with strides as ``Layouts.layouts`` names them."""
        return ask(self.framework, Layouts).laid_out(values, "float32", "cpu", layout)

    def gradient(self, layer: Layer, x: Tensor) -> Gradient:
        """Run the layer on x in training, and the backward pass with x as the cotangent."""
        return ask(self.framework, Autograd).gradient(layer, x, x)

    def values(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Return the values as float64."""
        return self.framework.numpy(tensor)

    def trained(self, layer: Layer, x: Tensor) -> npt.NDArray[Any]:
        """Return what the layer makes of x in training."""
        return self.values(layer(x, training=True))

    def evaluated(self, layer: Layer, x: Tensor) -> npt.NDArray[Any] | None:
        """Return what it makes of x in evaluation; None for a target without that mode."""
        try:
            return self.values(layer(x, training=False))
        except NotApplicable:
            return None

    def text(self, layer: Layer) -> str | None:
        """Return the layer's repr; None for a function, which has none of its own."""
        try:
            return layer.text()
        except NotApplicable:
            return None

    def scale(self, drop_prob: float) -> float:
        """Return the factor of a kept sample in training, as the dialect declares it."""
        return 1.0 / (1.0 - drop_prob) if self.dialect.scaling == "inverted" else 1.0

    def evaluation_scale(self, drop_prob: float) -> float:
        """Return the factor in evaluation, as the dialect declares it."""
        return 1.0 - drop_prob if self.dialect.scaling == "eval" else 1.0

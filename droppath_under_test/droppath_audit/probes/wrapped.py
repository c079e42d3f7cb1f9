"""Layers that are called otherwise than a check asks: in evaluation, or once more after each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer


class _Wrapped:
    """All of a layer but its call."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)


class Evaluated(_Wrapped):
    """A layer that is called in evaluation, whatever mode is asked for."""

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return the output in evaluation."""
        return self._layer(x, training=False)


class OfTheShortcut(_Wrapped):
    """A layer of residual form that is called with its input as the shortcut, and a branch of zeros.

    Args:
        layer: The layer.
        zeros: The output of the branch.
    """

    def __init__(self, layer: Layer, zeros: Tensor) -> None:
        super().__init__(layer)
        self._zeros = zeros

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return the shortcut, to which nothing is added."""
        return self._layer.with_shortcut(self._zeros, x, training=training)


class CalledBetween(_Wrapped):
    """A layer that is called again after each call, while the backward pass is yet to come.

    Args:
        layer: The layer.
        evaluated: Whether those calls are in evaluation, as in a validation; otherwise their mode is that of the first.
        times: How many there are: gradients are accumulated over some.
    """

    def __init__(self, layer: Layer, *, evaluated: bool = False, times: int = 1) -> None:
        super().__init__(layer)
        self._evaluated, self._times = evaluated, times

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return the output of the first call."""
        y = self._layer(x, training=training)
        for _ in range(self._times):
            self._layer(x, training=training and not self._evaluated)
        return y


class ChangedBetween(_Wrapped):
    """A layer whose drop_prob is another once it was called, while the backward pass is yet to come.

    Args:
        layer: The layer.
        drop_prob: What it is given.
    """

    def __init__(self, layer: Layer, drop_prob: float) -> None:
        super().__init__(layer)
        self._drop_prob = drop_prob

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return the output of a call before the change."""
        y = self._layer(x, training=training)
        self._layer.set_drop_prob(self._drop_prob)
        return y

"""Layers that are called in evaluation where a check asks for training, or once more in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from droppath_audit.core.target import Layer, Tensor


class Evaluated:
    """A layer that is called in evaluation, whatever mode is asked for."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:  # noqa: ARG002
        """Return the output in evaluation."""
        return self._layer(x, training=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)


class EvaluatedBetween:
    """A layer that is called once more, in evaluation, after each call: validation before the backward pass."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return the output of the first call."""
        y = self._layer(x, training=training)
        self._layer(x, training=False)
        return y

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

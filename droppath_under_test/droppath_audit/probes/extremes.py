"""Training calls on numbers so large, or so far from numbers, that arithmetic on them may go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from droppath_audit.frameworks.base import Layer, Target

    Floats = npt.NDArray[np.float64]


def added(target: Target, layer: Layer, values: Floats, dtype: str, device: str) -> tuple[Floats, float]:
    """Run one training call and return its output with what a dropped element must be in it.

    Args:
        target: The target.
        layer: An instance of it.
        values: Branch output, numbers of ``dtype``, of shape (B, *features).
        dtype: Dtype of x.
        device: Device of x.

    Returns:
        The output, of the shape of ``values``, and 0; in residual forms, whose shortcut is all ones, the sum and 1.
    """
    framework = target.framework
    x = framework.tensor(values, dtype, device)
    if target.dialect.form != "residual":
        return framework.numpy(layer(x, training=True)), 0.0
    shortcut = framework.ones(values.shape, dtype, device)
    return framework.numpy(layer.with_shortcut(x, shortcut, training=True)), 1.0


def of_shape(output: Floats, values: Floats) -> bool:
    """Return whether an output can be compared with its input; where it has another shape, DP005 says so."""
    return output.shape == values.shape

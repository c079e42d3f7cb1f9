"""DropPath, also known as stochastic depth: the layer itself.

In training every sample of a batch is kept with probability ``keep_prob = 1 - drop_prob`` and otherwise
replaced by zeros; a kept sample is divided by ``keep_prob`` so that the mean of the output is the input. In
evaluation the layer is the identity. This is the form of EfficientNet and of most later libraries;
``granularity``, ``scaling`` and ``form`` select its relatives, among them the original of Huang et al. 2016
(arXiv:1603.09382), which is ``granularity="batch", scaling="eval", form="residual"``.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["DropPath", "drop_path", "drop_path_residual"]

GRANULARITIES = ("sample", "batch", "element")
SCALINGS = ("inverted", "none", "eval")
FORMS = ("branch", "residual")

# Backends that draw float64. Elsewhere (mps, some xpu) float32 resolves keep_prob to 2**-24.
FLOAT64_DEVICES = ("cpu", "cuda", "meta")


def drop_path(
    x: Tensor,
    drop_prob: float = 0.0,
    training: bool = False,
    *,
    granularity: str = "sample",
    scaling: str = "inverted",
) -> Tensor:
    """Drop the samples of ``x`` at random.

    Args:
        x: Output of a residual branch, of shape (B, ...) and of a floating or complex dtype. A tensor of rank
            0 counts as one sample. It is not written to.
        drop_prob: Probability p, in [0, 1], that a decision falls on "drop"; keep_prob q is 1 - p.
        training: Whether anything is dropped.
        granularity: What one decision covers: ``"sample"`` a slice along axis 0, ``"batch"`` all of ``x``,
            ``"element"`` a single number.
        scaling: ``"inverted"`` returns x / q where kept; ``"none"`` returns x where kept; ``"eval"`` returns
            x where kept and q * x in evaluation (Huang et al. 2016, arXiv:1603.09382, eq. 5).

    Returns:
        A tensor of the shape, dtype, device and memory format of ``x``. Where dropped it is zero whatever
        ``x`` holds there, NaN included, and so is the gradient. It is ``x`` itself when there is nothing to
        do; no random numbers are drawn then.

    Raises:
        ValueError: If ``drop_prob`` lies outside [0, 1] or is NaN, or an option is unknown.
        TypeError: If ``drop_prob`` is no real number (NumPy's scalars are), or ``x`` is of an integer or boolean
            dtype.
    """
    _validate_drop_prob(drop_prob)
    _validate_option("granularity", granularity, GRANULARITIES)
    _validate_option("scaling", scaling, SCALINGS)
    if not (x.is_floating_point() or x.is_complex()):
        raise TypeError(f"x must be of a floating or complex dtype, got {x.dtype}")

    keep_prob = 1.0 - float(drop_prob)
    if drop_prob == 0.0:
        return x
    if not training:
        if scaling != "eval":
            return x
        y = x.clone()
        _parts(y).mul_(keep_prob)
        return y

    # Selecting, not multiplying by 0, is what clears NaN and inf. It comes before the division so that in the
    # backward pass it comes after it, and clears whatever the division made of the gradient.
    y = torch.where(_draw_mask(x, keep_prob, granularity), x, 0.0)
    if scaling == "inverted" and keep_prob > 0.0:
        _parts(y).div_(keep_prob)
    return y


def drop_path_residual(
    x: Tensor,
    branch: Tensor,
    drop_prob: float = 0.0,
    training: bool = False,
    *,
    granularity: str = "sample",
    scaling: str = "inverted",
) -> Tensor:
    """Add a randomly dropped residual branch to its shortcut: ``x + drop_path(branch)``.

    Args:
        x: The shortcut, of shape (B, ...).
        branch: Output of the residual branch, of the same shape. Decisions fall on it alone.
        drop_prob: As for `drop_path`.
        training: As for `drop_path`.
        granularity: As for `drop_path`.
        scaling: As for `drop_path`.

    Returns:
        The sum, of the shape of ``x``.

    Raises:
        ValueError: As for `drop_path`.
        TypeError: As for `drop_path`.
    """
    return x + drop_path(branch, drop_prob, training, granularity=granularity, scaling=scaling)


class DropPath(nn.Module):
    """Drop the samples of a residual branch at random, in training.

    Args:
        drop_prob: Probability, in [0, 1], that a decision falls on "drop". The attribute of this name may be
            changed at any time.
        granularity: As for `drop_path`.
        scaling: As for `drop_path`.
        form: ``"branch"``: called with the branch, returns the dropped branch. ``"residual"``: called with
            shortcut and branch, returns their sum as `drop_path_residual` does.

    Raises:
        ValueError: As for `drop_path`, or if ``form`` is unknown.
        TypeError: As for `drop_path`.
    """

    def __init__(
        self,
        drop_prob: float,
        *,
        granularity: str = "sample",
        scaling: str = "inverted",
        form: str = "branch",
    ) -> None:
        super().__init__()
        _validate_drop_prob(drop_prob)
        _validate_option("granularity", granularity, GRANULARITIES)
        _validate_option("scaling", scaling, SCALINGS)
        _validate_option("form", form, FORMS)
        self.drop_prob = drop_prob
        self.granularity = granularity
        self.scaling = scaling
        self.form = form

    def forward(self, x: Tensor, branch: Tensor | None = None) -> Tensor:
        """Return the dropped ``x``, or for ``form="residual"`` the sum of ``x`` and the dropped ``branch``.

        Raises:
            ValueError: If ``drop_prob`` was set to a value outside [0, 1].
            TypeError: If ``branch`` is missing in the residual form or given in the other; as for
                `drop_path`.
        """
        if (self.form == "residual") != (branch is not None):
            raise TypeError(f"a DropPath of form {self.form!r} takes {FORMS.index(self.form) + 1} tensor(s)")
        dropped = drop_path(
            x if branch is None else branch,
            self.drop_prob,
            self.training,
            granularity=self.granularity,
            scaling=self.scaling,
        )
        return dropped if branch is None else x + dropped

    def extra_repr(self) -> str:
        """Show the arguments of the constructor."""
        options = f"granularity={self.granularity!r}, scaling={self.scaling!r}, form={self.form!r}"
        return f"drop_prob={self.drop_prob}, {options}"


def _draw_mask(x: Tensor, keep_prob: float, granularity: str) -> Tensor:
    """Decide what is kept: a boolean tensor that broadcasts against ``x``."""
    # Not in the dtype of x: a uniform bfloat16 number has 8 bits and cannot tell keep_prob 0.999 from 1.
    dtype = torch.float64 if x.device.type in FLOAT64_DEVICES else torch.float32
    if granularity == "element":
        # Laid out as x: the result of `where` takes the layout of a mask of full size.
        return torch.rand_like(x, dtype=dtype) < keep_prob
    shape = [1] * x.ndim
    if granularity == "sample" and x.ndim > 0:
        shape[0] = x.shape[0]
    return torch.rand(shape, dtype=dtype, device=x.device) < keep_prob


def _parts(y: Tensor) -> Tensor:
    """View complex numbers as pairs: dividing by q + 0j would turn the pair (inf, 1) into (inf, NaN)."""
    return torch.view_as_real(y) if y.is_complex() else y


def _validate_drop_prob(drop_prob: Any) -> None:
    if isinstance(drop_prob, bool) or not isinstance(drop_prob, Real):
        raise TypeError(f"drop_prob must be a real number, got {drop_prob!r} of type {type(drop_prob).__name__}")
    if not 0.0 <= float(drop_prob) <= 1.0:
        raise ValueError(f"drop_prob must lie in [0, 1], got {drop_prob!r}")


def _validate_option(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")

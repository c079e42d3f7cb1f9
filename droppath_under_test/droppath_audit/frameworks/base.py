"""What a check may ask of a target and of its framework: structural types, no code.

Tensors of a framework are opaque here (``Any``); values cross as float64 or complex128 NumPy arrays, which hold
every value of every narrower floating type exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    import numpy.typing as npt

    from droppath_audit.core.dialect import Dialect

Tensor = Any


@dataclass(frozen=True)
class TensorInfo:
    """Shape, dtype and device of a tensor, in words that every framework shares."""

    shape: tuple[int, ...]
    dtype: str
    device: str

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)} on {self.device}"


class Count(NamedTuple):
    """Elements of an output that are kept (equal to the kept value), dropped (zero), and neither."""

    kept: int
    dropped: int
    other: int


class Gradient(NamedTuple):
    """Outcome of one forward and backward pass: output, gradient of x (None if disconnected), and why not."""

    output: Tensor
    gradient: Tensor | None
    reason: str


class SecondOrder(NamedTuple):
    """Outcome of a second backward pass.

    Attributes:
        output: The output of the forward pass.
        by_x: Derivative by x of the gradient of x, in some direction; None where the gradient does not depend on x.
        by_cotangent: Derivative by the cotangent of the same; None where it does not depend on that.
        reason: Why there was no second pass; empty where there was.
    """

    output: Tensor
    by_x: Tensor | None
    by_cotangent: Tensor | None
    reason: str


class Layer(Protocol):
    """One instance of the target with its drop_prob fixed.

    Raises:
        TargetRaised: Whatever the implementation raises, in either method.
    """

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return what the layer makes of the branch output ``x``; a residual form is given a shortcut of zeros."""

    def with_shortcut(self, x: Tensor, shortcut: Tensor, *, training: bool) -> Tensor:
        """Return the output of a residual form for the branch output ``x`` and a shortcut of the same shape."""

    def nest(self) -> bool:
        """Put this layer two containers deep and switch its mode at the outer one; False where that has no meaning."""

    def copied(self, how: str) -> Layer:
        """Return a copy of this layer, made by ``deepcopy`` or ``pickle``.

        Raises:
            NotApplicable: If there is no object to copy, or none that could be.
        """

    def set_drop_prob(self, drop_prob: float) -> None:
        """Assign to the attribute that is named as the probability argument.

        Raises:
            NotApplicable: If there is no such attribute.
        """

    def convert(self, dtype: str, device: str) -> None:
        """Convert the layer, where it stands, to a dtype and device, as a model that holds it is converted.

        Raises:
            NotApplicable: If there is no layer to convert, or the framework has no such conversion.
        """

    def stored(self) -> tuple[str, ...]:
        """Return the names of what the layer would write into a checkpoint."""

    def text(self) -> str:
        """Return the layer's repr."""


class Framework(Protocol):
    """The operations on tensors that checks need, in one framework."""

    name: str
    layouts: Sequence[str]
    surroundings: Sequence[str]
    checkpoints: Sequence[str]
    """Ways to run a layer under activation checkpointing; none where the framework has no such thing."""

    def dtypes(self, device: str) -> tuple[str, ...]:
        """Return the floating and complex dtypes in which ``device`` stores and moves values, by experiment."""

    def tensor(self, values: npt.NDArray[Any], dtype: str, device: str, *, layout: str = "contiguous") -> Tensor:
        """Return a tensor of these values, rounded to ``dtype``, with strides as ``layout`` names them."""

    def ones(self, shape: tuple[int, ...], dtype: str, device: str) -> Tensor:
        """Return a tensor of ones."""

    def numpy(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Return the values as float64 or complex128, exactly."""

    def bits(self, tensor: Tensor) -> npt.NDArray[np.uint8]:
        """Return the bytes of the values in logical order, for comparisons bit for bit."""

    def info(self, tensor: Tensor) -> TensorInfo:
        """Return shape, dtype and device.

        Raises:
            TypeError: If ``tensor`` is not a tensor of this framework.
        """

    def version(self, tensor: Tensor) -> int:
        """Return how often the tensor was written to, where the framework counts that; otherwise 0."""

    def strides(self, tensor: Tensor) -> tuple[int, ...]:
        """Return the strides, in elements, that an elementwise operation on the tensor leaves; 0 for sizes up to 1."""

    def count(self, tensors: Sequence[Tensor], kept_value: float) -> Count:
        """Count the elements of tensors of one shape; data stays on the device."""

    def first_nonzero(self, tensor: Tensor) -> float:
        """Return the first element other than zero (NaN counts as one), or 0 where all are zero."""

    def gradient(self, layer: Layer, x: Tensor, cotangent: Tensor) -> Gradient:
        """Run ``layer`` on ``x`` in training and the backward pass from ``cotangent``."""

    def gradcheck(self, layer: Layer, x: Tensor, seed: int) -> str:
        """Compare the gradient of ``layer`` at ``x`` in training with finite differences.

        Every evaluation starts from the same seed, and so with the same mask.

        Returns:
            An empty text where they agree, otherwise what differs.
        """

    def second_order(self, layer: Layer, x: Tensor, cotangent: Tensor, direction: Tensor) -> SecondOrder:
        """Differentiate the gradient of ``layer`` at ``x`` in training, as a function of x and of the cotangent.

        Args:
            layer: The layer.
            x: Branch output, of any shape and of a floating dtype.
            cotangent: Of the first backward pass; of the shape and dtype of x.
            direction: Cotangent of the second; of the shape and dtype of x.

        Raises:
            NotApplicable: If the framework has no gradients of gradients, saying so.
            TargetRaised: Whatever either pass raises.
        """

    def checkpointed(self, layer: Layer, x: Tensor, cotangent: Tensor, how: str) -> Gradient:
        """Run ``layer`` on ``x`` in training under activation checkpointing, and the backward pass that recomputes it.

        Args:
            layer: The layer.
            x: Branch output.
            cotangent: Of the shape and dtype of x.
            how: One of ``checkpoints``.

        Raises:
            NotApplicable: If the framework has no checkpointing, saying so.
            TargetRaised: Whatever either pass raises, a recomputation that does not fit the first included.
        """

    def fork_hazard(self, device: str) -> str:
        """Return why a forked copy of this process could not compute on ``device``; an empty text where it can."""

    def surround(self, name: str, device: str) -> AbstractContextManager[None]:
        """Return the context that ``surroundings`` lists by this name, such as ``no_grad``."""

    def seed(self, seed: int) -> None:
        """Seed every generator of the framework."""

    def generator_state(self, device: str) -> bytes:
        """Return the state of the generators that a call on ``device`` may draw from."""

    def scope(self) -> AbstractContextManager[None]:
        """Return a context that restores the framework's global state (generators, modes) on leaving."""


class Target(Protocol):
    """An implementation under test made drivable through one call."""

    dialect: Dialect
    fixed_shape: tuple[int, ...] | None
    evaluates: bool

    @property
    def framework(self) -> Framework:
        """Operations on the target's tensors."""

    def make(self, drop_prob: float) -> Layer:
        """Return a fresh instance for this drop_prob.

        Raises:
            TargetRaised: Whatever its constructor raises.
        """

"""What every framework must offer: a dozen operations on its tensors.

Tensors are opaque to everybody else (``Any``); values cross as float64 or complex128 NumPy arrays, which hold every
value of every narrower floating type exactly. What a framework may offer beyond this is in ``frameworks.capabilities``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import numpy.typing as npt

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


class Framework(ABC):
    """The operations on tensors that checks need, in one framework.

    The ten abstract ones are what a framework must bring; the others have defaults, which a framework may replace by
    something faster.
    """

    name: ClassVar[str]

    @abstractmethod
    def dtypes(self, device: str) -> tuple[str, ...]:
        """Return the floating and complex dtypes in which ``device`` stores and moves values, by experiment."""

    @abstractmethod
    def tensor(self, values: npt.NDArray[Any], dtype: str, device: str) -> Tensor:
        """Return a contiguous tensor of these values, rounded to ``dtype``."""

    @abstractmethod
    def numpy(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Return the values as float64 or complex128, exactly.

        Raises:
            TypeError: If ``tensor`` is not a tensor of this framework.
        """

    @abstractmethod
    def bits(self, tensor: Tensor) -> npt.NDArray[np.uint8]:
        """Return a copy of the bytes of the values in logical order, for comparisons bit for bit."""

    @abstractmethod
    def info(self, tensor: Tensor) -> TensorInfo:
        """Return shape, dtype and device.

        Raises:
            TypeError: If ``tensor`` is not a tensor of this framework.
        """

    @abstractmethod
    def add(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the sum of two tensors of one shape, rounded as the framework rounds it."""

    @abstractmethod
    def multiply(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the product of a tensor with one that broadcasts to it."""

    @abstractmethod
    def rows(self, x: Tensor, numbers: Sequence[int]) -> Tensor:
        """Return these samples of x, in this order, still in x's graph where there is one."""

    @abstractmethod
    def seed(self, seed: int) -> None:
        """Seed every generator of the framework, and what ``Keys.key`` splits off from."""

    @abstractmethod
    def scope(self) -> AbstractContextManager[None]:
        """Return a context that restores the framework's global state (generators, modes) on leaving."""

    def one_thread(self) -> AbstractContextManager[None]:
        """Return a context in which one thread computes: small tensors gain nothing from more, other work a core."""
        return nullcontext()

    def ones(self, shape: tuple[int, ...], dtype: str, device: str) -> Tensor:
        """Return a tensor of ones."""
        return self.tensor(np.ones(shape), dtype, device)

    def zeros_like(self, x: Tensor) -> Tensor:
        """Return zeros of x's shape, dtype and device, outside any graph."""
        info = self.info(x)
        return self.tensor(np.zeros(info.shape), info.dtype, info.device)

    def kept(self, tensor: Tensor, batch: int) -> npt.NDArray[np.bool_]:
        """Return which samples' first element is other than zero (NaN counts as one), of shape (batch,).

        Raises:
            TypeError: If ``tensor`` is not a tensor of this framework.
        """
        return np.asarray(self.numpy(tensor).reshape(batch, -1)[:, 0] != 0)

    def count(self, tensors: Sequence[Tensor], kept_value: float) -> Count:
        """Count the elements of tensors of one shape; data stays on the device where it can."""
        values = np.stack([self.numpy(tensor) for tensor in tensors])
        dropped = int(np.count_nonzero(values == 0))
        kept = int(np.count_nonzero(values == kept_value)) if kept_value != 0 else 0
        return Count(kept, dropped, values.size - kept - dropped)

    def first_nonzero(self, tensor: Tensor) -> float:
        """Return the first element other than zero (NaN counts as one), or 0 where all are zero."""
        values = self.numpy(tensor).reshape(-1).real
        nonzero = np.flatnonzero(values != 0)
        return float(values[nonzero[0]]) if nonzero.size else 0.0
